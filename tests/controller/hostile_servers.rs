//! Eight servers at once that send what no Postgres would, and a healthy one: the whole controller stays within the
//! memory of P12, and checks the healthy one as usual.

use crate::hostile::{MEMORY, create, start, variable};
use crate::support::controller::{Controller, deployment, get, seed};
use crate::support::floods::{BOUNDS, FLOODS, Flood, variables};
use crate::support::{Cluster, Hostile, Namespace, Run, Server, Variant};
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;
use std::time::{Duration, Instant};

fn workload(namespace: &Namespace, name: &str, url: &str) {
    let mut env = vec![variable("CODER_PG_CONNECTION_URL", url)];
    env.extend(variables().iter().map(|(name, value)| variable(name, value)));
    create::<Deployment>(namespace, deployment(name, &json!(env), &[]));
    namespace.apply(&seed(name, json!({"workloadRef": {"name": name}, "interval": "10s"})).to_string());
}

/// The controller beside these servers: each of their resources is refused for its reason, the healthy one is checked.
fn beside(floods: &[Flood]) {
    let Some(cluster) = Cluster::shared() else { return };
    let (hostile, healthy) = (cluster.namespace(), cluster.namespace());
    let database = Server::shared().database(Variant::Current);
    workload(&healthy, "fine", &database.url());
    let servers: Vec<Hostile> = floods.iter().map(|flood| Hostile::start(flood.act)).collect();
    for (flood, server) in floods.iter().zip(&servers) {
        workload(&hostile, flood.name, &server.url());
    }
    let namespaces = [&hostile, &healthy].map(|namespace| format!("--namespace={}", namespace.name()));
    let mut controller = start(&hostile, &[&namespaces[0], &namespaces[1]]);
    patiently(&mut controller, &healthy, "fine", "WouldSeed");
    let finished = Run::seed().database(database.url()).envs(variables()).run();
    assert_eq!(finished.code, 0, "{finished}");
    patiently(&mut controller, &healthy, "fine", "InSync");
    for flood in floods {
        patiently(&mut controller, &hostile, flood.name, flood.reason);
    }
    // During the floods.
    database.execute("update ai_providers set base_url = 'https://other.example/v1' where name = 'p7'");
    patiently(&mut controller, &healthy, "fine", "Conflict");
    let peak = controller.peak_memory();
    controller.stop().expect(0);
    assert!(peak < MEMORY << 10, "{peak} KiB");
}

/// Waits for a reason for three times as long as eight checks that use all of their time may delay it.
#[track_caller]
fn patiently(controller: &mut Controller, namespace: &Namespace, name: &str, reason: &str) {
    let deadline = Instant::now() + Duration::from_secs(150);
    loop {
        let conditions = get(namespace, name).status.unwrap_or_default().conditions;
        if conditions.iter().any(|condition| condition.type_ == "Ready" && condition.reason == reason) {
            return;
        }
        assert!(controller.is_running(), "the controller is gone, while {name} has {conditions:#?}");
        assert!(Instant::now() < deadline, "{name} is not {reason}, but {conditions:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn eight_flooding_servers_at_once_do_not_disturb_others() {
    beside(&FLOODS);
}

/// The largest accepted amount of kept data, and then silence: all servers hold it at the same time.
#[test]
fn eight_servers_at_their_bounds_fit_into_memory() {
    beside(&BOUNDS);
}
