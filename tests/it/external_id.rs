//! The external id that this program gives a role: the run that creates it reports it, since the role's trust policy
//! needs it.

use serde_json::{Value, json};

use crate::support::resolution::{ENCRYPTED, ENCRYPTION_KEY};
use crate::support::{Database, Finished, Proxy, Run, Server, Variant};

const ROLE: &str = "arn:aws:iam::123456789012:role/coder";

fn seed(database: &Database) -> Run {
    bedrock(Run::seed(), database)
}

fn bedrock(run: Run, database: &Database) -> Run {
    run.database(database.url())
        .env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "bedrock")
        .env("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_REGION", "eu-central-1")
        .env("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_MODEL", "anthropic.claude-a")
        .env("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_SMALL_FAST_MODEL", "anthropic.claude-b")
}

fn with_role(run: Run) -> Run {
    run.env("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_ROLE_ARN", ROLE)
}

fn told(run: &Finished) -> Value {
    run.json()["providers"][0]["external_id"].clone()
}

fn stored(database: &Database) -> Value {
    database.json("select settings::json -> 'external_id' from ai_providers where name = 'bedrock'")
}

#[test]
fn seed_reports_the_external_id_of_an_inserted_role() {
    let database = Server::shared().database(Variant::Current);
    let created = with_role(seed(&database)).json().run().expect(0);
    assert_eq!(told(&created), stored(&database));
    assert_eq!(told(&created).as_str().map(str::len), Some(26), "{created}");
    // Only the run that created it reports it; export prints it later.
    assert_eq!(told(&with_role(seed(&database)).json().run().expect(0)), Value::Null);
    let again = Server::shared().database(Variant::Current);
    let text = with_role(seed(&again)).run().expect(0).stdout;
    let id = stored(&again).as_str().unwrap_or_default().to_owned();
    assert!(text.contains(&format!("bedrock  external id {id}, which the trust policy of its role needs")), "{text}");
    // There is none without a role.
    let plain = Server::shared().database(Variant::Current);
    let run = seed(&plain).env("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_ACCESS_KEY", "AKIAIOSFODNN7EXAMPLF");
    let run =
        run.env("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_ACCESS_KEY_SECRET", "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");
    assert_eq!(told(&run.json().run().expect(0)), Value::Null);
}

#[test]
fn seed_reports_the_external_id_of_an_added_role() {
    let database = Server::shared().database(Variant::Current);
    seed(&database).run().expect(0);
    let updated = with_role(seed(&database)).arg("--take-environment=all").json().run().expect(0);
    assert_eq!(updated.json()["providers"][0]["state"], "updated", "{updated}");
    assert_eq!(told(&updated), stored(&database));
    assert!(told(&updated).is_string(), "{updated}");
}

/// Once in JSON and once as text, each for one row.
#[test]
fn resolve_creates_and_reports_the_external_id_of_a_role() {
    for json in [true, false] {
        let database = Server::shared().database(Variant::Current);
        seed(&database).run().expect(0);
        let diff = with_role(bedrock(Run::new(["diff"]), &database)).json().run().expect(0);
        let id = diff.json()["conflicts"][0]["id"].as_str().unwrap_or_default().to_owned();
        let run = with_role(bedrock(Run::new(["resolve"]), &database)).args(["--take=environment", "--yes"]);
        let run = run.arg("--conflict").arg(id);
        let plan = run.clone().json().arg("--dry-run").run().expect(0);
        assert_eq!(told(&plan), Value::Null, "nothing is made yet");
        let resolved = if json { run.json().run().expect(0) } else { run.run().expect(0) };
        let made = stored(&database).as_str().unwrap_or_default().to_owned();
        assert_eq!(made.len(), 26, "{resolved}");
        if json {
            assert_eq!(told(&resolved), made);
        } else {
            let said = format!("bedrock  external id {made}, which the trust policy of its role needs");
            assert!(resolved.stdout.contains(&said), "{resolved}");
        }
    }
}

#[test]
fn external_id_of_encrypted_settings_is_reported() {
    let database = Server::shared().database(Variant::Current);
    database.execute(ENCRYPTED);
    let run = with_role(seed(&database)).env("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS", ENCRYPTION_KEY);
    let created = run.json().run().expect(0);
    let exported = Run::new(["export"]).database(database.url());
    let exported = exported.env("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS", ENCRYPTION_KEY).run().expect(0);
    let id = told(&created).as_str().unwrap_or_default().to_owned();
    assert!(id.len() == 26 && exported.everything().contains(&id), "{created} {exported}");
    assert_eq!(database.json("select to_json(settings like '%external_id%') from ai_providers"), json!(false));
}

/// The same number as without them: 3 for an insert, 1 if there is nothing to do.
#[test]
fn optional_fields_take_no_further_round_trip() {
    let database = Server::shared().database(Variant::Current);
    for trips in [3, 1] {
        let proxy = Proxy::new().start(Server::shared().port());
        Run::seed()
            .database(database.url_at(proxy.port(), "postgres", "postgres"))
            .env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai")
            .env("CODER_AIBRIDGE_PROVIDER_0_KEY", "sk-of-the-second-team-1")
            .env("CODER_AIBRIDGE_PROVIDER_0_DISPLAY_NAME", "OpenAI of the second team")
            .env("CODER_AIBRIDGE_PROVIDER_0_ICON", "/icon/openai.svg")
            .env("CODER_AIBRIDGE_PROVIDER_0_ENABLED", "false")
            .run()
            .expect(0);
        assert_eq!(proxy.round_trips(), [trips]);
    }
}
