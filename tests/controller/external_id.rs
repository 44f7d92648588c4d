//! The external id that the controller gives a role, by a first install and by a decision. Condition and Event report it,
//! since the role's trust policy needs it.

use super::settling::resource;
use crate::support::controller::{Controller, check_now, condition, decide, deployment, message, notes, reason};
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Database, Server, Variant};
use serde_json::{Value, json};

fn environment(database: &Database, name: &str) -> Vec<Value> {
    let of = |suffix: &str| format!("CODER_AIBRIDGE_PROVIDER_0_{suffix}");
    let pairs = [
        ("CODER_PG_CONNECTION_URL".to_owned(), database.url()),
        (of("TYPE"), "bedrock".to_owned()),
        (of("NAME"), name.to_owned()),
        (of("BEDROCK_REGION"), "eu-central-1".to_owned()),
        (of("BEDROCK_MODEL"), "anthropic.claude-a".to_owned()),
        (of("BEDROCK_SMALL_FAST_MODEL"), "anthropic.claude-b".to_owned()),
    ];
    pairs.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

fn with_role(mut environment: Vec<Value>) -> Vec<Value> {
    let role = "arn:aws:iam::123456789012:role/coder";
    environment.push(json!({"name": "CODER_AIBRIDGE_PROVIDER_0_BEDROCK_ROLE_ARN", "value": role}));
    environment
}

/// The sentence with the external id, once the row has one.
fn fact(database: &Database, name: &str) -> String {
    let stored = format!("select settings::json -> 'external_id' from ai_providers where name = '{name}'");
    let id = database.json(&stored).as_str().unwrap_or_default().to_owned();
    assert_eq!(id.len(), 26);
    format!("{name} has the external id {id}, which the trust policy of its role needs (sts:ExternalId)")
}

#[test]
fn controller_reports_the_external_id_of_a_written_role() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    let apply = |env: Vec<Value>| namespace.apply(&deployment("coder", &Value::Array(env), &["seed"]).to_string());
    apply(with_role(environment(&database, "first")));
    resource(&namespace, "coder", json!({"mode": "Seed", "interval": "1h"}));
    let controller = Controller::writing(&namespace);
    let status = condition(&namespace, "coder", "Seeded", "Seeded");
    assert!(message(&status, "Seeded").contains(&fact(&database, "first")), "{status:?}");

    // An existing row gets a role by a decision.
    apply(environment(&database, "second"));
    check_now(&namespace, "coder");
    reason(&namespace, "coder", "InSync");
    apply(with_role(environment(&database, "second")));
    let status = reason(&namespace, "coder", "SettingsDiffer");
    decide(&namespace, "coder", &format!("{}:environment", status.conflicts[0].id));
    let status = condition(&namespace, "coder", "Resolved", "Resolved");
    let fact = fact(&database, "second");
    assert!(message(&status, "Resolved").contains(&fact), "{status:?}");
    eventually("its Event", || notes(&namespace).iter().find(|note| note.contains(&fact)).cloned());
    controller.stop().expect(0);
}
