//! The controller's permissions: those of its list are sufficient on a real API server, and each of them is needed.

use crate::support::controller::{Controller, deployment, reason, seed};
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Namespace};
use ai_provider_seed::testing::kubernetes::crd::rbac;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role};
use serde_json::{Value, json};

/// One resource and one verb of a rule.
fn rights(rules: Vec<PolicyRule>) -> Vec<Value> {
    let mut rights = Vec::new();
    for rule in rules {
        for resource in rule.resources.as_deref().unwrap_or_default() {
            for verb in &rule.verbs {
                let names = &rule.resource_names;
                let right = json!({"apiGroups": rule.api_groups, "resources": [resource], "verbs": [verb]});
                rights.push(names.as_ref().map_or(right.clone(), |names| {
                    let mut right = right;
                    right["resourceNames"] = json!(names);
                    right
                }));
            }
        }
    }
    rights
}

fn label(right: &Value) -> String {
    format!("{} {}", right["verbs"][0].as_str().unwrap(), right["resources"][0].as_str().unwrap())
}

/// A controller with a separate account and exactly these permissions.
fn controller(namespace: &Namespace, rules: &[Value], args: &[&str]) -> Controller {
    let account = namespace.account_with("controller", &json!(rules));
    Controller::start_as(&account.kubeconfig, args)
}

/// Objects that need every permission: a Deployment with a ConfigMap and a Secret, a StatefulSet, and a reason for an
/// Event.
fn objects(namespace: &Namespace) {
    let env = json!([
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a", "optional": true}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "b"}}},
    ]);
    namespace.apply(&deployment("coder", &env, &[]).to_string());
    namespace.apply(&seed("coder", json!({"workloadRef": {"name": "coder"}})).to_string());
    namespace.apply(&seed("set", json!({"workloadRef": {"kind": "StatefulSet", "name": "absent"}})).to_string());
}

fn forbidden(controller: &Controller) -> f64 {
    controller.metric("ai_provider_seed_api_errors_total{class=\"forbidden\"}")
}

/// The role of the manifests, which are rendered from the chart.
#[test]
fn manifests_grant_the_listed_rules() {
    let manifests = include_str!("../../deploy/controller/controller.yaml");
    let role =
        manifests.split("\n---\n").find(|document| document.contains("\nkind: Role\n")).expect("there is a role");
    let role: Role = serde_saphyr::from_str(role).expect("the role is YAML");
    assert_eq!(rights(role.rules.unwrap()), rights(rbac::rules()));
}

#[test]
fn listed_rules_are_sufficient() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    objects(&namespace);
    let mut rules = rights(rbac::rules());
    rules.extend(rights(rbac::leader_election_rules("ai-provider-seed")));
    let controller = controller(&namespace, &rules, &["--leader-elect"]);
    controller.wait_ready();
    reason(&namespace, "coder", "SecretNotFound");
    reason(&namespace, "set", "WorkloadNotFound");
    eventually("Events are published", || {
        let published = "ai_provider_seed_events_total{result=\"published\"}";
        (controller.metric(published) == 2.0).then_some(())
    });
    // Through two renewals of the lease.
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(controller.metric("ai_provider_seed_api_errors_total"), 0.0);
    let finished = controller.stop().expect(0);
    assert!(!finished.stderr.contains("cannot "), "{finished}");
}

#[test]
fn every_rule_is_needed() {
    let Some(cluster) = Cluster::shared() else { return };
    let all = rights(rbac::rules());
    // Four at a time: each is a process.
    for some in (0..all.len()).collect::<Vec<_>>().chunks(4) {
        std::thread::scope(|scope| {
            for without in some {
                let all = &all;
                scope.spawn(move || {
                    let namespace = cluster.namespace();
                    objects(&namespace);
                    let mut rules = all.clone();
                    let gone = rules.remove(*without);
                    let controller = controller(&namespace, &rules, &[]);
                    let what = format!("{} is missed", label(&gone));
                    eventually(&what, || {
                        (controller.get("/livez").is_some() && forbidden(&controller) >= 1.0).then_some(())
                    });
                    let finished = controller.stop().expect(0);
                    assert!(finished.stderr.contains("forbids it (403)"), "{what}: {finished}");
                });
            }
        });
    }
}

#[test]
fn every_leader_election_rule_is_needed() {
    let Some(cluster) = Cluster::shared() else { return };
    let all = rights(rbac::leader_election_rules("ai-provider-seed"));
    for without in 0..all.len() {
        let namespace = cluster.namespace();
        let mut rules = all.clone();
        let gone = rules.remove(without);
        rules.extend(rights(rbac::rules()));
        let controller = controller(&namespace, &rules, &["--leader-elect"]);
        let what = format!("{} is missed", label(&gone));
        std::thread::sleep(std::time::Duration::from_secs(4));
        let finished = controller.stop();
        assert!(finished.stderr.contains("Lease ai-provider-seed"), "{what}: {finished}");
        assert!(finished.stderr.contains("forbids it (403)"), "{what}: {finished}");
    }
}

/// No controller removes a namespace here, so its objects stay, and new ones such as Events are refused.
#[test]
fn event_in_a_terminating_namespace_asks_for_no_grant() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    objects(&namespace);
    namespace.kubectl(&["delete", "namespace", namespace.name(), "--wait=false"]).ok();
    let controller = Controller::start(&namespace);
    reason(&namespace, "coder", "SecretNotFound");
    let terminating = "ai_provider_seed_api_errors_total{class=\"terminating\"}";
    eventually("an Event is refused", || (controller.metric(terminating) >= 1.0).then_some(()));
    let finished = controller.stop().expect(0);
    assert!(finished.stderr.contains("the namespace is being terminated (403)"), "{finished}");
    assert!(!finished.stderr.contains("grant it"), "{finished}");
}
