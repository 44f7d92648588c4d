//! The case file: the whole path from an environment to rows, run through the built program.

use super::case_checks::{Expect, check_agreement, check_prediction, check_rows, check_run, check_secrets};
use super::{Database, Finished, Run, Server, Snapshot, Variant, roles};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub type Env = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    schema: String,
    compare_credentials: String,
    /// `--compare-settings`; without it, the default.
    compare_settings: Option<String>,
    /// `--undescribed`; without it, each command's own default.
    undescribed: Option<String>,
    env: Env,
    prior: Vec<Row>,
    #[serde(default)]
    prior_dbcrypt_keys: Vec<DbcryptKey>,
    steps: Option<Vec<Step>>,
    expect: Option<Expect>,
    #[serde(rename = "origin")]
    _origin: String,
    #[serde(rename = "note")]
    _note: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Seed {
        env: Env,
        expect: Expect,
    },
    SeedConcurrently {
        count: usize,
        env: Env,
        expect: Expect,
    },
    SoftDelete {
        name: String,
    },
    Update {
        name: String,
        #[serde(default)]
        set: Env,
        keys: Option<Vec<String>>,
    },
    Insert {
        row: Row,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    r#type: String,
    base_url: String,
    enabled: bool,
    display_name: String,
    /// Only if the schema has the column.
    icon: Option<String>,
    settings: Value,
    deleted: bool,
    keys: Vec<String>,
    #[serde(default)]
    key_rows: Vec<KeyRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRow {
    api_key: String,
    api_key_key_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DbcryptKey {
    number: i32,
    active_key_digest: Option<String>,
    revoked_key_digest: Option<String>,
    test: String,
}

/// The role that the program connects as. The checks always use a superuser.
#[derive(Clone, Copy)]
pub struct ConnectAs {
    /// Creates what this role needs in a new database, such as grants.
    pub prepare: fn(&Database),
    /// Whether `prepare` comes before Coder has created its tables (default privileges) or after.
    pub before_tables: bool,
    /// The URL of `seed`, which writes.
    pub seed: fn(&Database) -> String,
    /// The URL of `diff`, which only reads.
    pub diff: fn(&Database) -> String,
    /// Further conditions at the end of the case with this id; returns failures, in words.
    pub finally: fn(&str, &Database, &Env) -> Vec<String>,
}

impl ConnectAs {
    pub const SUPERUSER: ConnectAs = ConnectAs {
        prepare: |_| {},
        before_tables: false,
        seed: |database| database.url(),
        diff: |database| database.url(),
        finally: |_, _, _| Vec::new(),
    };
    /// The roles of deploy/postgres/role.sql, which runs after the tables exist.
    pub const SMALL_ROLES: ConnectAs = ConnectAs {
        prepare: |database| database.grant_roles(),
        before_tables: false,
        seed: |database| database.url_of(roles::SEED),
        diff: |database| database.url_of(roles::DIFF),
        finally: |_, _, _| Vec::new(),
    };
    /// The same, run before Coder's first start and not again.
    pub const SMALL_ROLES_BEFORE_TABLES: ConnectAs = ConnectAs { before_tables: true, ..Self::SMALL_ROLES };
}

/// Predicts the result of a seed from environment, URL of the database, value of `--compare-credentials`. None: no
/// prediction is possible for this environment.
pub type Predict<'a> = &'a (dyn Fn(&Env, &str, &str) -> Option<Prediction> + Sync);

/// In terms of the status of an AIProviderSeed.
#[derive(Debug)]
pub struct Prediction {
    pub reason: String,
    pub conflicts: Vec<(String, String, String)>,
    pub providers: BTreeMap<String, String>,
    pub warnings: Vec<String>,
}

/// Runs every case; ends the test with the failures of all cases.
pub fn run_all(connect_as: ConnectAs) {
    run_all_with(connect_as, &|_, _, _| None);
}

/// The same, and the predictions must come true.
pub fn run_all_with(connect_as: ConnectAs, predict: Predict) {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../data/cases.json")).expect("read cases.json");
    assert_eq!(cases.len(), 213, "cases were lost");
    let failures: Mutex<BTreeMap<&str, Vec<String>>> = Mutex::default();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            // A panic (no JSON, a time limit) must not hide failures in later cases.
            let run = std::panic::catch_unwind(AssertUnwindSafe(|| case.run(connect_as, predict)));
            let wrong = run.unwrap_or_else(|panic| vec![panic_text(&*panic)]);
            if !wrong.is_empty() {
                failures.lock().unwrap().insert(&case.id, wrong);
            }
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
    let failures = failures.into_inner().unwrap();
    let list: String = failures.iter().map(|(id, wrong)| format!("\n{id}\n    {}", indented(wrong))).collect();
    assert!(failures.is_empty(), "{} of {} cases failed:\n{list}\n", failures.len(), cases.len());
}

fn indented(wrong: &[String]) -> String {
    wrong.join("\n").replace('\n', "\n    ")
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("panicked").to_owned()
}

impl Case {
    fn run(&self, connect_as: ConnectAs, predict: Predict) -> Vec<String> {
        let variant = match self.schema.as_str() {
            "initial" => Variant::Initial,
            "current" => Variant::Current,
            other => panic!("unknown schema {other}"),
        };
        let database = Server::shared().database(if connect_as.before_tables { Variant::Empty } else { variant });
        (connect_as.prepare)(&database);
        if connect_as.before_tables {
            database.create_tables(variant);
        }
        let mut client = database.client();
        for key in &self.prior_dbcrypt_keys {
            let insert = "insert into dbcrypt_keys (number, active_key_digest, revoked_key_digest, test) values ($1, $2, $3, $4)";
            client.execute(insert, &[&key.number, &key.active_key_digest, &key.revoked_key_digest, &key.test]).unwrap();
        }
        for row in &self.prior {
            row.insert(&mut client);
        }
        let urls = [(connect_as.diff)(&database), (connect_as.seed)(&database)];
        let seed = |env, expect, count| self.seed(&database, &urls, env, expect, count, predict);
        let Some(steps) = &self.steps else {
            let mut wrong = seed(&self.env, self.expect.as_ref().expect("a case has steps or expect"), 1);
            wrong.extend((connect_as.finally)(&self.id, &database, &self.env));
            return wrong;
        };
        let mut wrong = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            let found = match step {
                Step::Seed { env, expect } => seed(env, expect, 1),
                Step::SeedConcurrently { count, env, expect } => seed(env, expect, *count),
                Step::SoftDelete { name } => soft_delete(&mut client, name),
                Step::Update { name, set, keys } => update(&mut client, name, set, keys.as_deref()),
                Step::Insert { row } => row.insert(&mut client),
            };
            wrong.extend(found.into_iter().map(|text| format!("step {}: {text}", number + 1)));
        }
        let last = steps.iter().rev().find_map(|step| match step {
            Step::Seed { env, .. } | Step::SeedConcurrently { env, .. } => Some(env),
            _ => None,
        });
        wrong.extend((connect_as.finally)(&self.id, &database, last.unwrap_or(&self.env)));
        wrong
    }

    /// diff, then `count` seeds at once, then one more seed, with all conditions after each.
    fn seed(
        &self,
        database: &Database,
        [diff_url, seed_url]: &[String; 2],
        env: &Env,
        expect: &Expect,
        count: usize,
        predict: Predict,
    ) -> Vec<String> {
        // As a variable, since the prediction sees only the environment.
        let mut env = env.clone();
        env.extend(self.compare_settings.iter().map(|word| ("AI_PROVIDER_SEED_COMPARE_SETTINGS".into(), word.clone())));
        let env = &env;
        let run = |command: &str| {
            let url = if command == "diff" { diff_url } else { seed_url };
            let run = Run::new([command]).json().arg("--compare-credentials").arg(&self.compare_credentials);
            let run = run.args(self.undescribed.iter().map(|word| format!("--undescribed={word}")));
            run.arg("--wait").arg("10s").database(url).envs(env)
        };
        let mut wrong = Vec::new();
        let before = Snapshot::of(database);
        let diff = run("diff").run();
        let unchanged = |what: &str, since: &Snapshot| {
            let changes = Snapshot::of(database).changes_since(since);
            changes.into_iter().map(|change| format!("{what} wrote: {change}")).collect::<Vec<_>>()
        };
        wrong.extend(unchanged("diff", &before));
        let prediction = predict(env, seed_url, &self.compare_credentials);
        wrong.extend(unchanged("the prediction", &before));

        let started: Vec<_> = (0..count).map(|_| run("seed").start()).collect();
        let seeds: Vec<Finished> = started.into_iter().map(|seed| seed.wait()).collect();
        let after = Snapshot::of(database);
        for seed in &seeds {
            wrong.extend(check_run(seed, expect));
            wrong.extend(check_agreement(&diff, seed, &before, &after));
            wrong.extend(prediction.iter().flat_map(|prediction| check_prediction(prediction, &diff, seed)));
        }
        wrong.extend(check_rows(&before, &after, &seeds, expect));

        let mut all = vec![diff];
        all.extend(seeds);
        if expect.outcome == "ok" {
            let again = run("seed").run();
            wrong.extend(check_run(&again, expect).into_iter().map(|text| format!("second run: {text}")));
            wrong.extend(unchanged("the second run", &after));
            all.push(again);
        }
        wrong.extend(all.iter().flat_map(|finished| check_secrets(finished, env)));
        if !wrong.is_empty() {
            wrong.extend(all.iter().map(|finished| format!("printed: {finished}")));
        }
        wrong
    }
}

impl Row {
    fn insert(&self, client: &mut postgres::Client) -> Vec<String> {
        let settings = match &self.settings {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            value => Some(value.to_string()),
        };
        let insert = "insert into ai_providers (type, name, base_url, enabled, display_name, settings, deleted)
             values ($1::text::ai_provider_type, $2, $3, $4, $5, $6, $7) returning id::text";
        let (kind, name, url, title) = (&self.r#type, &self.name, &self.base_url, &self.display_name);
        let row = client.query_one(insert, &[kind, name, url, &self.enabled, title, &settings, &self.deleted]).unwrap();
        let id: String = row.get(0);
        if let Some(icon) = &self.icon {
            client.execute("update ai_providers set icon = $1 where id = $2::text::uuid", &[icon, &id]).unwrap();
        }
        for key in &self.keys {
            insert_key(client, &id, key, None);
        }
        for row in &self.key_rows {
            insert_key(client, &id, &row.api_key, row.api_key_key_id.as_deref());
        }
        Vec::new()
    }
}

fn insert_key(client: &mut postgres::Client, provider: &str, key: &str, key_id: Option<&str>) {
    let insert = "insert into ai_provider_keys (provider_id, api_key, api_key_key_id) values ($1::text::uuid, $2, $3)";
    client.execute(insert, &[&provider, &key, &key_id]).unwrap();
}

/// As Coder's API does: the key rows stay.
fn soft_delete(client: &mut postgres::Client, name: &str) -> Vec<String> {
    let delete =
        "update ai_providers set deleted = true, enabled = false, updated_at = now() where name = $1 and not deleted";
    assert_eq!(client.execute(delete, &[&name]).unwrap(), 1, "one live row is deleted");
    Vec::new()
}

fn update(client: &mut postgres::Client, name: &str, set: &Env, keys: Option<&[String]>) -> Vec<String> {
    let select = "select id::text from ai_providers where name = $1 and not deleted";
    let id: String = client.query_one(select, &[&name]).unwrap().get(0);
    for (column, value) in set {
        let update = format!("update ai_providers set {column} = $1, updated_at = now() where id = $2::text::uuid");
        client.execute(&update, &[value, &id]).unwrap();
    }
    if let Some(keys) = keys {
        client.execute("delete from ai_provider_keys where provider_id = $1::text::uuid", &[&id]).unwrap();
        for key in keys {
            insert_key(client, &id, key, None);
        }
    }
    Vec::new()
}
