//! Each state, and the order of the decisions.

use super::*;

#[test]
fn in_sync_needs_nothing_but_the_rows() {
    let plan = plan(&openai(), &snapshot([("openai", row("openai", URL, &["sk-one"]))]), &WRITE);
    assert_eq!((states(&plan), plan.needs_schema, plan.blocks()), (vec![State::InSync], false, false));
    let entry = &plan.entries[0];
    assert_eq!(entry.id.map(|id| id.to_string()).as_deref(), Some(ROW));
    assert!(entry.database_hash.is_some() && entry.database_hash == entry.environment_hash);
    assert!(plan.insert.is_none() && plan.findings.warnings.is_empty());
}

#[test]
fn a_row_of_the_desired_type_proves_that_the_type_is_known() {
    for kind in ["azure", "google", "copilot", "vercel", "openrouter", "openai-compat"] {
        let desired = desired(&[("0_TYPE", kind), ("0_BASE_URL", URL)]);
        for row in [row(kind, URL, &[]), deleted(row(kind, URL, &[]))] {
            assert!(!plan(&desired, &snapshot([(kind, row)]), &WRITE).needs_schema, "{kind}");
        }
        // With another type or without a row, only the labels decide.
        assert!(plan(&desired, &snapshot([(kind, row("openai", URL, &[]))]), &WRITE).needs_schema, "{kind}");
        assert!(plan(&desired, &Snapshot::default(), &WRITE).needs_schema, "{kind}");
    }
    // Every database has these two.
    assert!(!plan(&openai(), &snapshot([("openai", row("azure", URL, &[]))]), &WRITE).needs_schema);
}

#[test]
fn missing_is_decided_with_the_schema() {
    let light = plan(&openai(), &Snapshot::default(), &WRITE);
    assert_eq!((states(&light), light.needs_schema, light.insert.is_none()), (vec![State::Missing], true, true));
    let whole = plan(&openai(), &with(schema(), Snapshot::default()), &WRITE);
    assert_eq!((states(&whole), whole.needs_schema), (vec![State::Missing], false));
    assert_eq!(whole.insert.unwrap().providers, [0]);
    // Encryption was not read, and a key must be inserted.
    let half = Schema { encryption: None, ..schema() };
    assert!(plan(&openai(), &with(half.clone(), Snapshot::default()), &WRITE).needs_schema);
    let copilot = desired(&[("0_TYPE", "copilot"), ("0_BASE_URL", URL)]);
    let plan = plan(&copilot, &with(half, Snapshot::default()), &WRITE);
    assert!(!plan.needs_schema && plan.insert.is_some(), "nothing of it is encrypted");
}

#[test]
fn a_deletion_sticks_and_a_deleted_row_is_not_compared() {
    let mut gone = deleted(row("anthropic", "https://other/", &["other"]));
    gone.settings = Err(Unreadable::KeyRequired);
    let plan = plan(&openai(), &snapshot([("openai", gone)]), &FAIL);
    assert_eq!((states(&plan), codes(&plan.findings.warnings)), (vec![State::Deleted], vec![Code::PreviouslyDeleted]));
    assert!(
        plan.findings.problems.is_empty() && plan.conflicts.is_empty() && !plan.needs_schema && plan.insert.is_none()
    );
    assert_eq!(
        (plan.findings.warnings[0].provider.as_deref(), plan.findings.warnings[0].index),
        (Some("openai"), Some(0))
    );
    assert_eq!(plan.entries[0].id.map(|id| id.to_string()).as_deref(), Some(ROW));
    assert!(plan.entries[0].database_hash.is_none());
}

/// Each side has the hash of its own record, equal or not.
#[test]
fn a_conflict_has_the_hashes_of_both_sides() {
    let stored = row("openai", "https://other/", &["sk-one"]);
    let hash = stored.canonical(None).hash();
    let plan = plan(&openai(), &snapshot([("openai", stored)]), &WRITE);
    let entry = &plan.entries[0];
    assert_eq!((entry.state, entry.database_hash.as_deref()), (State::Conflict, Some(hash.as_str())));
    assert_eq!(entry.environment_hash, Some(openai()[0].canonical().hash()));
    assert_ne!(entry.environment_hash, Some(hash));
}

#[test]
fn hashes_that_are_not_asked_for_are_not_made() {
    let options = PlanOptions { hashes: false, ..WRITE };
    for url in [URL, "https://other/"] {
        let plan = plan(&openai(), &snapshot([("openai", row("openai", url, &["sk-one"]))]), &options);
        assert_eq!((&plan.entries[0].environment_hash, &plan.entries[0].database_hash), (&None, &None));
    }
}

/// A type that the database does not know is skipped before any comparison.
#[test]
fn unsupported_comes_before_conflicts_and_deletions() {
    let azure = desired(&[("0_TYPE", "azure"), ("0_NAME", "x"), ("0_BASE_URL", URL), ("0_KEY", "k")]);
    for row in [row("openai", "https://other/", &[]), deleted(row("openai", URL, &[]))] {
        let plan = plan(&azure, &with(first_schema(), snapshot([("x", row)])), &FAIL);
        assert_eq!(
            (states(&plan), codes(&plan.findings.warnings)),
            (vec![State::Unsupported], vec![Code::UnsupportedByDatabase])
        );
        assert!(!plan.blocks() && plan.conflicts.is_empty() && plan.insert.is_none());
        assert_eq!(plan.findings.warnings[0].variables, ["CODER_AIBRIDGE_PROVIDER_0_TYPE"]);
    }
    let row = row("openai", URL, &["k"]);
    let known = plan(&azure, &with(schema(), snapshot([("x", row)])), &WRITE);
    assert_eq!(differences(&known), ["type azure | openai"]);
    // Also TYPE bedrock, although an anthropic row could hold its settings.
    let bedrock = desired(&[("0_TYPE", "bedrock"), ("0_BEDROCK_REGION", "us-east-1")]);
    let stored = bedrock_row("anthropic", "us-east-1", None);
    let plan = plan(&bedrock, &with(first_schema(), snapshot([("bedrock", stored)])), &WRITE);
    assert_eq!(states(&plan), [State::Unsupported]);
}

#[test]
fn a_legacy_name_is_a_conflict_only_if_the_type_is_known() {
    let both = desired(&[("OPENAI_KEY", "k"), ("0_TYPE", "azure"), ("0_NAME", "openai"), ("0_BASE_URL", URL)]);
    // Undecided without labels, so the schema is needed.
    assert!(plan(&both, &Snapshot::default(), &WRITE).needs_schema);
    let skipped = plan(&both, &with(first_schema(), Snapshot::default()), &WRITE);
    assert_eq!(states(&skipped), [State::Unsupported, State::Missing]);
    assert!(skipped.findings.problems.is_empty());
    assert_eq!(skipped.insert.unwrap().providers, [1]);
    let refused = plan(&both, &with(schema(), Snapshot::default()), &WRITE);
    assert_eq!(codes(&refused.findings.problems), [Code::LegacyNameConflict]);
    assert_eq!(refused.findings.problems[0].variables, ["CODER_AIBRIDGE_PROVIDER_0_NAME", "CODER_AIBRIDGE_OPENAI_KEY"]);
    assert_eq!(refused.findings.problems[0].index, Some(0));
    assert!(refused.insert.is_none());
}

#[test]
fn one_conflict_prevents_every_insert() {
    let two = desired(&[
        ("0_TYPE", "openai"),
        ("0_BASE_URL", URL),
        ("0_KEY", "sk-one"),
        ("1_TYPE", "anthropic"),
        ("1_BASE_URL", URL),
        ("1_KEY", "k"),
    ]);
    let rows = snapshot([("openai", row("openai", "https://other/", &["sk-one"]))]);
    let plan = plan(&two, &with(schema(), rows), &WRITE);
    assert_eq!(states(&plan), [State::Missing, State::Conflict]);
    assert!(plan.blocks() && plan.insert.is_none());
}

/// Settings from a later Coder: everything else is compared, and the settings stop nothing.
#[test]
fn row_with_unknown_settings_is_compared_without_them() {
    use crate::provider::SettingsError::{TypeUnknown, VersionUnsupported};
    let keyed = [("0_TYPE", "anthropic"), ("0_NAME", "aws"), ("0_BASE_URL", URL), ("0_KEY", "sk-one")];
    let with_region = [("0_TYPE", "anthropic"), ("0_NAME", "aws"), ("0_BEDROCK_REGION", "us-east-1")];
    for error in [TypeUnknown, VersionUnsupported] {
        let opaque = |row: StoredProvider| StoredProvider { settings: Err(Unreadable::Settings(error)), ..row };
        let of = |desired: &[DesiredProvider], row: StoredProvider| {
            let plan = plan(desired, &snapshot([("aws", opaque(row))]), &FAIL);
            assert_eq!(codes(&plan.findings.warnings), [Code::SettingsNotUnderstood]);
            assert_eq!(plan.findings.problems, []);
            let entry = &plan.entries[0];
            let same = entry.database_hash == entry.environment_hash;
            assert_eq!(same, entry.state == State::InSync, "the record holds what was compared");
            plan.conflicts.iter().map(|conflict| conflict.field).collect::<Vec<_>>()
        };
        assert_eq!(of(&bedrock(), row("bedrock", "", &[])), []);
        // Only its settings could say whether it is a Bedrock provider.
        assert_eq!(of(&bedrock(), row("anthropic", "", &[])), []);
        assert_eq!(of(&desired(&with_region), row("anthropic", "", &[])), []);
        assert_eq!(of(&desired(&keyed), row("anthropic", URL, &["sk-one"])), []);
        assert_eq!(of(&desired(&keyed), row("anthropic", "https://other/", &["x"])), [Field::BaseUrl, Field::ApiKeys]);
        assert_eq!(of(&desired(&keyed), row("bedrock", URL, &["sk-one"])), [Field::Type]);
    }
}

#[test]
fn unreadable_settings() {
    let stored = |unreadable| StoredProvider { settings: Err(unreadable), ..row("bedrock", "", &[]) };
    let of = |unreadable| {
        let plan = plan(&bedrock(), &snapshot([("aws", stored(unreadable))]), &IGNORE);
        assert!(plan.blocks() && plan.findings.problems[0].provider.as_deref() == Some("aws"));
        (plan.findings.problems[0].code, plan.findings.problems[0].variables[0].clone())
    };
    let keys = "CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS";
    use crate::provider::SettingsError::{FieldType, NotAnObject, TypeMissing};
    for settings in [NotAnObject, TypeMissing, FieldType] {
        assert_eq!(of(Unreadable::Settings(settings)).0, Code::StoredSettingsUnreadable);
    }
    assert_eq!(of(Unreadable::KeyRequired), (Code::EncryptionKeyRequired, keys.to_owned()));
    assert_eq!(of(Unreadable::KeyUnknown { digest: "6a193b3".into() }), (Code::UnknownEncryptionKey, keys.to_owned()));
}
