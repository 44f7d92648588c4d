//! A decision for the environment leaves nothing that differs, whatever the database holds.

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::resolve::decide;
use super::*;
use crate::options::resolve::Action;
use crate::plan::resolve::Update;

/// The row as it is after the update.
fn applied(update: &Update, row: &StoredProvider) -> StoredProvider {
    let mut row = row.clone();
    row.kind = update.text(Field::Type).map_or(row.kind, str::to_owned);
    row.base_url = update.text(Field::BaseUrl).map_or(row.base_url, str::to_owned);
    if let Some(settings) = &update.settings {
        row.settings = BedrockSettings::decode(Some(settings.encode().expose_secret())).map_err(Unreadable::Settings);
    }
    if let Some(change) = &update.keys {
        let stored = row.keys.unwrap_or_default().into_iter();
        let kept = stored.filter(|key| !change.removed.contains(&key.id)).map(|key| key.secret);
        row.keys = Some(stored_keys(kept.chain(change.added.iter().cloned().map(Ok))));
    }
    row
}

proptest! {
    /// Coder orders keys by the age of their rows: the rows that stay come first.
    #[test]
    fn key_rows_end_in_the_order_of_the_environment(
        wanted in prop::sample::subsequence(vec!["a", "b", "c", "d", "e"], 1..=5).prop_shuffle(),
        stored in prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d", "x"]), 0..6),
    ) {
        let environment = desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL), ("0_KEYS", &wanted.join(","))]);
        let before = row("openai", URL, &stored);
        let rows = with(schema(), snapshot([("openai", before.clone())]));
        let resolution = decide(&environment, &rows, Action::TakeEnvironment, &WRITE);
        let Some(update) = resolution.updates.first() else {
            let sorted = |keys: &[&str]| { let mut keys = keys.to_vec(); keys.sort(); keys.join(",") };
            prop_assert_eq!(sorted(&wanted), sorted(&stored));
            return Ok(());
        };
        let after = applied(update, &before);
        let keys: Vec<&str> = after.keys.iter().flatten().map(|key| key.secret.as_ref().unwrap().expose_secret()).collect();
        prop_assert_eq!(keys, wanted);
        let change = update.keys.as_ref().unwrap();
        prop_assert_eq!(change.had(), stored.len());
    }

    #[test]
    fn taken_values_agree_and_cover_every_difference(
        kind in prop::sample::select(vec!["openai", "azure", "anthropic", "bedrock", "copilot"]),
        url in prop::sample::select(vec![URL, "https://other.example/", ""]),
        keys in prop::collection::vec(prop::sample::select(vec!["sk-one", "sk-two"]), 0..3),
        settings in prop::option::of((prop::sample::select(vec!["us-east-1", "eu-west-1"]), any::<bool>())),
        aws in any::<bool>(),
        options in prop::sample::select(vec![WRITE, FAIL, IGNORE]),
    ) {
        let desired = if aws { bedrock() } else { openai() };
        let stored = match settings {
            Some((region, paired)) => StoredProvider {
                base_url: url.to_owned(),
                keys: row(kind, url, &keys).keys,
                ..bedrock_row(kind, region, paired.then_some(("id", "other")))
            },
            None => row(kind, url, &keys),
        };
        let name = desired[0].name.clone();
        let rows = |row: StoredProvider| {
            with(schema(), Snapshot { rows: [(name.clone(), row)].into(), ..Snapshot::default() })
        };
        let resolution = decide(&desired, &rows(stored.clone()), Action::TakeEnvironment, &options);
        let before = plan(&desired, &rows(stored.clone()), &options).conflicts;
        match &resolution.updates[..] {
            [] => prop_assert!(before.is_empty() || !resolution.findings.problems.is_empty()),
            [update] => {
                let after = applied(update, &stored);
                let left = plan(&desired, &rows(after.clone()), &options).conflicts;
                prop_assert!(left.iter().all(Conflict::would_clear_credentials), "{:?}", left);
                prop_assert_eq!(left.len(), resolution.kept.len());
                let differs = |field: Field| before.iter().any(|conflict| conflict.field == field);
                prop_assert!(differs(Field::Type) || after.kind == stored.kind);
                prop_assert!(differs(Field::BaseUrl) || after.base_url == stored.base_url);
                prop_assert!(differs(Field::ApiKeys) || update.keys.is_none());
                prop_assert!(update.keys.as_ref().is_none_or(|keys| keys.kept + keys.added.len() > 0 || keys.had() == 0));
            }
            _ => prop_assert!(false),
        }
    }
}
