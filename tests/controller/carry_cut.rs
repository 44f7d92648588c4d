//! A rotation during an interrupted watch: the Secret changes, once or there and back, while the controller cannot see
//! it. Only the state after the watch returns counts.

use super::carry::{has_keys, keys, rotate, workload};
use super::carry_races::overwritten;
use crate::support::controller::{Controller, check_now, conditions, get, reason};
use crate::support::kubernetes::eventually;
use crate::support::proxy::RunningProxy;
use crate::support::resolution::{URL, database, openai, unchanged};
use crate::support::{Cluster, Database, Namespace, Proxy, Snapshot};

const BOTH_AGREE: [&str; 3] = ["Ready=True InSync", "InSync=True InSync", "Seeded=True Seeded"];

/// A controller that reaches the API server only through the proxy, and a row on which both sides agree.
fn agreed_through_a_proxy(cluster: &Cluster, namespace: &Namespace, database: &Database) -> (RunningProxy, Controller) {
    workload(namespace, "coder", database, "sk-canary-old");
    let proxy = Proxy::new().start(cluster.port());
    let controller = Controller::start_as(&namespace.kubeconfig_through(proxy.port()), &["--allow-writes"]);
    controller.wait_ready();
    reason(namespace, "coder", "InSync");
    (proxy, controller)
}

/// The controller cannot see the changes in between, and has failed in an attempt to.
fn while_cut(proxy: &RunningProxy, controller: &Controller, database: &Database, change: impl Fn()) {
    let failed = || controller.metric("ai_provider_seed_api_errors_total");
    let (before, rows) = (failed(), Snapshot::of(database));
    proxy.go_away();
    change();
    eventually("the watch is cut", || (failed() > before).then_some(()));
    unchanged(database, &rows);
    proxy.come_back();
}

#[test]
fn secret_changed_during_a_cut_watch_is_carried_once() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-old"])));
    let (proxy, controller) = agreed_through_a_proxy(cluster, &namespace, &database);
    let old = get(&namespace, "coder").status.unwrap().agreements[0].credentials.clone();
    while_cut(&proxy, &controller, &database, || rotate(&namespace, "coder", "sk-canary-new"));
    // No check is requested: the watch causes it.
    has_keys(&database, &["sk-canary-new"]);
    eventually("the status follows", || {
        let status = get(&namespace, "coder").status?;
        (conditions(&status) == BOTH_AGREE && status.agreements[0].credentials != old).then_some(())
    });
    let after = Snapshot::of(&database);
    check_now(&namespace, "coder");
    unchanged(&database, &after);
    assert_eq!(overwritten(&database), 1);
    controller.stop().expect(0);
}

#[test]
fn secret_changed_back_during_a_cut_watch_leaves_the_row() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-old"])));
    let (proxy, controller) = agreed_through_a_proxy(cluster, &namespace, &database);
    // Only its time changes.
    let remembered = || {
        let last = get(&namespace, "coder").status.unwrap().agreements.remove(0);
        (last.id, last.hash, last.credentials)
    };
    let (before, memory) = (Snapshot::of(&database), remembered());
    while_cut(&proxy, &controller, &database, || {
        ["sk-canary-new", "sk-canary-old"].iter().for_each(|keys| rotate(&namespace, "coder", keys));
    });
    check_now(&namespace, "coder");
    unchanged(&database, &before);
    assert!(reason(&namespace, "coder", "InSync").conflicts.is_empty());
    assert_eq!(remembered(), memory);
    // The watch works again, and the record is valid.
    rotate(&namespace, "coder", "sk-canary-newer");
    has_keys(&database, &["sk-canary-newer"]);
    assert_eq!((keys(&database), overwritten(&database)), (vec!["sk-canary-newer".to_owned()], 1.into()));
    controller.stop().expect(0);
}
