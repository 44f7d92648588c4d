//! The time until a change that Coder announces is in the conditions, with an interval of an hour.

use std::path::Path;
use std::time::{Duration, Instant};

use postgres::Client;
use serde_json::json;

use super::conditions::Conditions;
use super::objects::{Workload, create, env_of};
use super::process::Process;
use super::{FIRST_STATUS, PROVIDER};
use crate::measure::Spread;
use crate::page::Page;
use crate::programs::provider_variables;
use crate::support::{Cluster, Database, Run, Server, Variant};

const DATABASES: usize = 50;
/// Resources of each database.
const RESOURCES: usize = 20;
/// As Coder does after its commit.
const ANNOUNCE: &str = "select pg_notify('ai_providers_changed', '')";
const LIMIT: Duration = Duration::from_secs(60);

struct Watched<'a> {
    database: Database<'a>,
    client: Client,
    names: Vec<String>,
    agrees: bool,
}

impl Watched<'_> {
    /// Commits and announces a change by which all resources of the database get another reason; returns the time and
    /// that reason.
    fn change(&mut self) -> (Instant, &'static str) {
        self.agrees = !self.agrees;
        let (url, reason) = match self.agrees {
            true => ("https://ai.example/v1", "InSync"),
            false => ("https://other.example/v1", "Conflict"),
        };
        let statement = format!("update ai_providers set base_url = '{url}', updated_at = now()");
        self.client.batch_execute(&statement).expect("change the row");
        let changed = Instant::now();
        self.client.batch_execute(ANNOUNCE).expect("announce it");
        (changed, reason)
    }
}

pub fn measure(path: &Path, server: &Server, cluster: &Cluster, page: &mut Page, changes: usize) {
    page.section(
        "Listening",
        "1,000 resources over 50 databases of one server, every hour, and `--listeners-per-host=50`. A database is changed and announces
the change after its commit, as with Coder; the time is from then to the change of the last condition of its 20 resources, as
a watch of the API server delivers it.",
    );
    let (namespace, variables) = (cluster.namespace(), provider_variables(PROVIDER, 2));
    let mut databases: Vec<Watched> = (0..DATABASES)
        .map(|at| {
            let database = server.database(Variant::Current);
            Run::seed().database(database.url()).envs(variables.clone()).run().expect(0);
            let names: Vec<String> = (0..RESOURCES).map(|which| format!("coder-{at}-{which}")).collect();
            let env = env_of(&database, &variables);
            let workload =
                |name: &String| Workload { name: name.clone(), env: env.clone(), spec: json!({"interval": "1h"}) };
            create(&namespace, names.iter().map(workload).collect());
            Watched { client: database.client(), database, names, agrees: true }
        })
        .collect();
    let all: Vec<String> = databases.iter().flat_map(|watched| watched.names.clone()).collect();
    let mut conditions = Conditions::of(&namespace);
    let process = Process::start(path, &namespace, &["--listeners-per-host=50"]);
    conditions.wait(&all, "InSync", FIRST_STATUS);
    let listeners = process.metric("ai_provider_seed_listeners ");
    assert!(listeners == DATABASES as f64, "{listeners} listeners");
    std::thread::sleep(Duration::from_secs(3));

    let mut times = Vec::new();
    // Changes of one database are far apart: a second one within a second would wait.
    for round in 0..changes {
        let watched = &mut databases[round % DATABASES];
        let (changed, reason) = watched.change();
        times.push(conditions.wait(&watched.names, reason, LIMIT).duration_since(changed));
        std::thread::sleep(Duration::from_millis(50));
    }
    let times = Spread::of(times);
    page.within(
        &format!("one database of 50 changes, {changes} times: the condition, 95th percentile"),
        times.percentile(95),
        Duration::from_secs(1),
    );
    page.plain_time("the same, median", times.median);

    std::thread::sleep(Duration::from_secs(3));
    let changed: Vec<(Instant, &str)> = databases.iter_mut().map(Watched::change).collect();
    let last =
        databases.iter().zip(&changed).map(|(watched, (_, reason))| conditions.wait(&watched.names, reason, LIMIT));
    let all_changed = last.max().expect("there are databases").duration_since(changed[0].0);
    page.within("all 50 at once: the last of 1,000 conditions", all_changed, Duration::from_secs(15));
    quiet_minute(server, &databases[0].database, &process, page);
}

/// Listeners do not poll: the server's own log of one minute.
fn quiet_minute(server: &Server, database: &Database, process: &Process, page: &mut Page) {
    let reconciled = "ai_provider_seed_reconciles_total";
    std::thread::sleep(Duration::from_secs(15));
    log_statements(database, "all");
    let (start, checks) = (server.log().len(), process.metric(reconciled));
    std::thread::sleep(Duration::from_secs(61));
    let (log, checks) = (server.log(), process.metric(reconciled) - checks);
    log_statements(database, "none");
    let of = |text: &str| log[start..].lines().filter(|line| line.contains("LOG:") && line.contains(text)).count();
    page.count("a quiet minute: checks", checks as u64, 0);
    page.count("the same: transactions in the databases", (of("begin") + of("commit")) as u64, 0);
    page.plain(
        "the same: `select 1` of the 50 listeners, by which each checks its server",
        &of("select 1").to_string(),
    );
}

fn log_statements(database: &Database, which: &str) {
    let mut client = database.client();
    for statement in [&format!("alter system set log_statement = '{which}'"), "select pg_reload_conf()"] {
        client.batch_execute(statement).expect("set what is logged");
    }
    std::thread::sleep(Duration::from_millis(500));
}
