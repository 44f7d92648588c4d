//! The connection to the API server: a proxy, and a credential plugin.

use crate::support::controller::{Controller, check_now, deployment, reason, seed};
use crate::support::http_proxy::HttpProxy;
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Namespace};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const SENTENCE: &str = "the credential plugin sh of the kubeconfig ended with exit code 9; run it by hand to see why";

/// The kubeconfig of the namespace with a change.
fn kubeconfig(namespace: &Namespace, directory: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
    let text = std::fs::read_to_string(namespace.kubeconfig()).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    change(&mut config);
    let path = directory.join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

#[test]
fn proxy_of_the_kubeconfig_leads_to_the_api_server() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, directory) = (cluster.namespace(), tempfile::tempdir().unwrap());
    let (proxy, other) = (HttpProxy::start(), HttpProxy::start());
    namespace.apply(&seed("coder", json!({"workloadRef": {"name": "absent"}})).to_string());
    let path = kubeconfig(&namespace, directory.path(), |config| {
        config["clusters"][0]["cluster"]["proxy-url"] = proxy.url().into();
    });
    let controller = Controller::start_with(&path, &[], |run| run.env("HTTPS_PROXY", other.url()));
    controller.wait_ready();
    reason(&namespace, "coder", "WorkloadNotFound");
    controller.stop().expect(0);
    // The file sets the proxy for this cluster, the variable for all.
    assert!(proxy.tunnels() >= 1 && other.tunnels() == 0, "{} and {}", proxy.tunnels(), other.tunnels());
}

#[test]
fn plugin_that_fails_later_is_named_in_the_log() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, directory) = (cluster.namespace(), tempfile::tempdir().unwrap());
    namespace.apply(&seed("coder", json!({"workloadRef": {"name": "coder"}, "interval": "10s"})).to_string());
    let valid = directory.path().join("valid");
    std::fs::write(&valid, "").unwrap();
    let path = kubeconfig(&namespace, directory.path(), |config| {
        // They expire at once, so that each call requests new ones.
        let status =
            json!({"token": config["users"][0]["user"]["token"], "expirationTimestamp": "2020-01-01T00:00:00Z"});
        let version = "client.authentication.k8s.io/v1";
        let credential = json!({"kind": "ExecCredential", "apiVersion": version, "status": status}).to_string();
        let script = "test -e \"$0\" || { echo sk-canary >&2; exit 9; }; printf %s \"$1\"";
        let exec = json!({
            "apiVersion": version, "command": "sh", "args": ["-c", script, valid, credential],
            "interactiveMode": "Never",
        });
        config["users"][0]["user"] = json!({"exec": exec});
    });
    let controller = Controller::start_with(&path, &[], |run| run.env("PATH", std::env::var_os("PATH").unwrap()));
    controller.wait_ready();
    reason(&namespace, "coder", "WorkloadNotFound");

    std::fs::remove_file(&valid).unwrap();
    let failed = || controller.metric("ai_provider_seed_api_errors_total{class=\"plugin\"}");
    eventually("two calls fail", || (failed() >= 2.0).then_some(()));
    std::fs::write(&valid, "").unwrap();
    namespace.apply(&deployment("coder", &json!([]), &[]).to_string());
    reason(&namespace, "coder", "NothingDesired");
    check_now(&namespace, "coder");
    let finished = controller.stop().expect(0);
    assert_eq!(finished.stderr.matches(SENTENCE).count(), 1, "{finished}");
    assert!(!finished.everything().contains("canary"), "{finished}");
}
