//! The output for each outcome: the report, the termination message and the JSON document, as they are printed. Change a
//! sentence, then run `cargo insta review` (or `INSTA_UPDATE=always`), and read the difference like an operator who is
//! paged at night.

use crate::support::{Database, Finished, Run, Server, Variant};
use serde_json::Value;

const OPENAI: [(&str, &str); 3] = [
    ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"),
    ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://api.openai.com/v2"),
    ("CODER_AIBRIDGE_PROVIDER_0_KEYS", "sk-golden-first,sk-golden-second"),
];
const CLAUDE: [(&str, &str); 4] = [
    ("CODER_AIBRIDGE_PROVIDER_1_TYPE", "anthropic"),
    ("CODER_AIBRIDGE_PROVIDER_1_NAME", "claude"),
    ("CODER_AIBRIDGE_PROVIDER_1_BASE_URL", "https://api.anthropic.com/"),
    ("CODER_AIBRIDGE_PROVIDER_1_KEY", "sk-golden-claude"),
];
const AWS: [(&str, &str); 7] = [
    ("CODER_AIBRIDGE_PROVIDER_2_TYPE", "bedrock"),
    ("CODER_AIBRIDGE_PROVIDER_2_NAME", "claude-on-aws"),
    ("CODER_AIBRIDGE_PROVIDER_2_BEDROCK_REGION", "eu-central-1"),
    ("CODER_AIBRIDGE_PROVIDER_2_BEDROCK_ACCESS_KEY", "AKIAGOLDENGOLDEN"),
    ("CODER_AIBRIDGE_PROVIDER_2_BEDROCK_ACCESS_KEY_SECRET", "golden-bedrock-secret"),
    ("CODER_AIBRIDGE_PROVIDER_2_BEDROCK_MODEL", "anthropic.claude-sonnet-5"),
    ("CODER_AIBRIDGE_PROVIDER_2_BEDROCK_SMALL_FAST_MODEL", "anthropic.claude-haiku-4-5"),
];
/// `MDEy…`, and the row that Coder makes for it.
const ENCRYPTION_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const ENCRYPTED: &str = "insert into dbcrypt_keys (number, active_key_digest, test)
    values (1, '6a193b3', 'JAr/OTfEYiZmArZ/9yZpmeM/KSVCy6eJRZ1/qgKXqonr')";

fn three() -> Vec<(&'static str, &'static str)> {
    [&OPENAI[..], &CLAUDE, &AWS].concat()
}

/// A row with a fixed id and time, so that conflict ids and fingerprints are fixed too.
fn row(number: u8, kind: &str, name: &str, url: &str, keys: &[&str]) -> String {
    let id = format!("00000000-0000-4000-8000-{number:012}");
    let keys: String = keys
        .iter()
        .map(|key| format!("insert into ai_provider_keys (provider_id, api_key) values ('{id}', '{key}');"))
        .collect();
    format!(
        "insert into ai_providers (id, type, name, base_url, updated_at)
         values ('{id}', '{kind}', '{name}', '{url}', '2026-11-20 09:12:00+00'); {keys}"
    )
}

fn openai_row(url: &str, keys: &[&str]) -> String {
    row(1, "openai", "openai", url, keys)
}

fn claude_row() -> String {
    row(2, "anthropic", "claude", "https://api.anthropic.com/", &["sk-golden-claude"])
}

fn bedrock_row(settings: &str) -> String {
    row(3, "bedrock", "claude-on-aws", "", &[])
        + &format!("; update ai_providers set settings = '{settings}' where name = 'claude-on-aws'")
}

const SETTINGS: &str = r#"{"_type":"bedrock","_version":1,"access_key":"AKIAGOLDENGOLDEN","access_key_secret":"golden-bedrock-secret","model":"anthropic.claude-sonnet-5","region":"eu-central-1","small_fast_model":"anthropic.claude-haiku-4-5"}"#;

const BOTH_KEYS: [&str; 2] = ["sk-golden-first", "sk-golden-second"];

struct Scene<'a> {
    database: Database<'a>,
    run: Run,
}

impl Scene<'_> {
    /// A new database with these rows, and this environment.
    fn new(command: &str, sql: &str, env: &[(&str, &str)]) -> Scene<'static> {
        let database = Server::shared().database(Variant::Current);
        database.execute(sql);
        let run = Run::new([command]).database(database.url()).envs(env.iter().copied());
        Scene { database, run }
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.run = self.run.env(name, value);
        self
    }

    /// As a separate role with these grants.
    fn connected_as(self, role: &str, grants: &str) -> Self {
        let exists = format!("select from pg_roles where rolname = '{role}'");
        self.database.execute(&format!(
            "do $$ begin if not exists ({exists}) then create role {role} login password 'x'; end if; end $$; {grants}"
        ));
        let run = self.run.database(self.database.url_as(role, "x"));
        Scene { run, ..self }
    }

    fn arg(mut self, arg: &str) -> Self {
        self.run = self.run.arg(arg);
        self
    }
}

/// Runs the scene twice, for the text and for the JSON, and records everything but the logs.
fn golden(name: &str, scene: impl Fn() -> Scene<'static>) {
    let (text, json) = (scene(), scene());
    let (finished, document) = (text.run.run(), json.run.clone().json().run());
    let place = format!("127.0.0.1:{}", Server::shared().port());
    let mask = |text: &str, database: &Database| {
        text.replace(&place, "db.coder.svc:5432").replace(&format!("database {} ", database.name()), "database coder ")
    };
    let mut value = document.json();
    mask_created_ids(&mut value);
    let written = format!(
        "exit code {}\n\n{}\n---------- termination message\n{}\n---------- json\n{}\n",
        finished.code,
        mask(&finished.stdout, &text.database),
        mask(finished.termination.as_deref().unwrap_or_default(), &text.database),
        mask(&serde_json::to_string_pretty(&value).unwrap(), &json.database),
    );
    assert_eq!(finished.code, document.code);
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, mask_backends(&written));
    });
    check(&finished);
}

/// The same scene at a terminal's width. Masked text keeps its length, so that lines break at the same places.
fn golden_at_widths(name: &str, scene: impl Fn() -> Scene<'static>) {
    let texts = [60, 80, 120].map(|width| {
        let Scene { database, run } = scene();
        let printed = run.env("COLUMNS", width.to_string()).run().stdout;
        for line in printed.lines() {
            // A URL is never broken, so that it can be copied.
            let fits = line.chars().count() <= width || line.contains(" https://claude.internal.example.com/");
            assert!(fits && line == line.trim_end(), "{name} at {width}: {line}");
        }
        let place = format!("127.0.0.1:{}", Server::shared().port());
        let masked = printed.replace(&place, "127.0.0.1:54321").replace(database.name(), "coder");
        format!("=== {width} columns\n{}", mask_backends(&masked))
    });
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(format!("widths-{name}"), texts.join("\n"));
    });
}

/// Properties of every outcome.
fn check(finished: &Finished) {
    let message = finished.termination.as_deref().unwrap_or_default();
    assert!(message.len() <= 1024, "{} bytes", message.len());
    assert!([0, 1].contains(&finished.code) || !message.is_empty());
    for line in finished.stdout.lines() {
        assert!(line.chars().count() <= 160 || line.contains("a-rather-long"), "a line too long: {line}");
        assert_eq!(line, line.trim_end(), "white space at the end");
    }
}

fn mask_created_ids(value: &mut Value) {
    for provider in value["providers"].as_array_mut().into_iter().flatten() {
        if provider["state"] == "created" {
            provider["id"] = "(a new id)".into();
        }
    }
}

fn mask_backends(text: &str) -> String {
    let mut parts = text.split("backend ");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked = masked + "backend 4711" + part.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    masked
}

#[test]
fn reports_at_every_width_are_as_recorded() {
    golden_at_widths("seeded", || Scene::new("seed", &claude_row(), &three()));
    golden_at_widths("changes", || Scene::new("diff", &claude_row(), &three()));
    golden_at_widths("invalid", || every_mistake("diff").arg("--offline"));
    golden_at_widths("conflict", two_conflicts);
    golden_at_widths("unavailable", nothing_listens);
}

fn every_mistake(command: &str) -> Scene<'static> {
    Scene::new(
        command,
        "",
        &[
            ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "opnai"),
            ("CODER_AIBRIDGE_PROVIDER_1_TYPE", "openai"),
            ("CODER_AIBRIDGE_PROVIDER_1_NAME", "my_openai"),
            ("CODER_AIBRIDGE_PROVIDER_1_KEYS", "1,2,3,4,5,6"),
            ("CODER_AIBRIDGE_PROVIDER_3_TYPE", "anthropic"),
            ("CODER_AIBRIDGE_PROVIDER_3_BEDROCK_REGION", "us-east-1"),
            ("CODER_AIBRIDGE_PROVIDER_3_KEY", "k"),
        ],
    )
}

fn two_conflicts() -> Scene<'static> {
    let sql = openai_row("https://api.openai.com/v1", &BOTH_KEYS)
        + &row(2, "openai", "claude", "https://claude.internal.example.com/", &["sk-golden-claude"]);
    Scene::new("seed", &sql, &[&OPENAI[..], &CLAUDE].concat())
}

fn nothing_listens() -> Scene<'static> {
    let scene = Scene::new("seed", "", &OPENAI).arg("--wait=0");
    // Nothing listens on port 9 of this address.
    Scene { run: scene.run.database("postgres://coder:golden-password@127.0.0.1:9/coder?sslmode=disable"), ..scene }
}

#[test]
fn ok() {
    golden("ok-seeded", || Scene::new("seed", &claude_row(), &three()));
    let all = [openai_row("https://api.openai.com/v2", &BOTH_KEYS), claude_row(), bedrock_row(SETTINGS)].join(";");
    golden("ok-nothing-to-do", || Scene::new("seed", &all, &three()));
    let gone = claude_row() + "update ai_providers set deleted = true, enabled = false";
    golden("ok-deleted", || Scene::new("seed", &gone, &[&OPENAI[..], &CLAUDE].concat()));
    golden("ok-unsupported", || {
        let mut scene = Scene::new("seed", "", &[&OPENAI[..], &CLAUDE].concat());
        scene.database = Server::shared().database(Variant::Initial);
        scene.run = Run::seed().database(scene.database.url()).envs(three());
        scene
    });
    golden("ok-schema-pending", || {
        let mut scene = Scene::new("seed", "", &[]);
        scene.database = Server::shared().database(Variant::Empty);
        scene.run = Run::seed().database(scene.database.url()).envs(three());
        scene
    });
    golden("ok-encryption-pending", || {
        Scene::new("seed", "", &three()).env("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS", ENCRYPTION_KEY)
    });
    golden("ok-warnings", || {
        Scene::new("seed", "", &OPENAI[..2])
            .env("CODER_AIBRIDGE_PROVIDER_0_KEYZ", "sk-golden")
            .env("CODER_AIBRIGE_PROVIDER_1_TYPE", "azure")
            .env("AI_PROVIDER_SEED_BLOCKON", "none")
    });
    golden("ok-nothing-desired", || Scene::new("seed", "", &[]));
}

#[test]
fn changes() {
    golden("changes", || Scene::new("diff", &claude_row(), &three()));
    golden("changes-cannot-insert", || {
        let scene = Scene::new("diff", &claude_row(), &three());
        scene.connected_as(
            "golden_seeder",
            "grant select on ai_providers, ai_provider_keys, dbcrypt_keys to golden_seeder;
             grant insert on ai_providers, ai_provider_keys to golden_seeder",
        )
    });
}

#[test]
fn invalid() {
    golden("invalid-every-mistake", || every_mistake("seed"));
    golden("invalid-option", || Scene::new("seed", "", &OPENAI).arg("--compare-credentials=wanr").arg("--wait=soon"));
    golden("invalid-strict", || Scene::new("seed", "", &OPENAI[..1]).arg("--strict"));
}

#[test]
fn conflict() {
    let same = || openai_row("https://api.openai.com/v1", &BOTH_KEYS);
    golden("conflict-one-field", || Scene::new("seed", &(same() + &claude_row()), &[&OPENAI[..], &CLAUDE].concat()));
    golden("conflict-two-fields", || {
        let settings = SETTINGS.replace("eu-central-1", "eu-west-1");
        let sql =
            bedrock_row(&settings) + "; update ai_providers set base_url = 'https://bedrock.internal.example.com/'";
        let aws = AWS.map(|(name, value)| (name.replace("_2_", "_0_"), value));
        Scene::new("seed", &sql, &aws.each_ref().map(|(name, value)| (name.as_str(), *value)))
    });
    golden("conflict-two-providers", two_conflicts);
    golden("conflict-a-missing-variable", || {
        Scene::new("seed", &openai_row("", &[]), &OPENAI).arg("--compare-credentials=fail")
    });
    let other_keys = || openai_row("https://api.openai.com/v2", &["sk-golden-first", "sk-golden-third"]);
    golden("conflict-credentials-warn", || Scene::new("seed", &other_keys(), &OPENAI));
    golden("conflict-credentials-fail", || {
        Scene::new("seed", &other_keys(), &OPENAI).arg("--compare-credentials=fail")
    });
    golden("conflict-bedrock-credentials", || {
        let other = SETTINGS.replace("golden-bedrock-secret", "another-secret");
        let aws = AWS.map(|(name, value)| (name.replace("_2_", "_0_"), value));
        let aws = aws.each_ref().map(|(name, value)| (name.as_str(), *value));
        Scene::new("seed", &bedrock_row(&other), &aws).arg("--compare-credentials=fail")
    });
    golden("conflict-hidden-values", || {
        let sql = openai_row("https://gateway.example.com/v1?api-key=one", &[]);
        Scene::new("seed", &sql, &OPENAI[..1])
            .env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://gateway.example.com/v1?api-key=two")
    });
    golden("conflict-type", || {
        let sql = bedrock_row(SETTINGS) + "; update ai_providers set name = 'claude'";
        let claude = CLAUDE.map(|(name, value)| (name.replace("_1_", "_0_"), value));
        Scene::new("seed", &sql, &claude.each_ref().map(|(name, value)| (name.as_str(), *value)))
    });
    golden("conflict-long-url", || {
        let url =
            |v: u8| format!("https://gateway.internal.example.com/{}/v{v}", "a-rather-long-path-segment/".repeat(6));
        Scene::new("seed", &openai_row(&url(1), &BOTH_KEYS), &OPENAI).env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", &url(2))
    });
    golden("conflict-and-missing-and-other-keys", || {
        Scene::new("seed", &openai_row("https://api.openai.com/v1", &["sk-other"]), &three())
    });
    golden("conflict-older-variables", || {
        Scene::new(
            "seed",
            &row(1, "azure", "openai", "", &["sk-golden-first"]),
            &[("CODER_AIBRIDGE_OPENAI_KEY", "sk-golden-first")],
        )
    });
    golden("unblocked", || Scene::new("seed", &same(), &OPENAI).env("AI_PROVIDER_SEED_BLOCK_ON", "none"));
}

#[test]
fn unavailable() {
    golden("unavailable", nothing_listens);
    golden("unavailable-no-database", || {
        let scene = Scene::new("seed", "", &OPENAI);
        Scene { run: Run::seed().envs(OPENAI), ..scene }
    });
}

#[test]
fn unusable() {
    golden("unusable-foreign-database", || {
        let scene = Scene::new("seed", "", &OPENAI);
        scene
            .database
            .execute("drop table ai_provider_keys, ai_providers, dbcrypt_keys, audit_logs; create table shop (id int)");
        scene
    });
    golden("unusable-encryption-key-required", || Scene::new("seed", ENCRYPTED, &OPENAI));
    golden("unusable-permission-denied", || {
        let scene = Scene::new("seed", "", &OPENAI);
        let select = "grant select on ai_providers, ai_provider_keys, dbcrypt_keys to golden_poor";
        scene.connected_as("golden_poor", &format!("{select}; grant insert on ai_providers to golden_poor"))
    });
}

#[test]
fn locked() {
    let server = Server::shared();
    let database = server.database(Variant::Current);
    let mut holder = database.client();
    holder.batch_execute("set application_name = 'coderd'; begin; select pg_advisory_xact_lock(10)").unwrap();
    golden("locked", || {
        let scene = Scene::new("seed", "", &OPENAI).arg("--lock-timeout=100ms");
        Scene { run: scene.run.database(database.url()), database: server.attach(database.name()) }
    });
}
