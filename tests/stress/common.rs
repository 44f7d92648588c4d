//! Common parts of the fault tests: environments, the image that a run must leave, and the number of repetitions.

use crate::support::{Database, Run, Server, Snapshot, Variant};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

pub type Env = Vec<(String, String)>;

pub const URL: &str = "https://ai.example/v1";
pub const OTHER: &str = "https://ai.example/v2";

/// `make stress` sets STRESS and uses the first number of repetitions, `make test` the second.
pub fn times(stress: usize, test: usize) -> usize {
    if std::env::var_os("STRESS").is_some() { stress } else { test }
}

/// This number of OpenAI providers, with two keys each.
pub fn providers(number: usize, url: &str) -> Env {
    let of = |n: usize| {
        [
            ("TYPE", "openai".to_owned()),
            ("NAME", format!("p{n}")),
            ("BASE_URL", url.to_owned()),
            ("KEYS", format!("a{n},b{n}")),
        ]
        .map(|(suffix, value)| (format!("CODER_AIBRIDGE_PROVIDER_{n}_{suffix}"), value))
    };
    (0..number).flat_map(of).collect()
}

pub fn seed(url: &str, env: &Env) -> Run {
    Run::seed().json().database(url).envs(env.iter().cloned())
}

/// The rows without the parts that differ between runs: ids, times, transactions. Equal images mean equal rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image(BTreeSet<String>);

impl Image {
    /// Ends the test if there is an audit row without its row, or a row without its audit row (P8).
    #[track_caller]
    pub fn of(database: &Database) -> Image {
        let rows = Snapshot::of(database);
        let mut lines = BTreeSet::new();
        for provider in &rows.providers {
            let sealed =
                |row: &&serde_json::Value| row["api_key_key_id"].is_string() && row["provider_id"] == provider["id"];
            // An encrypted value is a different text each time.
            let keys = match rows.keys.iter().filter(sealed).count() {
                0 => rows.keys_of(&provider["id"]),
                number => vec![format!("{number} encrypted")],
            };
            let facts = ["name", "type", "base_url", "display_name", "enabled", "deleted", "settings_key_id"];
            let facts = facts.map(|fact| provider[fact].to_string()).join(" ");
            let encrypted = provider["settings_key_id"].is_string();
            lines.insert(format!(
                "{facts} {} keys {keys:?}",
                if encrypted { "…".into() } else { provider["settings"].to_string() }
            ));
        }
        for row in rows.providers.iter().chain(&rows.keys) {
            let audits = rows.audit.iter().filter(|audit| audit["resource_id"] == row["id"]).count();
            // Rows from before the test were not seeded.
            let ours = row["display_name"] != "there before" && row["api_key"] != "there before";
            assert_eq!(audits, usize::from(ours), "audit rows of {row}");
        }
        let ours = rows
            .audit
            .iter()
            .filter(|audit| rows.providers.iter().chain(&rows.keys).any(|row| row["id"] == audit["resource_id"]));
        assert_eq!(ours.count(), rows.audit.len(), "an audit row without its row");
        Image(lines)
    }

    /// The image that one undisturbed run leaves in such a database.
    pub fn after(server: &Server, prepare: &str, env: &Env) -> Image {
        let database = server.database(Variant::Current);
        database.execute(prepare);
        seed(&database.url(), env).run().expect(0);
        Image::of(&database)
    }
}

/// One provider was made in Coder before, without the audit rows of a seed.
pub const ONE_THERE: &str = "
    insert into ai_providers (type, name, display_name, base_url) values ('openai', 'p0', 'there before', 'https://ai.example/v1');
    insert into ai_provider_keys (provider_id, api_key) select id, 'there before' from ai_providers";

/// Empties the tables, then prepares the initial state.
pub fn reset(database: &Database, prepare: &str) {
    database.execute(&format!("truncate ai_providers, ai_provider_keys, audit_logs; {prepare}"));
}

/// Waits until no backend serves the program and no session holds an advisory lock.
#[track_caller]
pub fn settle(database: &Database) {
    let busy = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'ai-provider-seed'";
    eventually("a backend is left behind", || database.json(busy) == 0);
    nothing_locked(database);
}

#[track_caller]
pub fn nothing_locked(database: &Database) {
    let locks = "select count(*) from pg_locks where locktype = 'advisory'
                   and database = (select oid from pg_database where datname = current_database())";
    assert_eq!(database.json(locks), 0, "an advisory lock is left behind");
}

/// Polls. The limit only ends a test that would never end.
#[track_caller]
pub fn eventually(otherwise: &str, mut so: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !so() {
        assert!(Instant::now() < limit, "{otherwise}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn written(finished: &[crate::support::Finished]) -> usize {
    finished.iter().filter(|run| run.json()["written"] == true).count()
}
