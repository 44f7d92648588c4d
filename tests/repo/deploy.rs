//! The manifests of deploy/, the values for Coder's chart, and the template of the init container for other charts.
//! The same objects on a real API server: chart_cluster.rs.

use crate::support::Run;
use crate::support::helm::{
    self, CHART, assert_current, copy, error, find, objects, read, root, template, try_template, yaml,
};
use crate::support::kubernetes::tools::{self, tool};
use crate::support::skip;
use serde_json::{Value, json};

#[test]
fn init_container_template_works_in_another_chart() {
    if helm::is_missing() {
        return;
    }
    let chart = parent();
    let path = chart.path().to_str().unwrap();
    let text = helm::stdout(try_template("workload", path, &[]));
    assert_current("tests/data/chart/golden/parent.yaml", &text);
    let options = json!({"more": {"name": "seed", "image": "x:1", "args": ["seed", "--wait=5m"],
        "volumeMounts": [{"name": "ca", "mountPath": "/ca"}], "resources": {"limits": {"memory": "1Gi"}}}});
    let text = helm::stdout(try_template("workload", path, &["--set-json", &format!("more={}", options["more"])]));
    let container = &objects(&text)[0]["spec"]["template"]["spec"]["initContainers"][0];
    for key in ["name", "image", "args", "volumeMounts", "resources"] {
        assert_eq!(container[key], options["more"][key]);
    }
    for (wrong, expected) in [("more.volumeMount=x", "knows no \"volumeMount\""), ("seed.tpyo=1", "tpyo")] {
        let refused = try_template("workload", path, &["--set", wrong]);
        assert!(!refused.status.success() && error(&refused).contains(expected), "{}", error(&refused));
    }
}

/// tests/data/chart/parent with this project's chart as its dependency.
fn parent() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    copy(&root("tests/data/chart/parent"), directory.path());
    copy(&root(CHART), &directory.path().join("charts/ai-provider-seed"));
    directory
}

/// The overlay and the text to copy, applied as files: the stand-in has no lists of its own to lose.
const BOTH: [&str; 4] = ["--values", "deploy/coder/values.yaml", "--values", "deploy/coder/more.yaml"];

fn coder(arguments: &[&str]) -> Vec<Value> {
    let fixed = [&BOTH[..], &["--api-versions", "aiproviders.dev/v1alpha1"]].concat();
    objects(&helm::stdout(try_template("coder", "tests/data/chart/coder", &[&fixed[..], arguments].concat())))
}

#[test]
fn coder_values_set_all_that_an_init_container_lacks() {
    if helm::is_missing() {
        return;
    }
    let objects = coder(&[]);
    let pod = &find(&objects, "Deployment")["spec"]["template"]["spec"];
    let container = &pod["initContainers"][0];
    let job = find(&objects, "Job");
    let once = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(job["metadata"]["annotations"]["helm.sh/hook"], "post-install");
    assert_eq!(once["args"], json!(["seed", "--if-schema-missing=wait", "--wait=10m"]));
    // Helm waits for the Job, and needs a longer limit than the Job's.
    let head = read("deploy/coder/more.yaml");
    let command = head.lines().find(|line| line.contains("helm install")).unwrap();
    assert!(command.ends_with(" --timeout 15m"), "{command}");
    // Except for its arguments, the Job's container is the init container.
    let mut same = once.clone();
    same["args"] = container["args"].clone();
    assert_eq!(&same, container);
    assert_eq!(container["securityContext"]["runAsUser"], Value::Null, "OpenShift refuses a user it has not chosen");
    let from = container["envFrom"].as_array().unwrap();
    assert_eq!(from.last().unwrap()["configMapRef"], json!({"name": "ai-provider-seed-override", "optional": true}));
    assert_eq!(
        find(&objects, "AIProviderSeed")["spec"]["workloadRef"]["name"],
        find(&objects, "Deployment")["metadata"]["name"]
    );
    // If the kind is unknown, the rest is still installed.
    let text = helm::stdout(try_template("coder", "tests/data/chart/coder", &BOTH));
    assert!(!text.contains("AIProviderSeed"));
}

#[test]
fn coder_overlay_keeps_lists_of_other_values() {
    if helm::is_missing() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("own.yaml");
    let variable = json!({"name": "CODER_ACCESS_URL", "value": "https://coder.example.com"});
    let (volume, mount) = (json!({"name": "own", "emptyDir": {}}), json!({"name": "own", "mountPath": "/own"}));
    let values = json!({
        "coder": {
            "env": [variable], "envFrom": [{"secretRef": {"name": "own"}}], "volumes": [volume], "volumeMounts": [mount],
        },
        "extraTemplates": ["apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}"],
    });
    std::fs::write(&own, values.to_string()).unwrap();
    let own = own.to_str().unwrap();
    let rendered = |files: &[&str]| {
        let files: Vec<&str> = files.iter().flat_map(|file| ["--values", file]).collect();
        objects(&helm::stdout(try_template("coder", "tests/data/chart/coder", &files)))
    };
    let (before, after) = (rendered(&[own]), rendered(&[own, "deploy/coder/values.yaml"]));
    // Only the init container differs.
    assert_eq!(find(&after, "ConfigMap")["metadata"]["name"], "own");
    let mut without = after;
    let deployment = without.iter_mut().find(|object| object["kind"] == "Deployment").unwrap();
    let containers = deployment["spec"]["template"]["spec"].as_object_mut().unwrap().remove("initContainers").unwrap();
    assert_eq!(without, before);
    assert_eq!(containers[0]["name"], "ai-provider-seed");
    // It also sets a list; its head explains how to add existing init containers.
    let set = yaml(&read("deploy/coder/values.yaml"));
    assert_eq!(set["coder"].as_object().unwrap().keys().collect::<Vec<_>>(), ["initContainers"]);
    assert!(read("deploy/coder/values.yaml").contains("init containers, copy the entry"));
    // Passed with -f, the other file would remove existing templates, so it is text to copy.
    let lost = rendered(&[own, "deploy/coder/more.yaml"]);
    assert!(!lost.iter().any(|object| object["kind"] == "ConfigMap"));
    assert!(read("deploy/coder/more.yaml").contains("Do not pass this file with -f"));
}

#[test]
fn one_name_is_used_for_each_secret() {
    let files = [
        "README.md",
        "deploy/coder/values.yaml",
        "deploy/coder/more.yaml",
        "deploy/coder/diff-job.yaml",
        "deploy/coder/resolve-job.yaml",
        "deploy/examples/init-container/deployment.yaml",
    ];
    let mut names = std::collections::BTreeSet::new();
    for file in files {
        let text = read(file);
        let lines: Vec<&str> = text.lines().map(|line| line.trim_start_matches(['#', ' ', '-'])).collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| **line == "secretKeyRef:") {
            let variable = lines[at - 2].strip_prefix("name: ").unwrap_or_else(|| panic!("{file}: {line}"));
            let name = lines[at + 1].strip_prefix("name: ").unwrap();
            names.insert(format!("{variable} {name}"));
        }
    }
    let expected = [
        "CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS coder-encryption",
        "CODER_PG_CONNECTION_URL coder-db-url",
        "CODER_PG_CONNECTION_URL coder-resolve-db-url",
    ];
    assert_eq!(names, expected.map(str::to_owned).into());
}

/// Every container of this program in deploy/, with the name of its file.
fn our_containers() -> Vec<(String, Value)> {
    let mut manifests = vec![("deploy/coder".to_owned(), coder(&[]))];
    for path in [
        "deploy/coder/diff-job.yaml",
        "deploy/coder/resolve-job.yaml",
        "deploy/examples/init-container/deployment.yaml",
    ] {
        manifests.push((path.to_owned(), objects(&read(path))));
    }
    manifests.push(("charts".to_owned(), objects(&template(&[]))));
    let mut found = Vec::new();
    for (path, objects) in manifests {
        for object in objects {
            let pod = if object["kind"] == "Pod" { &object["spec"] } else { &object["spec"]["template"]["spec"] };
            for list in ["initContainers", "containers"] {
                for container in pod[list].as_array().into_iter().flatten() {
                    if container["image"].as_str().is_some_and(|image| image.contains("/ai-provider-seed:")) {
                        let mut container = container.clone();
                        container["pod"] = pod["securityContext"].clone();
                        found.push((path.clone(), container));
                    }
                }
            }
        }
    }
    assert_eq!(found.len(), 7);
    found
}

#[test]
fn containers_are_restricted_and_use_existing_options() {
    if helm::is_missing() {
        return;
    }
    let version = env!("CARGO_PKG_VERSION");
    for (path, container) in our_containers() {
        let own = &container["securityContext"];
        let either = |key: &str| if own[key].is_null() { &container["pod"][key] } else { &own[key] };
        assert_eq!(either("runAsNonRoot"), true, "{path}");
        assert_eq!(either("seccompProfile")["type"], "RuntimeDefault", "{path}");
        assert_eq!(either("runAsUser"), &Value::Null, "{path}");
        assert_eq!(own["allowPrivilegeEscalation"], false, "{path}");
        assert_eq!(own["readOnlyRootFilesystem"], true, "{path}");
        assert_eq!(own["capabilities"]["drop"], json!(["ALL"]), "{path}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{path}");
        let image = container["image"].as_str().unwrap();
        assert!(
            image.ends_with(&format!(":{version}")) || image.ends_with(&format!(":{version}-init")),
            "{path}: {image}"
        );
        let arguments = container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
        if !["controller", "probe"].contains(&container["name"].as_str().unwrap()) {
            // No provider is desired, so it ends before it connects; for `resolve` that is the only problem.
            let finished = Run::new(arguments).json().run();
            let problems = if container["name"] == "resolve" { &["nothing_desired"][..] } else { &[] };
            assert_eq!(finished.codes("problems"), problems, "{path}: {finished}");
        }
    }
}

#[test]
fn pages_say_how_to_run_the_job() {
    let text = read("deploy/coder/resolve-job.yaml");
    let commands: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    assert_eq!(commands.len(), 3);
    let values = read("deploy/coder/values.yaml");
    let job = yaml(&text);
    let env = job["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let secrets: Vec<_> = env
        .iter()
        .map(|variable| &variable["valueFrom"]["secretKeyRef"])
        .filter(|secret| secret["optional"] != true)
        .map(|secret| secret["name"].as_str().unwrap())
        .filter(|name| !values.contains(&format!("Secret {name},")))
        .collect();
    assert_eq!(secrets, ["coder-resolve-db-url"]);
    for path in ["docs/resolve.md", "docs/runbooks/three-in-the-morning.md"] {
        let page = read(path);
        // The runbook copies the file with the id in it.
        for command in commands.iter().map(|command| command.split(" -f ").next().unwrap()) {
            assert!(page.contains(command), "{path}: {command}");
        }
        for secret in &secrets {
            assert!(page.contains(&format!("kubectl create secret generic {secret} -n coder")), "{path}: {secret}");
        }
        assert!(page.contains("\\password ai_provider_resolve\nalter role ai_provider_resolve login;"), "{path}");
    }
}

#[test]
fn controller_manifests_are_rendered_from_the_chart() {
    if helm::is_missing() {
        return;
    }
    let text = template(&["--set", "crd.install=true", "--skip-tests"]);
    let ours = |line: &&str| {
        !["helm.sh/chart:", "helm.sh/resource-policy:", "app.kubernetes.io/managed-by:", "# Source:"]
            .iter()
            .any(|helms| line.trim_start().starts_with(helms))
    };
    let text: String = text.lines().filter(ours).map(|line| format!("{line}\n")).collect();
    // The remaining annotations of the definition are an empty mapping.
    let text = text.replace("  annotations:\n  labels:\n", "  labels:\n");
    let (definition, others): (Vec<&str>, Vec<&str>) = text
        .split("---\n")
        .filter(|document| !document.is_empty())
        .partition(|d| d.contains("kind: CustomResourceDefinition"));
    let head = "# Made from the chart with its default values; tests/repo/deploy.rs keeps it so. Do not edit.\n";
    assert_current("deploy/controller/crd.yaml", &format!("{head}{}", definition.concat()));
    assert_current("deploy/controller/controller.yaml", &format!("{head}{}", others.join("---\n")));
}

#[test]
fn readme_puts_only_secrets_into_a_secret() {
    let page = read("README.md");
    let section = page.split_once("## In Coder's chart").unwrap().1;
    let first = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let objects = objects(first);
    let keys =
        |kind: &str, data: &str| find(&objects, kind)[data].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let (open, secret) = (keys("ConfigMap", "data"), keys("Secret", "stringData"));
    assert!(open.iter().all(|name| ["_TYPE", "_NAME", "_BASE_URL"].iter().any(|end| name.ends_with(end))), "{open:?}");
    assert!(!secret.is_empty() && secret.iter().all(|name| name.ends_with("_KEYS")), "{secret:?}");
    // The container of the next block uses both.
    let values = yaml(section.split("```yaml\n").nth(2).unwrap().split("```").next().unwrap());
    let from = &values["coder"]["initContainers"][0]["envFrom"];
    for (place, reference) in ["configMapRef", "secretRef"].iter().enumerate() {
        assert_eq!(from[place][reference]["name"], "coder-ai-providers");
    }
    // One spelling: another one would be a conflict for a reader who follows the examples in turn.
    assert!(!page.contains("https://api.openai.com/v1/"));
}

#[test]
fn argo_cd_config_has_the_documented_health_check() {
    let shown = read("deploy/examples/argocd/health.lua");
    let config = yaml(&read("deploy/examples/argocd/argocd-cm.yaml"));
    let installed =
        config["data"]["resource.customizations.health.aiproviders.dev_AIProviderSeed"].as_str().unwrap().to_owned();
    assert_eq!(installed, shown.split_once('\n').unwrap().1);
}

#[test]
fn argo_cd_health_follows_the_conditions() {
    let lua =
        ["lua5.4", "lua5.3", "lua"].into_iter().find(|lua| std::process::Command::new(lua).arg("-v").output().is_ok());
    let Some(lua) = lua else {
        skip("Lua is not installed (Debian: lua5.4)");
        return;
    };
    let condition =
        |kind: &str, status: &str| format!("{{type=\"{kind}\", status=\"{status}\", message=\"{kind} {status}\"}}");
    for (conditions, seen, expected) in [
        (vec![], 1, "Progressing"),
        (vec![condition("Ready", "True"), condition("InSync", "True")], 1, "Healthy"),
        (vec![condition("Ready", "True")], 0, "Progressing"),
        (vec![condition("Ready", "False"), condition("Stalled", "True")], 1, "Degraded"),
        (vec![condition("Ready", "False"), condition("Reconciling", "True")], 1, "Progressing"),
        (vec![condition("Ready", "Unknown"), condition("Suspended", "True")], 1, "Suspended"),
        (vec![condition("Ready", "Unknown"), condition("Reconciling", "True")], 1, "Progressing"),
    ] {
        let object = format!(
            "obj = {{metadata={{generation=1}}, status={{observedGeneration={seen}, conditions={{{}}}}}}}",
            conditions.join(", ")
        );
        let check = read("deploy/examples/argocd/health.lua");
        let program = format!("{object}\nlocal function check()\n{check}\nend\nprint(check().status)");
        let output = std::process::Command::new(lua).args(["-e", &program]).output().expect("start Lua");
        assert_eq!(helm::stdout(output).trim(), expected, "{object}");
    }
}

#[test]
fn every_kustomization_builds() {
    let Some(kubectl) = tool("kubectl") else { return skip(tools::MISSING) };
    for directory in helm::KUSTOMIZATIONS {
        let path = root("deploy").join(directory);
        let output = std::process::Command::new(&kubectl).arg("kustomize").arg(&path).output().expect("start kubectl");
        let objects = objects(&helm::stdout(output));
        assert!(!objects.is_empty());
        if directory.ends_with("sidecar") {
            let names =
                find(&objects, "Deployment")["spec"]["template"]["spec"]["initContainers"].as_array().unwrap().iter();
            let names: Vec<_> = names.map(|container| container["name"].as_str().unwrap().to_owned()).collect();
            assert_eq!(
                names,
                ["database-proxy", "ai-provider-seed"],
                "what gives the network stands before what needs it"
            );
        }
    }
}
