//! `--take-environment`: the differences that may be taken, field by field.

use super::*;

const ALL: PlanOptions = PlanOptions { take: TakeEnvironment::All, ..WRITE };
const CREDENTIALS: PlanOptions = PlanOptions { take: TakeEnvironment::Credentials, ..WRITE };

/// `would_update base_url, api_keys | display_name`: state, taken fields, reported fields.
fn said(providers: &[DesiredProvider], row: StoredProvider, options: &PlanOptions) -> String {
    let name = providers[0].name.clone();
    let plan =
        plan(providers, &with(schema(), Snapshot { rows: [(name, row)].into(), ..Snapshot::default() }), options);
    let fields = |conflicts: &[Conflict]| conflicts.iter().map(|c| c.field.as_str()).collect::<Vec<_>>().join(", ");
    assert_eq!(plan.update.updates.is_empty(), plan.update.conflicts.is_empty());
    format!("{:?} {} | {}", plan.entries[0].state, fields(&plan.update.conflicts), fields(&plan.conflicts))
}

fn bedrock_with(pairs: &[(&str, &str)]) -> Vec<DesiredProvider> {
    let base = [("0_TYPE", "anthropic"), ("0_NAME", "aws"), ("0_BEDROCK_REGION", "us-east-1")];
    desired(&[&base[..], pairs].concat())
}

#[test]
fn each_mode_covers_its_fields() {
    let other = || row("openai", "https://other.example", &["sk-other"]);
    let key = || row("openai", URL, &["sk-other"]);
    assert_eq!(said(&openai(), other(), &ALL), "WouldUpdate base_url, api_keys | ");
    assert_eq!(said(&openai(), key(), &CREDENTIALS), "WouldUpdate api_keys | ");
    // A difference that is not covered and stops the start prevents the covered ones.
    assert_eq!(said(&openai(), other(), &CREDENTIALS), "Conflict  | base_url, api_keys");
    assert_eq!(said(&openai(), key(), &WRITE), "CredentialsDiffer  | api_keys");
    assert_eq!(said(&openai(), row("openai", URL, &["sk-one"]), &ALL), "InSync  | ");
}

#[test]
fn type_and_kind_of_settings_are_never_taken() {
    assert_eq!(said(&openai(), row("azure", URL, &["sk-other"]), &ALL), "Conflict  | type, api_keys");
    let without = row("bedrock", "", &[]);
    assert!(said(&bedrock(), without, &ALL).starts_with("Conflict  | "));
    let with_settings = StoredProvider { keys: row("", "", &["sk-other"]).keys, ..bedrock_row("openai", "", None) };
    assert_eq!(said(&openai(), with_settings, &ALL).split(' ').next(), Some("Conflict"));
}

#[test]
fn old_type_of_a_bedrock_row_is_taken_as_coders_backfill_does() {
    let old = || bedrock_row("anthropic", "us-east-1", None);
    assert_eq!(said(&bedrock_with(&[]), old(), &ALL), "WouldUpdate type | ");
    assert_eq!(said(&bedrock_with(&[]), old(), &CREDENTIALS), "InSync  | ");
    assert_eq!(said(&bedrock_with(&[]), bedrock_row("bedrock", "us-east-1", None), &ALL), "InSync  | ");
    // Beside a difference that stops the start, nothing is taken.
    let elsewhere = bedrock_row("anthropic", "eu-west-1", None);
    assert!(said(&bedrock_with(&[]), elsewhere, &ALL).starts_with("Conflict  | bedrock_region"));
    let with_keys = StoredProvider { keys: row("", "", &["sk-other"]).keys, ..old() };
    assert!(!said(&bedrock_with(&[]), with_keys, &ALL).contains("type"));
}

#[test]
fn endpoint_is_taken_only_with_credentials_of_the_environment() {
    let no_keys = desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL)]);
    assert_eq!(said(&no_keys, row("openai", "https://other.example", &[]), &ALL), "Conflict  | base_url");
    assert_eq!(said(&no_keys, row("openai", "https://other.example", &["sk"]), &ALL), "Conflict  | base_url, api_keys");
    // Unreadable keys may not be the environment's.
    let mut sealed = row("openai", "https://other.example", &["sk-one"]);
    sealed.keys = Some(stored_keys([Err(Unreadable::KeyRequired)]));
    assert_eq!(said(&openai(), sealed, &ALL), "Conflict  | base_url");
    let region = |settings: Option<(&str, &str)>| bedrock_row("anthropic", "eu-west-1", settings);
    assert_eq!(said(&bedrock_with(&[]), region(None), &ALL), "Conflict  | bedrock_region");
    let pair = [("0_BEDROCK_ACCESS_KEY", "id"), ("0_BEDROCK_ACCESS_KEY_SECRET", "secret")];
    let other = region(Some(("other", "pair")));
    assert_eq!(said(&bedrock_with(&pair), other, &ALL), "WouldUpdate bedrock_region, bedrock_credentials, type | ");
}

#[test]
fn nothing_never_takes_the_place_of_something() {
    let no_url = desired(&[("0_TYPE", "openai"), ("0_KEY", "sk-one")]);
    assert_eq!(said(&no_url, row("openai", URL, &["sk-one"]), &ALL), "Conflict  | base_url");
    let no_keys = desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL)]);
    assert_eq!(said(&no_keys, row("openai", URL, &["sk-one"]), &ALL), "CredentialsDiffer  | api_keys");
}

#[test]
fn suspicious_values_are_never_taken() {
    let key = |key: &str| desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL), ("0_KEYS", key)]);
    for text in ["$(KEY)", "Bearer sk-one", "sk-good,$(KEY)"] {
        let said = said(&key(text), row("openai", URL, &["sk-other"]), &ALL);
        assert_eq!(said, "CredentialsDiffer  | api_keys", "{text}");
    }
    // For a pair, also the secret.
    let pair = [("0_BEDROCK_ACCESS_KEY", "AKIAIOSFODNN7EXAMPLE"), ("0_BEDROCK_ACCESS_KEY_SECRET", "${SECRET}")];
    let stored = bedrock_row("anthropic", "us-east-1", Some(("other", "pair")));
    assert_eq!(said(&bedrock_with(&pair), stored, &ALL), "WouldUpdate type | bedrock_credentials");
    // For the older variables.
    let older = desired(&[("OPENAI_KEY", "$(KEY)"), ("OPENAI_BASE_URL", URL), ("ANTHROPIC_KEY", "sk-ant")]);
    let openai = older.iter().find(|provider| provider.name == "openai").cloned();
    assert_eq!(said(&[openai.unwrap()], row("openai", URL, &["sk-other"]), &ALL), "CredentialsDiffer  | api_keys");
}

#[test]
fn only_decided_ids_are_taken_and_the_rest_is_reported() {
    let snapshot = || with(schema(), snapshot([("openai", row("openai", URL, &["sk-other"]))]));
    let first = plan(&openai(), &snapshot(), &CREDENTIALS);
    let id = first.update.conflicts[0].id.clone();
    let mut again = plan(&openai(), &snapshot(), &CREDENTIALS);
    again.take_only(&openai(), &[id]);
    assert_eq!((states(&again), again.update.updates.len()), (vec![State::WouldUpdate], 1));
    again.take_only(&openai(), &["another".to_owned()]);
    assert_eq!((states(&again), again.update.updates.len()), (vec![State::CredentialsDiffer], 0));
    assert_eq!((again.conflicts.len(), again.blocks()), (1, false));
}

#[test]
fn optional_fields_are_taken_but_never_enabled() {
    let ours = |suffix: &str, value: &str| {
        desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL), ("0_KEY", "sk-one"), (suffix, value)])
    };
    let of = |field: Field, text: &str| StoredProvider {
        columns: [(field, text.to_owned())].into(),
        ..row("openai", URL, &["sk-one"])
    };
    let name = of(Field::DisplayName, "Theirs");
    assert_eq!(said(&ours("0_DISPLAY_NAME", "Ours"), name.clone(), &ALL), "WouldUpdate display_name | ");
    assert_eq!(said(&ours("0_DISPLAY_NAME", "Ours"), name, &CREDENTIALS), "SettingsDiffer  | display_name");
    assert_eq!(said(&ours("0_ICON", "/a.svg"), of(Field::Icon, "/b.svg"), &ALL), "WouldUpdate icon | ");
    assert_eq!(said(&ours("0_ENABLED", "false"), of(Field::Enabled, "true"), &ALL), "WouldUpdate enabled | ");
    assert_eq!(said(&ours("0_ENABLED", "true"), of(Field::Enabled, "false"), &ALL), "SettingsDiffer  | enabled");
    let role = [("0_BEDROCK_ROLE_ARN", "arn:aws:iam::123456789012:role/coder"), ("0_BEDROCK_PROTOCOL", "mantle")];
    let stored = bedrock_row("anthropic", "us-east-1", None);
    assert_eq!(said(&bedrock_with(&role), stored, &ALL), "WouldUpdate bedrock_role_arn, bedrock_protocol, type | ");
}
