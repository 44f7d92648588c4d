//! The status as the controller applies it, at its limits, and in kubectl's output.

use super::{create, message, minimal, object, seeds};
use crate::support::{Cluster, block_on};
use ai_provider_seed::testing::kubernetes::crd::spec::AIProviderSeed;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

/// Server-side apply of a status, as the controller does it.
fn apply_status(api: &Api<DynamicObject>, name: &str, status: Value) -> Result<Value, String> {
    let patch = json!({ "apiVersion": "aiproviders.dev/v1alpha1", "kind": "AIProviderSeed", "status": status });
    let params = PatchParams::apply("test").force();
    let patched = block_on(api.patch_status(name, &params, &Patch::Apply(patch)));
    patched.map(|object| object.data["status"].clone()).map_err(message)
}

/// One conflict with all fields set.
fn conflicting() -> Value {
    let condition = |kind: &str, status: &str| {
        json!({ "type": kind, "status": status, "reason": "Conflict", "message": "openai base_url differs",
                "lastTransitionTime": "2026-11-20T09:12:31Z", "observedGeneration": 1 })
    };
    json!({
        "observedGeneration": 1,
        "lastHandledResolve": "g6vq3n4kz2c7w5xtm3yhd2jf4rbe6p7a:environment",
        "lastCheckTime": "2026-11-20T09:12:31Z",
        "conditions": [condition("Ready", "False"), condition("InSync", "False"), condition("Stalled", "True")],
        "summary": { "inSync": "2/3", "desired": 3, "conflicts": 1, "message": "openai base_url differs" },
        "providers": [provider("openai"), provider("claude")],
        "conflicts": [conflict("openai", "base_url")],
        "agreements": [agreement("openai")],
        "warnings": [{ "code": "unknown_variable", "variables": ["CODER_AIBRIDGE_X"], "message": "is unknown" }]
    })
}

fn provider(name: &str) -> Value {
    json!({ "name": name, "type": "openai", "state": "InSync", "id": "0192f0c4-0000-7000-8000-000000000000" })
}

fn conflict(provider: &str, field: &str) -> Value {
    json!({ "id": "g6vq3n4kz2c7w5xtm3yhd2jf4rbe6p7a", "provider": provider, "field": field, "blocking": true,
            "environment": "https://api.openai.com/v2", "database": "https://api.openai.com/v1",
            "variable": "CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "source": "Secret coder-ai, key url",
            "changed": "Environment", "since": "2026-11-20T09:12:31Z" })
}

fn agreement(name: &str) -> Value {
    json!({ "name": name, "id": "0192f0c4-0000-7000-8000-000000000000", "hash": "0".repeat(64),
            "time": "2026-11-20T09:12:31Z" })
}

#[test]
fn kubectl_get_shows_the_columns() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let api = seeds(&namespace);
    create(&api, "coder", minimal()).unwrap();
    create(&api, "fresh", minimal()).unwrap();
    apply_status(&api, "coder", conflicting()).unwrap();
    // The age depends on the load of this machine; kubectl gives it at least the width of the heading.
    let get = |args: &[&str]| {
        let text = namespace.kubectl(&[&["get", "aps"], args].concat()).ok();
        let at = text.find("AGE").unwrap();
        let masked = |line: &str| match line {
            line if line[at..].starts_with("AGE") => line.to_owned(),
            line => format!("{}*  {}", &line[..at], line.get(at + 3..).unwrap_or_default()),
        };
        text.lines().map(|line| masked(line).trim_end().to_owned() + "\n").collect::<String>()
    };
    insta::assert_snapshot!(get(&[]), @r"
    NAME    READY   IN SYNC   PROVIDERS   CONFLICTS   REASON     AGE
    coder   False   False     2/3         1           Conflict   *
    fresh                                                        *
    ");
    insta::assert_snapshot!(get(&["-o", "wide"]), @r"
    NAME    READY   IN SYNC   PROVIDERS   CONFLICTS   REASON     AGE   WORKLOAD   MESSAGE
    coder   False   False     2/3         1           Conflict   *     coder      openai base_url differs
    fresh                                                        *     coder
    ");
}

#[test]
fn status_at_the_limit_is_accepted_and_above_it_refused() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let api = seeds(&namespace);
    create(&api, "coder", minimal()).unwrap();
    let full = |key: &str, count: usize| -> Value {
        (0..count)
            .map(|at| match key {
                "providers" => provider(&format!("provider-{at}")),
                "agreements" => agreement(&format!("provider-{at}")),
                "conflicts" => conflict(&format!("provider-{at}"), "base_url"),
                _ => json!({ "code": "unknown_variable", "variables": vec!["X"; 16], "message": "x".repeat(1024) }),
            })
            .collect()
    };
    let limits = [("providers", 256), ("conflicts", 64), ("agreements", 256), ("warnings", 32)];
    let mut status = conflicting();
    for (key, limit) in limits {
        status[key] = full(key, limit);
    }
    assert_eq!(apply_status(&api, "coder", status.clone()).unwrap(), status);
    for (key, limit) in limits {
        let mut status = status.clone();
        status[key] = full(key, limit + 1);
        let refused = apply_status(&api, "coder", status).unwrap_err();
        assert!(refused.contains(&format!("status.{key}: Too many: {}", limit + 1)), "{refused}");
    }
}

#[test]
fn status_lists_are_replaced_and_have_unique_keys() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let api = seeds(&namespace);
    create(&api, "coder", minimal()).unwrap();
    let mut status = conflicting();
    status["conflicts"] = json!([conflict("openai", "base_url"), conflict("openai", "api_keys")]);
    assert_eq!(apply_status(&api, "coder", status.clone()).unwrap(), status);
    // A removed entry is gone, and the rest stays.
    status["conflicts"] = json!([conflict("openai", "api_keys")]);
    status["conditions"].as_array_mut().unwrap().pop();
    assert_eq!(apply_status(&api, "coder", status.clone()).unwrap(), status);
    for (key, twice) in [
        ("providers", provider("openai")),
        ("agreements", agreement("openai")),
        ("conflicts", conflict("openai", "base_url")),
        ("conditions", conflicting()["conditions"][0].clone()),
    ] {
        let mut status = status.clone();
        status[key] = json!([twice, twice]);
        let refused = apply_status(&api, "coder", status).unwrap_err();
        assert!(refused.contains(&format!("status.{key}")) && refused.contains("duplicate"), "{refused}");
    }
}

#[test]
fn status_is_written_only_through_the_subresource() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let api = seeds(&namespace);
    let mut with_status = object("coder", minimal());
    with_status.data["status"] = conflicting();
    let created = block_on(api.create(&PostParams::default(), &with_status)).unwrap();
    assert_eq!(created.data.get("status"), None);
    assert_eq!(apply_status(&api, "coder", conflicting()).unwrap(), conflicting());
    namespace
        .kubectl(&["patch", "aps", "coder", "--type=merge", "-p", r#"{"spec":{"suspend":true},"status":null}"#])
        .ok();
    let typed: AIProviderSeed = block_on(namespace.api().get("coder")).unwrap();
    assert!(typed.spec.suspend);
    assert_eq!(serde_json::to_value(typed.status).unwrap(), conflicting());
}
