//! P1: SIGKILL, a cut connection and a slow network at any moment: the image before or after, never one in between; one
//! more run completes it.

use super::common::{Env, Image, ONE_THERE, URL, eventually, providers, reset, seed, settle, times};
use crate::support::{Database, Fault, Proxy, Run, Server, Snapshot, Variant};
use std::time::Duration;

struct Stage<'a> {
    database: Database<'a>,
    env: Env,
    prepare: &'static str,
    before: Image,
    after: Image,
}

fn stage(prepare: &'static str) -> Stage<'static> {
    let server = Server::shared();
    let env = providers(3, URL);
    let database = server.database(Variant::Current);
    reset(&database, prepare);
    let before = Image::of(&database);
    let after = Image::after(server, prepare, &env);
    assert_ne!(before, after);
    Stage { database, env, prepare, before, after }
}

impl Stage<'_> {
    /// The duration of an undisturbed run, over which the moments are spread.
    fn usual(&self, run: &Run) -> Duration {
        let took = |_| {
            reset(&self.database, self.prepare);
            run.run().expect(0).elapsed
        };
        (0..5).map(took).max().unwrap()
    }
}

/// Directly, and through a proxy that makes the time on the wire a larger part of the whole.
#[test]
fn seed_killed_at_random_leaves_all_or_nothing() {
    let (mut befores, mut afters) = (0, 0);
    for (prepare, delay) in [("", 0), (ONE_THERE, 0), ("", 2), (ONE_THERE, 4)] {
        let stage = stage(prepare);
        let proxy = Proxy::new().delay(Duration::from_millis(delay)).start(Server::shared().port());
        let url = stage.database.url_at(proxy.port(), "postgres", "postgres");
        let run = seed(&url, &stage.env);
        let usual = stage.usual(&run);
        for _ in 0..times(500, 10) {
            reset(&stage.database, stage.prepare);
            let moment = usual.mul_f64(fastrand::f64());
            let mut started = run.start();
            std::thread::sleep(moment);
            started.kill();
            started.wait();
            settle(&stage.database);
            let image = Image::of(&stage.database);
            assert!(image == stage.before || image == stage.after, "killed after {moment:?}: {image:?}");
            let committed = image == stage.after;
            *(if committed { &mut afters } else { &mut befores }) += 1;
            let finished = run.run().expect(0);
            assert_eq!(finished.json()["written"], !committed, "{finished}");
            assert_eq!(Image::of(&stage.database), stage.after);
        }
    }
    println!("killed: {befores} times nothing was written, {afters} times everything");
}

/// The connection is cut repeatedly at any moment: the run completes by itself, and knows its own writes.
#[test]
fn connection_cut_at_random_leaves_all_or_nothing() {
    let stage = stage("");
    let proxy = Proxy::new().delay(Duration::from_millis(2)).start(Server::shared().port());
    let url = stage.database.url_at(proxy.port(), "postgres", "postgres");
    let run = seed(&url, &stage.env).arg("--wait=40s").limit(Duration::from_secs(105));
    let usual = stage.usual(&run);
    for _ in 0..times(400, 15) {
        reset(&stage.database, stage.prepare);
        let started = run.start();
        for _ in 0..3 {
            std::thread::sleep(usual.mul_f64(fastrand::f64()));
            proxy.cut();
        }
        let finished = started.wait().expect(0);
        assert_eq!(finished.json()["written"], true, "{finished}");
        assert_eq!(Image::of(&stage.database), stage.after);
        let rows = Snapshot::of(&stage.database);
        for provider in finished.json()["providers"].as_array().unwrap() {
            assert_eq!(provider["state"], "created", "{finished}");
            assert_eq!(rows.live(provider["name"].as_str().unwrap()).unwrap()["id"], provider["id"], "{finished}");
        }
    }
}

/// Each answer takes a second: still far from every limit.
#[test]
fn one_second_round_trips_complete_in_one_attempt() {
    let stage = stage("");
    let proxy = Proxy::new().delay(Duration::from_millis(500)).start(Server::shared().port());
    let url = stage.database.url_at(proxy.port(), "postgres", "postgres");
    let finished = seed(&url, &stage.env).limit(Duration::from_secs(182)).run().expect(0);
    assert_eq!(finished.json()["written"], true);
    assert_eq!(Image::of(&stage.database), stage.after);
    assert_eq!(proxy.connections(), 1, "no attempt was given up");
}

/// A half-open connection: from one statement on, everything sent is lost, and nothing comes back. P7: the run ends
/// within wait + lock timeout + 30 s (the limit below adds the time that a busy machine needs to start it).
#[test]
fn half_open_connection_ends_by_the_deadline() {
    let statements = [
        "begin read only",
        "from ai_providers",
        "commit",
        "begin isolation",
        "pg_advisory_xact_lock",
        "pg_enum",
        "insert into",
    ];
    let check = |statement: &'static str| {
        let stage = stage("");
        let proxy = Proxy::new().fault(Fault::Stall(statement)).start(Server::shared().port());
        let url = stage.database.url_at(proxy.port(), "postgres", "postgres");
        let run = seed(&url, &stage.env).arg("--wait=0").arg("--lock-timeout=1s").limit(Duration::from_secs(36));
        let finished = run.run();
        // The server ends its open transaction after five seconds of silence.
        drop(proxy);
        eventually("a backend is left behind", || {
            stage.database.json("select count(*) from pg_stat_activity where datname = current_database() and application_name = 'ai-provider-seed'") == 0
        });
        let image = Image::of(&stage.database);
        match finished.json()["written"] == true {
            true => assert!(finished.code == 0 && image == stage.after, "{statement}: {finished}"),
            false => assert!(finished.code == 4 && image == stage.before, "{statement}: {finished}"),
        }
        seed(&stage.database.url(), &stage.env).run().expect(0);
        assert_eq!(Image::of(&stage.database), stage.after, "{statement}");
    };
    let few = &statements[..times(statements.len(), 2)];
    std::thread::scope(|scope| {
        few.iter().for_each(|statement| _ = scope.spawn(|| check(statement)));
    });
}

/// A statement that hangs on the server: the run ends in time, and its report about its rows is true.
#[test]
fn hanging_insert_ends_by_the_deadline() {
    if times(1, 0) == 0 {
        return;
    }
    let stage = stage("");
    stage.database.execute(
        "create function hang() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$;
         create trigger hang before insert on ai_provider_keys for each row execute function hang()",
    );
    let run = seed(&stage.database.url(), &stage.env).arg("--wait=0").arg("--lock-timeout=1s");
    let finished = run.limit(Duration::from_secs(36)).run();
    assert!(finished.code != 0, "{finished}");
    settle(&stage.database);
    assert_eq!(Image::of(&stage.database), stage.before, "{finished}");
}
