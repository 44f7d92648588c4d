//! `--take-environment` and rows with Bedrock settings: region, credentials, the type of old rows, key rotation.

use super::take::{seed, state, written};
use crate::support::resolution::{ENCRYPTED, ENCRYPTION_KEY, URL, database, openai, unchanged};
use crate::support::{Run, Snapshot};
use serde_json::json;

fn bedrock(run: Run) -> Run {
    run.env("CODER_AIBRIDGE_PROVIDER_1_TYPE", "bedrock")
        .env("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_REGION", "us-east-1")
        .env("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_ACCESS_KEY", "AKIAIOSFODNN7EXAMPLF")
        .env("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_ACCESS_KEY_SECRET", "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")
}

const OLD_BEDROCK: &str = r#"insert into ai_providers (type, name, base_url, settings) values ('bedrock', 'bedrock', '',
    '{"_type":"bedrock","_version":1,"access_key":"AKIAIOSFODNN7EXAMPLE","access_key_secret":"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","region":"us-west-2","role_arn":"arn:aws:iam::1:role/x"}');"#;

#[test]
fn bedrock_region_is_taken_with_its_pair_and_the_rest_is_kept() {
    let database = database(&format!("{}{OLD_BEDROCK}", openai(URL, &["sk-canary-new"])));
    bedrock(seed(&database, "all")).run().expect(0);
    let settings = database.json("select settings::json from ai_providers where name = 'bedrock'");
    assert_eq!((&settings["region"], &settings["role_arn"]), (&json!("us-east-1"), &json!("arn:aws:iam::1:role/x")));
    assert_eq!(settings["access_key"], "AKIAIOSFODNN7EXAMPLF");
    // Without a credential pair of its own, the environment does not decide where the row's pair is sent.
    let after = Snapshot::of(&database);
    let elsewhere = bedrock(seed(&database, "all"))
        .env("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_REGION", "eu-west-1")
        .without("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_ACCESS_KEY")
        .without("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_ACCESS_KEY_SECRET");
    elsewhere.run().expect(3);
    unchanged(&database, &after);
}

/// As Coder's own backfill: only the label, and only if the database knows it.
#[test]
fn old_type_of_a_bedrock_row_is_changed_by_all_alone() {
    let database = database(&format!("{}{OLD_BEDROCK}", openai(URL, &["sk-canary-new"])));
    database.execute(
        "update ai_providers set type = 'anthropic',
                settings = (settings::jsonb - '{access_key,access_key_secret}'::text[])::text where name = 'bedrock'",
    );
    let start = |take: &str| {
        let run = bedrock(seed(&database, take)).env("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_REGION", "us-west-2");
        let run = run.without("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_ACCESS_KEY");
        run.without("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_ACCESS_KEY_SECRET").run().expect(0)
    };
    let settings = || database.json("select settings::json from ai_providers where name = 'bedrock'");
    let (before, kind) =
        (settings(), || database.json("select to_json(type) from ai_providers where name = 'bedrock'"));
    let told = start("credentials");
    assert!(told.codes("warnings").contains(&"bedrock_row_of_old_type".to_owned()), "{told}");
    assert_eq!((written(&told), kind()), (json!(false), json!("anthropic")));
    let taken = start("all");
    assert!(!taken.codes("warnings").contains(&"bedrock_row_of_old_type".to_owned()), "{taken}");
    assert_eq!((state(&taken, 0), kind(), settings()), (json!("updated"), json!("bedrock"), before));
    assert_eq!(written(&start("all")), false);
}

/// During a rotation of Coder's encryption keys, settings wait; API keys do not.
#[test]
fn settings_wait_for_an_encryption_rotation_and_keys_do_not() {
    let database = database(&format!("{}{OLD_BEDROCK}{ENCRYPTED}", openai(URL, &["sk-canary-old"])));
    database.execute("insert into dbcrypt_keys (number, active_key_digest, test) values (2, 'abcdef0', 'x')");
    let settings = || database.json("select to_json(settings) from ai_providers where name = 'bedrock'");
    let before = settings();
    let start = || {
        let run = bedrock(seed(&database, "credentials")).env("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS", ENCRYPTION_KEY);
        run.env("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_REGION", "us-west-2").run().expect(0)
    };
    let finished = start();
    assert!(finished.codes("warnings").contains(&"rotation_pending".to_owned()), "{finished}");
    assert_eq!((state(&finished, 0), state(&finished, 1)), (json!("credentials_differ"), json!("updated")));
    assert_eq!(settings(), before);
    database
        .execute("update dbcrypt_keys set active_key_digest = null, revoked_key_digest = 'abcdef0' where number = 2");
    let finished = start();
    assert_eq!((state(&finished, 0), state(&finished, 1)), (json!("updated"), json!("in_sync")));
    assert_ne!(settings(), before);
    // Encrypted, like every value that is written there.
    let digests = database.json(
        "select json_build_array((select json_agg(api_key_key_id) from ai_provider_keys),
                (select settings_key_id from ai_providers where name = 'bedrock'))",
    );
    assert_eq!(digests, json!([["6a193b3"], "6a193b3"]));
}
