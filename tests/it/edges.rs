//! Faults that easily stay unnoticed: blocked outputs, options that disable the program by accident, rows that are hidden
//! or dropped.

use std::process::{Command, Stdio};

use crate::support::{Database, Run, Server, Snapshot, Variant};

const TYPE: (&str, &str) = ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai");
const URL: (&str, &str) = ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://api.openai.com/v1");
const KEYS: (&str, &str) = ("CODER_AIBRIDGE_PROVIDER_0_KEYS", "sk-edge-1,sk-edge-2");

fn database() -> Database<'static> {
    Server::shared().database(Variant::Current)
}

fn seed(database: &Database) -> Run {
    Run::seed().json().arg("--wait=0").envs([TYPE, URL, KEYS]).database(database.url())
}

#[test]
fn blocked_outputs_do_not_change_the_exit_code() {
    for (stdout, stderr) in [("/dev/null", "/dev/full"), ("/dev/full", "/dev/null"), ("/dev/full", "/dev/full")] {
        let database = database();
        let open = |path: &str| Stdio::from(std::fs::OpenOptions::new().write(true).open(path).unwrap());
        let status = Command::new(env!("CARGO_BIN_EXE_ai-provider-seed"))
            .arg("seed")
            .env_clear()
            .envs([TYPE, URL, KEYS, ("CODER_PG_CONNECTION_URL", &database.url())])
            .stdout(open(stdout))
            .stderr(open(stderr))
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(0), "{stdout} {stderr}");
        assert_eq!(Snapshot::of(&database).providers.len(), 1);
    }
}

#[test]
fn diff_variable_does_not_affect_seed() {
    let database = database();
    seed(&database).env("AI_PROVIDER_SEED_OFFLINE", "true").run().expect(0);
    assert_eq!(Snapshot::of(&database).providers.len(), 1);
}

#[test]
fn empty_block_on_list_is_invalid() {
    for list in ["", " ", ","] {
        let run = Run::seed().json().env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "opnai").arg(format!("--block-on={list}"));
        let finished = run.run().expect(2);
        assert!(finished.codes("problems").contains(&"invalid_option".to_owned()), "{finished}");
    }
}

#[test]
fn mistyped_flag_keeps_format_and_block_on() {
    let finished = Run::new(["seed", "--output=json", "--bogus"]).run().expect(2);
    assert_eq!(finished.json()["problems"][0]["code"], "invalid_option");
    let finished = Run::new(["seed", "--output", "json", "--bogus", "--block-on", "none"]).run().expect(0);
    assert_eq!(finished.json()["blocked"], false);
    let finished = Run::new(["seed", "--offline"]).run().expect(2);
    assert!(finished.stdout.contains("--offline is an option of diff, not of seed"), "{finished}");
}

#[test]
fn rows_dropped_by_a_trigger_are_not_reported_as_written() {
    let database = database();
    database.execute(
        "create function swallow() returns trigger language plpgsql as 'begin return null; end';
         create trigger swallow before insert on ai_provider_keys for each row execute function swallow()",
    );
    let finished = seed(&database).run().expect(5);
    assert!(finished.stdout.contains("swallowed"), "{finished}");
    assert!(Snapshot::of(&database).providers.is_empty());
}

#[test]
fn rows_hidden_by_row_security_are_not_reported_missing() {
    let database = database();
    database.execute(
        "insert into ai_providers (type, name, base_url) values ('openai', 'openai', 'https://other.example/');
         alter table ai_providers enable row level security;
         do $$ begin
           if not exists (select from pg_roles where rolname = 'edge_hidden') then
             create role edge_hidden login password 'edge_hidden';
           end if;
         end $$;
         grant select, insert on ai_providers, ai_provider_keys, dbcrypt_keys, audit_logs to edge_hidden",
    );
    let url = database.url_as("edge_hidden", "edge_hidden");
    for run in [Run::seed(), Run::diff()] {
        let finished = run.json().arg("--wait=0").envs([TYPE, URL, KEYS]).database(&url).run().expect(5);
        assert!(finished.stdout.contains("row-level security"), "{finished}");
    }
}

#[test]
fn quoted_url_is_recognized() {
    for text in ["'postgres://u:p@h/d?sslmode=disable'", "\"postgres://u:p@h/d?sslmode=disable\""] {
        let finished = Run::seed().json().arg("--wait=0").envs([TYPE, URL, KEYS]).database(text).run().expect(2);
        assert!(finished.stdout.contains("remove the quotation marks"), "{finished}");
    }
}

/// A pipe without a reader blocks the writer; the run still ends, and on a signal at once.
#[test]
fn blocked_termination_log_does_not_hang_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut child = Command::new(env!("CARGO_BIN_EXE_ai-provider-seed"))
        .args(["seed", "--wait=0", "--termination-log"])
        .arg(&pipe)
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "opnai")
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "it waits for a reader");
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
}
