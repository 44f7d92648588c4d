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

#[test]
fn stored_keys_are_never_replaced_by_nothing() {
    let none = desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL)]);
    let rows = |kind, url| with(schema(), snapshot([("openai", row(kind, url, &["sk-one", "sk-two"]))]));
    for options in [WRITE, FAIL] {
        let take = |rows: &Snapshot| decide(&none, rows, Action::TakeEnvironment, &options);
        let other = take(&rows("openai", "https://other.example/"));
        let [update] = &other.updates[..] else { panic!("{:?}", other.problems) };
        assert!(update.base_url.is_some() && update.keys.is_none());
        assert_eq!(update.fields, [Field::BaseUrl]);
        assert_eq!((other.conflicts.len(), other.kept[0].field), (1, Field::ApiKeys));
        // Nothing else differs, or the old keys would go to the vendor of another type.
        for refused in [take(&rows("openai", URL)), take(&rows("azure", URL))] {
            assert_eq!((codes(&refused.problems), refused.updates.len()), (vec![Code::CannotResolve], 0));
        }
    }
    // The same for the pair of Bedrock.
    let aws = desired(&[("0_TYPE", "bedrock"), ("0_NAME", "aws"), ("0_BEDROCK_REGION", "us-east-1")]);
    let stored = |region| {
        let row = bedrock_row("bedrock", region, Some(("id", "secret")));
        with(schema(), Snapshot { rows: [("aws".to_owned(), row)].into(), schema: None })
    };
    let moved = decide(&aws, &stored("eu-west-1"), Action::TakeEnvironment, &WRITE);
    assert_eq!(moved.updates[0].fields, [Field::BedrockRegion]);
    let settings = moved.updates[0].settings.as_ref().unwrap().expose_secret();
    assert!(settings.contains("us-east-1") && settings.contains("secret"));
    let refused = decide(&aws, &stored("us-east-1"), Action::TakeEnvironment, &WRITE);
    assert_eq!(codes(&refused.problems), [Code::CannotResolve]);
}

#[test]
fn an_id_that_is_not_known_is_no_success_unless_all_is_in_sync() {
    let named = |providers: &[&str], rows: &Snapshot| {
        let request = Request {
            action: Action::TakeEnvironment,
            providers: providers.iter().map(|name| (*name).to_owned()).collect(),
            conflicts: vec!["deadbeef0000".to_owned()],
        };
        resolve(&plan(&openai(), rows, &WRITE), &openai(), rows, &request, &WRITE)
    };
    let there = row("openai", URL, &["sk-one"]);
    let deleted = StoredProvider { deleted: true, ..there.clone() };
    for providers in [&[][..], &["openai"]] {
        let gone = named(providers, &snapshot([("openai", deleted.clone())]));
        assert_eq!(codes(&gone.problems), [Code::ConflictMoved]);
        assert!(gone.problems[0].message.contains("--restore"));
        assert_eq!(codes(&named(providers, &snapshot([])).problems), [Code::ConflictMoved]);
        let same = named(providers, &snapshot([("openai", there.clone())]));
        assert_eq!((same.problems.len(), codes(&same.warnings)), (0, vec![Code::ConflictMoved]));
    }
}

#[test]
fn to_restore_what_is_live_is_nothing_to_do() {
    let rows = with(schema(), snapshot([("openai", row("openai", URL, &["sk-one"]))]));
    let request = Request { action: Action::Restore, providers: vec!["openai".to_owned()], conflicts: Vec::new() };
    let resolution = resolve(&plan(&openai(), &rows, &WRITE), &openai(), &rows, &request, &WRITE);
    assert_eq!((resolution.problems.len(), resolution.updates.len()), (0, 0));
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
                let left = plan(&desired, &rows(after.clone()), &options).conflicts;
                prop_assert!(left.iter().all(Conflict::would_empty), "{:?}", left);
                prop_assert_eq!(left.len(), resolution.kept.len());
                let differs = |field: Field| before.iter().any(|conflict| conflict.field == field);
                prop_assert!(differs(Field::Type) || after.kind == stored.kind);
                prop_assert!(differs(Field::BaseUrl) || after.base_url == stored.base_url);
                prop_assert!(differs(Field::ApiKeys) || update.keys.is_none());
                prop_assert!(update.keys.as_ref().is_none_or(|(new, old)| !new.is_empty() || *old == 0));
            }
            _ => prop_assert!(false),
        }
    }
}
