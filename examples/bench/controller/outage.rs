//! How long conditions stay InSync after their database goes down.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::conditions::Conditions;
use super::objects::{Workload, create, env_of};
use super::process::Process;
use super::{FIRST_STATUS, PROVIDER};
use crate::page::Page;
use crate::programs::provider_variables;
use crate::support::{Cluster, Mode, Options, Run, Server, Variant};

const NUMBER: u32 = 200;
const INTERVAL: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(120);

pub fn measure(path: &Path, cluster: &Cluster, page: &mut Page) {
    page.section(
        "A database that is down",
        "200 resources of one database, checked every 10 s. The database crashes and stays away; an interval has up to a tenth more.",
    );
    let (server, namespace) = (Server::start(Options::new()), cluster.namespace());
    let database = server.database(Variant::Current);
    let variables = provider_variables(PROVIDER, 2);
    Run::seed().database(database.url()).envs(variables.clone()).run().expect(0);
    let names: Vec<String> = (0..NUMBER).map(|at| format!("coder-{at}")).collect();
    let workload = |name: &String| Workload {
        name: name.clone(),
        env: env_of(&database, &variables),
        spec: json!({"interval": "10s"}),
    };
    create(&namespace, names.iter().map(workload).collect());
    let mut conditions = Conditions::of(&namespace);
    let _process = Process::start(path, &namespace, &[]);
    conditions.wait(&names, "InSync", FIRST_STATUS);
    std::thread::sleep(INTERVAL);
    server.stop(Mode::Immediate);
    let crashed = Instant::now();
    let two = 2 * INTERVAL.mul_f64(1.1);
    std::thread::sleep(two.saturating_sub(crashed.elapsed()));
    let still = names.len() - conditions.others(&names, "InSync");
    page.count("200 resources: still InSync after 2 intervals", still as u64, 0);
    let last = conditions.wait(&names, "DatabaseUnreachable", LIMIT);
    page.plain_time("the same: until the last says that its database is away", last.duration_since(crashed));
}
