//! P1, P2: concurrent runs leave the same as one; a conflicting session causes no crash; a lost answer is followed up.
//! Also the cost in round trips.

use super::common::{Env, OTHER, URL, nothing_locked, providers};
use crate::support::{Database, Fault, Finished, PgBouncer, Proxy, Run, Server, Snapshot, Started, Variant};
use std::time::{Duration, Instant};

fn seed(url: &str, env: &Env) -> Run {
    super::common::seed(url, env).arg("--lock-timeout=50s")
}

/// One row, and one audit row for each provider and each key; no session holds the lock.
#[track_caller]
fn assert_seeded_once(database: &Database, providers: usize) {
    let rows = Snapshot::of(database);
    assert_eq!((rows.providers.len(), rows.keys.len()), (providers, 2 * providers));
    for row in rows.providers.iter().chain(&rows.keys) {
        let of_row = rows.audit.iter().filter(|audit| audit["resource_id"] == row["id"]).count();
        assert_eq!(of_row, 1, "audit rows of {row}");
    }
    assert_eq!(rows.audit.len(), 3 * providers);
    nothing_locked(database);
}

fn race(runs: Vec<Run>) -> Vec<Finished> {
    let started: Vec<Started> = runs.iter().map(Run::start).collect();
    started.into_iter().map(Started::wait).collect()
}

fn written(finished: &[Finished]) -> usize {
    finished.iter().filter(|finished| finished.json()["written"] == true).count()
}

#[test]
fn twenty_seeds_of_two_environments_have_one_winner() {
    let database = Server::shared().database(Variant::Current);
    let environments = [providers(3, URL), providers(3, OTHER)];
    let finished = race((0..20).map(|n| seed(&database.url(), &environments[n % 2])).collect());
    assert_seeded_once(&database, 3);
    assert_eq!(written(&finished), 1);
    let winner = database.json("select to_json(min(base_url)) from ai_providers");
    let winner = usize::from(winner == OTHER);
    for (n, run) in finished.iter().enumerate() {
        let json = run.json();
        if n % 2 == winner {
            assert_eq!((run.code, &json["outcome"]), (0, &"ok".into()), "{run}");
            let state = &json["providers"][0]["state"];
            assert_eq!(state == "created", json["written"] == true, "{run}");
        } else {
            assert_eq!((run.code, &json["outcome"], &json["written"]), (3, &"conflict".into(), &false.into()), "{run}");
        }
    }
}

#[test]
fn twenty_seeds_of_one_environment_equal_one_seed() {
    let database = Server::shared().database(Variant::Current);
    let env = providers(3, URL);
    let finished = race((0..20).map(|_| seed(&database.url(), &env)).collect());
    assert_seeded_once(&database, 3);
    assert_eq!(written(&finished), 1);
    assert!(finished.iter().all(|run| run.code == 0), "{finished:?}");
    let before = Snapshot::of(&database);
    seed(&database.url(), &env).run().expect(0);
    assert_eq!(Snapshot::of(&database).changes_since(&before), [""; 0]);
}

/// Coder's API does not take the lock. Its row is not committed at the read, so the insert runs into it.
#[test]
fn concurrent_provider_of_coder_is_respected() {
    for (url, end, code, state) in
        [(URL, "commit", 0, "credentials_differ"), (OTHER, "commit", 3, "conflict"), (URL, "rollback", 0, "created")]
    {
        let database = Server::shared().database(Variant::Current);
        let mut coder = database.client();
        let insert = format!("insert into ai_providers (type, name, base_url) values ('openai', 'p0', '{url}')");
        coder.batch_execute(&format!("begin; {insert}")).unwrap();
        let mut started = seed(&database.url(), &providers(2, URL)).start();
        wait_until_it_waits(&database, &mut started);
        coder.batch_execute(end).unwrap();
        let finished = started.wait().expect(code);
        let json = finished.json();
        assert_eq!(json["providers"][0]["state"], state, "{finished}");
        // The other provider is written with it, or not at all.
        let rows = database.json("select count(*) from ai_providers");
        assert_eq!(rows, if code == 0 { 2 } else { 1 }, "{finished}");
        assert_eq!(json["written"], code == 0, "{finished}");
        assert!(!finished.everything().contains("23505") || code == 0, "{finished}");
    }
}

#[track_caller]
fn wait_until_it_waits(database: &Database, started: &mut Started) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let waits = "select count(*) from pg_stat_activity where datname = current_database()
                   and application_name = 'ai-provider-seed' and wait_event_type = 'Lock'";
    while database.json(waits) != 1 {
        assert!(Instant::now() < deadline && !started.ended(), "it never waited for a lock");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `pg_notify` is in the statement that is sent in one round trip with the commit.
#[test]
fn lost_answer_to_the_commit_is_followed_up() {
    for fault in [Fault::DropAfter("pg_notify"), Fault::DropBefore("pg_notify")] {
        let database = Server::shared().database(Variant::Current);
        let proxy = Proxy::new().fault(fault).start(Server::shared().port());
        let url = database.url_at(proxy.port(), "postgres", "postgres");
        let finished = seed(&url, &providers(2, URL)).run().expect(0);
        assert_seeded_once(&database, 2);
        assert!(proxy.connections() >= 2, "the fault happened");
        let json = finished.json();
        assert_eq!(json["written"], true, "{finished}");
        let rows = Snapshot::of(&database);
        for provider in json["providers"].as_array().unwrap() {
            assert_eq!(provider["state"], "created", "{finished}");
            assert_eq!(rows.live(provider["name"].as_str().unwrap()).unwrap()["id"], provider["id"]);
        }
    }
}

#[test]
fn broken_connection_elsewhere_is_retried() {
    for fault in [
        Fault::DropBefore("from ai_providers"),
        Fault::DropAfter("from ai_providers"),
        Fault::DropBefore("pg_advisory_xact_lock"),
        Fault::DropAfter("pg_advisory_xact_lock"),
    ] {
        let database = Server::shared().database(Variant::Current);
        let proxy = Proxy::new().fault(fault).start(Server::shared().port());
        let finished = seed(&database.url_at(proxy.port(), "postgres", "postgres"), &providers(1, URL)).run().expect(0);
        assert_eq!(finished.json()["written"], true);
        assert_seeded_once(&database, 1);
    }
}

/// The server may already have the insert and its commit, so only this counts: all or nothing, and the next run gets the
/// lock.
#[test]
fn killed_seed_leaves_all_or_nothing_and_no_lock() {
    for end in ["commit", "rollback"] {
        let database = Server::shared().database(Variant::Current);
        let mut coder = database.client();
        let insert = format!("insert into ai_providers (type, name, base_url) values ('openai', 'p1', '{URL}')");
        coder.batch_execute(&format!("begin; {insert}")).unwrap();
        let mut started = seed(&database.url(), &providers(3, URL)).start();
        wait_until_it_waits(&database, &mut started);
        started.kill();
        started.wait();
        coder.batch_execute(end).unwrap();
        let finished = seed(&database.url(), &providers(3, URL)).arg("--compare-credentials=ignore").run().expect(0);
        let rows = Snapshot::of(&database);
        assert_eq!(rows.providers.len(), 3);
        match end {
            // The program's insert ran into Coder's row and was rolled back whole.
            "commit" => assert_eq!((finished.json()["written"] == true, rows.keys.len()), (true, 4)),
            _ => assert_seeded_once(&database, 3),
        }
    }
}

#[test]
fn concurrent_seeds_work_through_pgbouncer() {
    let server = Server::shared();
    let Some(bouncer) = PgBouncer::start(server, &[("postgres", "postgres")]) else { return };
    let database = server.database(Variant::Current);
    let url = database.url_at(bouncer.port(), "postgres", "postgres");
    let environments = [providers(3, URL), providers(3, OTHER)];
    let finished = race((0..8).map(|n| seed(&url, &environments[n % 2])).collect());
    assert_seeded_once(&database, 3);
    assert_eq!(written(&finished), 1);
    assert!(finished.iter().all(|run| [0, 3].contains(&run.code)), "{finished:?}");
    let mut codes: Vec<i32> =
        environments.iter().map(|env| Run::diff().database(&url).envs(env.iter().cloned()).run().code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 3]);
}

/// The round trips of one run on its single connection.
fn round_trips(database: &Database, run: impl Fn(&str) -> Run, code: i32) -> usize {
    let proxy = Proxy::new().start(Server::shared().port());
    run(&database.url_at(proxy.port(), "postgres", "postgres")).run().expect(code);
    let [trips] = proxy.round_trips()[..] else { panic!("one connection: {:?}", proxy.round_trips()) };
    trips
}

#[test]
fn round_trips_do_not_grow_with_the_number_of_providers() {
    let mut of_a_change = Vec::new();
    for number in [1, 100, 300] {
        let database = Server::shared().database(Variant::Current);
        let env = providers(number, URL);
        let diff = |url: &str| Run::diff().database(url).envs(env.iter().cloned());
        assert!(round_trips(&database, diff, 1) <= 3, "a diff that finds something");
        of_a_change.push(round_trips(&database, |url| seed(url, &env), 0));
        assert_eq!(round_trips(&database, |url| seed(url, &env), 0), 1, "nothing to do with {number}");
        assert_eq!(round_trips(&database, diff, 0), 1, "nothing to say with {number}");
        let other = providers(number, OTHER);
        assert_eq!(round_trips(&database, |url| seed(url, &other), 3), 1, "a conflict with {number}");
    }
    assert!(of_a_change.iter().all(|trips| *trips == of_a_change[0] && *trips <= 4), "{of_a_change:?}");
}

/// A type that the database may not know, and encryption, need more reads, but never more than 4 round trips.
#[test]
fn longest_run_has_a_fixed_number_of_round_trips() {
    let database = Server::shared().database(Variant::Current);
    database.execute(
        "insert into dbcrypt_keys (number, active_key_digest, test) values (1, '6a193b3', 'JAr/OTfEYiZmArZ/9yZpmeM/KSVCy6eJRZ1/qgKXqonr')",
    );
    let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let azure = |url: &str| {
        let pairs = [("TYPE", "azure"), ("BASE_URL", URL), ("KEY", "k")];
        let env = pairs.map(|(suffix, value)| (format!("CODER_AIBRIDGE_PROVIDER_0_{suffix}"), value.to_owned()));
        seed(url, &env.to_vec()).env("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS", key)
    };
    assert!(round_trips(&database, azure, 0) <= 4);
    assert_eq!(round_trips(&database, azure, 0), 1);
}
