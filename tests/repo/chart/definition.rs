//! The JSON schema of the kind, for tools that check manifests without a cluster (kubeconform).

use crate::support::helm::{self, assert_current, error, read, root, yaml};
use serde_json::{Value, json};
use std::fs;

const PATH: &str = "crds/aiproviderseed_v1alpha1.json";

/// A definition's schema as plain JSON schema: Kubernetes' own extensions are removed, and an unknown field is refused,
/// as in the API server's strict validation.
fn plain(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    schema.retain(|key, _| !key.starts_with("x-kubernetes-"));
    if schema.remove("nullable") == Some(json!(true)) {
        let kind = schema["type"].clone();
        schema.insert("type".to_owned(), json!([kind, "null"]));
    }
    if schema.contains_key("properties") && !schema.contains_key("additionalProperties") {
        schema.insert("additionalProperties".to_owned(), json!(false));
    }
    for key in ["properties", "patternProperties"] {
        schema.get_mut(key).and_then(Value::as_object_mut).into_iter().flatten().for_each(|(_, value)| plain(value));
    }
    for key in ["items", "additionalProperties"] {
        schema.get_mut(key).into_iter().for_each(plain);
    }
}

fn schema() -> Value {
    let definition = yaml(&read("crds/aiproviderseeds.yaml"));
    let version = &definition["spec"]["versions"][0];
    assert_eq!(version["name"], "v1alpha1");
    let mut schema = version["schema"]["openAPIV3Schema"].clone();
    let properties = schema["properties"].as_object_mut().unwrap();
    properties.insert("apiVersion".to_owned(), json!({"type": "string", "enum": ["aiproviders.dev/v1alpha1"]}));
    properties.insert("kind".to_owned(), json!({"type": "string", "enum": ["AIProviderSeed"]}));
    properties.insert("metadata".to_owned(), json!({"type": "object"}));
    plain(&mut schema);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema
}

/// Helm has a validator of JSON schemas: the resource as a value of a chart.
fn judge(chart: &std::path::Path, resource: &Value) -> Result<(), String> {
    fs::write(chart.join("values.yaml"), json!({"resource": resource}).to_string()).unwrap();
    let output = helm::helm(["template", "x", chart.to_str().unwrap()]);
    if output.status.success() { Ok(()) } else { Err(error(&output)) }
}

#[test]
fn json_schema_of_the_kind_judges_manifests() {
    assert_current(PATH, &format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap()));
    if helm::is_missing() {
        return;
    }
    let chart = tempfile::tempdir().unwrap();
    fs::write(chart.path().join("Chart.yaml"), "{apiVersion: v2, name: x, version: 0.1.0}").unwrap();
    let schema: Value = serde_json::from_str(&read(PATH)).unwrap();
    let values = json!({"properties": {"resource": schema}});
    fs::write(chart.path().join("values.schema.json"), values.to_string()).unwrap();

    for example in ["init-container", "argocd", "flux"] {
        let text = fs::read_to_string(root(&format!("deploy/examples/{example}/aiproviderseed.yaml"))).unwrap();
        assert_eq!(judge(chart.path(), &yaml(&text)), Ok(()), "{example}");
    }
    let resource = |spec: Value| {
        json!({"apiVersion": "aiproviders.dev/v1alpha1", "kind": "AIProviderSeed",
            "metadata": {"name": "coder"}, "spec": spec})
    };
    let whole = json!({"workloadRef": {"kind": "StatefulSet", "name": "coder", "container": "seed"}, "mode": "Seed",
        "interval": "1m", "database": {"urlSecretRef": {"name": "db", "key": "url"}}, "options": {"blockOn": ["Conflict"]}});
    assert_eq!(judge(chart.path(), &resource(whole)), Ok(()));
    for (spec, named) in [
        (json!({"workloadRef": {"name": "coder", "namespace": "other"}}), "namespace"),
        (json!({"workloadRef": {"name": "coder", "kind": "DaemonSet"}}), "kind"),
        (json!({"workloadRef": {"name": "coder"}, "mode": "Write"}), "mode"),
        (json!({"workloadRef": {"name": "coder"}, "suspend": "yes"}), "suspend"),
        (json!({"mode": "Seed"}), "workloadRef"),
    ] {
        let refused = judge(chart.path(), &resource(spec.clone())).expect_err(&spec.to_string());
        assert!(refused.contains(named), "{spec}: {refused}");
    }
}
