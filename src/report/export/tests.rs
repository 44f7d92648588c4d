//! For any row, either its variables recreate it, or it is left out with a reason.

use std::collections::BTreeMap;

use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::*;
use crate::env::dotenv_quote;
use crate::env::{Environment, parse_dotenv};
use crate::options::export::{ExportFormat, Secrets};
use crate::options::{Compare, TakeEnvironment};
use crate::plan::{
    Access, ExportedValue, PlanOptions, Snapshot, State, Stored, StoredKey, StoredProvider, Time, Unreadable, export,
    plan,
};
use crate::problem::Code;
use crate::provider::{BedrockSettings, Field};

const OPTIONS: PlanOptions = PlanOptions {
    compare_credentials: Compare::Fail,
    compare_settings: Compare::Fail,
    take: TakeEnvironment::None,
    audit: true,
    fingerprints: false,
    hashes: true,
    access: Access::Read,
    keys_given: false,
};

fn row(kind: &str, base_url: &str, keys: &[String], settings: Option<BedrockSettings>) -> StoredProvider {
    StoredProvider {
        id: Uuid::nil(),
        kind: kind.to_owned(),
        deleted: false,
        base_url: base_url.to_owned(),
        columns: BTreeMap::new(),
        has_icon: true,
        settings: Ok(settings),
        keys: Some(keys.iter().map(|key| key_of(key)).collect()),
        updated_at: Time::default(),
    }
}

fn key_of(text: &str) -> StoredKey {
    StoredKey { created_at: Time::default(), id: Uuid::nil(), secret: Ok(text.into()) }
}

fn stored<'a>(name: &'a str, row: &'a StoredProvider) -> Stored<'a> {
    Stored { name, row }
}

/// `Err`: the row was left out.
fn round_trip(name: &str, row: &StoredProvider) -> Result<State, Code> {
    let export = export(&[stored(name, row)], Secrets::Shown);
    let Some(provider) = export.providers.first() else { return Err(export.findings.problems[0].code) };
    for variable in &provider.variables {
        let ExportedValue::Plain(value) = &variable.value else { continue };
        assert!(value.chars().all(|c| matches!(c, ' '..='~')), "printed");
    }
    let text = render(&export, ExportFormat::Env, Secrets::Shown).text;
    let variables = parse_dotenv(text.expose_secret()).unwrap_or_else(|error| panic!("{error}"));
    let environment = Environment::read(&variables);
    assert_eq!(environment.findings.problems, []);
    let snapshot = Snapshot { rows: [(name.to_owned(), row.clone())].into(), ..Snapshot::default() };
    let plan = plan(&environment.providers, &snapshot, &OPTIONS);
    assert_eq!((plan.entries.len(), plan.conflicts), (1, vec![]));
    Ok(plan.entries[0].state)
}

#[test]
fn inexpressible_rows_are_left_out_with_a_reason() {
    let keys = |list: &[&str]| list.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    let settings = |region: &str, pair: [Option<&str>; 2]| {
        let [access_key, access_key_secret] = pair.map(|half| half.map(SecretString::from));
        Some(BedrockSettings { region: region.into(), access_key, access_key_secret, ..BedrockSettings::default() })
    };
    let left_out = |name: &str, row: StoredProvider| assert_eq!(round_trip(name, &row).err(), Some(Code::CannotExport));
    left_out("Bad_Name", row("openai", "", &[], None));
    left_out("a", row("newer", "", &[], None));
    left_out("a", row("openai", "", &keys(&["1", "2", "3", "4", "5", "6"]), None));
    left_out("a", row("openai", "", &keys(&[""]), None));
    left_out("a", row("openai", "", &keys(&[" padded"]), None));
    left_out("a", row("openai", "", &keys(&["same", "same"]), None));
    left_out("a", row("openai", "", &keys(&["with,comma", "other"]), None));
    left_out("a", row("copilot", "", &keys(&["key"]), None));
    left_out("a", row("openai", "", &[], settings("us-east-1", [None, None])));
    left_out("a", row("bedrock", "", &[], None));
    left_out("a", row("bedrock", "", &keys(&["key"]), settings("us-east-1", [None, None])));
    left_out("a", row("bedrock", "", &[], settings("", [None, None])));
    left_out("a", row("bedrock", "", &[], settings("us-east-1", [Some("half"), None])));
    left_out("a", row("bedrock", "", &[], settings("us-east-1", [Some("id"), Some(" ")])));
    assert_eq!(round_trip("a", &row("openai", "", &keys(&["with,comma"]), None)), Ok(State::InSync));
    assert_eq!(round_trip("a", &row("anthropic", "", &[], settings("us-east-1", [None, None]))), Ok(State::InSync));
    assert_eq!(
        round_trip("a", &row("bedrock", "https://b.example/", &[], settings("", [None, None]))),
        Ok(State::InSync)
    );

    let mut encrypted = row("openai", "", &[], None);
    encrypted.keys = Some(vec![StoredKey { secret: Err(Unreadable::KeyRequired), ..key_of("") }]);
    assert_eq!(round_trip("a", &encrypted).err(), Some(Code::EncryptionKeyRequired));
    // Its presence can be exported without reading it.
    assert!(export(&[stored("a", &encrypted)], Secrets::Named).findings.problems.is_empty());
    encrypted.settings = Err(Unreadable::Settings(crate::provider::SettingsError::TypeMissing));
    assert_eq!(round_trip("a", &encrypted).err(), Some(Code::CannotExport));
}

#[test]
fn lost_fields_are_reported() {
    let mut settings = BedrockSettings { region: "us-east-1".into(), ..BedrockSettings::default() };
    settings.other.insert("role_arn".into(), "arn".into());
    settings.other.insert("later".into(), "x".into());
    settings.other.insert("external_id".into(), "ABCDEFGHIJKLMNOPQRSTUVWX23".into());
    let mut row = row("bedrock", "", &[], Some(settings));
    row.columns.insert(Field::DisplayName, " Ours".to_owned());
    let export = export(&[Stored { name: "aws", row: &row }], Secrets::Shown);
    let said: Vec<&str> = export.findings.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert!(said[0].starts_with("its display_name, which") && said[1].starts_with("its bedrock_role_arn"), "{said:?}");
    let others = "the content of its settings in external_id (ABCDEFGHIJKLMNOPQRSTUVWX23), later";
    assert!(said[2].starts_with(others), "{said:?}");
}

#[test]
fn quotes() {
    for (value, quoted) in [
        ("https://a.example/v1?a=b", "'https://a.example/v1?a=b'"),
        ("sk-plain_1", "sk-plain_1"),
        ("", ""),
        ("a b#c$d\"e", "'a b#c$d\"e'"),
        ("it's", "\"it's\""),
        ("a\\b'$c\n\"", "\"a\\\\b'\\$c\\n\\\"\""),
    ] {
        assert_eq!(dotenv_quote::quote(value), quoted);
    }
}

proptest! {
    #[test]
    fn every_value_is_read_back_as_it_was(values in prop::collection::vec("(\\PC|[\\\\'\"$#\\n\\r\\t `!{}=, ]|\u{85}|\u{2028}){0,24}", 1..6)) {
        let text: String = values.iter().enumerate().map(|(at, v)| format!("V{at}={}\n", dotenv_quote::quote(v))).collect();
        let read = parse_dotenv(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
        let read: Vec<&str> = read.iter().map(|variable| variable.value().unwrap_or_default()).collect();
        prop_assert_eq!(read, values);
    }

    #[test]
    fn yaml_values_are_read_back_as_they_were(value in any::<String>()) {
        let read: String = serde_saphyr::from_str(&format!("{}\n", manifest::quoted(&value))).unwrap();
        prop_assert_eq!(read, value);
    }

    #[test]
    fn any_row_makes_itself_again_or_is_left_out(
        kind in prop::sample::select(vec!["openai", "anthropic", "azure", "copilot", "bedrock", "google"]),
        url in "(https://[a-z]{1,5}\\.example/[a-z?=&$'\" ]{0,8}|\\PC{0,6})",
        keys in prop::collection::vec("([a-z$'\"\\\\#, ]|\\PC){0,6}", 0..3),
        bedrock in prop::option::of(("[a-z1-9-]{0,9}", prop::option::of("[^\u{0}]{1,4}"), prop::option::of("[^\u{0}]{1,4}"), "[^\u{0}]{0,4}")),
    ) {
        let settings = bedrock.map(|(region, id, secret, model)| BedrockSettings {
            region,
            access_key: id.map(SecretString::from),
            access_key_secret: secret.map(SecretString::from),
            model,
            ..BedrockSettings::default()
        });
        match round_trip("a-name", &row(kind, &url, &keys, settings)) {
            Ok(state) => prop_assert_eq!(state, State::InSync),
            Err(code) => prop_assert_eq!(code, Code::CannotExport),
        }
    }
}
