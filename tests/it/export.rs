//! `export` on a real Postgres: its output recreates the same rows, and keys appear only on request.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::cases::{ConnectAs, Env, run_all};
use crate::support::resolution;
use crate::support::{Database, Finished, Options, Run, Server, Snapshot, Variant};
use serde_json::{Value, json};

const KEYRING: &str = "CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS";

fn export(database: &Database, env: &Env) -> Run {
    let keys = env.get(KEYRING).map(String::as_str).unwrap_or_default();
    Run::new(["export"]).database(database.url()).env(KEYRING, keys).env("AI_PROVIDER_SEED_WAIT", "10s")
}

fn dotenv(text: &str) -> BTreeMap<String, String> {
    let variables = ai_provider_seed::testing::env::parse_dotenv(text).unwrap();
    variables.into_iter().map(|v| (v.name.clone(), v.value().unwrap().to_owned())).collect()
}

/// The documents of a YAML text.
fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    documents.iter().find(|document| document["kind"] == kind).unwrap()
}

fn strings(value: &Value) -> BTreeMap<String, String> {
    let entries = value.as_object().into_iter().flatten();
    entries.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

/// The kubelet's environment from the chart's values and the Secret.
fn of_helm(values: &Value, secret: &Value) -> BTreeMap<String, String> {
    let list = values["coder"]["initContainers"][0]["env"].as_array().unwrap();
    let ours = list.iter().filter(|entry| entry["name"] != "CODER_PG_CONNECTION_URL");
    let value = |entry: &Value| match &entry["value"] {
        Value::String(value) => value.replace("$$", "$"),
        _ => {
            let reference = &entry["valueFrom"]["secretKeyRef"];
            assert_eq!(reference["name"], secret["metadata"]["name"]);
            secret["stringData"][reference["key"].as_str().unwrap()].as_str().unwrap().to_owned()
        }
    };
    ours.map(|entry| (entry["name"].as_str().unwrap().to_owned(), value(entry))).collect()
}

/// The content of a row, without the values that no variable can hold.
fn comparable(snapshot: &Snapshot, names: &[&str]) -> Vec<Value> {
    let rows = names.iter().map(|name| {
        let row = snapshot.live(name).unwrap_or_else(|| panic!("no {name}"));
        let settings: Value =
            row["settings"].as_str().map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or(json!(text)));
        let settings = settings.as_object().cloned().map(|mut object| {
            // Each row has a different one.
            object.remove("external_id");
            object
        });
        let mut keys = snapshot.keys_of(&row["id"]);
        keys.sort();
        json!({"name": row["name"], "base_url": row["base_url"], "settings": settings, "keys": keys,
               "display_name": row["display_name"], "enabled": row["enabled"], "icon": row["icon"].as_str().unwrap_or_default()})
    });
    rows.collect()
}

fn round_trip(_: &str, database: &Database, env: &Env) -> Vec<String> {
    let before = Snapshot::of(database);
    let directory = tempfile::tempdir().unwrap();
    let finished = export(database, env).json().arg("--show-secrets").run();
    let document = finished.json();
    let mut wrong = Vec::new();
    if document["outcome"] == "unusable" && before.providers.is_empty() {
        return wrong;
    }

    let names: Vec<&str> =
        document["providers"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    let refused: Vec<&str> =
        document["problems"].as_array().unwrap().iter().filter_map(|p| p["provider"].as_str()).collect();
    let live = before.providers.iter().filter(|row| row["deleted"] == false).map(|row| row["name"].as_str().unwrap());
    for name in live.filter(|name| !names.contains(name) && !refused.contains(name)) {
        wrong.push(format!("export: {name} is dropped without a word: {document}"));
    }
    if (finished.code == 0) != refused.is_empty() {
        wrong.push(format!("export: exit code {} with {refused:?}", finished.code));
    }
    let text = document["text"].as_str().unwrap();
    let variables = dotenv(text);
    let file = directory.path().join("providers.env");
    std::fs::write(&file, text).unwrap();
    let with_file = |command: &str, database: &Database| {
        let run = Run::new([command])
            .json()
            .args(["--compare-credentials=fail", "--compare-settings=fail"])
            .arg("--env-file")
            .arg(&file);
        let keys = env.get(KEYRING).map(String::as_str).unwrap_or_default();
        run.arg("--wait=10s").env(KEYRING, keys).database(database.url())
    };
    for command in ["diff", "seed"] {
        let again = with_file(command, database).run();
        let states = again.json()["providers"].as_array().cloned().unwrap_or_default();
        if again.code != 0 || states.len() != names.len() || states.iter().any(|state| state["state"] != "in_sync") {
            wrong.push(format!("export: {command} with it: {again}\n{text}"));
        }
    }
    wrong.extend(
        Snapshot::of(database).changes_since(&before).into_iter().map(|change| format!("export wrote: {change}")),
    );
    wrong.extend(other_formats(database, env, &variables));

    // Into a new database, with all labels, without encryption: the same rows.
    if env.get(KEYRING).is_none_or(String::is_empty) && before.dbcrypt.is_empty() {
        let new = Server::shared().database(Variant::Current);
        let seeded = with_file("seed", &new).run();
        let (old, new) = (comparable(&before, &names), comparable(&Snapshot::of(&new), &names));
        if seeded.code != 0 || old != new {
            wrong.push(format!("export: a new database holds {new:?} instead of {old:?}: {seeded}"));
        }
    }
    wrong
}

/// `to` and `id` of each block.
fn import_blocks(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let block = |lines: &[&str]| {
        assert_eq!((lines[0], lines[3]), ("import {", "}"), "{text}");
        let to = lines[1].strip_prefix("  to = coderd_ai_provider.").unwrap().to_owned();
        (to, lines[2].strip_prefix("  id = \"").unwrap().strip_suffix('"').unwrap().to_owned())
    };
    lines.chunks(4).map(block).collect()
}

/// The same variables in every format, with secrets only in the file.
fn other_formats(database: &Database, env: &Env, expected: &BTreeMap<String, String>) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for format in ["env", "helm", "manifest"] {
        let file = directory.path().join(format);
        let finished = export(database, env).arg("--format").arg(format).arg("--secrets-file").arg(&file).run();
        let secrets = std::fs::read_to_string(&file).unwrap();
        let found = match format {
            "env" => dotenv(&(finished.stdout.clone() + &secrets)),
            "helm" => of_helm(&documents(&finished.stdout)[0], &documents(&secrets)[0]),
            _ => {
                let documents = documents(&finished.stdout);
                let mut all = strings(&of_kind(&documents, "ConfigMap")["data"]);
                assert_eq!(of_kind(&documents, "AIProviderSeed")["apiVersion"], "aiproviders.dev/v1alpha1");
                all.extend(strings(&serde_saphyr::from_str::<Value>(&secrets).unwrap()["stringData"]));
                all
            }
        };
        if found != *expected {
            wrong.push(format!("export: {format} has {:?} instead of {:?}", found.keys(), expected.keys()));
        }
        for (name, value) in expected.iter().filter(|(name, _)| name.contains("_KEY")) {
            if value.len() >= 8 && finished.everything().contains(value.as_str()) {
                wrong.push(format!("export: {format} prints {name}"));
            }
        }
    }
    wrong
}

#[test]
fn every_case_survives_an_export() {
    run_all(ConnectAs { finally: round_trip, ..ConnectAs::SUPERUSER });
}

const CANARY: &str = "insert into ai_providers (id, type, name, base_url, display_name, enabled) values
    ('00000000-0000-4000-8000-000000000001', 'openai', 'openai', 'https://user:canary-password@host.example/v1?k=canary-query', 'Ours', false),
    ('00000000-0000-4000-8000-000000000002', 'azure', 'azure', 'https://azure.example/', 'azure', true),
    ('00000000-0000-4000-8000-000000000003', 'copilot', 'copilot', 'https://copilot.example/', 'copilot', true);
    insert into ai_provider_keys (provider_id, api_key, created_at) values
    ('00000000-0000-4000-8000-000000000001', 'sk-canary ''\"\\$x#', '2026-01-01'),
    ('00000000-0000-4000-8000-000000000001', 'sk-canary-2', '2026-01-02'),
    ('00000000-0000-4000-8000-000000000002', 'sk-canary-3', '2026-01-02'),
    ('00000000-0000-4000-8000-000000000003', 'sk-canary-4', '2026-01-02');
    insert into ai_providers (type, name, base_url, settings) values ('bedrock', 'bedrock', '',
    '{\"_type\":\"bedrock\",\"_version\":1,\"access_key\":\"AKIACANARY\",\"access_key_secret\":\"canary-secret\",\"model\":\"canary-model\",\"region\":\"canary-region\",\"role_arn\":\"canary-arn\"}')";

fn canaries() -> Database<'static> {
    let database = Server::shared().database(Variant::Current);
    database.execute(CANARY);
    database
}

fn without_canary(finished: &Finished) {
    assert!(!finished.everything().to_lowercase().contains("canary"), "{finished}");
}

#[test]
fn secrets_are_printed_only_on_request() {
    let database = canaries();
    let directory = tempfile::tempdir().unwrap();
    let none = Env::new();
    for format in ["env", "helm", "manifest"] {
        for output in ["text", "json"] {
            let run = export(&database, &none).arg("--format").arg(format).arg("--output").arg(output);
            without_canary(&run.run().expect(5));
            let file = directory.path().join(format!("{format}-{output}"));
            without_canary(&run.clone().arg("--secrets-file").arg(&file).run().expect(5));
            let written = std::fs::read_to_string(&file).unwrap();
            assert!(
                ["sk-canary-2", "sk-canary-3", "AKIACANARY", "canary-secret"].iter().all(|key| written.contains(key))
            );
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(run.arg("--show-secrets").run().expect(5).stdout.contains("sk-canary-2"));
        }
    }
    let finished = export(&database, &none).json().run().expect(5);
    assert_eq!(finished.codes("problems"), ["cannot_export"]);
    assert_eq!(finished.json()["problems"][0]["provider"], "copilot");
    // The further content of its settings.
    assert_eq!(finished.codes("warnings"), ["not_in_export"]);
    let some = export(&database, &none).json().arg("azure").run().expect(0);
    assert_eq!(some.json()["providers"].as_array().unwrap().len(), 1);
    assert_eq!(export(&database, &none).json().arg("never").run().expect(5).codes("problems"), ["cannot_export"]);
    without_canary(&export(&database, &none).json().arg("sk-canary").run().expect(5));
}

#[test]
fn terraform_imports_every_live_row_by_its_id() {
    let database = canaries();
    database.execute(
        "insert into ai_providers (id, type, name, base_url, icon) values
         ('00000000-0000-4000-8000-000000000004', 'openai', '1st-of-all', 'https://a.example/', '/icon/openai.svg'),
         ('00000000-0000-4000-8000-000000000005', 'openai', 'gone', 'https://a.example/', '');
         update ai_providers set deleted = true where name = 'gone'",
    );
    let run = export(&database, &Env::new()).arg("--format").arg("terraform");
    let finished = run.run().expect(0);
    without_canary(&finished);
    let blocks = import_blocks(&finished.stdout);
    let names: Vec<&str> = blocks.iter().map(|(name, _)| name.as_str()).collect();
    // Variables could not describe copilot; a Terraform name does not begin with a digit.
    assert_eq!(names, ["_1st-of-all", "azure", "bedrock", "copilot", "openai"]);
    let rows = Snapshot::of(&database);
    for (name, id) in &blocks {
        assert_eq!(rows.live(name.trim_start_matches('_')).unwrap()["id"], *id, "{name}");
    }
    for (name, said) in [
        ("openai", "# Terraform's resource has one key, and it has 2"),
        ("bedrock", "# Terraform's resource needs a base URL, and it has none"),
        ("1st-of-all", "# Terraform's resource has no icon"),
    ] {
        assert!(finished.stdout.contains(&format!("\n# {name}\n{said}")), "{finished}");
    }
    assert_eq!(run.clone().json().run().expect(0).codes("warnings"), ["not_in_export"; 3]);
    for option in ["--show-secrets", "--secrets-file=secrets.env"] {
        assert_eq!(run.clone().arg(option).json().run().expect(2).codes("problems"), ["invalid_option"], "{option}");
    }
}

#[test]
fn every_format_names_the_id_of_each_row() {
    let database = canaries();
    let run = export(&database, &Env::new()).arg("azure");
    const ID: &str = "# azure, id 00000000-0000-4000-8000-000000000002\n";
    for format in ["env", "helm", "manifest"] {
        let text = run.clone().arg("--format").arg(format).run().expect(0).stdout;
        assert_eq!(text.matches(ID).count(), 1, "{text}");
    }
    assert_eq!(run.json().run().expect(0).json()["providers"][0]["id"], ID[12..].trim_end());
}

#[test]
fn name_that_is_unknown_exports_nothing_but_what_is_known() {
    let database = canaries();
    let names = database.json("select json_agg(name order by name) from ai_providers where not deleted");
    let names: Vec<&str> = names.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secrets");
    for format in ["env", "helm", "manifest", "terraform"] {
        let of = |words: &[&str]| export(&database, &Env::new()).args(["--format", format]).args(words.iter().copied());
        let all = of(&["nowhere"]).run().expect(5);
        assert_eq!(all.stdout, "", "{format}");
        let missing = "the database has no live provider of the 1st name";
        assert!(all.stderr.contains(missing) && names.iter().all(|name| all.stderr.contains(name)), "{all}");
        let near = format!("{}x", names[0]);
        let near = of(&[&near]).run().expect(5);
        assert!(near.stdout.is_empty() && near.stderr.contains(&format!("did you mean {}?", names[0])), "{near}");
        let some = of(&[names[0], "nowhere"]).run().expect(5);
        assert!(some.stdout.contains(names[0]) && some.stderr.contains("of the 2nd name"), "{some}");
    }
    let to_file = export(&database, &Env::new()).args(["nowhere", "--secrets-file"]).arg(&file);
    to_file.run().expect(5);
    assert!(!file.exists());
    let json = export(&database, &Env::new()).args(["nowhere", "--output=json"]).run().expect(5).json();
    assert_eq!((&json["text"], &json["providers"]), (&json!(""), &json!([])));
}

#[test]
fn secrets_file_must_be_new_empty_or_ours() {
    let database = canaries();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let write =
        |name: &str| export(&database, &Env::new()).json().arg("azure").arg("--secrets-file").arg(path(name)).run();
    std::fs::write(path("empty"), "").unwrap();
    std::fs::set_permissions(path("empty"), std::fs::Permissions::from_mode(0o644)).unwrap();
    for name in ["new", "empty"] {
        for _ in 0..2 {
            write(name).expect(0);
            assert!(std::fs::read_to_string(path(name)).unwrap().contains("sk-canary-3"));
            assert_eq!(std::fs::metadata(path(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
    }
    std::fs::write(path("theirs"), "A=b\n").unwrap();
    symlink(path("new"), path("link")).unwrap();
    std::fs::create_dir(path("directory")).unwrap();
    for name in ["theirs", "link", "directory", "no/such/directory"] {
        let finished = write(name).expect(2);
        assert_eq!(finished.codes("problems"), ["invalid_option"]);
        assert_eq!(finished.json()["problems"][0]["variables"], json!(["--secrets-file"]));
    }
    assert_eq!(std::fs::read_to_string(path("theirs")).unwrap(), "A=b\n");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 5, "nothing is left lying about");
    let dash = export(&database, &Env::new()).json().arg("--secrets-file").arg("-").run().expect(2);
    assert_eq!(dash.json()["problems"][0]["variables"], json!(["--secrets-file"]));
    let both = export(&database, &Env::new()).json().arg("--show-secrets").arg("--secrets-file").arg(path("x"));
    assert_eq!(both.run().expect(2).codes("problems"), ["invalid_option"]);
    assert!(!path("x").exists());
}

#[test]
fn encrypted_keys_need_their_key_only_if_shown() {
    let database = Server::shared().database(Variant::Current);
    database.execute(
        "insert into dbcrypt_keys (number, active_key_digest, test) values (1, '6a193b3', 'JAr/OTfEYiZmArZ/9yZpmeM/KSVCy6eJRZ1/qgKXqonr');
         insert into ai_providers (type, name, base_url) values ('openai', 'openai', 'https://a.example/');
         insert into ai_provider_keys (provider_id, api_key, api_key_key_id)
         select id, 'WNKdRi1v1kmlaip3PtpwoDIHsRNaKYQ1jvhN2MRxzUlC2tg=', '6a193b3' from ai_providers",
    );
    let none = Env::new();
    let named = export(&database, &none).run().expect(0);
    assert!(named.stdout.contains("# CODER_AI_GATEWAY_PROVIDER_0_KEY is not shown"), "{named}");
    let wanted = export(&database, &none).json().arg("--show-secrets");
    assert_eq!(wanted.run().expect(5).codes("problems"), ["encryption_key_required"]);
    let opened = wanted.env(KEYRING, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").run().expect(0);
    assert!(opened.json()["text"].as_str().unwrap().contains("_KEY=api-key"), "{opened}");
}

#[test]
fn empty_or_foreign_database_is_refused() {
    let empty = Server::shared().database(Variant::Empty);
    assert_eq!(export(&empty, &Env::new()).json().run().expect(5).codes("problems"), ["schema_missing"]);
    let nothing = Server::shared().database(Variant::Current);
    assert_eq!(export(&nothing, &Env::new()).json().run().expect(0).json()["providers"], json!([]));
    assert_eq!(
        export(&nothing, &Env::new()).arg("--format=yaml").json().run().expect(2).codes("problems"),
        ["invalid_option"]
    );
}

#[test]
fn row_level_security_fails_the_export() {
    let database = Server::shared().database(Variant::Current);
    database.execute(
        "insert into ai_providers (type, name, base_url) values ('openai', 'openai', 'https://a.example/');
         alter table ai_providers enable row level security;
         do $$ begin
           if not exists (select from pg_roles where rolname = 'export_hidden') then
             create role export_hidden login password 'export_hidden';
           end if;
         end $$;
         grant select on ai_providers, ai_provider_keys to export_hidden",
    );
    let run = export(&database, &Env::new()).database(database.url_as("export_hidden", "export_hidden"));
    let finished = run.json().run().expect(5);
    assert!(finished.stdout.contains("row-level security"), "{finished}");
}

#[test]
fn table_lock_is_named_as_the_reason_of_a_failed_export() {
    let database = Server::shared().database(Variant::Current);
    let mut client = database.client();
    client.batch_execute("begin; lock table ai_providers in access exclusive mode").unwrap();
    let finished = export(&database, &Env::new()).env("AI_PROVIDER_SEED_WAIT", "0").json().run().expect(5);
    assert_eq!(finished.codes("problems"), ["server_error"]);
    assert!(finished.stdout.contains("pg_locks"), "{finished}");
    assert!(finished.elapsed < std::time::Duration::from_secs(9), "{finished}");
}

/// The server's limits are below the client's 10 s, so that the server can report the reason.
#[test]
fn every_command_reads_with_the_same_settings() {
    const BEGIN: &str = "[ai-provider-seed] LOG:  statement: begin read only";
    let options = Options::new().setting("log_statement", "all").setting("log_line_prefix", "[%a] ");
    let server = Server::start(options);
    let database = server.database(Variant::Current);
    database.execute(&resolution::openai(resolution::OLD_URL, &["old"]));
    let id = resolution::current_id(&database);
    let settings = "; set local row_security = off; set local statement_timeout = '9000ms'; \
                    set local lock_timeout = '7000ms'";
    for run in [
        resolution::run("seed", &database),
        resolution::run("diff", &database),
        export(&database, &Env::new()),
        resolution::take(&database, &id),
    ] {
        let before = server.log().len();
        run.run();
        let log = server.log()[before..].to_owned();
        let begun: Vec<&str> = log.lines().filter_map(|line| line.strip_prefix(BEGIN)).collect();
        assert!(!begun.is_empty() && begun.iter().all(|found| *found == settings), "{log}");
    }
}
