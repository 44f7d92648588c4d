//! The chart: Helm's output, without a cluster. deploy.rs tests the manifests and other charts; chart_cluster.rs applies
//! the same objects to a real API server.

mod alerts;
mod definition;
mod values;

use crate::support::helm::{
    self, CHART, assert_current, copy, error, objects, read, root, template, try_template, yaml,
};
use ai_provider_seed::testing::kubernetes::crd::rbac;
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Output;

/// The golden files: one rendering per file in tests/data/chart/values.
fn matrix() -> Vec<(String, Value)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(root("tests/data/chart/values")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        (path.file_stem().unwrap().to_string_lossy().into_owned(), yaml(&fs::read_to_string(&path).unwrap()))
    };
    files.into_iter().map(read).collect()
}

fn with_values(values: &Value) -> Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), values.to_string()).unwrap();
    try_template("ai-provider-seed", CHART, &["--values", file.path().to_str().unwrap()])
}

#[test]
fn chart_passes_helm_lint() {
    if helm::is_missing() {
        return;
    }
    helm::stdout(helm::helm(["lint", "--strict", "--quiet", CHART]));
}

#[test]
fn every_values_file_renders_its_golden_file() {
    if helm::is_missing() {
        return;
    }
    for (name, values) in matrix() {
        // The CustomResourceDefinition has a separate test; here it would be most of each file.
        let text = helm::stdout(with_values(&values));
        let (definitions, others): (Vec<&str>, Vec<&str>) =
            text.split("---\n").partition(|document| document.contains("kind: CustomResourceDefinition"));
        let installs = values.pointer("/crd/install") != Some(&json!(false));
        assert_eq!(definitions.len(), usize::from(installs), "{name}");
        assert_current(&format!("tests/data/chart/golden/{name}.yaml"), &others.join("---\n"));
    }
}

#[test]
fn every_value_has_an_effect() {
    if helm::is_missing() {
        return;
    }
    let matrix = matrix();
    for row in values::rows(&read(&format!("{CHART}/values.yaml"))) {
        let pointer = format!("/{}", row.path.join("/"));
        let with: Vec<_> = matrix.iter().filter(|(_, values)| values.pointer(&pointer).is_some()).collect();
        assert!(!with.is_empty(), "no file in tests/data/chart/values sets {}", row.name());
        let has_effect = with.iter().any(|(_, values)| {
            let mut without = values.clone();
            let parent = &pointer[..pointer.rfind('/').unwrap()];
            without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(row.path.last().unwrap());
            let changed = with_values(&without);
            // A refusal without the value (two replicas and no leader election) is also an effect.
            !changed.status.success() || changed.stdout != with_values(values).stdout
        });
        assert!(has_effect, "{} changes nothing", row.name());
    }
}

#[test]
fn misspelled_value_is_refused_at_any_depth() {
    if helm::is_missing() {
        return;
    }
    /// All mappings except free ones (labels and the like).
    fn places(schema: &Value, at: &str, root: &Value, found: &mut Vec<String>) {
        let schema = match schema["$ref"].as_str() {
            Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        if schema["type"] == "array" {
            places(&schema["items"], &format!("{at}/0"), root, found);
        }
        if schema["type"] == "object" && at != "/global" {
            let free = schema["additionalProperties"].is_object();
            assert!(free || schema["additionalProperties"] == false, "{at} takes any key");
            if !free {
                found.push(at.to_owned());
            }
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                places(property, &format!("{at}/{key}"), root, found);
            }
        }
    }
    let schema: Value = serde_json::from_str(&read(&format!("{CHART}/values.schema.json"))).unwrap();
    let mut found = Vec::new();
    places(&schema, "", &schema, &mut found);
    assert!(found.len() > 40, "{found:?}");
    for place in found {
        let mut values = json!({"tpyo": 1});
        for key in place.split('/').skip(1).collect::<Vec<_>>().into_iter().rev() {
            values = if key == "0" { json!([values]) } else { json!({key: values}) };
        }
        let refused = with_values(&values);
        assert!(!refused.status.success(), "{values} is taken");
        assert!(error(&refused).contains("tpyo"), "{values}: {}", error(&refused));
    }
}

#[test]
fn schema_lists_exactly_the_values() {
    let schema: Value = serde_json::from_str(&read(&format!("{CHART}/values.schema.json"))).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut known = keys(&schema["properties"]);
    known.retain(|key| key != "global");
    let values = yaml(&read(&format!("{CHART}/values.yaml")));
    assert_eq!(known, keys(&values));
    for (key, value) in values.as_object().unwrap() {
        // Contexts, resources and selectors have more fields than the defaults set.
        let whole = ["resources", "podSecurityContext", "securityContext", "nodeSelector"].contains(&key.as_str());
        if let Some(value) = value.as_object().filter(|value| !value.is_empty() && !whole) {
            assert_eq!(keys(&schema["properties"][key]["properties"]), keys(&json!(value)), "{key}");
        }
    }
}

#[test]
fn invalid_values_are_refused_by_name() {
    if helm::is_missing() {
        return;
    }
    for (values, named) in [
        (json!({"controller": {"replicas": "two"}}), "replicas"),
        (json!({"controller": {"logLevel": "loud"}}), "logLevel"),
        (json!({"controller": {"concurrency": 0}}), "concurrency"),
        (json!({"controller": {"concurrency": 65536}}), "concurrency"),
        (json!({"controller": {"databaseHosts": "db"}}), "databaseHosts"),
        (json!({"controller": {"databaseHosts": ["a,b"]}}), "databaseHosts"),
        (json!({"serviceMonitor": {"interval": ""}}), "interval"),
        (json!({"serviceMonitor": {"interval": "30s1m"}}), "interval"),
        (json!({"image": {"digest": "sha256:abc"}}), "digest"),
        (json!({"image": {"tag": "a b"}}), "tag"),
        (json!({"image": {"pullPolicy": "Sometimes"}}), "pullPolicy"),
        (json!({"watchNamespaces": "coder"}), "watchNamespaces"),
        (json!({"watchNamespaces": ["Coder"]}), "watchNamespaces"),
        (json!({"podDisruptionBudget": {"maxUnavailable": "half"}}), "maxUnavailable"),
        (json!({"serviceMonitor": {"interval": "often"}}), "interval"),
        (json!({"priorityClassName": "a: b"}), "priorityClassName"),
        (json!({"serviceAccount": {"name": "a: b"}}), "serviceAccount"),
        (json!({"extraEnv": [{"value": "x"}]}), "name"),
        (json!({"allNamespaces": true, "watchNamespaces": ["coder"]}), "allNamespaces and watchNamespaces"),
        (json!({"controller": {"replicas": 2}}), "leaderElection.enabled"),
    ] {
        let refused = with_values(&values);
        assert!(!refused.status.success(), "{values} is taken");
        assert!(error(&refused).contains(named), "{values}: {}", error(&refused));
    }
}

/// `null` deletes a default.
#[test]
fn removed_default_is_reported_by_name_or_harmless() {
    if helm::is_missing() {
        return;
    }
    let (_, everything) = matrix().into_iter().find(|(name, _)| name == "everything").unwrap();
    let rows = values::rows(&read(&format!("{CHART}/values.yaml")));
    let places: std::collections::BTreeSet<Vec<String>> =
        rows.iter().flat_map(|row| (1..=row.path.len()).map(|length| row.path[..length].to_vec())).collect();
    let (mut missed, mut taken) = (0, 0);
    for place in places {
        let (last, parents) = place.split_last().unwrap();
        let mut values = everything.clone();
        let mut at = &mut values;
        for key in parents {
            at = at.as_object_mut().unwrap().entry(key).or_insert_with(|| json!({}));
        }
        at[last] = Value::Null;
        let output = with_values(&values);
        if output.status.success() {
            // No argument without its value.
            assert!(!String::from_utf8_lossy(&output.stdout).lines().any(|line| line.ends_with('=')), "{place:?}");
            taken += 1;
        } else {
            let named = error(&output).contains(&format!("'{last}'"));
            assert!(named, "{place:?}: {}", error(&output));
            missed += 1;
        }
    }
    assert!(missed > 20 && taken > 20, "{missed}, {taken}");
}

#[test]
fn installations_share_no_cluster_role() {
    if helm::is_missing() {
        return;
    }
    let long = "n".repeat(63);
    let installations = [("a-b", "c"), ("a", "b-c"), (&long[..], "a"), (&long[..], "b")];
    let names = installations.map(|(namespace, name)| {
        let set = format!("allNamespaces=true,aggregatedRoles.view=false,fullnameOverride={name}");
        let objects = objects(&template(&["--namespace", namespace, "--set", &set]));
        let role = helm::find(&objects, "ClusterRole")["metadata"]["name"].clone();
        let binding = helm::find(&objects, "ClusterRoleBinding");
        assert_eq!(binding["metadata"]["name"], role);
        assert_eq!(binding["roleRef"]["name"], role);
        role.as_str().unwrap().to_owned()
    });
    let different: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(different.len(), names.len(), "{names:?}");
}

#[test]
fn cluster_wide_secrets_are_read_only_on_request() {
    if helm::is_missing() {
        return;
    }
    let kinds = |arguments: &[&str]| {
        let objects = objects(&template(arguments));
        objects.iter().map(|object| object["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let none = "aggregatedRoles.view=false";
    assert!(!kinds(&["--set", none]).contains(&"ClusterRole".to_owned()));
    assert!(!kinds(&["--set", none, "--set", "watchNamespaces={a,b}"]).contains(&"ClusterRole".to_owned()));
    let all = kinds(&["--set", "allNamespaces=true"]);
    assert!(all.contains(&"ClusterRole".to_owned()) && !all.contains(&"Role".to_owned()), "{all:?}");
}

#[test]
fn rolling_update_needs_leader_election() {
    if helm::is_missing() {
        return;
    }
    for (elects, expected) in [("false", "Recreate"), ("true", "RollingUpdate")] {
        let objects = objects(&template(&["--set", &format!("leaderElection.enabled={elects}")]));
        assert_eq!(helm::find(&objects, "Deployment")["spec"]["strategy"], json!({"type": expected}));
    }
}

#[test]
fn chart_roles_are_those_of_the_controller() {
    if helm::is_missing() {
        return;
    }
    let rules = |rules: Vec<PolicyRule>| serde_json::to_value(rules).unwrap();
    for (arguments, kind, own) in [
        (&["--set", "leaderElection.enabled=true"][..], "Role", 2),
        (&["--set", "allNamespaces=true,aggregatedRoles.view=false"], "ClusterRole", 1),
    ] {
        let objects = objects(&template(arguments));
        let roles: Vec<_> = objects.iter().filter(|object| object["kind"] == kind).map(|role| &role["rules"]).collect();
        assert_eq!(roles.len(), own);
        assert_eq!(roles[0], &rules(rbac::rules()));
        if let Some(leases) = roles.get(1) {
            assert_eq!(*leases, &rules(rbac::leader_election_rules("ai-provider-seed")));
        }
    }
}

#[test]
fn policy_is_only_about_the_watched_namespaces() {
    if helm::is_missing() {
        return;
    }
    let rendered = template(&["--set", "allowWrites=true,watchNamespaces={a,b}"]);
    let own = objects(&rendered);
    let binding = helm::find(&own, "ValidatingAdmissionPolicyBinding");
    let selected = &binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"][0];
    assert_eq!(selected["values"], json!(["a", "b"]));
    let all = objects(&template(&["--set", "allowWrites=true,allNamespaces=true"]));
    assert!(helm::find(&all, "ValidatingAdmissionPolicyBinding")["spec"]["matchResources"].is_null());
    let without = objects(&template(&["--set", "allowWrites=true,admissionPolicy.enabled=false"]));
    assert!(
        without.iter().chain(&objects(&template(&[]))).all(|object| { object["kind"] != "ValidatingAdmissionPolicy" })
    );
}

#[test]
fn dashboard_and_alerts_use_existing_metrics() {
    let known = read("src/kubernetes/controller/metrics.rs");
    let mut asked = 0;
    for path in ["files/dashboard.json", "templates/alerts.yaml"] {
        for name in read(&format!("{CHART}/{path}")).split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if let Some(name) = name.strip_prefix("ai_provider_seed_") {
                // Suffixes that are appended to the name of the family.
                let family =
                    ["_total", "_bucket", "_info"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
                assert!(known.contains(&format!("register(\"{family}\"")), "{path}: {name}");
                asked += 1;
            }
        }
    }
    assert!(asked > 8);
}

#[test]
fn alerts_select_only_their_release() {
    if helm::is_missing() {
        return;
    }
    let expressions = |more: &[&str]| {
        let arguments = [&["--set", "alerts.enabled=true"], more].concat();
        let objects = objects(&template(&arguments));
        let rules = helm::find(&objects, "PrometheusRule")["spec"]["groups"][0]["rules"].clone();
        rules.as_array().unwrap().iter().map(|rule| rule["expr"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        expressions(&["--set", "watchNamespaces={a,b}"]),
        [
            r#"ai_provider_seed_ready{job="ai-provider-seed", namespace=~"a|b", reason=~"Conflict|InvalidEnvironment"} == 0"#,
            r#"(max by (namespace, name) (ai_provider_seed_ready{job="ai-provider-seed", namespace=~"a|b"}) == 0) unless on (namespace, name) (ai_provider_seed_ready{job="ai-provider-seed", namespace=~"a|b", reason=~"Conflict|InvalidEnvironment"} == 0)"#,
            r#"(ai_provider_seed_conflicts{job="ai-provider-seed", namespace=~"a|b"} > 0) unless on (namespace, name) (ai_provider_seed_ready{job="ai-provider-seed", namespace=~"a|b", reason=~"Conflict|InvalidEnvironment"} == 0)"#,
            r#"time() - ai_provider_seed_last_check_timestamp_seconds{job="ai-provider-seed", namespace=~"a|b"} > 3600"#,
            r#"absent(ai_provider_seed_leader{job="ai-provider-seed", namespace="coder"} == 1)"#,
            r#"max by (namespace, pod) (max_over_time(kube_pod_init_container_status_waiting_reason{container="ai-provider-seed", reason="CrashLoopBackOff", namespace=~"a|b"}[5m])) > 0"#,
        ]
    );
    // The name of the ServiceMonitor's Service is the job.
    let objects = objects(&template(&["--set", "serviceMonitor.enabled=true"]));
    assert_eq!(helm::find(&objects, "Service")["metadata"]["name"], "ai-provider-seed");
    assert_eq!(
        expressions(&["--set", "allNamespaces=true,alerts.job=mine"])[0],
        r#"ai_provider_seed_ready{job="mine", reason=~"Conflict|InvalidEnvironment"} == 0"#
    );
}

#[test]
fn definition_is_generated_and_kept_on_uninstall() {
    if helm::is_missing() {
        return;
    }
    let generated = read("crds/aiproviderseeds.yaml");
    assert_current(&format!("{CHART}/files/aiproviderseeds.yaml"), &generated);
    let rendered = objects(&template(&["--show-only", "templates/crd.yaml"]));
    // Helm writes 0.0 as 0.
    let numbers = |value: &Value| value.to_string().replace(":0.0", ":0");
    assert_eq!(numbers(&rendered[0]["spec"]), numbers(&yaml(&generated)["spec"]));
    assert_eq!(rendered[0]["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    assert!(rendered[0]["metadata"]["labels"]["helm.sh/chart"].is_string());
}

#[test]
fn table_of_values_is_generated_from_comments() {
    let path = format!("{CHART}/README.md");
    let readme = read(&path);
    let (begin, end) = ("<!-- values: made from values.yaml -->\n", "<!-- end of values -->\n");
    let head = readme.split(begin).next().unwrap();
    let tail = readme.split(end).nth(1).unwrap();
    let table = values::table(&values::rows(&read(&format!("{CHART}/values.yaml"))));
    assert_current(&path, &format!("{head}{begin}\n{table}\n{end}{tail}"));
}

#[test]
fn chart_notes_name_the_next_commands() {
    if helm::is_missing() {
        return;
    }
    for (arguments, expected) in [
        (
            &[][..],
            &["kubectl get aps -n coder", "kubectl describe aps coder -n coder", "deployment/ai-provider-seed"][..],
        ),
        (&["--set", "watchNamespaces={a,b}"], &["namespaces a, b", "kubectl get aps -n a"]),
        (&["--set", "allNamespaces=true"], &["may read every Secret of the cluster", "kubectl get aps -A"]),
        (&["--set", "controller.enabled=false"], &["No controller"]),
        (&["--set", "crd.install=false"], &["kubectl get crd aiproviderseeds.aiproviders.dev"]),
    ] {
        // `helm template` does not print notes; this renders them as a template.
        let directory = tempfile::tempdir().unwrap();
        copy(&root(CHART), directory.path());
        let templates = directory.path().join("templates");
        let notes = fs::read_to_string(templates.join("NOTES.txt")).unwrap();
        fs::write(templates.join("_notes.tpl"), format!("{{{{ define \"notes\" }}}}{notes}{{{{ end }}}}")).unwrap();
        fs::write(templates.join("notes.yaml"), "notes: {{ include \"notes\" . | toJson }}").unwrap();
        let arguments = [&["--show-only", "templates/notes.yaml"], arguments].concat();
        let rendered = helm::stdout(try_template("ai-provider-seed", directory.path().to_str().unwrap(), &arguments));
        let text = yaml(&rendered)["notes"].as_str().unwrap().to_owned();
        for expected in expected {
            assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
        }
    }
}

#[test]
fn versions_agree() {
    let chart = yaml(&read(&format!("{CHART}/Chart.yaml")));
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}
