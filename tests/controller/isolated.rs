//! A controller in isolation: in a network without IPv6, and as a pod.

use crate::support::controller::{Controller, reason, seed};
use crate::support::http_proxy::HttpProxy;
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Namespace, Run, skip};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::Duration;

const FALLBACK: &str = "no IPv6 here; listening on 0.0.0.0";

/// If this is not possible, the test counts as skipped.
fn works(words: &[&str], needs: &str) -> bool {
    let tried =
        Command::new(words[0]).args(&words[1..]).arg("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let works = tried.is_ok_and(|status| status.success());
    if !works {
        skip(needs);
    }
    works
}

/// In a network namespace, where only its processes reach each other.
#[test]
fn network_without_ipv6_addresses_is_served() {
    let Some(cluster) = Cluster::shared() else { return };
    let script = "ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 \
                  && test -z \"$(cat /proc/net/if_inet6)\" && exec \"$@\"";
    let within = ["/usr/bin/env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "unshare", "--net", "sh", "-c", script, "sh"];
    if !works(&within, "needs a network namespace (root, unshare and ip)") {
        return;
    }
    let namespace = cluster.namespace();
    // It finds no API server there, but still answers probes.
    let controller = Controller::start_with(namespace.kubeconfig(), &[], |run| {
        run.under(&within).replacing("--listen=127.0.0.1", "--listen=[::]")
    });
    let (page, process) = (format!("http://127.0.0.1:{}/livez", controller.address().1), controller.id().to_string());
    let beside = ["/usr/bin/env", "nsenter", "--net", "--target", &process];
    Run::new(["probe", &page]).under(&beside).without_termination_log().run().expect(0);
    controller.stop().expect(0);
}

/// As a kernel that was started with `ipv6.disable=1`.
#[test]
fn kernel_without_ipv6_is_served_on_ipv4() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let refusing = [
        "/usr/bin/strace",
        "-D",
        "-f",
        "-qq",
        "-o/dev/null",
        "-etrace=socket",
        // The first call of each thread: the listening thread's own.
        "-einject=socket:error=EAFNOSUPPORT:when=1",
    ];
    if !works(&refusing, "needs strace that may trace") {
        return;
    }
    let controller = Controller::start_with(namespace.kubeconfig(), &[], |run| {
        run.under(&refusing).replacing("--listen=127.0.0.1", "--listen=[::]")
    });
    eventually("it answers", || (controller.get("/livez")?.0 == 200).then_some(()));
    let finished = controller.stop().expect(0);
    assert!(finished.stderr.contains(FALLBACK), "{finished}");
}

/// The files of a service account, where a pod has them. `None`: this is not possible here.
struct Pod {
    files: tempfile::TempDir,
    script: String,
}

impl Pod {
    fn of(namespace: &Namespace) -> Option<Pod> {
        let directory = "/run/secrets/kubernetes.io/serviceaccount";
        let script = format!(
            "mount -t tmpfs none /run && mkdir -p {directory} && cp -r \"$0\"/. {directory} && test -d /var{directory} && exec \"$@\""
        );
        let files = tempfile::tempdir().unwrap();
        let config: Value = serde_json::from_str(&std::fs::read_to_string(namespace.kubeconfig()).unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let certificate = {
            use base64::Engine;
            let encoded = text(&config["clusters"][0]["cluster"]["certificate-authority-data"]);
            base64::engine::general_purpose::STANDARD.decode(encoded).unwrap()
        };
        std::fs::write(files.path().join("ca.crt"), certificate).unwrap();
        std::fs::write(files.path().join("token"), text(&config["users"][0]["user"]["token"])).unwrap();
        std::fs::write(files.path().join("namespace"), namespace.name()).unwrap();
        let pod = Pod { files, script };
        works(&pod.within(), "needs a mount namespace (root and unshare)").then_some(pod)
    }

    fn within(&self) -> [&str; 8] {
        let copied = self.files.path().to_str().unwrap();
        let path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
        ["/usr/bin/env", path, "unshare", "--mount", "sh", "-c", &self.script, copied]
    }

    fn run(&self, run: Run, cluster: &Cluster) -> Run {
        let run = run.without("KUBECONFIG").env("HOME", "/nonexistent").under(&self.within());
        let run = run.env("KUBERNETES_SERVICE_HOST", "127.0.0.1");
        run.env("KUBERNETES_SERVICE_PORT", cluster.port().to_string())
    }
}

/// With a proxy for other hosts.
#[test]
fn pod_reaches_the_api_server_directly_and_says_so_once() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let Some(pod) = Pod::of(&namespace) else { return };
    namespace.apply(&seed("coder", json!({"workloadRef": {"name": "absent"}})).to_string());
    let proxy = HttpProxy::start();
    let controller = Controller::start_with(namespace.kubeconfig(), &[], |run| {
        pod.run(run, cluster).env("HTTPS_PROXY", proxy.url())
    });
    controller.wait_ready();
    reason(&namespace, "coder", "WorkloadNotFound");
    std::thread::sleep(Duration::from_secs(1));
    let finished = controller.stop().expect(0);
    let sentence = "HTTPS_PROXY is not used: in a cluster the API server is reached directly";
    assert_eq!(finished.stderr.matches(sentence).count(), 1, "{finished}");
    assert_eq!(proxy.tunnels(), 0);
}

#[test]
fn pod_with_an_unusable_kubeconfig_does_not_use_its_account() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let Some(pod) = Pod::of(&namespace) else { return };
    let status = || pod.run(Run::new(["status"]), cluster);
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(status().run().expect(0).stdout, "no AIProviderSeed found\n");
    // As kubectl has it, a missing or empty file is none.
    for none in ["/nonexistent/kubeconfig", "/dev/null", file.path().to_str().unwrap()] {
        status().env("KUBECONFIG", none).run().expect(0);
    }
    for broken in [
        "clusters: 7",
        "{current-context: gone}",
        "{current-context: a, contexts: [{name: a, context: {cluster: gone}}]}",
    ] {
        std::fs::write(file.path(), broken).unwrap();
        let refused = status().env("KUBECONFIG", file.path()).run().expect(2);
        assert!(refused.stderr.contains("(kubeconfig_invalid)"), "{refused}");
    }
}
