//! For every case of the case file: the controller's prediction for a pod template with the case's environment equals the
//! result of `seed` with it.

use crate::support::cases::{ConnectAs, Env, Prediction, run_all_with};
use crate::support::controller::{Controller, deployment, seed};
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Namespace, block_on};
use ai_provider_seed::testing::kubernetes::crd::spec::AIProviderSeed;
use ai_provider_seed::testing::kubernetes::crd::status::AIProviderSeedStatus;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, PostParams};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

static NUMBER: AtomicUsize = AtomicUsize::new(0);
static REFUSED: AtomicUsize = AtomicUsize::new(0);

fn predict(namespace: &Namespace, env: &Env, url: &str, compare: &str) -> Option<Prediction> {
    let name = format!("case-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    // The kubelet would take this for a reference.
    let literal = |(name, value): (&String, &String)| json!({"name": name, "value": value.replace('$', "$$")});
    let mut variables: Vec<_> = env.iter().map(literal).collect();
    variables.push(json!({"name": "CODER_PG_CONNECTION_URL", "value": url}));
    let args = ["seed".to_owned(), format!("--compare-credentials={compare}")];
    let workload = deployment(&name, &json!(variables), &args.each_ref().map(String::as_str));
    let (deployments, seeds): (Api<Deployment>, Api<AIProviderSeed>) = (namespace.api(), namespace.api());
    let workload = serde_json::from_value(workload).unwrap();
    if let Err(error) = block_on(deployments.create(&PostParams::default(), &workload)) {
        // Kubernetes does not accept this name for a variable.
        assert!(matches!(error, kube::Error::Api(ref status) if status.code == 422), "{error}");
        REFUSED.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    let resource = serde_json::from_value(seed(&name, json!({"workloadRef": {"name": name}}))).unwrap();
    block_on(seeds.create(&PostParams::default(), &resource)).unwrap();
    let status: AIProviderSeedStatus = eventually("a prediction", || {
        let status = block_on(seeds.get(&name)).unwrap().status?;
        let known = status.conditions.first()?.reason != "Progressing";
        known.then_some(status)
    });
    block_on(seeds.delete(&name, &Default::default())).unwrap();
    Some(Prediction {
        reason: status.conditions[0].reason.clone(),
        conflicts: status.conflicts.iter().map(|c| (c.id.clone(), c.provider.clone(), c.field.clone())).collect(),
        providers: status.providers.iter().map(|p| (p.name.clone(), format!("{:?}", p.state))).collect(),
        warnings: status.warnings.iter().map(|warning| warning.code.clone()).collect(),
    })
}

#[test]
fn controller_status_predicts_next_pod_start() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let controller = Controller::start(&namespace);
    run_all_with(ConnectAs::SUPERUSER, &|env, url, compare| predict(&namespace, env, url, compare));
    let (asked, refused) = (NUMBER.load(Ordering::Relaxed), REFUSED.load(Ordering::Relaxed));
    assert!(asked > 144 && refused * 20 < asked, "{refused} of {asked} environments were refused");
    controller.stop().expect(0);
}
