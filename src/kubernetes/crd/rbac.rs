//! The controller's rights, listed once. A test proves on a real API server that they are sufficient and all used;
//! another compares the chart's role.

use k8s_openapi::api::rbac::v1::PolicyRule;

/// In every watched namespace.
pub fn rules() -> Vec<PolicyRule> {
    let read = ["get", "list", "watch"];
    vec![
        rule("aiproviders.dev", &["aiproviderseeds"], &["list", "watch"]),
        rule("aiproviders.dev", &["aiproviderseeds/status"], &["patch"]),
        rule("apps", &["deployments", "statefulsets"], &read),
        // Only metadata is watched; a full read is limited to the objects that a pod template names.
        rule("", &["secrets", "configmaps"], &read),
        rule("", &["events"], &["create"]),
    ]
}

/// In its own namespace, with `--leader-elect`: only for the Lease of this name, which the chart creates.
pub fn leader_election_rules(lease: &str) -> Vec<PolicyRule> {
    let rule = rule("coordination.k8s.io", &["leases"], &["get", "update"]);
    vec![PolicyRule { resource_names: Some(vec![lease.to_owned()]), ..rule }]
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(texts(resources)),
        verbs: texts(verbs),
        ..PolicyRule::default()
    }
}
