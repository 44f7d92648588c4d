//! A decision changes exactly the fields that differ.

use secrecy::ExposeSecret;

use super::*;
use crate::options::resolve::{Action, Request};
use crate::plan::resolve::{Resolution, resolve};

pub fn decide(desired: &[DesiredProvider], rows: &Snapshot, action: Action, options: &PlanOptions) -> Resolution {
    let plan = plan(desired, rows, options);
    let conflicts = plan.conflicts.iter().map(|conflict| conflict.id.clone()).collect();
    resolve(&plan, desired, rows, &Request { action, providers: Vec::new(), conflicts }, options)
}

#[test]
fn a_type_is_taken_only_where_nothing_is_lost() {
    let refused = |desired: &[DesiredProvider], row: StoredProvider, options: &PlanOptions| {
        let name = desired[0].name.clone();
        let rows = with(schema(), Snapshot { rows: [(name, row)].into(), ..Snapshot::default() });
        let resolution = decide(desired, &rows, Action::TakeEnvironment, options);
        assert_eq!(resolution.updates.is_empty(), !resolution.findings.problems.is_empty());
        codes(&resolution.findings.problems)
    };
    let none: [Code; 0] = [];
    assert_eq!(refused(&openai(), row("azure", URL, &["sk-old"]), &WRITE), none);
    assert_eq!(refused(&openai(), row("azure", URL, &["sk-old"]), &IGNORE), [Code::CannotResolve]);
    let mut unreadable = row("azure", URL, &[]);
    unreadable.keys = Some(stored_keys([Err(Unreadable::KeyRequired)]));
    assert_eq!(refused(&openai(), unreadable, &WRITE), [Code::CannotResolve]);
    assert_eq!(refused(&openai(), bedrock_row("bedrock", "us-east-1", None), &WRITE), [Code::CannotResolve]);
    assert_eq!(refused(&bedrock(), row("openai", "", &["sk-old"]), &WRITE), [Code::CannotResolve]);
    assert_eq!(refused(&bedrock(), row("openai", "", &[]), &WRITE), none);
    // Each has a different reason.
    let why = |desired: &[DesiredProvider], row: StoredProvider| {
        let rows = with(schema(), Snapshot { rows: [(desired[0].name.clone(), row)].into(), ..Snapshot::default() });
        decide(desired, &rows, Action::TakeEnvironment, &WRITE).findings.problems[0].message.clone()
    };
    let no_keys = desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL)]);
    assert!(why(&bedrock(), row("openai", "", &["sk-old"])).contains("the new type takes no keys"));
    assert!(why(&no_keys, row("azure", URL, &["sk-old"])).contains("the environment sets no keys"));
    // Bedrock settings on a type that has none would be lost too.
    assert_eq!(refused(&openai(), bedrock_row("openai", "us-east-1", None), &WRITE), [Code::CannotResolve]);
    // Both sides have Bedrock settings, so nothing is lost.
    assert_eq!(refused(&bedrock(), bedrock_row("openai", "us-east-1", Some(("id", "secret"))), &WRITE), none);
}

#[test]
fn taking_the_database_updates_nothing() {
    let rows = with(schema(), snapshot([("openai", row("openai", "https://other.example/", &[]))]));
    let resolution = decide(&openai(), &rows, Action::TakeDatabase, &WRITE);
    assert_eq!((resolution.updates.len(), resolution.conflicts.len(), resolution.findings.problems.len()), (0, 2, 0));
}

#[test]
fn stored_keys_are_never_replaced_by_nothing() {
    let none = desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL)]);
    let rows = |kind, url| with(schema(), snapshot([("openai", row(kind, url, &["sk-one", "sk-two"]))]));
    for options in [WRITE, FAIL] {
        let take = |rows: &Snapshot| decide(&none, rows, Action::TakeEnvironment, &options);
        let other = take(&rows("openai", "https://other.example/"));
        let [update] = &other.updates[..] else { panic!("{:?}", other.findings.problems) };
        assert!(update.text(Field::BaseUrl).is_some() && update.keys.is_none());
        assert_eq!(update.fields, [Field::BaseUrl]);
        assert_eq!((other.conflicts.len(), other.kept[0].field), (1, Field::ApiKeys));
        // Nothing else differs, or the old keys would go to another vendor.
        for refused in [take(&rows("openai", URL)), take(&rows("azure", URL))] {
            assert_eq!((codes(&refused.findings.problems), refused.updates.len()), (vec![Code::CannotResolve], 0));
        }
    }
    // The same for the Bedrock credential pair.
    let aws = desired(&[("0_TYPE", "bedrock"), ("0_NAME", "aws"), ("0_BEDROCK_REGION", "us-east-1")]);
    let stored = |region| {
        let row = bedrock_row("bedrock", region, Some(("id", "secret")));
        with(schema(), Snapshot { rows: [("aws".to_owned(), row)].into(), ..Snapshot::default() })
    };
    let moved = decide(&aws, &stored("eu-west-1"), Action::TakeEnvironment, &WRITE);
    assert_eq!(moved.updates[0].fields, [Field::BedrockRegion]);
    let settings = moved.updates[0].settings.as_ref().unwrap().encode();
    let settings = settings.expose_secret();
    assert!(settings.contains("us-east-1") && settings.contains("secret"));
    let refused = decide(&aws, &stored("us-east-1"), Action::TakeEnvironment, &WRITE);
    assert_eq!(codes(&refused.findings.problems), [Code::CannotResolve]);
}

#[test]
fn unknown_settings_stay_and_a_type_beside_them_too() {
    let unknown = Err(Unreadable::Settings(crate::provider::SettingsError::TypeUnknown));
    let rows = |kind: &str, url: &str| {
        let row = StoredProvider { settings: unknown.clone(), ..row(kind, url, &["sk-one"]) };
        with(schema(), snapshot([("openai", row)]))
    };
    let taken = decide(&openai(), &rows("openai", "https://other/"), Action::TakeEnvironment, &WRITE);
    let [update] = &taken.updates[..] else { panic!("{:?}", taken.findings.problems) };
    assert_eq!((&update.fields[..], update.settings.is_some()), (&[Field::BaseUrl][..], false));
    let refused = decide(&openai(), &rows("azure", URL), Action::TakeEnvironment, &WRITE);
    assert_eq!(codes(&refused.findings.problems), [Code::CannotResolve]);
    assert!(refused.findings.problems[0].message.contains("settings that this version does not know"));
}

/// The row can be read, since its model is long enough for its many other parts.
#[test]
fn settings_that_the_next_start_could_not_read_are_not_written() {
    let list: Vec<String> = (0..80).map(|number| number.to_string()).collect();
    let text = |model: &str| {
        let list = list.join(",");
        format!(r#"{{"_type":"bedrock","_version":1,"list":[{list}],"model":"{model}","region":"us-east-1"}}"#)
    };
    let stored = |model: &str| crate::provider::BedrockSettings::decode(Some(&text(model)));
    assert!(stored(&"m".repeat(2000)).is_ok() && stored("m").is_err());
    let aws = desired(&[
        ("0_TYPE", "bedrock"),
        ("0_NAME", "aws"),
        ("0_BEDROCK_REGION", "us-east-1"),
        ("0_BEDROCK_MODEL", "m"),
    ]);
    let row = StoredProvider {
        settings: Ok(stored(&"m".repeat(2000)).unwrap()),
        ..bedrock_row("bedrock", "us-east-1", None)
    };
    let rows = with(schema(), snapshot([("aws", row)]));
    let refused = decide(&aws, &rows, Action::TakeEnvironment, &WRITE);
    assert_eq!(codes(&refused.findings.problems), [Code::CannotResolve]);
    assert!(refused.findings.problems[0].message.contains("too large to be read again"));
    // A start that would take the environment's model leaves the difference, and says why.
    let owner = PlanOptions { take: crate::options::TakeEnvironment::All, ..WRITE };
    let plan = plan(&aws, &rows, &owner);
    assert!(plan.update.updates.is_empty() && states(&plan) == [State::SettingsDiffer]);
    assert!(codes(&plan.findings.warnings).contains(&Code::SettingsNotUnderstood));
}

#[test]
fn other_keys_are_replaced_by_those_of_the_environment() {
    let rows = with(schema(), snapshot([("openai", row("openai", URL, &["sk-old", "sk-older"]))]));
    let resolution = decide(&openai(), &rows, Action::TakeEnvironment, &WRITE);
    let [update] = &resolution.updates[..] else { panic!("{:?}", resolution.findings.problems) };
    let change = update.keys.as_ref().unwrap();
    let keys: Vec<&str> = change.added.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!((keys, change.had(), change.kept, resolution.kept.len()), (vec!["sk-one"], 2, 0, 0));
    assert!(resolution.has_secrets() && resolution.replaces_keys());
    // A URL alone is not secret, and the keys stay as they are.
    let rows = with(schema(), snapshot([("openai", row("openai", "https://other.example/", &["sk-one"]))]));
    let resolution = decide(&openai(), &rows, Action::TakeEnvironment, &WRITE);
    assert!(
        !resolution.has_secrets()
            && !resolution.replaces_keys()
            && resolution.updates[0].text(Field::BaseUrl).is_some()
    );
}

#[test]
fn confirmed_conflict_requires_equal_sides_and_rows() {
    let decided = |url: &str, row_id: Option<&str>| {
        let stored = row("openai", url, &["sk-one"]);
        let stored = StoredProvider { id: row_id.map_or(stored.id, |id| Uuid::parse_str(id).unwrap()), ..stored };
        let rows = with(schema(), snapshot([("openai", stored)]));
        decide(&openai(), &rows, Action::TakeEnvironment, &WRITE)
    };
    let (shown, other) = (decided("https://a.example/", None), decided("https://b.example/", None));
    assert!(shown.is_same(&decided("https://a.example/", None)) && !shown.is_same(&other));
    let mut elsewhere = decided("https://a.example/", Some("00000000-0000-4000-8000-000000000002"));
    elsewhere.conflicts.clone_from(&shown.conflicts);
    assert!(!shown.is_same(&elsewhere), "another row, although all that is shown is the same");
}

#[test]
fn unknown_id_fails_unless_all_is_in_sync() {
    let named = |providers: &[&str], rows: &Snapshot| {
        let request = Request {
            action: Action::TakeEnvironment,
            providers: providers.iter().map(|name| (*name).to_owned()).collect(),
            conflicts: vec!["deadbeefdeadbeefdeadbeefdeadbeef".to_owned()],
        };
        resolve(&plan(&openai(), rows, &WRITE), &openai(), rows, &request, &WRITE)
    };
    let there = row("openai", URL, &["sk-one"]);
    let deleted = StoredProvider { deleted: true, ..there.clone() };
    for providers in [&[][..], &["openai"]] {
        let gone = named(providers, &snapshot([("openai", deleted.clone())]));
        assert_eq!(codes(&gone.findings.problems), [Code::ConflictMoved]);
        assert!(gone.findings.problems[0].message.contains("--restore"));
        assert_eq!(codes(&named(providers, &snapshot([])).findings.problems), [Code::ConflictMoved]);
        let same = named(providers, &snapshot([("openai", there.clone())]));
        assert_eq!((same.findings.problems.len(), codes(&same.findings.warnings)), (0, vec![Code::ConflictMoved]));
    }
}

/// Two providers that differ, and decisions that name some of them.
#[test]
fn decision_covers_only_named_conflicts() {
    let desired = desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL), ("1_TYPE", "azure"), ("1_BASE_URL", URL)]);
    let rows = with(
        schema(),
        snapshot([
            ("openai", row("openai", "https://a.example/", &[])),
            ("azure", row("azure", "https://b.example/", &[])),
        ]),
    );
    let plan = plan(&desired, &rows, &WRITE);
    let id = |name: &str| plan.conflicts.iter().find(|c| c.provider == name).unwrap().id.clone();
    let take = |action: Action, providers: &[&str], conflicts: Vec<String>| {
        let providers = providers.iter().map(|name| (*name).to_owned()).collect();
        let resolution = resolve(&plan, &desired, &rows, &Request { action, providers, conflicts }, &WRITE);
        let about: Vec<String> = resolution.conflicts.iter().map(|conflict| conflict.provider.clone()).collect();
        let updated: Vec<String> = resolution.updates.iter().map(|update| update.name.clone()).collect();
        (codes(&resolution.findings.problems), resolution.selected, about, updated)
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let environment = Action::TakeEnvironment;
    let one = (vec![], names(&["azure"]), names(&["azure"]), names(&["azure"]));
    assert_eq!(take(environment, &[], vec![id("azure")]), one);
    assert_eq!(take(environment, &["azure"], vec![id("azure")]), one);
    let both = (vec![], names(&["azure", "openai"]), names(&["azure", "openai"]), names(&["azure", "openai"]));
    assert_eq!(take(environment, &[], vec![id("azure"), id("openai")]), both);
    // If one named conflict was not seen, nothing is done about any; the current state is shown.
    let moved = |selected: &[&str], shown: &[&str]| (vec![Code::ConflictMoved], names(selected), names(shown), vec![]);
    assert_eq!(
        take(environment, &["azure", "openai"], vec![id("azure")]),
        moved(&["azure", "openai"], &["azure", "openai"])
    );
    assert_eq!(take(environment, &["azure"], vec![id("openai")]), moved(&["azure"], &["azure"]));
    let unknown = vec![id("azure"), "deadbeefdeadbeefdeadbeefdeadbeef".to_owned()];
    assert_eq!(take(environment, &[], unknown), moved(&["azure", "openai"], &["azure", "openai"]));
    // The message says which of these cases it is.
    let why = |providers: &[&str], conflicts: Vec<String>| {
        let providers = providers.iter().map(|name| (*name).to_owned()).collect();
        let request = Request { action: environment, providers, conflicts };
        resolve(&plan, &desired, &rows, &request, &WRITE).findings.problems[0].message.clone()
    };
    let not_named = why(&["azure", "openai"], vec![id("azure")]);
    assert!(
        not_named.contains(&format!(
            "its conflict is not, so nothing was done; name that too (--conflict {})",
            id("openai")
        ))
    );
    assert!(why(&["azure"], vec![id("openai")]).contains("belongs to a provider that is not named"));
    for conflicts in [
        vec!["deadbeefdeadbeefdeadbeefdeadbeef".to_owned()],
        vec![id("azure"), "deadbeefdeadbeefdeadbeefdeadbeef".to_owned()],
    ] {
        assert!(why(&[], conflicts).contains("no longer exists: it was resolved, or one side has changed"));
    }
    // Showing both sides needs no named conflict.
    let shown = (vec![], names(&["openai"]), names(&["openai"]), vec![]);
    assert_eq!(take(Action::TakeDatabase, &["openai"], Vec::new()), shown);
    let (problems, selected, ..) = take(environment, &["opnai"], vec![id("openai")]);
    assert!(problems.contains(&Code::InvalidOption) && selected.is_empty());
}

#[test]
fn provider_without_a_possible_conflict_has_a_reason() {
    // One of the two exists; each gets its own message.
    let two = desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL), ("1_TYPE", "anthropic"), ("1_BASE_URL", URL)]);
    let rows = with(schema(), snapshot([("openai", row("openai", URL, &[]))]));
    let named = |name: &str| {
        let request = Request { action: Action::TakeDatabase, providers: vec![name.to_owned()], conflicts: Vec::new() };
        codes(&resolve(&plan(&two, &rows, &WRITE), &two, &rows, &request, &WRITE).findings.problems)
    };
    assert_eq!((named("openai"), named("anthropic")), (vec![], vec![Code::ConflictMoved]));

    let azure = desired(&[("0_TYPE", "azure"), ("0_BASE_URL", URL), ("0_KEY", "sk-one")]);
    let rows = with(first_schema(), snapshot([]));
    let request = Request {
        action: Action::TakeEnvironment,
        providers: vec!["azure".to_owned()],
        conflicts: vec!["deadbeefdeadbeefdeadbeefdeadbeef".to_owned()],
    };
    let resolution = resolve(&plan(&azure, &rows, &WRITE), &azure, &rows, &request, &WRITE);
    assert!(
        codes(&resolution.findings.problems).iter().all(|code| *code == Code::ConflictMoved),
        "{:?}",
        resolution.findings.problems
    );
    let upgrade = "this database does not know its type; upgrade Coder or remove it";
    assert!(
        resolution.findings.problems.iter().any(|problem| problem.message == upgrade),
        "{:?}",
        resolution.findings.problems
    );
}

#[test]
fn restore_revives_a_deleted_row_and_skips_a_live_one() {
    let restore = |row: StoredProvider, name: &str| {
        let rows = with(schema(), snapshot([("openai", row)]));
        let request = Request { action: Action::Restore, providers: vec![name.to_owned()], conflicts: Vec::new() };
        resolve(&plan(&openai(), &rows, &WRITE), &openai(), &rows, &request, &WRITE)
    };
    let live = restore(row("openai", URL, &["sk-one"]), "openai");
    assert_eq!((live.findings.problems.len(), live.updates.len(), live.selected.len()), (0, 0, 1));
    let back = restore(deleted(row("openai", URL, &["sk-one"])), "openai");
    let [update] = &back.updates[..] else { panic!("{:?}", back.findings.problems) };
    assert!(update.restore && update.keys.is_none() && update.texts.is_empty() && update.fields.is_empty());
    let audit: Vec<(&str, &str, &str)> = update.audit.iter().map(|(c, old, new)| (*c, &old[..], &new[..])).collect();
    assert_eq!(audit, [("deleted", "true", "false"), ("enabled", "false", "true")]);
    let never = restore(deleted(row("openai", URL, &[])), "opnai");
    assert_eq!((codes(&never.findings.problems), never.updates.len()), (vec![Code::CannotResolve], 0));
}

/// The parts of the database that can prevent an update, and only if there is an update.
#[test]
fn how_an_update_is_written() {
    let take = |schema: Schema, url: &str, keys: &[&str]| {
        let rows = with(schema, snapshot([("openai", row("openai", url, keys))]));
        let keys_given = rows
            .schema
            .as_ref()
            .is_some_and(|schema| matches!(&schema.encryption, Some(Ok(encryption)) if !encryption.usable.is_empty()));
        decide(&openai(), &rows, Action::TakeEnvironment, &PlanOptions { keys_given, ..WRITE })
    };
    let other = "https://other.example/";
    let no_labels = AuditTable { provider_label: false, ..schema().audit.unwrap() };
    assert!(take(schema(), other, &["sk-one"]).audit);
    assert!(!take(Schema { audit: Some(no_labels), ..schema() }, other, &["sk-one"]).audit);
    let standby = || Schema { read_only: true, ..schema() };
    assert_eq!(codes(&take(standby(), other, &["sk-one"]).findings.problems), [Code::ReadOnly]);
    assert!(take(standby(), URL, &["sk-one"]).findings.problems.is_empty());
    // Secrets are encrypted if the database is; other values are not.
    let encrypted = |usable: bool| {
        let active = ["aaaaaaa".to_owned()];
        let usable = if usable { active.to_vec() } else { Vec::new() };
        let encryption = Encryption { active: active.into(), usable, ..Encryption::default() };
        Schema { encryption: Some(Ok(encryption)), ..schema() }
    };
    assert_eq!(take(encrypted(true), URL, &["sk-two"]).encrypt_with.as_deref(), Some("aaaaaaa"));
    assert_eq!(take(encrypted(true), other, &["sk-one"]).encrypt_with, None);
    assert_eq!(codes(&take(encrypted(false), URL, &["sk-two"]).findings.problems), [Code::EncryptionKeyRequired]);
    assert!(take(encrypted(false), other, &["sk-one"]).findings.problems.is_empty());
    // Encryption is not checked if no value is secret.
    let unread = take(Schema { encryption: None, ..schema() }, other, &["sk-one"]);
    assert_eq!((unread.findings.problems.len(), unread.updates.len()), (0, 1));
}
