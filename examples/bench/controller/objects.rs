//! The objects of the measurements: workloads, their Secrets, their resources; and the counters of the API server and
//! Postgres.

use std::time::Duration;

use ai_provider_seed::testing::kubernetes::crd::spec::AIProviderSeed;
use futures::StreamExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, GetParams, PostParams};
use kube::core::Request;
use serde_json::{Value, json};

use super::PROVIDER;
use crate::programs::provider_variables;
use crate::support::controller::{deployment, seed};
use crate::support::{Database, Namespace, Run, block_on};

/// Concurrent creations.
const AT_ONCE: usize = 16;
/// The shortest interval that the definition allows; the controller varies it by up to a tenth.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// A resource, and a Deployment of the same name with these variables in its init container.
pub struct Workload {
    pub name: String,
    pub env: Value,
    /// The resource's spec without its workload.
    pub spec: Value,
}

pub fn variable(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

/// A variable whose value is under the key `value` of the Secret.
pub fn from_secret(name: &str, secret: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": "value"}}})
}

/// The environment of a workload with this database.
pub fn env_of(database: &Database, variables: &[(String, String)]) -> Value {
    let mut env = vec![variable("CODER_PG_CONNECTION_URL", &database.url())];
    env.extend(variables.iter().map(|(name, value)| variable(name, value)));
    env.into()
}

/// Workloads of one seeded database, and their resources, which are checked at the shortest interval. Returns their names.
pub fn create_in_sync(namespace: &Namespace, database: &Database, number: u32) -> Vec<String> {
    let variables = provider_variables(PROVIDER, 2);
    Run::seed().database(database.url()).envs(variables.clone()).run().expect(0);
    let names: Vec<String> = (0..number).map(|at| format!("coder-{at}")).collect();
    let workload = |name: &String| Workload {
        name: name.clone(),
        env: env_of(database, &variables),
        spec: json!({"interval": format!("{}s", INTERVAL.as_secs())}),
    };
    create(namespace, names.iter().map(workload).collect());
    names
}

pub fn create(namespace: &Namespace, workloads: Vec<Workload>) {
    let deployments = workloads.iter().map(|it| deployment(&it.name, &it.env, &[]));
    create_all::<Deployment>(namespace, deployments);
    let seeds = workloads.iter().map(|it| {
        let mut spec = it.spec.clone();
        spec["workloadRef"] = json!({"name": it.name});
        seed(&it.name, spec)
    });
    create_all::<AIProviderSeed>(namespace, seeds);
}

pub fn create_all<K>(namespace: &Namespace, objects: impl Iterator<Item = Value>)
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let api: Api<K> = namespace.api();
    block_on(futures::stream::iter(objects).for_each_concurrent(AT_ONCE, |object| {
        let api = &api;
        async move {
            let object: K = serde_json::from_value(object).expect("an object");
            api.create(&PostParams::default(), &object).await.expect("create an object");
        }
    }));
}

/// Answered requests for the kinds that the controller reads and writes. They come from one controller if no other one
/// runs at the same time.
#[derive(Clone, Copy, Default)]
pub struct Requests {
    pub gets: u64,
    /// All of these, lists and watches included.
    pub reads: u64,
    pub writes: u64,
}

pub fn requests(namespace: &Namespace) -> Requests {
    let request = Request::new("").get("metrics", &GetParams::default()).expect("build a request");
    let text = block_on(namespace.client().request_text(request)).expect("read the metrics of kube-apiserver");
    let ours = ["aiproviderseeds", "deployments", "statefulsets", "secrets", "configmaps", "events"];
    let mut requests = Requests::default();
    for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
        if !ours.iter().any(|resource| line.contains(&format!("resource=\"{resource}\""))) {
            continue;
        }
        let count = line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok()).expect("a number") as u64;
        match line.split("verb=\"").nth(1).and_then(|rest| rest.split('"').next()) {
            Some("GET") => {
                requests.gets += count;
                requests.reads += count;
            }
            Some("LIST" | "WATCH") => requests.reads += count,
            _ => requests.writes += count,
        }
    }
    requests
}

impl std::ops::Sub for Requests {
    type Output = Requests;

    fn sub(self, before: Requests) -> Requests {
        Requests {
            gets: self.gets - before.gets,
            reads: self.reads - before.reads,
            writes: self.writes - before.writes,
        }
    }
}

/// Committed transactions so far. The query for this is one of them, which does not matter among thousands.
pub fn transactions(database: &Database) -> i64 {
    // A backend reports its statistics at most a second later.
    std::thread::sleep(Duration::from_millis(1500));
    let row =
        database.client().query_one("select xact_commit from pg_stat_database where datname = current_database()", &[]);
    row.expect("read the statistics").get(0)
}
