//! The memory of the watches in a namespace full of objects with large metadata, limited by the kernel.

use crate::support::controller::{Controller, deployment, reason, seed};
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Namespace, block_on};
use ai_provider_seed::testing::kubernetes::crd::spec::AIProviderSeed;
use futures::StreamExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

/// MiB of the whole controller.
const MEMORY: usize = 64;
/// Bytes of annotations of each object; the API server accepts 256 KiB.
const ANNOTATIONS: usize = 250_000;

fn create_many<K>(namespace: &Namespace, count: usize, object: impl Fn(&str) -> Value)
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let api: Api<K> = namespace.api();
    let annotation = "x".repeat(ANNOTATIONS);
    let objects = (0..count).map(|number| {
        let mut object = object(&format!("large-{number}"));
        object["metadata"]["annotations"] = json!({"example.com/large": annotation});
        serde_json::from_value::<K>(object).unwrap()
    });
    block_on(futures::stream::iter(objects).for_each_concurrent(8, |object| async {
        let object = object;
        api.create(&PostParams::default(), &object).await.unwrap();
    }));
}

fn start(namespace: &Namespace) -> Controller {
    let controller = Controller::start_with(namespace.kubeconfig(), &[], |run| run.memory(MEMORY));
    controller.wait_ready();
    controller
}

#[test]
fn five_hundred_large_config_maps_take_little_memory() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    create_many::<ConfigMap>(&namespace, 500, |name| json!({"metadata": {"name": name}}));
    let env = json!([{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "small", "key": "x"}}}]);
    namespace.apply(&deployment("coder", &env, &[]).to_string());
    namespace.apply(&seed("coder", json!({"workloadRef": {"name": "coder"}, "interval": "1h"})).to_string());
    let controller = start(&namespace);
    reason(&namespace, "coder", "ConfigMapNotFound");
    // Only the watch of the ConfigMaps delivers this, after the list of all of them.
    namespace.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: small}, data: {a: b}}");
    reason(&namespace, "coder", "ConfigMapKeyMissing");
    controller.stop().expect(0);
}

#[test]
fn three_hundred_large_resources_take_little_memory() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    create_many::<AIProviderSeed>(&namespace, 300, |name| seed(name, json!({"workloadRef": {"name": "coder"}})));
    let controller = start(&namespace);
    eventually("each was checked", || {
        let page = controller.get("/metrics")?.1;
        let checked = page.lines().filter(|line| line.starts_with("ai_provider_seed_last_check_timestamp_seconds{"));
        (checked.count() == 300).then_some(())
    });
    controller.stop().expect(0);
}
