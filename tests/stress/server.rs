//! P1, P7: events at the server while a run is held at a step: restarts, terminated backends, a frozen lock holder,
//! limits, a fail-over. Each run ends with the right outcome, and its rows exist whole and once.

use super::common::{Env, Image, URL, eventually, providers, reset, seed, settle, times, written};
use super::point::Point;
use crate::support::{Database, Finished, Mode, Options, Run, Server, Snapshot, Started, Variant};
use std::time::Duration;

const BACKENDS: &str = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'ai-provider-seed'";
const TERMINATE: &str = "select pg_terminate_backend(pid) from pg_stat_activity
                          where datname = current_database() and application_name = 'ai-provider-seed'";

fn patient(url: &str, env: &Env) -> Run {
    seed(url, env).arg("--wait=50s").arg("--lock-timeout=30s").limit(Duration::from_secs(110))
}

/// The steps of a run that inserts.
fn steps(server: &Server, env: &Env) -> Vec<String> {
    let (point, database) = (Point::new(), server.database(Variant::Current));
    point.traced(seed(&database.url(), env)).run().expect(0);
    point.steps()
}

/// Every step and edge in `make stress`; in `make test` each step once.
fn places(steps: &[String]) -> Vec<(&str, &str)> {
    let both = steps.iter().flat_map(|step| [("before", step.as_str()), ("after", step.as_str())]);
    both.enumerate().filter(|(n, _)| times(1, 0) == 1 || n % 4 == 1 || n % 4 == 2).map(|(_, place)| place).collect()
}

/// Runs until the step, lets `happen` run, and continues to the end.
fn meanwhile(run: Run, (edge, step): (&str, &str), happen: impl FnOnce()) -> Finished {
    let point = Point::new();
    let mut started = point.hold(edge, step, run).start();
    eventually("the step was never reached", || point.reached() || started.ended());
    happen();
    point.go_on();
    started.wait()
}

/// No other session wrote, so this run made the rows in any case and says so.
#[track_caller]
fn made_it(database: &Database, finished: Finished, after: &Image, what: &str) {
    let finished = finished.expect(0);
    assert_eq!(finished.json()["written"], true, "{what}: {finished}");
    assert_eq!(&Image::of(database), after, "{what}");
    let rows = Snapshot::of(database);
    for provider in finished.json()["providers"].as_array().unwrap() {
        assert_eq!(provider["state"], "created", "{what}: {finished}");
        assert_eq!(rows.live(provider["name"].as_str().unwrap()).unwrap()["id"], provider["id"], "{what}");
    }
}

#[test]
fn server_restart_at_every_step_leaves_all_or_nothing() {
    let server = Server::start(Options::new());
    let env = providers(2, URL);
    let (steps, after) = (steps(&server, &env), Image::after(&server, "", &env));
    let database = server.database(Variant::Current);
    for (n, place) in places(&steps).into_iter().enumerate() {
        for (at, mode) in [Mode::Fast, Mode::Immediate].into_iter().enumerate() {
            if times(1, 0) == 0 && n % 2 != at {
                continue;
            }
            reset(&database, "");
            let finished = meanwhile(patient(&database.url(), &env), place, || server.restart(mode));
            made_it(&database, finished, &after, &format!("{place:?}"));
        }
    }
}

#[test]
fn terminated_backend_at_every_step_leaves_all_or_nothing() {
    let server = Server::shared();
    let env = providers(2, URL);
    let (steps, after) = (steps(server, &env), Image::after(server, "", &env));
    let database = server.database(Variant::Current);
    for step in &steps {
        for edge in ["before", "after"] {
            reset(&database, "");
            let run = patient(&database.url(), &env);
            let finished = meanwhile(run, (edge, step), || database.execute(TERMINATE));
            made_it(&database, finished, &after, &format!("{edge} {step}"));
        }
    }
}

/// The holder of the lock is a seeder that is frozen, dies, or loses its backend; another one waits for the lock.
#[test]
fn waiter_outlasts_a_stuck_lock_holder() {
    let server = Server::shared();
    let env = providers(2, URL);
    let after = Image::after(server, "", &env);
    for what in ["frozen", "killed", "terminated"] {
        for step in ["Lock 1", "Rows 2", "Schema 1"] {
            if times(1, 0) == 0 && step != "Rows 2" {
                continue;
            }
            let database = server.database(Variant::Current);
            let point = Point::new();
            let mut holder = point.hold("after", step, patient(&database.url(), &env)).start();
            eventually("the holder never held", || point.reached());
            let waiter = patient(&database.url(), &env).start();
            eventually("the other never waited", || database.json(BACKENDS) == 2);
            match what {
                "frozen" => holder.signal("STOP"),
                "killed" => holder.kill(),
                _ => database.execute(&format!("{TERMINATE} and state = 'idle in transaction'")),
            }
            let waited = waiter.wait().expect(0);
            assert_eq!(waited.json()["written"], true, "{what}: {waited}");
            assert_eq!(Image::of(&database), after, "{what}");
            point.go_on();
            if what == "frozen" {
                holder.signal("CONT");
            }
            let held = holder.wait();
            if what != "killed" {
                // It lost its transaction, read again, and found the other's rows.
                let held = held.expect(0);
                assert_eq!(held.json()["written"], false, "{what}: {held}");
                assert_eq!(held.json()["providers"][0]["state"], "in_sync", "{what}: {held}");
            }
            assert_eq!(Image::of(&database), after, "{what}");
            settle(&database);
        }
    }
}

#[test]
fn killed_waiter_leaves_no_waiting_backend() {
    let database = Server::shared().database(Variant::Current);
    let mut holder = database.lock();
    let mut waiters: Vec<_> = (0..5).map(|_| patient(&database.url(), &providers(1, URL)).start()).collect();
    let waiting = format!("{BACKENDS} and wait_event = 'advisory'");
    eventually("they never waited", || database.json(&waiting) == 5);
    waiters.iter_mut().for_each(Started::kill);
    // The lock is still held: only a server that checks its clients can have noticed.
    eventually("a ghost waits for the lock", || database.json(BACKENDS) == 0);
    holder.batch_execute("rollback").unwrap();
    assert!(Snapshot::of(&database).providers.is_empty());
}

/// Errors of the server while it writes: at the statement, and at the commit. A trigger raises the error of a full disk,
/// since tests cannot fill a disk everywhere.
#[test]
fn full_disk_at_insert_or_commit_leaves_nothing() {
    for (table, when) in [
        ("ai_providers", "create trigger t before insert"),
        ("ai_provider_keys", "create trigger t before insert"),
        ("audit_logs", "create trigger t after insert"),
        ("ai_provider_keys", "create constraint trigger t after insert"),
    ] {
        let database = Server::shared().database(Variant::Current);
        let deferred = if when.contains("constraint") { "deferrable initially deferred" } else { "" };
        database.execute(&format!(
            "create function full_disk() returns trigger language plpgsql as
               $$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$;
             {when} on {table} {deferred} for each row execute function full_disk()"
        ));
        let finished = patient(&database.url(), &providers(2, URL)).run().expect(5);
        assert_eq!(finished.codes("problems"), ["server_error"], "{finished}");
        assert_eq!(finished.json()["written"], false, "{finished}");
        assert!(finished.stdout.contains("free space"), "{finished}");
        settle(&database);
        assert!(Snapshot::of(&database).changes_since(&empty()).is_empty());
    }
}

fn empty() -> Snapshot {
    Snapshot { providers: Vec::new(), keys: Vec::new(), audit: Vec::new(), dbcrypt: Vec::new() }
}

#[test]
fn connection_limit_of_a_role_is_retried() {
    let database = Server::shared().database(Variant::Current);
    database.execute(
        "create role crowded login connection limit 0; grant select, insert on all tables in schema public to crowded",
    );
    let url = database.url_as("crowded", "x");
    let finished = seed(&url, &providers(1, URL)).arg("--wait=300ms").run().expect(4);
    assert_eq!(finished.codes("problems"), ["unreachable"], "{finished}");
    let started = patient(&url, &providers(1, URL)).start();
    std::thread::sleep(Duration::from_millis(300));
    database.execute("alter role crowded connection limit 1");
    assert_eq!(started.wait().expect(0).json()["written"], true);
}

/// The program's time limits hold within its transaction, whatever limits the role has.
#[test]
fn timeouts_of_a_role_do_not_matter() {
    let database = Server::shared().database(Variant::Current);
    database.execute(
        "create role hasty superuser login; alter role hasty set statement_timeout = '1ms';
         alter role hasty set lock_timeout = '1ms'; alter role hasty set idle_in_transaction_session_timeout = '1ms'",
    );
    for number in [1, 100] {
        let finished = patient(&database.url_as("hasty", "x"), &providers(number, URL)).run();
        assert_eq!(finished.expect(0).json()["written"], true);
    }
}

/// Read only from one transaction to the next, as on a primary that is being retired.
#[test]
fn read_only_switch_at_every_step_leaves_all_or_nothing() {
    let server = Server::start(Options::new());
    let env = providers(2, URL);
    let after = Image::after(&server, "", &env);
    let database = server.database(Variant::Current);
    let set = |value: &str| {
        server
            .client("postgres")
            .batch_execute(&format!("alter system set default_transaction_read_only = {value}"))
            .unwrap();
        database.execute("select pg_reload_conf()");
        // The helpers connect with their own value, so a separate client is used.
        let mut client = ::postgres::Client::connect(&database.url(), ::postgres::NoTls).unwrap();
        eventually("the setting never came", || {
            client.query_one("show default_transaction_read_only", &[]).unwrap().get::<_, String>(0) == value
        });
    };
    let steps = steps(&server, &env);
    let commit = steps.iter().position(|step| step == "Commit 1").unwrap();
    for (at, step) in steps.iter().enumerate() {
        for edge in ["before", "after"] {
            reset(&database, "");
            set("off");
            let run = seed(&database.url(), &env).arg("--wait=0").limit(Duration::from_secs(60));
            let finished = meanwhile(run, (edge, step), || set("on"));
            // A transaction that has begun is not affected.
            match finished.code {
                0 => assert_eq!(Image::of(&database), after, "{edge} {step}: {finished}"),
                _ => {
                    assert_eq!(finished.codes("problems"), ["read_only"], "{edge} {step}: {finished}");
                    assert!(Snapshot::of(&database).providers.is_empty() && at < commit, "{edge} {step}: {finished}");
                }
            }
        }
    }
    set("off");
}

/// The standby is queried, and is promoted in between.
#[test]
fn standby_promotion_at_a_step_is_survived() {
    let env = providers(2, URL);
    let mut places = Vec::new();
    for step in ["ReadBegin 1", "Rows 1", "ReadEnd 1"] {
        places.extend([("before", step), ("after", step)]);
    }
    for place in &places[..times(6, 2)] {
        let primary = Server::start(Options::new());
        let database = primary.database(Variant::Current);
        let after = Image::after(&primary, "", &env);
        let standby = primary.standby();
        let copy = standby.attach(database.name());
        let finished = meanwhile(patient(&copy.url(), &env), *place, || {
            assert!(Snapshot::of(&copy).providers.is_empty(), "never written to");
            primary.stop(Mode::Immediate);
            standby.promote();
        });
        made_it(&copy, finished, &after, &format!("{place:?}"));
    }
}

/// Two seeders are held at every pair of steps in turn, and continue together.
#[test]
fn two_seeds_at_every_pair_of_steps_equal_one_seed() {
    let server = Server::shared();
    let env = providers(2, URL);
    let (steps, after) = (steps(server, &env), Image::after(server, "", &env));
    let database = server.database(Variant::Current);
    let before_the_lock = steps.iter().take_while(|step| *step != "Lock 1").count();
    for (n, step) in steps.iter().enumerate() {
        for other in &steps[..=before_the_lock] {
            if times(1, 0) == 0 && n % 3 != 0 {
                continue;
            }
            reset(&database, "");
            let points = [Point::new(), Point::new()];
            let first = points[0].hold("before", step, patient(&database.url(), &env)).start();
            eventually("the first was never there", || points[0].reached());
            let second = points[1].hold("before", other, patient(&database.url(), &env)).start();
            eventually("the second was never there", || points[1].reached());
            points.iter().for_each(Point::go_on);
            let finished = [first.wait().expect(0), second.wait().expect(0)];
            assert_eq!(written(&finished), 1, "{step} and {other}: {finished:?}");
            assert_eq!(Image::of(&database), after, "{step} and {other}");
        }
    }
}
