//! Ready is never older than its limit, and one tenant's servers do not delay another tenant.

use crate::support::controller::{Controller, deployment, get, reason, seed};
use crate::support::fake_server::serve;
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Database, Mode, Namespace, Options, Run, Server, Variant};
use serde_json::json;
use std::time::{Duration, Instant};

/// A workload with these variables beside the URL, and its resource, checked every 10 s.
fn workload(namespace: &Namespace, name: &str, url: &str) {
    let env = json!([
        {"name": "CODER_PG_CONNECTION_URL", "value": url},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_TYPE", "value": "openai"},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_KEY", "value": "sk-1"},
    ]);
    namespace.apply(&deployment(name, &env, &[]).to_string());
    namespace.apply(&seed(name, json!({"workloadRef": {"name": name}, "interval": "10s"})).to_string());
}

fn in_sync(database: &Database) {
    let env = [("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"), ("CODER_AIBRIDGE_PROVIDER_0_KEY", "sk-1")];
    Run::seed().database(database.url()).envs(env).run().expect(0);
}

fn ready(namespace: &Namespace, name: &str) -> String {
    let status = get(namespace, name).status.unwrap_or_default();
    status.conditions.iter().find(|it| it.type_ == "Ready").map(|it| it.reason.clone()).unwrap_or_default()
}

/// Existing sessions continue to work: only a new one shows the change.
#[test]
fn lost_login_and_rotated_password_end_in_sync() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let server = Server::start(Options::new().scram());
    let database = server.database(Variant::Current);
    in_sync(&database);
    for role in ["no-login", "rotated"] {
        database.execute(&format!("create role \"{role}\" login superuser password 'pw'"));
        workload(&namespace, role, &database.url_as(role, "pw"));
    }
    let controller = Controller::start(&namespace);
    reason(&namespace, "no-login", "InSync");
    reason(&namespace, "rotated", "InSync");
    database.execute("alter role \"no-login\" nologin");
    database.execute("alter role rotated password 'other'");
    let began = Instant::now();
    // 60 s and an interval with its jitter, and time for the check itself.
    let limit = Duration::from_secs(60 + 11 + 15);
    while ["no-login", "rotated"].iter().any(|name| ready(&namespace, name) == "InSync") {
        assert!(began.elapsed() < limit, "{}, {}", ready(&namespace, "no-login"), ready(&namespace, "rotated"));
        std::thread::sleep(Duration::from_millis(500));
    }
    controller.stop().expect(0);
}

#[test]
fn database_that_is_down_leaves_none_of_200_in_sync() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let server = Server::start(Options::new());
    let database = server.database(Variant::Current);
    in_sync(&database);
    workload(&namespace, "coder", &database.url());
    let resource = |number: usize| {
        seed(&format!("s{number}"), json!({"workloadRef": {"name": "coder"}, "interval": "10s"})).to_string()
    };
    namespace.apply(&(0..199).map(resource).collect::<Vec<_>>().join("\n---\n"));
    let controller = Controller::start(&namespace);
    let still = || {
        let path = "jsonpath={range .items[*]}{.status.conditions[?(@.type==\"InSync\")].status}{\"\\n\"}{end}";
        namespace.kubectl(&["get", "aps", "-o", path]).ok().lines().filter(|line| *line == "True").count()
    };
    let began = Instant::now();
    while still() < 200 {
        assert!(began.elapsed() < Duration::from_secs(180), "{} are in sync", still());
        std::thread::sleep(Duration::from_millis(200));
    }
    let checks = || controller.metric("ai_provider_seed_reconciles_total");
    let said_in_sync = || controller.metric("ai_provider_seed_reconciles_total{reason=\"InSync\"}");
    server.stop(Mode::Immediate);
    let (began, before, in_sync) = (Instant::now(), checks(), said_in_sync());
    while still() > 0 {
        assert!(began.elapsed() < Duration::from_secs(2 * 10 + 60), "{} are still in sync", still());
        std::thread::sleep(Duration::from_millis(100));
    }
    // Two intervals are two rounds of checks: a failed resource is not checked a third time before all others were
    // checked once.
    let (checked, still_in_sync) = (checks() - before, said_in_sync() - in_sync);
    assert!(checked <= 2.0 * 200.0, "{checked} checks for 200 resources");
    // Only those that had read before the outage.
    assert!(still_in_sync <= 16.0, "{still_in_sync} checks said InSync");
    controller.stop().expect(0);
}

/// How many checks a quiet tenant gets in some seconds, alone and beside another tenant's servers that never answer.
#[test]
fn forty_hanging_servers_do_not_slow_another_tenant() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, other) = (cluster.namespace(), cluster.namespace());
    let database = Server::shared().database(Variant::Current);
    in_sync(&database);
    workload(&namespace, "coder", &database.url());
    let scopes = [format!("--namespace={}", namespace.name()), format!("--namespace={}", other.name())];
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let controller = Controller::start_as(namespace.kubeconfig(), &scopes);
    controller.wait_ready();
    reason(&namespace, "coder", "InSync");
    let checks = || {
        let began = Instant::now();
        (0..20).for_each(|_| crate::support::controller::check_now(&namespace, "coder"));
        began.elapsed()
    };
    let alone = checks();
    let mut objects = Vec::new();
    for number in 0..40 {
        let port = serve(std::mem::forget);
        let name = format!("hangs{number}");
        let env = json!([
            {"name": "CODER_PG_CONNECTION_URL", "value": format!("postgres://u:p@127.0.0.1:{port}/db?sslmode=disable")},
            {"name": "CODER_AIBRIDGE_OPENAI_KEY", "value": "sk-1"},
        ]);
        objects.push(deployment(&name, &env, &[]).to_string());
        objects.push(seed(&name, json!({"workloadRef": {"name": name}, "interval": "10s"})).to_string());
    }
    other.apply(&objects.join("\n---\n"));
    eventually("the servers hang", || {
        (controller.metric("ai_provider_seed_checks{state=\"waiting\"}") >= 20.0).then_some(())
    });
    let beside = checks();
    assert!(beside < alone * 3, "20 checks took {alone:?}, and {beside:?} beside 40 servers that hang");
    controller.stop().expect(0);
}
