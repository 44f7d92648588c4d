//! The controller, installed by its chart.

use super::cluster::{self, Place, until};
use super::{alerts, shown};
use crate::support::Variant;
use serde_json::{Value, json};

#[test]
#[ignore = "needs a cluster: make e2e"]
fn controller_and_pod_agree_before_and_during_a_rollout() {
    let place = Place::new("controller", Variant::Current);
    // Takes over the definition of another test, but not one of a foreign release.
    let definition: &[&str] =
        if cluster::kind_is_there() { &["--set", "crd.install=false"] } else { &["--take-ownership"] };
    let said = place.helm(
        [&["install", "ai-provider-seed", "charts/ai-provider-seed", "--wait", "--timeout", "3m"], definition].concat(),
    );
    assert!(said.contains("kubectl describe aps coder -n seed-e2e-controller"), "{said}");
    // The kind is known now, so the values include the resource.
    place.install(&["--wait"]);
    place.kubectl(["wait", "--for=condition=Ready", "aps/coder", "--timeout=60s"]);
    // Its first check may have come before the pod had seeded.
    let check =
        || place.kubectl(["annotate", "--overwrite", "aps/coder", &format!("aiproviders.dev/reconcile={}", now())]);
    check();
    place.kubectl(["wait", "--for=condition=InSync", "aps/coder", "--timeout=60s"]);

    // when the row changes / then the controller reports the conflict
    place.database.execute("update ai_providers set base_url = 'https://api.openai.com/v2'");
    check();
    place.kubectl(["wait", "--for=condition=Ready=False", "aps/coder", "--timeout=60s"]);
    let described = until(60, "an Event", || {
        let text = place.kubectl(["describe", "aps", "coder"]);
        text.contains("ConflictDetected").then_some(text)
    });
    let listed = place.kubectl(["get", "aps"]);
    alerts::blocked_start_is_told(&place);

    // when a pod starts / then it is stopped, and its message has the same field, values and conflict
    place.kubectl(["rollout", "restart", "deployment/coder"]);
    let stopped = place.stopped_with(3);
    let message = place.message_of(&stopped);
    let conflict = place.json(&["get", "aps", "coder"])["status"]["conflicts"][0].clone();
    for key in ["id", "provider", "field", "environment", "database", "variable"] {
        let value = conflict[key].as_str().unwrap_or_else(|| panic!("{key} in {conflict}"));
        assert!(message.contains(value), "{key}: {value} is missing in {message}");
        assert!(described.contains(value), "{key}: {value} is missing in {described}");
    }
    let hide = [(conflict["id"].as_str().unwrap(), shown::CONFLICT), (&place.namespace, "coder")];
    shown::compare("describe-aps.txt", &described, &shown::RESOURCE, &hide);
    shown::compare("get-aps.txt", &listed, &["NAME", "coder"], &hide);

    // when the ConfigMap, which the controller watches, is corrected / then it is InSync, and the rollout finishes
    place.provider(0, "openai", "https://api.openai.com/v2");
    place.kubectl(["wait", "--for=condition=InSync", "aps/coder", "--timeout=90s"]);
    place.kubectl(["delete", "pod", &stopped]);
    place.rollout();
    until(60, "the Event that it is over", || {
        place.kubectl(["describe", "aps", "coder"]).contains("ConflictResolved").then_some(())
    });
    // when the chart is removed / then the kind and the resource stay
    place.helm(["uninstall", "ai-provider-seed", "--wait"]);
    assert_eq!(place.json(&["get", "aps", "coder"])["status"]["summary"]["inSync"], "1/1");
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn one_release_serves_several_replicas_and_namespaces() {
    let place = Place::new("many", Variant::Current);
    let other = Place::new("many-other", Variant::Current);
    let namespaces = format!("watchNamespaces={{{},{}}}", place.namespace, other.namespace);
    // The definition may belong to another test's release.
    let more = [
        "--set",
        "crd.install=false",
        "--set",
        "leaderElection.enabled=true",
        "--set",
        "controller.replicas=2",
        "--set",
        &namespaces,
    ];
    place.definition();
    let install = ["install", "pair", "charts/ai-provider-seed", "--wait", "--timeout", "3m"];
    place.helm(install.iter().chain(&more));
    for place in [&place, &other] {
        place.install(&["--wait"]);
        place.kubectl(["annotate", "aps/coder", "aiproviders.dev/reconcile=1"]);
        place.kubectl(["wait", "--for=condition=InSync", "aps/coder", "--timeout=60s"]);
    }
    // Named after the release, so that another release in this namespace has a separate one.
    let lease = place.json(&["get", "lease", "pair-ai-provider-seed"]);
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap().to_owned();
    assert!(!holder.is_empty());
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn rotated_secret_reaches_the_database_of_a_running_pod() {
    let place = Place::new("rotated", Variant::Current);
    let install = ["install", "ai-provider-seed", "charts/ai-provider-seed", "--wait", "--timeout", "3m"];
    // The definition may belong to another test's release.
    place.definition();
    let names = ["--set", "crd.install=false,allowWrites=true,nameOverride=rotated"];
    place.helm(install.iter().chain(&names));
    place.install(&["--wait"]);
    let owned = json!({"spec": {"mode": "Seed", "options": {"takeEnvironment": "Credentials"}}});
    place.kubectl(["patch", "aps", "coder", "--type=merge", "--patch", &owned.to_string()]);
    let check =
        || place.kubectl(["annotate", "--overwrite", "aps/coder", &format!("aiproviders.dev/reconcile={}", now())]);
    check();
    // The agreement of both sides is recorded.
    until(60, "an agreement", || {
        let agreed = place.json(&["get", "aps", "coder"])["status"]["agreements"][0]["credentials"].clone();
        agreed.is_array().then_some(())
    });
    let before = place.pods();
    let [key, variable] = ["sk-e2e-rotated", "CODER_AI_GATEWAY_PROVIDER_0_KEY"];
    let rotated = json!({"stringData": {variable: key}}).to_string();
    place.kubectl(["patch", "secret", "coder-ai-providers", "--type=merge", "--patch", &rotated]);
    until(60, "the new key in the database", || {
        let stored = place.database.json("select json_agg(api_key) from ai_provider_keys");
        (stored == json!([key])).then_some(())
    });
    until(60, "the condition that says it", || {
        let conditions = place.json(&["get", "aps", "coder"])["status"]["conditions"].clone();
        let told =
            |c: &Value| c["reason"] == "Seeded" && c["message"].as_str().is_some_and(|m| m.contains("api_keys from"));
        conditions.as_array()?.iter().any(told).then_some(())
    });
    let names = |pods: &[Value]| {
        let name = |pod: &Value| {
            (pod["metadata"]["uid"].clone(), pod["status"]["containerStatuses"][0]["restartCount"].clone())
        };
        pods.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(&place.pods()), names(&before), "no pod was started");
    place.helm(["uninstall", "ai-provider-seed", "--wait"]);
}

fn now() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
}
