//! The cost of 2,000 resources at the default interval without any change.

use std::path::Path;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use super::conditions::Conditions;
use super::objects::{Workload, create, create_all, from_secret, requests, variable};
use super::process::Process;
use super::{FIRST_STATUS, PROVIDER, secret_of};
use crate::page::Page;
use crate::programs::provider_variables;
use crate::support::{Cluster, Database, Namespace, Run, Server, Variant};

const NUMBER: u32 = 2_000;
/// The default.
const INTERVAL: Duration = Duration::from_secs(300);

/// A controller whose resources have their first status and wait for their next check.
pub struct Quiet<'a> {
    namespace: Namespace<'a>,
    _database: Database<'a>,
    process: Process,
    started: Instant,
    first: Instant,
    cpu: f64,
}

pub fn begin<'a>(path: &Path, server: &'a Server, cluster: &'a Cluster) -> Quiet<'a> {
    let (database, namespace) = (server.database(Variant::Current), cluster.namespace());
    let variables = provider_variables(PROVIDER, 2);
    Run::seed().database(database.url()).envs(variables.clone()).run().expect(0);
    let names: Vec<String> = (0..NUMBER).map(|at| format!("coder-{at}")).collect();
    let keys = |name: &str| format!("{name}-keys");
    let secrets = names.iter().map(|name| {
        let value = variables.iter().find(|(name, _)| name.ends_with("_KEYS")).expect("there are keys");
        secret_of(&keys(name), &value.1)
    });
    create_all::<Secret>(&namespace, secrets.chain([secret_of("database", &database.url())]));
    let workload = |name: &String| {
        let mut env = vec![from_secret("CODER_PG_CONNECTION_URL", "database")];
        env.extend(variables.iter().map(|(variable_name, value)| match variable_name.ends_with("_KEYS") {
            true => from_secret(variable_name, &keys(name)),
            false => variable(variable_name, value),
        }));
        Workload { name: name.clone(), env: env.into(), spec: json!({}) }
    };
    create(&namespace, names.iter().map(workload).collect());
    let mut conditions = Conditions::of(&namespace);
    let started = Instant::now();
    let process = Process::start(path, &namespace, &[]);
    let first = conditions.wait(&names, "InSync", FIRST_STATUS);
    println!("2,000 resources have a status after {:.1} s", first.duration_since(started).as_secs_f64());
    // The writes of their statuses and Events are finished.
    std::thread::sleep(Duration::from_secs(5));
    let cpu = process.cpu_seconds();
    Quiet { namespace, _database: database, process, started, first, cpu }
}

impl Quiet<'_> {
    /// The next check of each resource falls within this time: from an interval less a tenth after the first, to an
    /// interval plus a tenth after the last.
    pub fn finish(self, page: &mut Page) {
        let begins = self.started + INTERVAL.mul_f64(0.9) - Duration::from_secs(3);
        let ends = self.first + INTERVAL.mul_f64(1.1) + Duration::from_secs(3);
        let reconciled = "ai_provider_seed_reconciles_total";
        sleep_until(begins);
        let before = (requests(&self.namespace), self.process.metric(reconciled));
        sleep_until(ends);
        let asked = requests(&self.namespace) - before.0;
        let checks = self.process.metric(reconciled) - before.1;
        let cpu = self.process.cpu_seconds() - self.cpu;
        page.section(
            "At the default interval",
            &format!(
                "2,000 resources, each with a separate Deployment and Secret and a second Secret with the URL of the database, every
5 minutes. Their checks are within {:.0} s of those 5 minutes, because their first ones were; all of them are counted, and
spread over the whole interval, as they are in the long run. The processor time includes the rest of the interval.",
                ends.duration_since(begins).as_secs_f64()
            ),
        );
        let seconds = INTERVAL.as_secs_f64();
        page.plain("2,000 resources: checks in an interval", &format!("{checks:.0}"));
        page.most("the same: GETs of the API server", asked.gets as f64 / seconds, 25.0, " a second");
        page.most("the same: processor time", 100.0 * cpu / seconds, 2.0, " %");
        page.size("the same: resident memory", self.process.memory() * 1024, Some(56 << 20));
        page.count("the same: writes to the API server", asked.writes, 0);
    }
}

fn sleep_until(time: Instant) {
    std::thread::sleep(time.saturating_duration_since(Instant::now()));
}
