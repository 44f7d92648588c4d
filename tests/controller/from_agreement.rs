//! For every case of the case file: `diff --from` a Deployment with the case's environment, and `--from -` with its
//! manifest, report the same as `diff` in that environment.

use crate::support::cases::{ConnectAs, Env, run_all_with};
use crate::support::controller::deployment;
use crate::support::{Cluster, Finished, Namespace, Run, block_on};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

static NUMBER: AtomicUsize = AtomicUsize::new(0);
static REFUSED: AtomicUsize = AtomicUsize::new(0);

/// Exit code and document, without the parts that exist only with `--from`.
fn said(finished: &Finished) -> (i32, Value) {
    let mut document = finished.json();
    document.as_object_mut().unwrap().remove("from");
    (finished.code, document)
}

fn compare(namespace: &Namespace, env: &Env, url: &str, compare: &str) {
    let name = format!("case-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    // The kubelet would take this for a reference.
    let literal = |(name, value): (&String, &String)| json!({"name": name, "value": value.replace('$', "$$")});
    let mut variables: Vec<_> = env.iter().map(literal).collect();
    variables.push(json!({"name": "CODER_PG_CONNECTION_URL", "value": url}));
    let args = ["seed".to_owned(), format!("--compare-credentials={compare}")];
    let manifest = deployment(&name, &json!(variables), &args.each_ref().map(String::as_str));
    let local = Run::diff().json().arg("--wait=0").arg(&args[1]).envs(env).database(url).run();
    let from = |place: &str| Run::diff().json().arg("--wait=0").arg("--from").arg(place);
    let manifests = from("-").stdin(manifest.to_string()).run();
    assert_eq!(said(&manifests), said(&local), "--from -: {manifests}");
    let deployments: Api<Deployment> = namespace.api();
    let workload = serde_json::from_value(manifest).unwrap();
    if let Err(error) = block_on(deployments.create(&PostParams::default(), &workload)) {
        // Kubernetes does not accept this name for a variable.
        assert!(matches!(error, kube::Error::Api(ref status) if status.code == 422), "{error}");
        REFUSED.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let remote = from(&format!("deployment/{name}")).env("KUBECONFIG", namespace.kubeconfig()).run();
    assert_eq!(said(&remote), said(&local), "--from deployment/{name}: {remote}");
}

#[test]
fn diff_from_agrees_with_diff_in_the_environment() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    run_all_with(ConnectAs::SUPERUSER, &|env, url, credentials| {
        compare(&namespace, env, url, credentials);
        None
    });
    let (asked, refused) = (NUMBER.load(Ordering::Relaxed), REFUSED.load(Ordering::Relaxed));
    assert!(asked > 144 && refused * 20 < asked, "{refused} of {asked} environments were refused");
}
