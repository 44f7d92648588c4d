//! Common parts of the tests of `resolve`: a row, an environment that differs, and the decision.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use serde_json::Value;

use crate::support::{Database, Finished, Run, Server, Snapshot, Variant};

pub const ID: &str = "00000000-0000-4000-8000-000000000001";
pub const ENCRYPTION_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
pub const ENCRYPTED: &str = "insert into dbcrypt_keys (number, active_key_digest, test)
    values (1, '6a193b3', 'JAr/OTfEYiZmArZ/9yZpmeM/KSVCy6eJRZ1/qgKXqonr');";
pub const URL: &str = "https://api.openai.com/v2";
pub const OLD_URL: &str = "https://llm.example.com/v1";

pub fn openai(url: &str, keys: &[&str]) -> String {
    // In this order, as Coder reads them back.
    let key = |(at, key): (usize, &&str)| {
        format!(
            "insert into ai_provider_keys (provider_id, api_key, created_at)
             values ('{ID}', '{key}', now() + {at} * interval '1 microsecond');"
        )
    };
    let keys: String = keys.iter().enumerate().map(key).collect();
    format!(
        "insert into ai_providers (id, type, name, base_url, display_name, enabled, created_at, updated_at)
         values ('{ID}', 'openai', 'openai', '{url}', 'Our OpenAI', false, '2026-11-01', '2026-11-20 09:12:00+00'); {keys}"
    )
}

pub fn database(sql: &str) -> Database<'static> {
    let database = Server::shared().database(Variant::Current);
    database.execute(sql);
    database
}

/// With OpenAI at `URL` and the key `sk-canary-new` in the environment.
pub fn run(command: &str, database: &Database) -> Run {
    Run::new([command])
        .json()
        .env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai")
        .env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", URL)
        .env("CODER_AIBRIDGE_PROVIDER_0_KEYS", "sk-canary-new")
        .arg("--wait=5s")
        .database(database.url())
}

pub fn id_of(finished: &Finished) -> String {
    finished.json()["conflicts"][0]["id"].as_str().expect("there is a conflict").to_owned()
}

pub fn current_id(database: &Database) -> String {
    id_of(&run("diff", database).run())
}

pub fn take(database: &Database, id: &str) -> Run {
    run("resolve", database).arg("--take=environment").arg("--conflict").arg(id).arg("--yes")
}

pub fn row(database: &Database) -> Value {
    Snapshot::of(database).live("openai").expect("a live row").clone()
}

pub fn unchanged(database: &Database, before: &Snapshot) {
    assert_eq!(Snapshot::of(database).changes_since(before), [""; 0]);
}
