//! Coder announces changes through its API, and the controller listens: on a separate session where possible, and
//! otherwise only polls at the interval.

use crate::support::controller::{Controller, condition, deployment, get, reason, seed};
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Database, Mode, Namespace, Options, PgBouncer, Run, Server, Variant, block_on};
use ai_provider_seed::testing::kubernetes::crd::status::{AIProviderSeedStatus, PollingReason, WatchState};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const URL: &str = "https://api.openai.com/v1";
pub const SAME: &str = "update ai_providers set base_url = 'https://api.openai.com/v1', updated_at = now()";
pub const OTHER: &str = "update ai_providers set base_url = 'https://other.example/', updated_at = now()";
/// As Coder does after its commit.
pub const ANNOUNCE: &str = "select pg_notify('ai_providers_changed', '')";
pub const HOURLY: &str = "1h";

/// A server that logs each statement with the database and the process.
pub fn server() -> Server {
    Server::start(logging(Options::new()))
}

fn logging(options: Options) -> Options {
    options.setting("log_statement", "all").setting("log_line_prefix", "%d %p: ")
}

/// The processes of the statements in this database that contain the text, in the order of the log.
fn processes(server: &Server, database: &Database, text: &str) -> Vec<String> {
    let start = format!("{} ", database.name());
    let log = server.log();
    let lines = log.lines().filter_map(|line| line.strip_prefix(&start)?.split_once(": "));
    lines.filter(|(_, line)| line.contains(text)).map(|(process, _)| process.to_owned()).collect()
}

fn reads(server: &Server, database: &Database) -> usize {
    processes(server, database, "begin read only").len()
}

pub fn listens(server: &Server, database: &Database) -> usize {
    processes(server, database, "statement: listen").len()
}

/// Sessions of the database whose last statement is this.
fn sessions(server: &Server, database: &Database, last: &str) -> Value {
    let query = format!(
        "select coalesce(json_agg(pid order by pid), '[]') from pg_stat_activity
         where datname = '{}' and query like '{last}%' and pid <> pg_backend_pid()",
        database.name()
    );
    server.attach("postgres").json(&query)
}

/// A workload in sync with its database at this URL, and the resource that watches it.
pub fn in_sync(namespace: &Namespace, name: &str, database: &Database, url: &str, interval: &str) {
    let variables = [
        ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"),
        ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", URL),
        ("CODER_AIBRIDGE_PROVIDER_0_KEY", "sk-canary-listen"),
    ];
    Run::seed().database(database.url()).envs(variables).run().expect(0);
    let mut env = vec![json!({"name": "CODER_PG_CONNECTION_URL", "value": url})];
    env.extend(variables.iter().map(|(name, value)| json!({"name": name, "value": value})));
    namespace.apply(&deployment(name, &json!(env), &[]).to_string());
    namespace.apply(&seed(name, json!({"workloadRef": {"name": name}, "interval": interval})).to_string());
}

/// The same, after a controller has seen it in sync.
pub fn watching(namespace: &Namespace, database: &Database) -> Controller {
    in_sync(namespace, "coder", database, &database.url(), HOURLY);
    let controller = Controller::start(namespace);
    reason(namespace, "coder", "InSync");
    controller
}

pub fn watch_of(status: &AIProviderSeedStatus) -> Option<(WatchState, Option<PollingReason>)> {
    status.database_watch.map(|watch| (watch.state, watch.reason))
}

pub const LISTENING: (WatchState, Option<PollingReason>) = (WatchState::Listening, None);

const fn polling(reason: PollingReason) -> (WatchState, Option<PollingReason>) {
    (WatchState::Polling, Some(reason))
}

#[track_caller]
pub fn watches(namespace: &Namespace, name: &str, expected: (WatchState, Option<PollingReason>)) {
    let mut last = None;
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        eventually("the way to watch the database", || {
            last = get(namespace, name).status.as_ref().and_then(watch_of);
            (last == Some(expected)).then_some(())
        });
    }));
    assert!(found.is_ok(), "{name} is {last:?} and not {expected:?}");
}

#[test]
fn announced_change_is_seen_without_polling() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, server) = (cluster.namespace(), server());
    let database = server.database(Variant::Current);
    for name in ["coder", "again"] {
        in_sync(&namespace, name, &database, &database.url(), HOURLY);
    }
    let controller = Controller::start(&namespace);
    for name in ["coder", "again"] {
        assert_eq!(watch_of(&reason(&namespace, name, "InSync")), Some(LISTENING));
    }
    // One session for the database, which reads nothing; the reading sessions do not listen.
    assert_eq!(sessions(&server, &database, "listen").as_array().unwrap().len(), 1);
    assert_eq!(controller.metric("ai_provider_seed_listeners "), 1.0);
    assert_eq!(controller.metric("ai_provider_seed_listeners_limit "), 64.0);

    // when nothing happens for a minute, and when a change is not announced / then nothing is read
    let before = reads(&server, &database);
    database.execute(OTHER);
    std::thread::sleep(Duration::from_secs(61));
    assert_eq!(reads(&server, &database), before);
    reason(&namespace, "coder", "InSync");

    // when it is announced / then each resource reads once
    database.execute(ANNOUNCE);
    for name in ["coder", "again"] {
        reason(&namespace, name, "Conflict");
    }
    assert_eq!(reads(&server, &database), before + 2);
    assert_eq!(controller.metric("ai_provider_seed_announcements_total "), 1.0);
    let listeners = processes(&server, &database, "statement: listen");
    let readers = processes(&server, &database, "begin read only");
    assert!(listeners.len() == 1 && !readers.contains(&listeners[0]), "{listeners:?} {readers:?}");
    controller.stop().expect(0);
}

#[test]
fn change_without_an_announcement_is_reported() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    in_sync(&namespace, "coder", &database, &database.url(), "10s");
    let controller = Controller::start(&namespace);
    assert_eq!(watch_of(&reason(&namespace, "coder", "InSync")), Some(LISTENING));
    database.execute(OTHER);
    reason(&namespace, "coder", "Conflict");
    watches(&namespace, "coder", polling(PollingReason::NotAnnounced));
    database.execute(SAME);
    database.execute(ANNOUNCE);
    watches(&namespace, "coder", LISTENING);
    reason(&namespace, "coder", "InSync");
    controller.stop().expect(0);
}

#[test]
fn nothing_listens_through_a_transaction_pooler() {
    let Some(cluster) = Cluster::shared() else { return };
    for pool in [1, 5] {
        let (namespace, server) = (cluster.namespace(), server());
        let database = server.database(Variant::Current);
        let size = format!("default_pool_size = {pool}\n");
        let Some(bouncer) = PgBouncer::start_with(&server, &[("postgres", "postgres")], &size, &[]) else { return };
        let url = database.url_at(bouncer.port(), "postgres", "postgres");
        in_sync(&namespace, "coder", &database, &url, "10s");
        let controller = Controller::start(&namespace);
        let status = reason(&namespace, "coder", "InSync");
        assert_eq!(watch_of(&status), Some(polling(PollingReason::Pooler)), "pool of {pool}");
        database.execute(OTHER);
        database.execute(ANNOUNCE);
        reason(&namespace, "coder", "Conflict");
        assert_eq!((listens(&server, &database), controller.metric("ai_provider_seed_listeners ")), (0, 0.0));
        controller.stop().expect(0);
    }
}

#[test]
fn standby_is_polled_until_it_is_promoted() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, server) = (cluster.namespace(), server());
    let database = server.database(Variant::Current);
    in_sync(&namespace, "coder", &database, &database.url(), HOURLY);
    let standby = server.standby();
    let copy = standby.attach(database.name());
    in_sync(&namespace, "reads", &database, &copy.url(), "10s");
    let both = format!("127.0.0.1:{},127.0.0.1:{}", server.port(), standby.port());
    let both = format!("postgres://postgres:postgres@{both}/{}?sslmode=disable", database.name());
    in_sync(&namespace, "both", &database, &both, HOURLY);
    let controller = Controller::start(&namespace);
    for (name, watch) in [("coder", LISTENING), ("both", LISTENING), ("reads", polling(PollingReason::Standby))] {
        assert_eq!(watch_of(&reason(&namespace, name, "InSync")), Some(watch), "{name}");
    }
    assert_eq!(listens(&standby, &copy), 0);

    // when the primary is gone and the standby is promoted / then it is listened to; both hosts are in the URL throughout
    server.stop(Mode::Immediate);
    standby.promote();
    reason(&namespace, "coder", "DatabaseUnreachable");
    eventually("both listen to the new primary", || (listens(&standby, &copy) == 2).then_some(()));
    for name in ["both", "reads"] {
        watches(&namespace, name, LISTENING);
        reason(&namespace, name, "InSync");
    }
    copy.execute(OTHER);
    copy.execute(ANNOUNCE);
    for name in ["both", "reads"] {
        reason(&namespace, name, "Conflict");
    }
    controller.stop().expect(0);
}

#[test]
fn many_announcements_are_few_checks() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, server) = (cluster.namespace(), server());
    let database = server.database(Variant::Current);
    let controller = watching(&namespace, &database);
    let before = reads(&server, &database);
    let announce = |number: u32| {
        database
            .execute(&format!("select pg_notify('ai_providers_changed', n::text) from generate_series(1, {number}) n"));
    };
    announce(10_000);
    eventually("all are heard", || {
        (controller.metric("ai_provider_seed_announcements_total ") == 10_000.0).then_some(())
    });
    std::thread::sleep(Duration::from_secs(3));
    let read = reads(&server, &database) - before;
    assert!((1..=2).contains(&read), "{read} reads");
    assert_eq!(listens(&server, &database), 1);

    // when more than 1 MiB comes within a minute / then the session ends, and another one begins
    announce(40_000);
    eventually("it listens again", || (listens(&server, &database) == 2).then_some(()));
    database.execute(OTHER);
    database.execute(ANNOUNCE);
    reason(&namespace, "coder", "Conflict");
    assert!(controller.metric("process_resident_memory_bytes") < 1e8);
    controller.stop().expect(0);
}

#[test]
fn end_of_the_process_begins_with_the_listeners() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, server) = (cluster.namespace(), server());
    let database = server.database(Variant::Current);
    let controller = watching(&namespace, &database);
    // when a check waits for a table / then the listener ends before the check does
    let mut holder = database.client();
    holder.batch_execute("begin; lock table ai_providers").unwrap();
    database.execute(ANNOUNCE);
    let state = || {
        server.attach("postgres").json(&format!(
            "select json_build_array(count(*) filter (where query like 'listen%'),
                                     count(*) filter (where wait_event_type = 'Lock'))
             from pg_stat_activity where datname = '{}'",
            database.name()
        ))
    };
    eventually("a check waits", || (state() == json!([1, 1])).then_some(()));
    let stopping = std::thread::spawn(move || controller.stop());
    eventually("only the check is left", || (state() == json!([0, 1])).then_some(()));
    holder.batch_execute("rollback").unwrap();
    let finished = stopping.join().unwrap().expect(0);
    assert!(finished.stderr.contains("listens to no database any more"), "{}", finished.stderr);
    assert_eq!(watch_of(&get(&namespace, "coder").status.unwrap()), Some(LISTENING));
}

#[test]
fn listeners_keep_to_their_budget_and_can_be_switched_off() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, server) = (cluster.namespace(), server());
    let databases = [server.database(Variant::Current), server.database(Variant::Current)];
    let controller = Controller::start_as(namespace.kubeconfig(), &["--listeners-per-host=1"]);
    in_sync(&namespace, "first", &databases[0], &databases[0].url(), "10s");
    assert_eq!(watch_of(&reason(&namespace, "first", "InSync")), Some(LISTENING));
    in_sync(&namespace, "second", &databases[1], &databases[1].url(), "10s");
    assert_eq!(watch_of(&reason(&namespace, "second", "InSync")), Some(polling(PollingReason::Budget)));
    assert_eq!(controller.metric("ai_provider_seed_listeners "), 1.0);

    // when the first no longer needs it / then the other one gets it
    let suspend = json!({"spec": {"suspend": true}}).to_string();
    namespace.kubectl(&["patch", "aps/first", "--type=merge", "-p", &suspend]).ok();
    let suspended = condition(&namespace, "first", "Suspended", "Suspended");
    assert_eq!(watch_of(&suspended), None);
    watches(&namespace, "second", LISTENING);
    assert_eq!(sessions(&server, &databases[0], "listen"), json!([]));
    controller.stop().expect(0);

    let controller = Controller::start_as(namespace.kubeconfig(), &["--watch-database=off"]);
    watches(&namespace, "second", polling(PollingReason::Off));
    assert_eq!(controller.metric("ai_provider_seed_listeners "), 0.0);
    assert_eq!(sessions(&server, &databases[1], "listen"), json!([]));
    controller.stop().expect(0);
}

#[test]
fn rollout_that_moves_is_checked_at_most_every_15_seconds() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, server) = (cluster.namespace(), server());
    let database = server.database(Variant::Current);
    let controller = watching(&namespace, &database);
    let deployments = namespace.api::<Deployment>();
    let replicas = |number: u32| {
        let patch = Patch::Merge(json!({"status": {"replicas": number, "observedGeneration": 1}}));
        block_on(deployments.patch_status("coder", &PatchParams::default(), &patch)).unwrap();
    };
    // The version of a workload is known once it has changed during its use.
    let before = reads(&server, &database);
    replicas(1);
    eventually("the first change", || (reads(&server, &database) > before).then_some(()));
    // Whether or not that change counted as one, the pause after it is over.
    std::thread::sleep(Duration::from_secs(16));
    let (started, before) = (Instant::now(), reads(&server, &database));
    // when the status of the workload changes, and its generation does not
    (2..=9).for_each(replicas);
    // then it is checked at once, and once more for all later changes
    eventually("the first check", || (reads(&server, &database) > before).then_some(()));
    eventually("the second check", || (reads(&server, &database) > before + 1).then_some(()));
    std::thread::sleep(Duration::from_secs(17));
    let (read, seconds) = (reads(&server, &database) - before, started.elapsed().as_secs());
    assert!(read <= 3 && read * 15 <= usize::try_from(seconds).unwrap() + 15, "{read} in {seconds} s");
    controller.stop().expect(0);
}
