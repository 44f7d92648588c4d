//! `resolve` on a real Postgres: it writes exactly the fields of the named conflict.

use crate::support::resolution::{
    ENCRYPTED, ENCRYPTION_KEY, ID, OLD_URL, URL, current_id, database, id_of, openai, row, run, take, unchanged,
};
use crate::support::{Database, Run, Snapshot};
use serde_json::{Value, json};

#[test]
fn p4_only_resolve_overwrites_and_only_conflicting_fields() {
    let database = database(&openai(OLD_URL, &["sk-canary-new"]));
    let mut listener = database.client();
    listener.batch_execute("listen ai_providers_changed").unwrap();
    let before = Snapshot::of(&database);
    run("seed", &database).run().expect(3);
    unchanged(&database, &before);

    let finished = take(&database, &current_id(&database)).run().expect(0);
    let document = finished.json();
    assert_eq!((&document["outcome"], &document["written"]), (&json!("ok"), &json!(true)));
    assert_eq!(document["changes"], json!([{"provider": "openai", "action": "update", "fields": ["base_url"]}]));
    assert_eq!((&document["conflicts"], &document["providers"][0]["state"]), (&json!([]), &json!("in_sync")));

    let (old, new) = (before.live("openai").unwrap(), row(&database));
    let mut expected = old.clone();
    expected["base_url"] = json!(URL);
    for column in ["updated_at", "xmin"] {
        assert_ne!(old[column], new[column], "{column}");
        expected[column] = new[column].clone();
    }
    assert_eq!(new, expected, "name, id, title, enabled, times: all as it was");
    let after = Snapshot::of(&database);
    assert_eq!(after.keys, before.keys);
    assert_eq!(after.audit.len(), 1);
    let audit = &after.audit[0];
    assert_eq!(
        (&audit["action"], &audit["resource_type"], &audit["resource_id"], &audit["resource_target"]),
        (&json!("write"), &json!("ai_provider"), &json!(ID), &json!("openai"))
    );
    assert_eq!(audit["diff"], json!({"base_url": {"old": OLD_URL, "new": URL, "secret": false}}));
    let mut notified = listener.notifications();
    let mut notified = notified.timeout_iter(std::time::Duration::from_secs(5));
    assert!(postgres::fallible_iterator::FallibleIterator::next(&mut notified).unwrap().is_some());

    assert_eq!(run("seed", &database).run().expect(0).json()["providers"][0]["state"], "in_sync");
}

#[test]
fn rotated_key_is_taken_from_the_environment_under_warn() {
    let database = database(&openai(URL, &["sk-canary-old", "sk-canary-older"]));
    let id = current_id(&database);
    assert_eq!(run("seed", &database).run().expect(0).json()["providers"][0]["state"], "credentials_differ");
    let finished = take(&database, &id).env("CODER_AIBRIDGE_PROVIDER_1_TYPE", "azure").run().expect(0);
    assert!(!finished.everything().contains("canary"), "{finished}");
    let after = Snapshot::of(&database);
    assert_eq!(after.keys_of(&json!(ID)), ["sk-canary-new"]);
    let write = after.audit.iter().find(|row| row["action"] == "write").unwrap();
    assert_eq!(write["diff"], json!({}), "no column of the provider's row changed");
    let ids = |action: &str, side: &str| {
        let of_key =
            after.audit.iter().filter(|row| row["resource_type"] == "ai_provider_key" && row["action"] == action);
        let mut ids: Vec<Value> = of_key.map(|row| json!({"id": row["diff"]["id"][side]})).collect();
        ids.sort_by_key(Value::to_string);
        ids
    };
    let by = "ai-provider-seed";
    let (added, removed) = (ids("create", "new"), ids("delete", "old"));
    // Two keys with the same time have no order.
    let mut written = write["additional_fields"].clone();
    written["removed"].as_array_mut().unwrap().sort_by_key(Value::to_string);
    assert_eq!(written, json!({"added": added, "removed": removed, "kept": 0, "by": by}));
    assert_eq!((&after.keys[0]["id"], removed.len()), (&added[0]["id"], 2));
    let mut audit: Vec<(String, String)> = after
        .audit
        .iter()
        .map(|row| (row["resource_type"].as_str().unwrap().to_owned(), row["action"].as_str().unwrap().to_owned()))
        .collect();
    audit.sort();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        audit,
        [
            pair("ai_provider", "write"),
            pair("ai_provider_key", "create"),
            pair("ai_provider_key", "delete"),
            pair("ai_provider_key", "delete")
        ]
    );
    assert!(!format!("{:?}", after.audit).contains("canary"));
    run("seed", &database).run().expect(0);
    assert_eq!(Snapshot::of(&database).changes_since(&after), [""; 0]);
}

/// Not even their spacing changes.
#[test]
fn settings_of_a_later_coder_stay_as_they_are() {
    let settings = r#"{"x":  "y", "_type":"claude_platform_aws","_version":1}"#;
    let update = format!("update ai_providers set settings = '{settings}'");
    let database = database(&format!("{}{update}", openai(OLD_URL, &["sk-canary-old"])));
    let diff = run("diff", &database).run();
    assert_eq!(diff.codes("warnings"), ["settings_not_understood", "provider_disabled"], "{diff}");
    take(&database, &id_of(&diff)).run().expect(0);
    let after = row(&database);
    assert_eq!((&after["settings"], &after["base_url"]), (&json!(settings), &json!(URL)));
    let again = run("seed", &database).run().expect(0);
    assert_eq!(again.json()["providers"][0]["state"], "in_sync", "{again}");
}

/// A key row is never changed in place, and a row that stays is not written: Coder's key rotation would silently undo the
/// first, and the second would be an unnecessary change.
#[test]
fn key_rows_that_stay_are_not_touched() {
    let database = database(&openai(URL, &["sk-canary-old", "sk-canary-stays"]));
    let run =
        |command: &str| run(command, &database).env("CODER_AIBRIDGE_PROVIDER_0_KEYS", "sk-canary-stays,sk-canary-new");
    let before = Snapshot::of(&database);
    let row = |snapshot: &Snapshot, key: &str| snapshot.keys.iter().find(|row| row["api_key"] == key).cloned();
    let id = id_of(&run("diff").run());
    run("resolve").arg("--take=environment").arg("--conflict").arg(id).arg("--yes").run().expect(0);
    let after = Snapshot::of(&database);
    assert_eq!(after.keys_of(&json!(ID)), ["sk-canary-stays", "sk-canary-new"]);
    // xmin included.
    assert_eq!(row(&after, "sk-canary-stays"), row(&before, "sk-canary-stays"));
    let write = after.audit.iter().find(|row| row["action"] == "write").unwrap();
    let id_of_key = |snapshot: &Snapshot, key: &str| json!([{"id": row(snapshot, key).unwrap()["id"]}]);
    assert_eq!(
        write["additional_fields"],
        json!({"added": id_of_key(&after, "sk-canary-new"), "removed": id_of_key(&before, "sk-canary-old"), "kept": 1,
               "by": "ai-provider-seed"})
    );
    assert_eq!(after.audit.len(), 3, "one for the provider, one for each key that came or went");
}

#[test]
fn keys_are_written_in_the_order_of_the_environment() {
    let database = database(&openai(OLD_URL, &["sk-canary-old"]));
    let keys = |run: Run| run.env("CODER_AIBRIDGE_PROVIDER_0_KEYS", "sk-canary-c,sk-canary-a,sk-canary-b");
    let id = id_of(&keys(run("diff", &database)).run());
    keys(take(&database, &id)).run().expect(0);
    assert_eq!(Snapshot::of(&database).keys_of(&json!(ID)), ["sk-canary-c", "sk-canary-a", "sk-canary-b"]);
    assert_eq!(row(&database)["base_url"], URL);
}

#[test]
fn keys_are_encrypted_in_an_encrypted_database() {
    let database = database(&format!("{ENCRYPTED}{}", openai(OLD_URL, &[])));
    let key = "WNKdRi1v1kmlaip3PtpwoDIHsRNaKYQ1jvhN2MRxzUlC2tg=";
    database.execute(&format!(
        "insert into ai_provider_keys (provider_id, api_key, api_key_key_id) values ('{ID}', '{key}', '6a193b3')"
    ));
    let with = |run: Run| run.env("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS", ENCRYPTION_KEY);
    let id = id_of(&with(run("diff", &database)).run());
    let before = Snapshot::of(&database);

    // Without the encryption key the keys cannot be compared: another conflict, which does not include them.
    let refused = take(&database, &id).run().expect(3);
    assert_eq!(refused.codes("problems"), ["conflict_moved"]);
    // Without keys in the row they differ, and cannot be written.
    unchanged(&database, &before);
    with(take(&database, &id)).run().expect(0);
    let after = Snapshot::of(&database);
    assert_eq!(after.keys.len(), 1);
    assert_eq!(after.keys[0]["api_key_key_id"], "6a193b3");
    let sealed = after.keys[0]["api_key"].as_str().unwrap();
    let keyring = ai_provider_seed::testing::store::dbcrypt::Keyring::parse(ENCRYPTION_KEY).ok().unwrap();
    let opened = keyring.decrypt("6a193b3", sealed).unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&opened), "sk-canary-new");
    assert_eq!(with(run("seed", &database)).run().expect(0).json()["providers"][0]["state"], "in_sync");
}

#[test]
fn missing_encryption_key_writes_no_plain_key() {
    let database = database(&format!("{ENCRYPTED}{}", openai(URL, &[])));
    let before = Snapshot::of(&database);
    let finished = take(&database, &current_id(&database)).run().expect(5);
    assert_eq!(finished.codes("problems"), ["encryption_key_required"]);
    let other = take(&database, &current_id(&database))
        .env("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS", "MTIzNDU2Nzg5MGFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
    assert_eq!(other.run().expect(5).codes("problems"), ["unknown_encryption_key"]);
    unchanged(&database, &before);
}

#[test]
fn keys_only_in_the_database_stay() {
    let database = database(&openai(OLD_URL, &["sk-canary-one", "sk-canary-two"]));
    let given = |command: &str| {
        let run = Run::new([command]).json().database(database.url());
        run.env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai").env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", URL)
    };
    let seed = given("seed").run().expect(3);
    assert!(seed.termination.unwrap().contains("and its api_keys differ too"));
    let id = id_of(&given("diff").run());
    let take = |id: &str| given("resolve").arg("--take=environment").arg("--conflict").arg(id).arg("--yes");
    let finished = take(&id).run().expect(0).json();
    assert_eq!(finished["changes"], json!([{"provider": "openai", "action": "update", "fields": ["base_url"]}]));
    assert_eq!(row(&database)["base_url"], URL);
    let before = Snapshot::of(&database);
    assert_eq!(before.keys_of(&json!(ID)), ["sk-canary-one", "sk-canary-two"]);
    // Nothing else differs now.
    let refused = take(&id_of(&given("diff").run())).run().expect(5);
    assert_eq!(refused.codes("problems"), ["cannot_resolve"]);
    unchanged(&database, &before);
}

#[test]
fn decision_about_a_gone_conflict_is_not_a_success() {
    let database = database(&openai(OLD_URL, &["sk-canary-new"]));
    let id = current_id(&database);
    database.execute("update ai_providers set deleted = true");
    let finished = take(&database, &id).run().expect(3);
    assert_eq!(finished.codes("problems"), ["conflict_moved"]);
    assert!(finished.everything().contains("--restore"));
    database.execute("update ai_providers set deleted = false");
    take(&database, &id).run().expect(0);
    // A conflict that was settled, and one that never existed: nothing differs.
    for id in [&*id, "deadbeefdeadbeefdeadbeefdeadbeef"] {
        let again = take(&database, id).run().expect(0);
        assert!(again.codes("warnings").contains(&"conflict_moved".to_owned()), "{again}");
        assert_eq!(again.json()["written"], false);
    }
}

const SETTINGS: &str = r#"{"_type":"bedrock","_version":1,"access_key":"AKIACANARYOLD","access_key_secret":"canary-old","model":"m1","region":"eu-west-1","role_arn":"arn:aws:iam::1:role/x","zz":[1,{"a":null}]}"#;

fn bedrock(database: &Database, command: &str) -> Run {
    Run::new([command])
        .json()
        .env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "bedrock")
        .env("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_REGION", "eu-central-1")
        .env("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_ACCESS_KEY", "AKIACANARYNEW")
        .env("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_ACCESS_KEY_SECRET", "canary-new")
        .env("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_MODEL", "m2")
        .database(database.url())
}

#[test]
fn bedrock_settings_keep_uncompared_fields() {
    let insert = |settings: &str, key: &str| {
        format!(
            "insert into ai_providers (type, name, base_url, settings, settings_key_id)
             values ('bedrock', 'bedrock', '', '{settings}', {key})"
        )
    };
    let expected = SETTINGS.replace("eu-west-1", "eu-central-1");
    let expected = expected.replace("AKIACANARYOLD", "AKIACANARYNEW").replace("canary-old", "canary-new");
    for (encrypted, settings) in [(false, "ignore"), (true, "ignore"), (false, "warn")] {
        // If it is compared, the model is taken too.
        let expected = if settings == "warn" { expected.replace("m1", "m2") } else { expected.clone() };
        let keyring = ai_provider_seed::testing::store::dbcrypt::Keyring::parse(ENCRYPTION_KEY).ok().unwrap();
        let sealed = keyring.encrypt("6a193b3", &SETTINGS.into()).unwrap();
        let database = match encrypted {
            false => database(&insert(SETTINGS, "null")),
            true => database(&format!("{ENCRYPTED}{}", insert(&sealed, "'6a193b3'"))),
        };
        let given = |run: Run| {
            let run = run.env("AI_PROVIDER_SEED_COMPARE_SETTINGS", settings);
            if encrypted { run.env("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS", ENCRYPTION_KEY) } else { run }
        };
        let id = id_of(&given(bedrock(&database, "diff")).run().expect(3));
        let take = bedrock(&database, "resolve").arg("--take=environment").arg("--conflict").arg(&id).arg("--yes");
        let finished = given(take).run().expect(0);
        assert!(!finished.everything().to_lowercase().contains("canary"), "{finished}");
        let after = Snapshot::of(&database);
        let stored = after.live("bedrock").unwrap()["settings"].as_str().unwrap().to_owned();
        let plain = match encrypted {
            false => stored,
            true => secrecy::ExposeSecret::expose_secret(&keyring.decrypt("6a193b3", &stored).unwrap()).to_owned(),
        };
        assert_eq!(plain, expected);
        assert_eq!(after.audit[0]["diff"], json!({"settings": {"old": "", "new": "", "secret": true}}));
        given(bedrock(&database, "seed")).run().expect(0);
    }
}

#[test]
fn type_changes_only_if_nothing_is_lost() {
    let azure = |database: &Database, command: &str| {
        run(command, database)
            .env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "azure")
            .env("CODER_AIBRIDGE_PROVIDER_0_NAME", "openai")
    };
    let taken = |run: &dyn Fn(&str) -> Run| {
        let id = id_of(&run("diff").run());
        run("resolve").arg("--take=environment").arg("--conflict").arg(id).arg("--yes")
    };
    let changed = database(&openai(OLD_URL, &["sk-canary-old"]));
    taken(&|command| azure(&changed, command)).run().expect(0);
    assert_eq!((&row(&changed)["type"], &row(&changed)["base_url"]), (&json!("azure"), &json!(URL)));
    assert_eq!(Snapshot::of(&changed).keys_of(&json!(ID)), ["sk-canary-new"], "no old key goes to the new vendor");

    // The old keys would silently stay with the new type.
    let unseen = database(&openai(URL, &["sk-canary-old"]));
    let before = Snapshot::of(&unseen);
    let ignoring = |command: &str| azure(&unseen, command).arg("--compare-credentials=ignore");
    assert_eq!(taken(&ignoring).run().expect(5).codes("problems"), ["cannot_resolve"]);
    // Copilot takes no keys, so the row's would be lost.
    let copilot = |command: &str| {
        Run::new([command])
            .json()
            .env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "copilot")
            .env("CODER_AIBRIDGE_PROVIDER_0_NAME", "openai")
            .database(unseen.url())
    };
    assert_eq!(taken(&copilot).run().expect(5).codes("problems"), ["cannot_resolve"]);
    unchanged(&unseen, &before);

    // Bedrock settings are never dropped.
    let aws = database(&format!(
        "insert into ai_providers (type, name, base_url, settings) values ('bedrock', 'openai', '', '{SETTINGS}')"
    ));
    let before = Snapshot::of(&aws);
    let refused = taken(&|command| run(command, &aws)).run().expect(5);
    assert_eq!(refused.codes("problems"), ["cannot_resolve"]);
    unchanged(&aws, &before);
}

#[test]
fn dry_run_writes_nothing_and_shows_the_changes() {
    let database = database(&openai(OLD_URL, &["sk-canary-old"]));
    let before = Snapshot::of(&database);
    let id = current_id(&database);
    let dry = run("resolve", &database).arg("--take=environment").arg("--conflict").arg(&id).arg("--dry-run");
    let document = dry.run().expect(0).json();
    assert_eq!((&document["dry_run"], &document["written"]), (&json!(true), &json!(false)));
    assert_eq!(document["changes"][0]["fields"], json!(["base_url", "api_keys"]));
    unchanged(&database, &before);
    database.execute("update ai_providers set base_url = 'https://third.example/'");
    dry.run().expect(3);
}

#[test]
fn suspicious_value_is_reported_before_it_is_written() {
    let database = database(&openai(OLD_URL, &["sk-canary-new"]));
    let run = |command: &str| {
        let run = run(command, &database).env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "llm.example.com/v1");
        // This field is not part of the conflict and is not written.
        run.env("CODER_AIBRIDGE_PROVIDER_1_NAME", "other").env("CODER_AIBRIDGE_PROVIDER_1_TYPE", "azure")
    };
    let diff = run("diff").run();
    assert!(diff.json()["warnings"].as_array().unwrap().len() > 1, "{diff}");
    let resolve = run("resolve").arg("--take=environment").arg("--conflict").arg(id_of(&diff)).arg("--dry-run");
    let told = resolve.run().expect(0).termination.unwrap();
    assert!(told.contains("openai base_url from") && told.matches("the scheme is missing").count() == 1, "{told}");
}

#[test]
fn resolve_without_terminal_or_with_bad_arguments_is_refused() {
    let database = database(&openai(OLD_URL, &["sk-canary-old"]));
    let before = Snapshot::of(&database);
    let id = current_id(&database);
    let resolve =
        |arguments: &[&str]| arguments.iter().fold(run("resolve", &database), |run, argument| run.arg(*argument));
    for (arguments, about) in [
        (&["--take=environment", "--conflict", &id][..], "--yes"),
        (&["--take=environment", "--yes"], "--conflict"),
        (&["--take=enviroment", "--conflict", &id, "--yes"], "--take"),
        (&["--conflict", &id, "--yes"], "--take"),
        (&["--take=environment", "--conflict", "sk-canary-old", "--yes"], "--conflict"),
        (&["--restore", "--yes"], "--restore"),
        (&["openai", "--restore"], "--yes"),
        (&["openai", "--restore", "--take=environment", "--yes"], "--restore"),
        (&["SK-CANARY", "--take=database"], "PROVIDER"),
        (&["sk-canary", "--take=database"], "PROVIDER"),
    ] {
        let finished = resolve(arguments).run().expect(2);
        assert_eq!(finished.codes("problems"), ["invalid_option"], "{finished}");
        assert_eq!(finished.json()["problems"][0]["variables"][0], about, "{finished}");
        assert!(!finished.everything().to_lowercase().contains("canary"), "{finished}");
    }
    // Options for a start do not let a mistake pass.
    for arguments in [&["--take=environment", "--conflcit", &id, "--yes"][..], &["--take=environment", "--yes"]] {
        let run = resolve(arguments).env("AI_PROVIDER_SEED_BLOCK_ON", "none").env("AI_PROVIDER_SEED_OFFLINE", "true");
        run.run().expect(2);
    }
    unchanged(&database, &before);
}

#[test]
fn restore_needs_the_name_of_a_deleted_provider() {
    let database = database(&openai(URL, &["sk-canary-new"]));
    database.execute("update ai_providers set deleted = true, enabled = false, updated_at = now()");
    let before = Snapshot::of(&database);
    assert_eq!(run("seed", &database).run().expect(0).codes("warnings"), ["previously_deleted"]);
    let named = take(&database, "abcdefghijklmnopqrstuvwxyz234567").arg("openai").run().expect(3);
    assert_eq!(named.codes("problems"), ["conflict_moved"]);
    // A name that is given twice counts once.
    let restore = || run("resolve", &database).arg("openai").arg("openai").arg("--restore");
    restore().arg("--dry-run").run().expect(0);
    unchanged(&database, &before);

    let finished = restore().arg("--yes").run().expect(0);
    assert_eq!(finished.json()["changes"], json!([{"provider": "openai", "action": "restore", "fields": []}]));
    assert_eq!(finished.json()["providers"][0]["state"], "in_sync");
    assert_eq!((&row(&database)["enabled"], &row(&database)["id"]), (&json!(true), &json!(ID)));
    let audit = &Snapshot::of(&database).audit;
    assert_eq!(audit.len(), 1);
    assert_eq!(
        (&audit[0]["action"], &audit[0]["diff"]["deleted"]),
        (&json!("write"), &json!({"old": true, "new": false, "secret": false}))
    );
    // A live row of that name.
    let before = Snapshot::of(&database);
    let again = restore().arg("--yes").run().expect(0).json();
    assert_eq!((&again["changes"], &again["written"]), (&json!([]), &json!(false)));
    database.execute("insert into ai_providers (type, name, base_url, deleted) values ('openai', 'openai', '', true)");
    assert_eq!(restore().arg("--yes").run().expect(0).json()["written"], false);
    assert_eq!(Snapshot::of(&database).audit, before.audit);
    // A name that never existed, and one that no environment describes.
    let bare = |name: &str| Run::new(["resolve", name, "--restore", "--yes"]).json().database(database.url());
    assert_eq!(bare("never").run().expect(5).codes("problems"), ["cannot_resolve"]);
    database.execute("update ai_providers set deleted = true");
    database.execute("insert into ai_providers (type, name, base_url, deleted) values ('azure', 'other', 'https://x.example/', true)");
    bare("other").run().expect(0);
}
