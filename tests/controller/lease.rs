//! One of two controllers works: the holder of the Lease, until it ends or loses it.

use crate::support::controller::{Controller, reason, seed};
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Namespace};
use serde_json::json;

fn start(namespace: &Namespace) -> Controller {
    start_with(namespace, &["--leader-elect"])
}

fn start_with(namespace: &Namespace, arguments: &[&str]) -> Controller {
    let controller = Controller::start_as(namespace.kubeconfig(), arguments);
    controller.wait_ready();
    controller
}

fn holder(namespace: &Namespace) -> Option<String> {
    holder_of(namespace, "ai-provider-seed")
}

fn holder_of(namespace: &Namespace, lease: &str) -> Option<String> {
    let output = namespace.kubectl(&["get", "lease", lease, "-o", "jsonpath={.spec.holderIdentity}"]);
    Some(output.stdout).filter(|holder| output.code == 0 && !holder.is_empty())
}

fn add(namespace: &Namespace, name: &str) {
    namespace.apply(&seed(name, json!({"workloadRef": {"name": "absent"}})).to_string());
}

#[test]
fn second_controller_waits_and_takes_over() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let first = start(&namespace);
    let holding = eventually("a controller holds the lease", || holder(&namespace));
    // The second is also ready, since otherwise no rollout would finish; but it checks nothing.
    let second = start(&namespace);
    add(&namespace, "a");
    reason(&namespace, "a", "WorkloadNotFound");
    // Counted after the status was written.
    eventually("the first has looked", || (first.metric("ai_provider_seed_reconciles_total") >= 1.0).then_some(()));
    assert_eq!(second.metric("ai_provider_seed_reconciles_total"), 0.0);
    assert_eq!(holder(&namespace), Some(holding.clone()));

    // A controller that ends in order releases it, so that the other need not wait.
    first.stop().expect(0);
    let stopped = std::time::Instant::now();
    eventually("the other holds it", || holder(&namespace).filter(|now| *now != holding));
    assert!(stopped.elapsed() < std::time::Duration::from_secs(10), "{:?}", stopped.elapsed());
    add(&namespace, "b");
    reason(&namespace, "b", "WorkloadNotFound");
    second.stop().expect(0);
}

#[test]
fn controllers_with_separate_leases_run_together() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    ["one", "other"].iter().for_each(|name| namespace.add_lease(name));
    let _one = start_with(&namespace, &["--leader-elect", "--lease-name=one"]);
    let _other = start_with(&namespace, &["--leader-elect", "--lease-name=other"]);
    let holders =
        ["one", "other"].map(|lease| eventually("a controller holds the lease", || holder_of(&namespace, lease)));
    assert_ne!(holders[0], holders[1]);
    assert_eq!(holder(&namespace), None, "no controller asks for the usual one");
}

#[test]
fn controller_that_loses_its_lease_ends() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let controller = start(&namespace);
    eventually("it holds the lease", || holder(&namespace));
    let stolen = r#"{"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 3600}}"#;
    namespace.kubectl(&["patch", "lease", "ai-provider-seed", "--type=merge", "-p", stolen]).ok();
    let finished = controller.wait().expect(4);
    assert!(finished.stderr.contains("the lease ai-provider-seed is lost; this controller stops"), "{finished}");
    // It does nothing more, and no other lease is touched.
    add(&namespace, "late");
    assert_eq!(holder(&namespace).as_deref(), Some("thief"));
}
