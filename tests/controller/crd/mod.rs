//! The definition of AIProviderSeed on a real API server: accepted and refused objects, and the messages.

mod status;

use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Namespace, Run, block_on};
use ai_provider_seed::testing::kubernetes::crd::spec::{AIProviderSeed, AIProviderSeedSpec};
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use serde_json::{Value, json};
use std::time::Duration;

/// The namespace's resources without their Rust types, which could not express a mistake.
fn seeds(namespace: &Namespace) -> Api<DynamicObject> {
    Api::namespaced_with(namespace.client(), namespace.name(), &ApiResource::erase::<AIProviderSeed>(&()))
}

fn object(name: &str, spec: Value) -> DynamicObject {
    let text = json!({
        "apiVersion": "aiproviders.dev/v1alpha1", "kind": "AIProviderSeed", "metadata": { "name": name }, "spec": spec
    });
    serde_json::from_value(text).unwrap()
}

fn create(api: &Api<DynamicObject>, name: &str, spec: Value) -> Result<Value, String> {
    let created = block_on(api.create(&PostParams::default(), &object(name, spec)));
    created.map(|object| object.data["spec"].clone()).map_err(message)
}

fn message(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message,
        other => panic!("no answer: {other}"),
    }
}

fn minimal() -> Value {
    json!({ "workloadRef": { "name": "coder" } })
}

/// One message for every mistake.
const INTERVAL: &str = "must be a duration of at least 10s in h, m, s or ms, such as 30s, 5m or 1h30m";

#[test]
fn committed_definition_is_current() {
    let printed = Run::new(["crd"]).run().expect(0).stdout;
    let committed = include_str!("../../../crds/aiproviderseeds.yaml");
    assert!(printed == committed, "make it so: cargo run -- crd > crds/aiproviderseeds.yaml");
}

#[test]
fn committed_definition_is_served_without_warnings() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/aiproviderseeds.yaml");
    let applied = namespace.kubectl(&["apply", "--dry-run=server", "--validate=strict", "--server-side", "-f", file]);
    assert_eq!(applied.stderr, "");
    applied.ok();
    let name = "aiproviderseeds.aiproviders.dev";
    let conditions = "jsonpath={range .status.conditions[*]}{.type}={.status} {end}";
    let conditions = namespace.kubectl(&["get", "crd", name, "-o", conditions]).ok();
    assert_eq!(conditions, "NamesAccepted=True Established=True ");
}

#[test]
fn omitted_fields_get_their_defaults() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let spec = create(&seeds(&namespace), "coder", minimal()).unwrap();
    let workload = json!({ "kind": "Deployment", "name": "coder", "container": "ai-provider-seed" });
    assert_eq!(spec, json!({ "workloadRef": workload, "mode": "Observe", "interval": "5m", "suspend": false }));
}

#[test]
fn full_spec_is_read_back_unchanged() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let spec = json!({
        "workloadRef": { "kind": "StatefulSet", "name": "coder.v2", "container": "seed" },
        "database": {
            "urlSecretRef": { "name": "coder-db-url", "key": "url" },
            "ca": { "secretKeyRef": { "name": "db-ca", "key": "ca.crt" } },
            "clientCertSecretRef": { "name": "db-client" }
        },
        "mode": "Seed",
        "options": { "compareCredentials": "Fail", "compareSettings": "Warn", "takeEnvironment": "All", "blockOn": ["Invalid", "Conflict"] },
        "interval": "1h30m",
        "suspend": true
    });
    assert_eq!(create(&seeds(&namespace), "coder", spec.clone()).unwrap(), spec);
    let typed: AIProviderSeed = block_on(namespace.api().get("coder")).unwrap();
    assert_eq!(serde_json::to_value(&typed.spec).unwrap(), spec);
    assert_eq!(typed.spec.interval(), Duration::from_secs(5400));
}

#[test]
fn invalid_field_is_refused_by_name() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let api = seeds(&namespace);
    let key = json!({ "name": "db-ca", "key": "ca.crt" });
    let one_of = "must have exactly one of secretKeyRef and configMapKeyRef";
    let long = |length: usize| "a".repeat(length);
    // The path, its value, and the refusal's text beside the path.
    let cases = [
        ("spec.workloadRef", Value::Null, "Required value"),
        ("spec.workloadRef", json!({}), "spec.workloadRef.name: Required value"),
        ("spec.workloadRef.kind", json!("DaemonSet"), r#"supported values: "Deployment", "StatefulSet""#),
        ("spec.workloadRef.name", json!(long(254)), "may not be more than 253"),
        ("spec.workloadRef.name", json!("Coder"), "should match"),
        ("spec.workloadRef.name", json!(""), "should match"),
        ("spec.workloadRef.container", json!(long(64)), "may not be more than 63"),
        ("spec.workloadRef.container", json!("a.b"), "should match"),
        ("spec.database.urlSecretRef", json!({ "name": "x" }), "spec.database.urlSecretRef.key: Required value"),
        ("spec.database.urlSecretRef", json!({ "key": "x" }), "spec.database.urlSecretRef.name: Required value"),
        ("spec.database.urlSecretRef.name", json!(long(254)), "may not be more than 253"),
        ("spec.database.urlSecretRef.key", json!("a/b"), "should match"),
        ("spec.database.urlSecretRef.key", json!(long(254)), "may not be more than 253"),
        ("spec.database.ca", json!({}), one_of),
        ("spec.database.ca", json!({ "secretKeyRef": key, "configMapKeyRef": key }), one_of),
        ("spec.database.clientCertSecretRef", json!({}), "spec.database.clientCertSecretRef.name: Required value"),
        ("spec.options.compareCredentials", json!("warn"), r#"supported values: "Ignore", "Warn", "Fail""#),
        ("spec.options.blockOn", json!(["All", "Conflict"]), "All and None cannot be combined with other values"),
        ("spec.options.blockOn", json!(["None", "All"]), "All and None cannot be combined with other values"),
        ("spec.options.blockOn", json!(["Conflict", "Conflict"]), "Duplicate value"),
        ("spec.options.blockOn", json!([]), "should have at least 1 items"),
        ("spec.options.blockOn[0]", json!("Everything"), "supported values"),
        ("spec.interval", json!("5s"), INTERVAL),
        ("spec.interval", json!("9999ms"), INTERVAL),
        ("spec.interval", json!("0h"), INTERVAL),
        ("spec.interval", json!("1d"), INTERVAL),
        ("spec.interval", json!("-5m"), INTERVAL),
        ("spec.interval", json!("5 minutes"), INTERVAL),
        ("spec.interval", json!("5"), INTERVAL),
        ("spec.interval", json!(long(33)), "may not be more than 32"),
        ("spec.interval", json!(300), "must be of type string"),
        ("spec.suspend", json!("yes"), "must be of type boolean"),
        ("spec.mode", json!("seed"), r#"supported values: "Observe", "Seed""#),
    ];
    for (path, value, text) in cases {
        let mut spec = minimal();
        spec["database"] = json!({ "urlSecretRef": { "name": "db", "key": "url" } });
        spec["options"] = json!({ "blockOn": ["Conflict"] });
        let pointer = path.trim_start_matches("spec").replace(['.', '['], "/").replace(']', "");
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        match spec.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[last.parse::<usize>().unwrap()] = value.clone(),
            parent => parent[last] = value.clone(),
        }
        let refused = create(&api, "wrong", spec).expect_err(&format!("{path} = {value} was accepted"));
        assert!(refused.contains(path) && refused.contains(text), "{path} = {value}: {refused}");
        assert!(text != INTERVAL || refused.matches("spec.interval").count() == 1, "{value}: {refused}");
    }
}

#[test]
fn values_at_the_limits_are_accepted() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let api = seeds(&namespace);
    for (at, interval) in ["10s", "10000ms", "0h10s", "1h30m", "99999h99999h99999h99999h"].into_iter().enumerate() {
        let spec =
            json!({ "workloadRef": { "name": "a".repeat(253), "container": "c".repeat(63) }, "interval": interval });
        create(&api, &format!("interval-{at}"), spec).unwrap();
    }
    for (at, block_on) in [
        json!(["All"]),
        json!(["None"]),
        json!(["Locked"]),
        json!(["Invalid", "Conflict", "Unavailable", "Unusable", "Locked"]),
    ]
    .into_iter()
    .enumerate()
    {
        let spec = json!({ "workloadRef": { "name": "coder" }, "options": { "blockOn": block_on } });
        create(&api, &format!("block-{at}"), spec).unwrap();
    }
}

#[test]
fn interval_is_read_and_bounded_or_defaults() {
    for (text, seconds) in [
        ("10s", 10),
        ("10000ms", 10),
        ("5m", 300),
        ("1h30m", 5400),
        ("0h10s", 10),
        ("1m1m", 120),
        ("99999h99999h99999h99999h", 1_439_985_600),
        ("1s", 10),
        ("5 parsecs", 300),
        ("", 300),
    ] {
        let spec = json!({ "workloadRef": { "name": "coder" }, "interval": text });
        let spec: AIProviderSeedSpec = serde_json::from_value(spec).unwrap();
        assert_eq!(spec.interval(), Duration::from_secs(seconds), "{text}");
    }
}

#[test]
fn unknown_field_is_dropped_with_a_kubectl_warning() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let mut spec = minimal();
    spec["workloadRef"]["namespace"] = json!("elsewhere");
    let kept = create(&seeds(&namespace), "dropped", spec.clone()).unwrap();
    assert_eq!(kept["workloadRef"], json!({ "kind": "Deployment", "name": "coder", "container": "ai-provider-seed" }));
    let text = serde_json::to_string(&object("refused", spec)).unwrap();
    let refused = namespace.kubectl_with(&["apply", "-f", "-"], &text);
    assert!(refused.stderr.contains(r#"unknown field "spec.workloadRef.namespace""#), "{refused:?}");
}

#[test]
fn kubectl_explain_teaches_units_defaults_and_limits() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let explain = |path: &str| {
        // The API server publishes a new definition's documentation a moment after it serves it.
        let text = eventually(path, || Some(namespace.kubectl(&["explain", path])).filter(|output| output.code == 0));
        text.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for (path, texts) in [
        ("aps", &["names a workload"][..]),
        ("aps.spec", &["-required-", "default: the environment"][..]),
        ("aps.spec.interval", &["minutes (m), seconds (s)", "At least 10s", "default 5m", "10 %"]),
        ("aps.spec.suspend", &["Default false"]),
        ("aps.spec.workloadRef.kind", &["Deployment or StatefulSet", "enum: Deployment StatefulSet"]),
        ("aps.spec.workloadRef.container", &["at most 63", "Default ai-provider-seed"]),
        ("aps.spec.database.ca", &["exactly one of secretKeyRef and configMapKeyRef", "Default"]),
        ("aps.spec.options.blockOn", &["All or None alone", "1 to 5", "Default"]),
        (
            "aps.spec.mode",
            &["enum: Observe Seed", "--allow-writes", "changes no other existing values", "Default Observe"],
        ),
        ("aps.status.providers", &["At most 256"]),
        ("aps.status.agreements", &["At most 256", "which side of a conflict changed"]),
        ("aps.status.agreements.hash", &["SHA-256", "64 hex digits", "Credentials are not part"]),
        ("aps.status.agreements.time", &["RFC 3339", "at most once an hour"]),
        ("aps.status.conflicts.changed", &["Environment, Database or Both", "Absent if unknown"]),
        ("aps.status.conflicts.since", &["RFC 3339"]),
        ("aps.status.lastHandledResolve", &["aiproviders.dev/resolve", "Removing the annotation"]),
        ("aps.status.conflicts", &["At most 64", "-required-"]),
        ("aps.status.conditions", &["Ready", "what to do"]),
    ] {
        let explained = explain(path);
        for text in texts {
            assert!(explained.to_lowercase().contains(&text.to_lowercase()), "{path}: no {text:?} in {explained}");
        }
    }
}
