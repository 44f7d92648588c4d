//! Helm's output on a real API server; and an installation through upgrade and removal.

use crate::support::helm::{self, CHART, KUBE_VERSION, root, stdout};
use crate::support::kubernetes::{Cluster, eventually, tools};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn kubectl(cluster: &Cluster, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(tools::tool("kubectl").unwrap())
        .args(arguments)
        .env("KUBECONFIG", cluster.kubeconfig())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start kubectl");
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn installed(cluster: &Cluster, arguments: &[&str]) -> String {
    let mut command = helm::command();
    stdout(
        command
            .args(arguments)
            .args(["--namespace", "coder"])
            .env("KUBECONFIG", cluster.kubeconfig())
            .output()
            .unwrap(),
    )
}

/// A namespace with warnings for pod templates that the standard `restricted` would refuse.
fn create_namespace(cluster: &Cluster, name: &str) {
    let labels = "{pod-security.kubernetes.io/warn: restricted, pod-security.kubernetes.io/enforce: restricted}";
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: \"{name}\", labels: {labels}}}\n");
    stdout(kubectl(cluster, &["apply", "-f", "-"], &namespace));
}

/// Every field must be known, and a warning (an unrestricted pod, a deprecated version) is an error.
fn assert_accepted(cluster: &Cluster, what: &str, manifest: &str) {
    let strict = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "--warnings-as-errors"];
    let output = kubectl(cluster, &[&strict[..], &["-f", "-"]].concat(), manifest);
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn rendered_chart_is_accepted_by_the_api_server() {
    let Some(cluster) = Cluster::start() else { return };
    for namespace in ["coder", "staging", "argocd", "123", "0x1f"] {
        create_namespace(&cluster, namespace);
    }
    cluster.install_definition();
    stdout(kubectl(&cluster, &["config", "set-context", "--current", "--namespace=coder"], ""));
    stdout(kubectl(&cluster, &["apply", "-f", root("tests/data/chart/monitoring.yaml").to_str().unwrap()], ""));
    let kinds = "servicemonitors.monitoring.coreos.com,prometheusrules.monitoring.coreos.com";
    eventually("the stand-ins are served", || kubectl(&cluster, &["get", kinds], "").status.success().then_some(()));

    for entry in fs::read_dir(root("tests/data/chart/values")).unwrap().map(Result::unwrap) {
        let values = entry.path();
        let values = values.to_str().unwrap();
        let rendered = helm::template(&["--values", values]);
        if helm::objects(&rendered).is_empty() {
            assert!(values.ends_with("dependency.yaml"));
            continue;
        }
        assert_accepted(&cluster, values, &rendered);
    }
    // Names of releases and namespaces that look like other YAML types.
    for release in ["123", "1e3", "true", "0x1f"] {
        for more in ["controller.replicas=1", "allNamespaces=true", "leaderElection.enabled=true"] {
            let names = format!("nameOverride={release},serviceAccount.name=1e3");
            let more = ["--namespace", "123", "--set-string", &names, "--set", more];
            let rendered = stdout(helm::try_template(release, CHART, &more));
            assert_accepted(&cluster, release, &rendered);
        }
    }
    let coder = ["--values", "deploy/coder/values.yaml", "--values", "deploy/coder/more.yaml"];
    let coder = [&coder[..], &["--api-versions", "aiproviders.dev/v1alpha1"]].concat();
    assert_accepted(&cluster, "coder", &stdout(helm::try_template("coder", "tests/data/chart/coder", &coder)));
    for job in ["diff", "resolve"] {
        // Apply needs a name.
        let generated = format!("generateName: ai-provider-seed-{job}-");
        let manifest = helm::read(&format!("deploy/coder/{job}-job.yaml"));
        assert!(manifest.contains(&generated));
        assert_accepted(&cluster, job, &manifest.replace(&generated, &format!("name: {job}")));
    }
    for directory in helm::KUSTOMIZATIONS {
        let path = root("deploy").join(directory);
        assert_accepted(&cluster, directory, &stdout(kubectl(&cluster, &["kustomize", path.to_str().unwrap()], "")));
    }
    assert_accepted(&cluster, "argocd-cm", &helm::read("deploy/examples/argocd/argocd-cm.yaml"));
}

/// The commands in a Job's head that create it and wait for its end, and the last one, which reads its log.
fn commands(job: &str) -> Vec<String> {
    let text = helm::read(&format!("deploy/coder/{job}-job.yaml"));
    let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("#   ")).map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    lines
}

#[test]
fn documented_job_wait_ends_when_the_job_succeeds_or_fails() {
    let Some(cluster) = Cluster::start() else { return };
    create_namespace(&cluster, "coder");
    // The conditions that the Job controller of current releases writes; there is none here.
    let condition =
        |kind: &str| format!(r#"{{"type": "{kind}", "status": "True", "lastTransitionTime": "2026-11-20T09:12:10Z"}}"#);
    let statuses = [
        ("resolve", "SuccessCriteriaMet", "Complete", r#""succeeded": 1, "completionTime": "2026-11-20T09:12:10Z","#),
        ("resolve", "FailureTarget", "Failed", r#""failed": 1,"#),
        ("diff", "FailureTarget", "Failed", r#""failed": 1,"#),
        ("diff", "SuccessCriteriaMet", "Complete", r#""succeeded": 1, "completionTime": "2026-11-20T09:12:10Z","#),
    ];
    for (job, before, end, counts) in statuses {
        let commands = commands(job);
        let script = format!("set -eu\n{}\necho \"$JOB\" >&2\n{}\necho ended\n", commands[0], commands[1]);
        let bin = tools::tool("kubectl").unwrap().parent().unwrap().to_owned();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut child = Command::new("bash")
            .args(["-c", &script])
            .current_dir(root(""))
            .env("PATH", path)
            .env("KUBECONFIG", cluster.kubeconfig())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start bash");
        let mut name = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stderr.take().unwrap()), &mut name).unwrap();
        let name = name.trim().to_owned();
        assert!(name.starts_with(&format!("job.batch/ai-provider-seed-{job}-")), "{name}");
        let patch = |conditions: &str, counts: &str| {
            let status = format!(
                r#"{{"status": {{"startTime": "2026-11-20T09:12:00Z", {counts} "conditions": [{conditions}]}}}}"#
            );
            stdout(kubectl(
                &cluster,
                &["patch", "-n", "coder", &name, "--subresource=status", "--type=merge", "-p", &status],
                "",
            ));
        };
        patch(&condition(before), "");
        assert!(child.try_wait().unwrap().is_none(), "{job} ended before its Job did; the one before it was taken?");
        patch(&format!("{}, {}", condition(before), condition(end)), counts);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{job} {end}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ended\n");
    }
}

const RESOURCE: &str = "
apiVersion: aiproviders.dev/v1alpha1
kind: AIProviderSeed
metadata: {name: coder, namespace: coder}
spec: {workloadRef: {name: coder}, interval: 10m}
";

#[test]
fn chart_upgrade_and_removal_keep_the_resources() {
    let Some(cluster) = Cluster::start() else { return };
    create_namespace(&cluster, "coder");
    let chart = root(CHART);
    let notes = installed(&cluster, &["install", "ai-provider-seed", chart.to_str().unwrap()]);
    assert!(notes.contains("kubectl get aps -n coder"), "{notes}");
    eventually("the kind is served", || {
        kubectl(&cluster, &["apply", "-f", "-"], RESOURCE).status.success().then_some(())
    });
    let status = r#"{"status": {"observedGeneration": 1, "summary": {"inSync": "2/2", "desired": 2, "conflicts": 0}}}"#;
    let patch = ["patch", "aps", "coder", "-n", "coder", "--subresource=status", "--type=merge", "-p", status];
    stdout(kubectl(&cluster, &patch, ""));
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_str(&stdout(kubectl(&cluster, &[arguments, &["-o", "json"]].concat(), ""))).unwrap()
    };
    let resource = || {
        let found = json(&["get", "aps", "coder", "-n", "coder"]);
        (found["metadata"]["uid"].clone(), found["spec"].clone(), found["status"].clone())
    };
    let before = resource();
    assert_eq!(before.2["summary"]["inSync"], "2/2");

    // when the chart is upgraded to a version with one more column / then the definition has it, and the resource stays
    let next = next_version(&chart);
    installed(&cluster, &["upgrade", "ai-provider-seed", next.path().to_str().unwrap()]);
    let definition = || json(&["get", "crd", "aiproviderseeds.aiproviders.dev"]);
    let columns = |definition: &Value| definition["spec"]["versions"][0]["additionalPrinterColumns"].to_string();
    assert!(columns(&definition()).contains("Next"), "the definition was not upgraded");
    assert_eq!(resource(), before);
    let image = json(&["get", "deployment", "ai-provider-seed", "-n", "coder"]);
    assert_eq!(
        image["spec"]["template"]["spec"]["containers"][0]["image"],
        "ghcr.io/aiproviders/ai-provider-seed:99.0.0"
    );

    // when leader election is turned on and off / then Helm can change the strategy, although the API server has added
    // defaults
    for elects in ["true", "false"] {
        let set = format!("leaderElection.enabled={elects}");
        installed(&cluster, &["upgrade", "ai-provider-seed", next.path().to_str().unwrap(), "--set", &set]);
    }

    // when the holder has written into the Lease and the chart is upgraded / then the holder keeps it
    let elects = ["--set", "leaderElection.enabled=true"];
    let upgrade = |more: &[&str]| {
        let next = ["upgrade", "ai-provider-seed", next.path().to_str().unwrap()];
        installed(&cluster, &[&next[..], &elects, more].concat());
    };
    upgrade(&[]);
    let holder = r#"{"spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}}"#;
    stdout(kubectl(&cluster, &["patch", "lease", "ai-provider-seed", "-n", "coder", "--type=merge", "-p", holder], ""));
    upgrade(&["--set", "commonLabels.team=platform"]);
    let lease = json(&["get", "lease", "ai-provider-seed", "-n", "coder"]);
    assert_eq!(lease["metadata"]["labels"]["team"], "platform");
    assert_eq!(lease["spec"]["holderIdentity"], "me");

    // when the chart is removed / then the definition and the resource stay
    let said = installed(&cluster, &["uninstall", "ai-provider-seed"]);
    assert!(said.contains("aiproviderseeds.aiproviders.dev"), "Helm says what it kept: {said}");
    assert!(definition().is_object());
    assert_eq!(resource(), before);
    assert!(!kubectl(&cluster, &["get", "deployment", "ai-provider-seed", "-n", "coder"], "").status.success());

    // when it is installed again, then under another name, which needs --take-ownership / then the resource stays
    installed(&cluster, &["install", "ai-provider-seed", chart.to_str().unwrap()]);
    assert!(!columns(&definition()).contains("Next"));
    assert_eq!(resource(), before);
    installed(&cluster, &["uninstall", "ai-provider-seed"]);
    installed(&cluster, &["install", "other", chart.to_str().unwrap(), "--take-ownership"]);
    assert_eq!(resource(), before);
}

/// A copy of the chart, with version 99.0.0 and one more column in the definition.
fn next_version(chart: &Path) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    helm::copy(chart, directory.path());
    let edit = |file: &str, from: &str, to: &str| {
        let path = directory.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: {from}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    };
    let version = env!("CARGO_PKG_VERSION");
    edit("Chart.yaml", &format!("\nversion: {version}"), "\nversion: 99.0.0");
    edit("Chart.yaml", &format!("\nappVersion: {version}"), "\nappVersion: 99.0.0");
    let column = "additionalPrinterColumns:\n    - {name: Next, type: string, jsonPath: .spec.interval}\n";
    edit("files/aiproviderseeds.yaml", "additionalPrinterColumns:\n", column);
    directory
}

#[test]
fn helm_kube_version_equals_the_api_server_version() {
    let Some(cluster) = Cluster::shared() else { return };
    let version: Value = serde_json::from_slice(&kubectl(cluster, &["get", "--raw", "/version"], "").stdout).unwrap();
    let (major, minor) = (version["major"].as_str().unwrap(), version["minor"].as_str().unwrap());
    assert!(KUBE_VERSION.starts_with(&format!("{major}.{minor}.")), "{version}");
}
