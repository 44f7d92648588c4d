//! Values in, a plan out: no database, no clock.

mod compare;
mod conflicts;
mod inserts;
mod properties;
mod resolve;
mod resolve_properties;
mod settings;
mod states;
mod take;

use std::collections::BTreeMap;

use secrecy::SecretString;
use uuid::Uuid;

use super::comparison::fingerprint;
use super::snapshot::Table;

use super::*;
use crate::env::{Environment, Variable};
use crate::options::TakeEnvironment;
use crate::provider::{BedrockSettings, Source};

const ROW: &str = "00000000-0000-4000-8000-000000000001";
const URL: &str = "https://ai.example/v1";

const WRITE: PlanOptions = PlanOptions {
    compare_credentials: Compare::Warn,
    compare_settings: Compare::Warn,
    take: TakeEnvironment::None,
    audit: true,
    fingerprints: false,
    hashes: true,
    access: Access::Write,
    keys_given: false,
};
const FAIL: PlanOptions = PlanOptions { compare_credentials: Compare::Fail, ..WRITE };
const IGNORE: PlanOptions = PlanOptions { compare_credentials: Compare::Ignore, ..WRITE };
const READ: PlanOptions = PlanOptions { access: Access::Read, ..WRITE };

/// Names that start with a digit get the prefix `CODER_AIBRIDGE_PROVIDER_`, others `CODER_AIBRIDGE_`.
fn desired(pairs: &[(&str, &str)]) -> Vec<DesiredProvider> {
    let full = |name: &str| {
        let provider = if name.starts_with(|c: char| c.is_ascii_digit()) { "PROVIDER_" } else { "" };
        format!("CODER_AIBRIDGE_{provider}{name}")
    };
    let given: Vec<Variable> =
        pairs.iter().map(|(name, value)| Variable::new(full(name), *value, Source::Process)).collect();
    let environment = Environment::read(&given);
    assert_eq!(environment.findings.problems, []);
    environment.providers
}

/// An OpenAI provider at `URL` with the key `sk-one`.
fn openai() -> Vec<DesiredProvider> {
    desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL), ("0_KEY", "sk-one")])
}

/// A Bedrock provider of type `anthropic`.
fn bedrock() -> Vec<DesiredProvider> {
    desired(&[
        ("0_TYPE", "anthropic"),
        ("0_NAME", "aws"),
        ("0_BEDROCK_REGION", "us-east-1"),
        ("0_BEDROCK_ACCESS_KEY", "id"),
        ("0_BEDROCK_ACCESS_KEY_SECRET", "secret"),
    ])
}

fn row(kind: &str, base_url: &str, keys: &[&str]) -> StoredProvider {
    StoredProvider {
        id: Uuid::parse_str(ROW).unwrap(),
        kind: kind.to_owned(),
        deleted: false,
        base_url: base_url.to_owned(),
        columns: BTreeMap::new(),
        has_icon: true,
        settings: Ok(None),
        keys: Some(stored_keys(keys.iter().map(|key| Ok(SecretString::from(*key))))),
        // 2026-11-20T09:12:00Z
        updated_at: Time(848_481_120_000_000),
    }
}

fn stored_keys(secrets: impl IntoIterator<Item = Result<SecretString, Unreadable>>) -> Vec<StoredKey> {
    let key = |(id, secret)| StoredKey { created_at: Time::default(), id: Uuid::from_u128(id), secret };
    (1..).zip(secrets).map(key).collect()
}

fn bedrock_row(kind: &str, region: &str, credentials: Option<(&str, &str)>) -> StoredProvider {
    let settings = BedrockSettings {
        region: region.to_owned(),
        access_key: credentials.map(|(id, _)| id.into()),
        access_key_secret: credentials.map(|(_, secret)| secret.into()),
        ..BedrockSettings::default()
    };
    StoredProvider { settings: Ok(Some(settings)), ..row(kind, "", &[]) }
}

fn deleted(row: StoredProvider) -> StoredProvider {
    StoredProvider { deleted: true, ..row }
}

fn snapshot<const N: usize>(rows: [(&str, StoredProvider); N]) -> Snapshot {
    Snapshot { rows: rows.map(|(name, row)| (name.to_owned(), row)).into(), ..Snapshot::default() }
}

fn table(columns: &[&str]) -> Table {
    let column = Column { required: true, insertable: true };
    Table { columns: columns.iter().map(|name| ((*name).to_owned(), column)).collect() }
}

/// The live schema of the newest releases: all labels, `icon` with a default, not encrypted.
fn schema() -> Schema {
    let mut providers = table(&insert::PROVIDER_COLUMNS);
    providers.columns.insert("icon".into(), Column { required: false, insertable: true });
    let audit = AuditTable { table: table(&insert::AUDIT_COLUMNS), provider_label: true, key_label: true };
    Schema {
        elsewhere: Vec::new(),
        labels: crate::provider::ProviderType::ALL.iter().map(|kind| kind.as_str().to_owned()).collect(),
        providers,
        keys: table(&insert::KEY_COLUMNS),
        audit: Some(audit),
        encryption: Some(Ok(Encryption::default())),
        role: "seeder".into(),
        resolved_models: false,
        read_only: false,
    }
}

/// The first release: two labels, no `icon`.
fn first_schema() -> Schema {
    let mut schema = schema();
    schema.labels = ["openai", "anthropic"].map(str::to_owned).into();
    schema.providers.columns.remove("icon");
    schema
}

fn with(schema: Schema, rows: Snapshot) -> Snapshot {
    Snapshot { schema: Some(schema), ..rows }
}

fn states(plan: &Plan) -> Vec<State> {
    plan.entries.iter().map(|entry| entry.state).collect()
}

fn codes(problems: &[Problem]) -> Vec<Code> {
    problems.iter().map(|problem| problem.code).collect()
}

/// `field environment | database`
fn differences(plan: &Plan) -> Vec<String> {
    let value = |value: &FieldValue| match value {
        FieldValue::Text(text) => text.text.clone(),
        FieldValue::Credentials { count, .. } => count.to_string(),
    };
    let line = |c: &Conflict| format!("{} {} | {}", c.field.as_str(), value(&c.environment), value(&c.database));
    plan.conflicts.iter().map(line).collect()
}
