//! The peak memory of a controller among objects with large contents, and with servers that send arbitrary data.

use std::path::Path;
use std::time::{Duration, Instant};

use ai_provider_seed::testing::kubernetes::crd::spec::AIProviderSeed;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use super::FIRST_STATUS;
use super::conditions::Conditions;
use super::objects::{Workload, create, create_all, variable};
use super::process::Process;
use crate::page::Page;
use crate::support::controller::seed;
use crate::support::floods::{self, Flood};
use crate::support::{Cluster, Hostile};

const LARGE: usize = 250_000;
const WATCHES: u64 = 64 << 20;
/// P12.
const FLOODED: u64 = 100 << 20;

pub fn measure(path: &Path, cluster: &Cluster, page: &mut Page) {
    page.section(
        "Peak memory",
        "For the whole controller, including its own pages, as the kernel counts it (VmHWM). The servers of the last two rows are those of
[tests/support/floods.rs](../tests/support/floods.rs): eight at once that send endlessly, one large message, nothing, or a byte
a second; and eight that send exactly the accepted amount, which stays in memory.",
    );
    page.size("500 ConfigMaps of 250 kB in the namespace", config_maps(path, cluster) * 1024, Some(WATCHES));
    page.size("300 resources with 250 kB of annotations", resources(path, cluster) * 1024, Some(WATCHES));
    page.size("eight servers that flood", flooded(path, cluster, &floods::FLOODS) * 1024, Some(FLOODED));
    page.size(
        "eight servers that send the accepted amount",
        flooded(path, cluster, &floods::BOUNDS) * 1024,
        Some(FLOODED),
    );
}

fn config_maps(path: &Path, cluster: &Cluster) -> u64 {
    let (namespace, data) = (cluster.namespace(), "x".repeat(LARGE));
    let object = |at: u32| json!({"metadata": {"name": format!("large-{at}")}, "data": {"x": data}});
    create_all::<ConfigMap>(&namespace, (0..500).map(object));
    let env = json!([{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "small", "key": "x"}}}]);
    create(&namespace, vec![Workload { name: "coder".into(), env, spec: json!({"interval": "1h"}) }]);
    let (mut conditions, names) = (Conditions::of(&namespace), ["coder".to_owned()]);
    let process = Process::start(path, &namespace, &[]);
    conditions.wait(&names, "ConfigMapNotFound", FIRST_STATUS);
    // Only the watch of the ConfigMaps delivers this, after the list of all of them.
    create_all::<ConfigMap>(&namespace, [json!({"metadata": {"name": "small"}, "data": {"a": "b"}})].into_iter());
    conditions.wait(&names, "ConfigMapKeyMissing", FIRST_STATUS);
    process.peak_memory()
}

fn resources(path: &Path, cluster: &Cluster) -> u64 {
    let (namespace, annotation) = (cluster.namespace(), "x".repeat(LARGE));
    let object = |at: u32| {
        let mut seed: Value = seed(&format!("large-{at}"), json!({"workloadRef": {"name": "coder"}}));
        seed["metadata"]["annotations"] = json!({"example.com/large": annotation});
        seed
    };
    create_all::<AIProviderSeed>(&namespace, (0..300).map(object));
    let process = Process::start(path, &namespace, &[]);
    let started = Instant::now();
    while process.samples("ai_provider_seed_last_check_timestamp_seconds{") < 300 {
        assert!(started.elapsed() < FIRST_STATUS, "not all are checked");
        std::thread::sleep(Duration::from_millis(100));
    }
    process.peak_memory()
}

fn flooded(path: &Path, cluster: &Cluster, floods: &[Flood]) -> u64 {
    let namespace = cluster.namespace();
    let servers: Vec<Hostile> = floods.iter().map(|flood| Hostile::start(flood.act)).collect();
    let workload = |(flood, server): (&Flood, &Hostile)| {
        let mut env = vec![variable("CODER_PG_CONNECTION_URL", &server.url())];
        env.extend(floods::variables().iter().map(|(name, value)| variable(name, value)));
        Workload { name: flood.name.into(), env: env.into(), spec: json!({"interval": "10s"}) }
    };
    create(&namespace, floods.iter().zip(&servers).map(workload).collect());
    let mut conditions = Conditions::of(&namespace);
    let process = Process::start(path, &namespace, &[]);
    for flood in floods {
        conditions.wait(&[flood.name.to_owned()], flood.reason, Duration::from_secs(150));
    }
    // Each server that ends at once was queried again in this time.
    process.peak_memory()
}
