//! The controller with many resources on a real API server: how soon each has a status, what a quiet interval costs, and
//! whether its memory grows.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ai_provider_seed::testing::kubernetes::crd::spec::AIProviderSeed;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, GetParams, PostParams};
use kube::core::Request;
use serde_json::{Value, json};

use crate::page::Page;
use crate::plot::Plot;
use crate::programs::provider_variables;
use crate::support::controller::{deployment, seed};
use crate::support::{Cluster, Database, Namespace, Run, Server, Variant, block_on};

/// The shortest that the definition allows; the controller adds or takes away up to a tenth.
const INTERVAL: Duration = Duration::from_secs(10);
const MIB: f64 = 1024.0;

pub fn controller(path: &Path, server: &Server, page: &mut Page, intervals: u32) {
    let Some(cluster) = Cluster::shared() else { return page.note("There was no kube-apiserver for the controller.") };
    let (mut first, mut memory) = (Vec::new(), Vec::new());
    for number in [1, 10, 100, 1_000] {
        let database = server.database(Variant::Current);
        let namespace = cluster.namespace();
        let variables = provider_variables(1, 2);
        Run::seed().database(database.url()).envs(variables.clone()).run().expect(0);
        create(&namespace, &database, &variables, number);
        let started = Instant::now();
        let process = Process::start(path, &namespace);
        while in_sync(&namespace) < number {
            assert!(started.elapsed() < Duration::from_secs(300), "{} of {number}", in_sync(&namespace));
            std::thread::sleep(Duration::from_millis(20));
        }
        let seconds = started.elapsed().as_secs_f64();
        // The next check of each is a quiet one.
        std::thread::sleep(INTERVAL + INTERVAL / 5);
        let rounds = if number == 1_000 { intervals } else { 2 };
        let before = (requests(&namespace), transactions(&database), process.memory());
        let quiet = Instant::now();
        std::thread::sleep(INTERVAL * rounds);
        let after = (requests(&namespace), transactions(&database), process.memory());
        let checks = f64::from(number) * quiet.elapsed().as_secs_f64() / INTERVAL.as_secs_f64();
        let reads = (after.1 - before.1) as f64 / checks;
        let x = f64::from(number);
        first.push((x, seconds * 1000.0));
        memory.push((x, after.2 as f64 / MIB));
        page.resources(number, seconds, reads, (after.0.0 - before.0.0) as f64 / checks, after.2);
        if number == 1_000 {
            page.size("controller, 1,000 resources: resident memory", after.2 * 1024, Some(30 << 20));
            page.count(
                &format!("the same: writes to the API server in {rounds} quiet intervals"),
                (after.0.1 - before.0.1) as usize,
                0,
            );
            page.most("the same: reads of the database for each resource and interval", reads, 1.1);
            let growth = after.2 as f64 / before.2 as f64;
            page.most(&format!("the same: memory after {rounds} quiet intervals ÷ before"), growth, 1.05);
        }
    }
    Plot::new("From the start of the controller to a status for each resource", "resources", "ms")
        .line("first status", first)
        .write("docs/performance-resources-time.svg");
    Plot::new("Resident memory of the controller", "resources", "MiB")
        .line("controller", memory)
        .write("docs/performance-resources-memory.svg");
}

fn create(namespace: &Namespace, database: &Database, variables: &[(String, String)], number: u32) {
    let mut env = vec![json!({"name": "CODER_PG_CONNECTION_URL", "value": database.url()})];
    env.extend(variables.iter().map(|(name, value)| json!({"name": name, "value": value})));
    let env = Value::from(env);
    let (deployments, seeds): (Api<Deployment>, Api<AIProviderSeed>) = (namespace.api(), namespace.api());
    let one = |at: u32| {
        let (env, deployments, seeds) = (&env, &deployments, &seeds);
        async move {
            let name = format!("coder-{at}");
            let workload = serde_json::from_value(deployment(&name, env, &[])).expect("a Deployment");
            deployments.create(&PostParams::default(), &workload).await.expect("create a Deployment");
            let spec = json!({"workloadRef": {"name": name}, "interval": format!("{}s", INTERVAL.as_secs())});
            let resource = serde_json::from_value(seed(&name, spec)).expect("a resource");
            seeds.create(&PostParams::default(), &resource).await.expect("create a resource");
        }
    };
    block_on(futures::stream::iter(0..number).map(one).buffer_unordered(16).collect::<Vec<_>>());
}

fn in_sync(namespace: &Namespace) -> u32 {
    let seeds: Api<AIProviderSeed> = namespace.api();
    let seeds = block_on(seeds.list(&Default::default())).expect("list the resources");
    let ready = |seed: &AIProviderSeed| {
        let conditions = seed.status.iter().flat_map(|status| &status.conditions);
        conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.reason == "InSync")
    };
    u32::try_from(seeds.iter().filter(|seed| ready(seed)).count()).expect("a small number")
}

/// Reads and writes of what the controller reads and writes, as the API server counts them. It has nobody else's to count.
fn requests(namespace: &Namespace) -> (u64, u64) {
    let request = Request::new("").get("metrics", &GetParams::default()).expect("build a request");
    let text = block_on(namespace.client().request_text(request)).expect("read the metrics of kube-apiserver");
    let ours = ["aiproviderseeds", "deployments", "statefulsets", "secrets", "configmaps", "events"];
    let (mut reads, mut writes) = (0, 0);
    for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
        if !ours.iter().any(|resource| line.contains(&format!("resource=\"{resource}\""))) {
            continue;
        }
        let count = line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok()).expect("a number") as u64;
        match line.split("verb=\"").nth(1).and_then(|rest| rest.split('"').next()) {
            Some("GET" | "LIST" | "WATCH") => reads += count,
            _ => writes += count,
        }
    }
    (reads, writes)
}

/// That were committed so far. What only asks for it is one too, and does not matter among thousands.
fn transactions(database: &Database) -> i64 {
    // A backend tells what it did at most a second later.
    std::thread::sleep(Duration::from_millis(1500));
    let row =
        database.client().query_one("select xact_commit from pg_stat_database where datname = current_database()", &[]);
    row.expect("read the statistics").get(0)
}

struct Process(Child);

impl Process {
    fn start(path: &Path, namespace: &Namespace) -> Process {
        let mut command = Command::new(path);
        command.args(["controller", "--listen=127.0.0.1:0", "--log-level=warn"]);
        command.arg("--allow-local").env_clear().env("KUBECONFIG", namespace.kubeconfig());
        Process(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("start the controller"))
    }

    /// Resident, in KiB.
    fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.0.id());
        let text = std::fs::read_to_string(path).expect("read what the kernel tells of the controller");
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("there is VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
