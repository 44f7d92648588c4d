//! A decision changes what differs, and nothing else.

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::super::resolve::{Action, Request, Resolution, Update, resolve};
use super::*;

fn decide(desired: &[DesiredProvider], rows: &Snapshot, action: Action, options: &PlanOptions) -> Resolution {
    let plan = plan(desired, rows, options);
    let conflicts = plan.conflicts.iter().map(|conflict| conflict.id.clone()).collect();
    resolve(&plan, desired, rows, &Request { action, providers: Vec::new(), conflicts }, options)
}

/// The row as it is after the update.
fn applied(update: &Update, row: &StoredProvider) -> StoredProvider {
    let mut row = row.clone();
    row.kind = update.kind.clone().unwrap_or(row.kind);
    row.base_url = update.base_url.clone().unwrap_or(row.base_url);
    if let Some(settings) = &update.settings {
        row.settings = BedrockSettings::decode(Some(settings.expose_secret())).map_err(Unreadable::Settings);
    }
    if let Some((keys, _)) = &update.keys {
        row.keys = Some(keys.iter().cloned().map(Ok).collect());
    }
    row
}

#[test]
fn a_type_is_taken_only_where_nothing_is_lost() {
    let refused = |desired: &[DesiredProvider], row: StoredProvider, options: &PlanOptions| {
        let name = desired[0].name.clone();
        let rows = with(schema(), Snapshot { rows: [(name, row)].into(), schema: None });
        let resolution = decide(desired, &rows, Action::TakeEnvironment, options);
        assert_eq!(resolution.updates.is_empty(), !resolution.problems.is_empty());
        codes(&resolution.problems)
    };
    let none: [Code; 0] = [];
    assert_eq!(refused(&openai(), row("azure", URL, &["sk-old"]), &WRITE), none);
    assert_eq!(refused(&openai(), row("azure", URL, &["sk-old"]), &IGNORE), [Code::CannotResolve]);
    let mut unreadable = row("azure", URL, &[]);
    unreadable.keys = Some(vec![Err(Unreadable::KeyRequired)]);
    assert_eq!(refused(&openai(), unreadable, &WRITE), [Code::CannotResolve]);
    assert_eq!(refused(&openai(), bedrock_row("bedrock", "us-east-1", None), &WRITE), [Code::CannotResolve]);
    assert_eq!(refused(&bedrock(), row("openai", "", &["sk-old"]), &WRITE), [Code::CannotResolve]);
    assert_eq!(refused(&bedrock(), row("openai", "", &[]), &WRITE), none);
    // Bedrock settings on a type that has none: they would be lost too.
    assert_eq!(refused(&openai(), bedrock_row("openai", "us-east-1", None), &WRITE), [Code::CannotResolve]);
}

#[test]
fn taking_the_database_updates_nothing() {
    let rows = with(schema(), snapshot([("openai", row("openai", "https://other.example/", &[]))]));
    let resolution = decide(&openai(), &rows, Action::TakeDatabase, &WRITE);
    assert_eq!((resolution.updates.len(), resolution.conflicts.len(), resolution.problems.len()), (0, 2, 0));
}

proptest! {
    #[test]
    fn what_is_taken_agrees_and_is_all_that_differs(
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
            with(schema(), Snapshot { rows: [(name.clone(), row)].into(), schema: None })
        };
        let resolution = decide(&desired, &rows(stored.clone()), Action::TakeEnvironment, &options);
        let before = plan(&desired, &rows(stored.clone()), &options).conflicts;
        match &resolution.updates[..] {
            [] => prop_assert!(before.is_empty() || !resolution.problems.is_empty()),
            [update] => {
                let after = applied(update, &stored);
                prop_assert_eq!(plan(&desired, &rows(after.clone()), &options).conflicts, vec![]);
                let differs = |field: Field| before.iter().any(|conflict| conflict.field == field);
                prop_assert!(differs(Field::Type) || after.kind == stored.kind);
                prop_assert!(differs(Field::BaseUrl) || after.base_url == stored.base_url);
                prop_assert!(differs(Field::ApiKeys) || update.keys.is_none());
            }
            _ => prop_assert!(false),
        }
    }
}
