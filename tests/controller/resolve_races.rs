//! Decisions by annotation during other activity: two controllers, a held lock, a lost lease, a crash, a role without
//! grants.

use super::settling::{account_without_status, audited, env, grant_status, resource, wait_for_waiters, workload};
use crate::support::controller::{
    Controller, check_now, condition, conditions, decide, deployment, get, message, notes, reason, writable,
};
use crate::support::kubernetes::eventually;
use crate::support::resolution::{self, OLD_URL, URL, database, openai, row, unchanged};
use crate::support::roles::{DIFF, RESOLVE, SEED};
use crate::support::{Cluster, Database, Namespace, Snapshot};
use serde_json::json;

fn conflict(namespace: &Namespace) -> String {
    reason(namespace, "coder", "Conflict").conflicts[0].id.clone()
}

#[test]
fn two_controllers_carry_out_a_decision_once() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    workload(&namespace, "coder", &database, &[], json!({}));
    let controllers = [Controller::writing(&namespace), Controller::writing(&namespace)];
    let id = conflict(&namespace);
    let holder = database.lock();
    decide(&namespace, "coder", &format!("{id}:environment"));
    wait_for_waiters(&database, 2);
    drop(holder);
    let status = condition(&namespace, "coder", "Ready", "InSync");
    assert_eq!(status.last_handled_resolve, Some(format!("{id}:environment")));
    let writes =
        |controller: &Controller| controller.metric("ai_provider_seed_database_writes_total{result=\"Resolved\"}");
    eventually("one of them did it", || (controllers.iter().map(writes).sum::<f64>() == 1.0).then_some(()));
    for controller in controllers {
        controller.stop().expect(0);
    }
    assert_eq!((&row(&database)["base_url"], audited(&database)), (&json!(URL), 1));
    let resolved = notes(&namespace).iter().filter(|note| note.starts_with("Resolved: ")).count();
    assert_eq!(resolved, 1, "{:?}", notes(&namespace));
}

#[test]
fn lock_wait_does_not_block_other_resources() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    let short = ("AI_PROVIDER_SEED_LOCK_TIMEOUT", "2s");
    workload(&namespace, "coder", &database, &[short], json!({}));
    let other = resolution::database(&openai(URL, &["sk-canary-new"]));
    workload(&namespace, "other", &other, &[], json!({}));
    let controller = Controller::start_as(namespace.kubeconfig(), &["--allow-writes", "--concurrency=1"]);
    controller.wait_ready();
    let id = conflict(&namespace);
    reason(&namespace, "other", "InSync");
    let holder = database.lock();
    decide(&namespace, "coder", &format!("{id}:environment"));
    wait_for_waiters(&database, 1);
    // With one check at a time, the other resource is checked while this one waits.
    check_now(&namespace, "other");
    let waiting = get(&namespace, "coder").status.unwrap();
    assert!(
        !conditions(&waiting).iter().any(|condition| condition.starts_with("Resolved")),
        "it still waits: {waiting:?}"
    );
    let failed = condition(&namespace, "coder", "Resolved", "ResolveFailed");
    assert_eq!(failed.last_handled_resolve, None);
    assert!(conditions(&failed).contains(&"Resolved=Unknown ResolveFailed".to_owned()), "{failed:?}");
    let text = message(&failed, "Resolved");
    assert!(text.contains("another session held the lock") && text.ends_with("retrying"), "{text}");
    // It is retried automatically and reported once.
    wait_for_waiters(&database, 1);
    drop(holder);
    condition(&namespace, "coder", "Resolved", "Resolved");
    assert_eq!((&row(&database)["base_url"], audited(&database)), (&json!(URL), 1));
    let failures = notes(&namespace).iter().filter(|note| note.starts_with("ResolveFailed: ")).count();
    assert_eq!(failures, 1, "{:?}", notes(&namespace));
    controller.stop().expect(0);
}

#[test]
fn lost_lease_stops_before_the_commit() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    workload(&namespace, "coder", &database, &[], json!({}));
    let start = || {
        let controller = Controller::start_as(namespace.kubeconfig(), &["--allow-writes", "--leader-elect"]);
        controller.wait_ready();
        controller
    };
    let controller = start();
    let id = conflict(&namespace);
    let before = Snapshot::of(&database);
    let holder = database.lock();
    decide(&namespace, "coder", &format!("{id}:environment"));
    wait_for_waiters(&database, 1);
    let stolen = r#"{"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 2}}"#;
    namespace.kubectl(&["patch", "lease", "ai-provider-seed", "--type=merge", "-p", stolen]).ok();
    controller.wait().expect(4);
    drop(holder);
    let ours = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'ai-provider-seed'";
    eventually("its backend is gone", || (database.json(ours) == 0).then_some(()));
    unchanged(&database, &before);
    // The next holder of the lease carries it out.
    let controller = start();
    condition(&namespace, "coder", "Resolved", "Resolved");
    assert_eq!((&row(&database)["base_url"], audited(&database)), (&json!(URL), 1));
    controller.stop().expect(0);
}

/// A decided conflict, its id, and a controller that may carry it out but may not write the status.
fn decided_without_status(namespace: &Namespace, database: &Database) -> (String, Controller) {
    workload(namespace, "coder", database, &[], json!({}));
    let controller = Controller::start(namespace);
    let id = conflict(namespace);
    controller.stop().expect(0);
    decide(namespace, "coder", &format!("{id}:environment"));
    let account = account_without_status(namespace);
    (id, Controller::start_as(&account.kubeconfig, &["--allow-writes"]))
}

/// The change is committed, but the status that should record it cannot be written.
#[test]
fn crash_between_commit_and_status_repeats_nothing() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    let (id, controller) = decided_without_status(&namespace, &database);
    eventually("it is committed", || (row(&database)["base_url"] == URL).then_some(()));
    eventually("the status is refused", || {
        (controller.get("/livez").is_some() && controller.metric("ai_provider_seed_status_writes_total") >= 1.0)
            .then_some(())
    });
    controller.kill();
    assert_eq!(get(&namespace, "coder").status.unwrap().last_handled_resolve, None);
    let before = Snapshot::of(&database);
    let controller = Controller::writing(&namespace);
    let status = condition(&namespace, "coder", "Resolved", "Resolved");
    let already = format!("conflict {id} is already resolved: both sides agree, so nothing had to be written");
    assert_eq!(message(&status, "Resolved"), already);
    assert_eq!(conditions(&status)[0], "Ready=True InSync");
    assert_eq!(status.last_handled_resolve, Some(format!("{id}:environment")));
    unchanged(&database, &before);
    assert_eq!(before.audit.len(), 1);
    controller.stop().expect(0);
}

/// The change is committed, and the process lives until its status can be written.
#[test]
fn late_status_reports_the_committed_change() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    let (id, controller) = decided_without_status(&namespace, &database);
    eventually("the status is refused", || {
        (row(&database)["base_url"] == URL && controller.metric("ai_provider_seed_status_writes_total") >= 1.0)
            .then_some(())
    });
    grant_status(&namespace);
    let status = condition(&namespace, "coder", "Resolved", "Resolved");
    let expected =
        format!("took the environment: openai base_url from {OLD_URL} to {URL}; Coder was notified (conflict {id})");
    assert_eq!(message(&status, "Resolved"), expected);
    assert_eq!(status.last_handled_resolve, Some(format!("{id}:environment")));
    assert_eq!(controller.metric("ai_provider_seed_database_writes_total{result=\"Resolved\"}"), 1.0);
    assert_eq!(audited(&database), 1);
    controller.stop().expect(0);
}

#[test]
fn database_role_limits_the_writes() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-old"])));
    database.grant_roles();
    let login = format!("writer_{}", database.name());
    database.execute(&format!("create role {login} login password '{login}' in role {SEED}, {RESOLVE}"));
    let url = |role: &str| writable("coder", "controller-db", json!({"url": database.url_as(role, role)})).to_string();
    namespace.apply(&url(DIFF));
    namespace.apply(&deployment("coder", &env("postgres://nobody@localhost/x", URL, &[]), &["seed"]).to_string());
    resource(&namespace, "coder", json!({"database": {"urlSecretRef": {"name": "controller-db", "key": "url"}}}));
    let controller = Controller::writing(&namespace);
    let id = conflict(&namespace);
    let before = Snapshot::of(&database);
    decide(&namespace, "coder", &format!("{id}:environment"));
    let status = condition(&namespace, "coder", "Resolved", "ResolveRefused");
    let text = message(&status, "Resolved");
    assert!(text.contains("role ai_provider_diff may not update ai_providers; connect as one that may"), "{text}");
    assert_eq!(conditions(&status)[0], "Ready=False Conflict");
    unchanged(&database, &before);

    // The role that role.sql describes for a writing controller.
    namespace.apply(&url(&login));
    decide(&namespace, "coder", "");
    eventually("it is forgotten", || get(&namespace, "coder").status?.last_handled_resolve.is_none().then_some(()));
    decide(&namespace, "coder", &format!("{id}:environment"));
    condition(&namespace, "coder", "Resolved", "Resolved");
    assert_eq!((&row(&database)["base_url"], audited(&database)), (&json!(URL), 3));
    controller.stop().expect(0);
    database.execute(&format!("drop role {login}"));
}
