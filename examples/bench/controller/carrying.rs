//! The time until a changed Secret is in the row, if the environment owns the credentials, or in the condition, if it
//! does not.

use std::path::Path;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use postgres::Client;
use serde_json::{Value, json};

use super::conditions::Conditions;
use super::objects::{Workload, create, create_all, from_secret, variable};
use super::process::Process;
use super::{FIRST_STATUS, secret_of};
use crate::measure::Spread;
use crate::page::Page;
use crate::support::{Cluster, Database, Namespace, Run, Server, Variant, block_on};

const DATABASES: usize = 50;
/// Resources whose rows follow their Secrets.
const OWNERS: usize = 200;
/// Resources in mode Observe.
const OBSERVERS: usize = 20;
const LIMIT: Duration = Duration::from_secs(60);

struct Tenant<'a> {
    name: String,
    database: &'a Database<'a>,
    spec: Value,
}

impl Tenant<'_> {
    /// Provider and workload have the same name.
    fn variables(&self) -> [(&'static str, String); 3] {
        [
            ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai".to_owned()),
            ("CODER_AIBRIDGE_PROVIDER_0_NAME", self.name.clone()),
            ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://ai.example/v1".to_owned()),
        ]
    }

    fn seed(&self) {
        let key = ("CODER_AIBRIDGE_PROVIDER_0_KEYS", FIRST_KEY.to_owned());
        Run::seed().database(self.database.url()).envs(self.variables()).envs([key]).run().expect(0);
    }

    fn workload(&self) -> Workload {
        let mut env = vec![variable("CODER_PG_CONNECTION_URL", &self.database.url())];
        env.extend(self.variables().iter().map(|(name, value)| variable(name, value)));
        env.push(from_secret("CODER_AIBRIDGE_PROVIDER_0_KEYS", &self.name));
        Workload { name: self.name.clone(), env: env.into(), spec: self.spec.clone() }
    }
}

const FIRST_KEY: &str = "sk-0";

pub fn measure(path: &Path, server: &Server, cluster: &Cluster, page: &mut Page, rotations: usize) {
    let (namespace, databases) = (cluster.namespace(), (0..DATABASES).map(|_| server.database(Variant::Current)));
    let databases: Vec<Database> = databases.collect();
    let owning = json!({"interval": "1h", "mode": "Seed", "options": {"takeEnvironment": "Credentials"}});
    let observing = json!({"interval": "1h"});
    let tenants = |kind: &str, number: usize, spec: &Value| -> Vec<Tenant> {
        let database = |at: usize| &databases[at % DATABASES];
        let tenant = |at| Tenant { name: format!("{kind}-{at}"), database: database(at), spec: spec.clone() };
        (0..number).map(tenant).collect()
    };
    let (owners, observers) = (tenants("owner", OWNERS, &owning), tenants("observer", OBSERVERS, &observing));
    let all: Vec<&Tenant> = owners.iter().chain(&observers).collect();
    all.iter().for_each(|tenant| tenant.seed());
    create_all::<Secret>(&namespace, all.iter().map(|tenant| secret_of(&tenant.name, FIRST_KEY)));
    create(&namespace, all.iter().map(|tenant| tenant.workload()).collect());
    let names: Vec<String> = all.iter().map(|tenant| tenant.name.clone()).collect();
    let mut conditions = Conditions::of(&namespace);
    let process = Process::start(path, &namespace, &["--allow-writes", "--listeners-per-host=50"]);
    conditions.wait(&names, "InSync", FIRST_STATUS);
    std::thread::sleep(Duration::from_secs(3));

    page.section(
        "A Secret that changes",
        "200 resources with `mode: Seed` and `takeEnvironment: Credentials`, and 20 that only read, over 50 databases of one server, every hour;
each has a separate Deployment and Secret. A time begins when the API server has answered the change of a Secret. It
ends when the new key is committed in the row, or when a watch of the API server delivers the condition.",
    );
    into_rows(&namespace, &owners, page, rotations);
    // Checks for the many announced changes end within 10 s.
    std::thread::sleep(Duration::from_secs(15));
    let before = checks(&process);
    into_conditions(&namespace, &observers, &mut conditions, page, rotations);
    let after = checks(&process);
    let mean = Duration::from_secs_f64((after.0 - before.0) / (after.1 - before.1));
    page.plain_time("the same, the mean of the check with the write of its status", mean);
}

/// The total seconds of all checks so far, and their number.
fn checks(process: &Process) -> (f64, f64) {
    let of = |what: &str| process.metric(&format!("ai_provider_seed_reconcile_duration_seconds_{what}"));
    (of("sum"), of("count"))
}

fn into_rows(namespace: &Namespace, owners: &[Tenant], page: &mut Page, rotations: usize) {
    let mut clients: Vec<Client> = owners.iter().take(DATABASES).map(|owner| owner.database.client()).collect();
    let mut times = Vec::new();
    for round in 0..rotations {
        let (owner, key) = (&owners[round % OWNERS], format!("sk-{}", round + 1));
        let answered = rotate(namespace, &owner.name, &key);
        times.push(committed(&mut clients[round % DATABASES], &owner.name, &key).duration_since(answered));
    }
    let times = Spread::of(times);
    let what = format!("{rotations} Secrets rotated one after the other: in the row, 95th percentile");
    page.within(&what, times.percentile(95), Duration::from_secs(2));
    page.plain_time("the same, median", times.median);

    std::thread::sleep(Duration::from_secs(5));
    let began = Instant::now();
    let names: Vec<&str> = owners.iter().map(|owner| &*owner.name).collect();
    names.iter().for_each(|name| _ = rotate(namespace, name, "sk-last"));
    let rows = names.iter().zip((0..DATABASES).cycle());
    let last = rows.map(|(name, at)| committed(&mut clients[at], name, "sk-last")).max().expect("there are owners");
    page.plain_time("200 Secrets rotated at once: from the first change to the last row", last.duration_since(began));
}

fn into_conditions(
    namespace: &Namespace,
    observers: &[Tenant],
    conditions: &mut Conditions,
    page: &mut Page,
    rotations: usize,
) {
    let mut times = Vec::new();
    for round in 0..rotations.min(100) {
        let observer = &observers[round % OBSERVERS];
        // Alternates between another key than the row's and the same key.
        let (key, reason) = match (round / OBSERVERS) % 2 {
            0 => ("sk-other", "CredentialsDiffer"),
            _ => (FIRST_KEY, "InSync"),
        };
        let answered = rotate(namespace, &observer.name, key);
        let changed = conditions.wait(std::slice::from_ref(&observer.name), reason, LIMIT);
        times.push(changed.saturating_duration_since(answered));
        std::thread::sleep(Duration::from_millis(100));
    }
    let times = Spread::of(times);
    page.within("a Secret changes: the condition, median", times.median, Duration::from_millis(30));
    page.plain_time("the same, 95th percentile", times.percentile(95));
}

/// The time at which the API server had answered.
fn rotate(namespace: &Namespace, name: &str, key: &str) -> Instant {
    let api: Api<Secret> = namespace.api();
    let change = Patch::Merge(json!({"stringData": {"value": key}}));
    block_on(api.patch(name, &PatchParams::default(), &change)).expect("change a Secret");
    Instant::now()
}

/// The time at which the provider has this key and no other.
fn committed(client: &mut Client, name: &str, key: &str) -> Instant {
    let statement = "select array_agg(api_key) = array[$2::text] from ai_provider_keys \
                     where provider_id = (select id from ai_providers where name = $1 and not deleted)";
    let statement = client.prepare(statement).expect("prepare a look");
    let began = Instant::now();
    loop {
        let row = client.query_one(&statement, &[&name, &key]).expect("look at the row");
        if row.get::<_, Option<bool>>(0) == Some(true) {
            return Instant::now();
        }
        assert!(began.elapsed() < LIMIT, "{name} does not get its new key");
        std::thread::sleep(Duration::from_millis(1));
    }
}
