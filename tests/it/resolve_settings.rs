//! Optional fields that `resolve` takes from the environment: columns, settings, the external id, resolved models.

use ai_provider_seed::testing::store::dbcrypt::Keyring;
use serde_json::{Value, json};

use crate::support::resolution::{ENCRYPTED, ENCRYPTION_KEY};
use crate::support::{Database, Run, Server, Snapshot, Variant};

const ROLE: &str = "arn:aws:iam::123456789012:role/coder";
const STORED: &str = r#"{"_type":"bedrock","_version":1,"model":"m1","region":"eu-central-1","resolved_model":"r1","small_fast_model":"s1"}"#;
const MODELS: &str = "ai_provider_bedrock_resolved_models";
const MODELS_TABLE: &str = "create table ai_provider_bedrock_resolved_models (provider_id uuid, model text);
    insert into ai_provider_bedrock_resolved_models select id, 'r1' from ai_providers;
    insert into ai_provider_bedrock_resolved_models values ('00000000-0000-0000-0000-000000000001', 'other');";

fn run(command: &str, database: &Database) -> Run {
    let set = [
        ("TYPE", "bedrock"),
        ("BEDROCK_REGION", "eu-central-1"),
        ("BEDROCK_MODEL", "m2"),
        ("BEDROCK_SMALL_FAST_MODEL", "s1"),
        ("BEDROCK_ROLE_ARN", ROLE),
        ("BEDROCK_PROTOCOL", "mantle"),
        ("DISPLAY_NAME", "Ours"),
        ("ICON", "/icon/aws.svg"),
        ("ENABLED", "true"),
    ];
    let set = set.map(|(name, value)| (format!("CODER_AI_GATEWAY_PROVIDER_0_{name}"), value));
    Run::new([command]).json().arg("--wait=10s").envs(set).database(database.url())
}

fn insert(settings: &str, key: &str) -> String {
    format!(
        "insert into ai_providers (type, name, display_name, icon, enabled, base_url, settings, settings_key_id)
         values ('bedrock', 'bedrock', 'Theirs', '/x.svg', false, '', '{settings}', {key});"
    )
}

fn settings(after: &Snapshot) -> Value {
    serde_json::from_str(after.live("bedrock").unwrap()["settings"].as_str().unwrap()).unwrap()
}

#[test]
fn every_optional_field_is_taken_from_the_environment() {
    let database = Server::shared().database(Variant::Current);
    database.execute(&format!("{}{MODELS_TABLE}", insert(STORED, "null")));
    let diff = run("diff", &database).run().expect(0).json();
    assert_eq!(diff["providers"][0]["state"], "settings_differ");
    let id = diff["conflicts"][0]["id"].as_str().unwrap().to_owned();
    let take = |id: &str| run("resolve", &database).args(["--take=environment", "--yes", "--conflict", id]);
    take(&id).run().expect(0);
    let after = Snapshot::of(&database);
    let row = after.live("bedrock").unwrap();
    assert_eq!(
        (&row["display_name"], &row["icon"], &row["enabled"]),
        (&json!("Ours"), &json!("/icon/aws.svg"), &json!(true))
    );
    let mut stored = settings(&after);
    let external = stored.as_object_mut().unwrap().remove("external_id").unwrap();
    assert_eq!(external.as_str().unwrap().len(), 26);
    let expected = json!({"_type": "bedrock", "_version": 1, "model": "m2", "protocol": "mantle", "region": "eu-central-1",
                          "role_arn": ROLE, "small_fast_model": "s1"});
    assert_eq!(stored, expected, "and what Coder resolved for the old model is gone");
    let left = database.json("select json_agg(model) from ai_provider_bedrock_resolved_models");
    assert_eq!(left, json!(["other"]), "of this provider alone");
    let audit = &after.audit.iter().find(|row| row["action"] == "write").unwrap()["diff"];
    assert_eq!(audit["enabled"], json!({"old": false, "new": true, "secret": false}));
    assert_eq!(audit["settings"], json!({"old": "", "new": "", "secret": true}));
    assert_eq!(run("seed", &database).run().expect(0).json()["providers"][0]["state"], "in_sync");

    // The external id belongs to Coder: another role keeps it.
    let other = format!("{ROLE}-2");
    let with = |run: Run| run.env("CODER_AI_GATEWAY_PROVIDER_0_BEDROCK_ROLE_ARN", &other);
    let id = with(run("diff", &database)).run().json()["conflicts"][0]["id"].as_str().unwrap().to_owned();
    with(take(&id)).run().expect(0);
    let after = settings(&Snapshot::of(&database));
    assert_eq!((&after["external_id"], &after["role_arn"]), (&external, &json!(other)));
}

#[test]
fn encrypted_settings_take_the_role() {
    let keyring = Keyring::parse(ENCRYPTION_KEY).ok().unwrap();
    let sealed = keyring.encrypt("6a193b3", &STORED.into()).unwrap();
    let database = Server::shared().database(Variant::Current);
    database.execute(&format!("{ENCRYPTED}{}", insert(&sealed, "'6a193b3'")));
    let run = |command| run(command, &database).env("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS", ENCRYPTION_KEY);
    let id = run("diff").run().json()["conflicts"][0]["id"].as_str().unwrap().to_owned();
    run("resolve").args(["--take=environment", "--yes", "--conflict", &id]).run().expect(0);
    let after = Snapshot::of(&database);
    let row = after.live("bedrock").unwrap();
    assert_eq!(row["settings_key_id"], "6a193b3");
    let plain = keyring.decrypt("6a193b3", row["settings"].as_str().unwrap()).unwrap();
    assert!(secrecy::ExposeSecret::expose_secret(&plain).contains(ROLE));
    assert_eq!(run("seed").run().expect(0).json()["providers"][0]["state"], "in_sync");
}

/// The environment is to be changed to the database's values.
#[test]
fn optional_fields_of_the_database_are_printed() {
    let database = Server::shared().database(Variant::Current);
    database.execute(&insert(STORED, "null"));
    let id = run("diff", &database).run().json()["conflicts"][0]["id"].as_str().unwrap().to_owned();
    let printed = run("resolve", &database).args(["--take=database", "--conflict", &id]).run().expect(0);
    let edits = printed.stdout.clone();
    for variable in ["BEDROCK_MODEL", "BEDROCK_ROLE_ARN", "BEDROCK_PROTOCOL", "DISPLAY_NAME", "ICON", "ENABLED"] {
        assert!(edits.contains(&format!("CODER_AI_GATEWAY_PROVIDER_0_{variable}")), "{variable}: {printed}");
    }
}

#[test]
fn missing_grant_on_resolved_models_stops_the_update() {
    let database = Server::shared().database(Variant::Current);
    database.grant_roles();
    database.execute(&format!("{}{MODELS_TABLE}", insert(STORED, "null")));
    let id = run("diff", &database).run().json()["conflicts"][0]["id"].as_str().unwrap().to_owned();
    let before = Snapshot::of(&database);
    let take = || {
        let take = run("resolve", &database).args(["--take=environment", "--yes", "--conflict", &id]);
        take.database(database.url_of(crate::support::roles::RESOLVE)).run()
    };
    for (granted, lacking) in [("", 2), ("select", 1), ("delete", 1)] {
        if !granted.is_empty() {
            database.execute(&format!("grant {granted} on {MODELS} to {}", crate::support::roles::RESOLVE));
        }
        let refused = take().expect(5);
        assert_eq!(refused.codes("problems"), vec!["permission_denied"; lacking], "with {granted:?}");
        assert!(refused.stdout.contains(MODELS), "{refused}");
        assert_eq!(Snapshot::of(&database).changes_since(&before), [""; 0]);
        database.execute(&format!("revoke all on {MODELS} from {}", crate::support::roles::RESOLVE));
    }
    // An upgrade of Coder created the table.
    database.run_role_sql("select");
    take().expect(0);
    assert_eq!(database.json(&format!("select json_agg(model) from {MODELS}")), json!(["other"]));
}
