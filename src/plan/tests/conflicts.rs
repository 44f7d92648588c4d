//! Conflicts: fields, ids, fingerprints, and their redaction.

use super::*;
use crate::provider::Presence;

fn of(desired: &[DesiredProvider], name: &str, row: StoredProvider) -> Plan {
    plan(desired, &with(schema(), snapshot([(name, row)])), &FAIL)
}

fn id(desired: &[DesiredProvider], row: StoredProvider) -> String {
    of(desired, "openai", row).conflicts[0].id.clone()
}

#[test]
fn every_field_that_differs_and_no_other() {
    for (row, expected) in [
        (
            row("openai", "https://ai.example/v2", &["sk-one"]),
            &["base_url https://ai.example/v1 | https://ai.example/v2"][..],
        ),
        (
            row("openai", "https://ai.example/v1/", &["sk-one"]),
            &["base_url https://ai.example/v1 | https://ai.example/v1/"],
        ),
        (row("openai", "", &["sk-one"]), &["base_url https://ai.example/v1 | "]),
        (row("azure", URL, &["sk-one"]), &["type openai | azure"]),
        (row("a-newer-type", URL, &["sk-one"]), &["type openai | 12 characters, not shown"]),
        (row("openai", URL, &[]), &["api_keys 1 | 0"]),
        (
            row("azure", "x", &["sk-two", "sk-three"]),
            &["type openai | azure", "base_url https://ai.example/v1 | 1 character, not shown", "api_keys 1 | 2"],
        ),
    ] {
        assert_eq!(differences(&of(&openai(), "openai", row)), expected);
    }
    let region = of(&bedrock(), "aws", bedrock_row("bedrock", "eu-west-1", Some(("id", "secret"))));
    assert_eq!(differences(&region), ["bedrock_region us-east-1 | eu-west-1"]);
    // From a Bedrock provider to a provider with its own key.
    let claude = desired(&[("0_TYPE", "anthropic"), ("0_NAME", "aws"), ("0_BASE_URL", URL), ("0_KEY", "k")]);
    let all = of(&claude, "aws", bedrock_row("anthropic", "eu-west-1", Some(("id", "secret"))));
    assert_eq!(
        differences(&all),
        [
            "type anthropic | bedrock",
            "base_url https://ai.example/v1 | ",
            "bedrock_region  | eu-west-1",
            "api_keys 1 | 0",
            "bedrock_credentials 0 | 2"
        ]
    );
}

#[test]
fn anthropic_with_bedrock_settings_equals_bedrock_on_both_sides() {
    let explicit = desired(&[
        ("0_TYPE", "bedrock"),
        ("0_NAME", "aws"),
        ("0_BEDROCK_REGION", "us-east-1"),
        ("0_BEDROCK_ACCESS_KEY", "id"),
        ("0_BEDROCK_ACCESS_KEY_SECRET", "secret"),
    ]);
    for desired in [bedrock(), explicit] {
        for kind in ["anthropic", "bedrock"] {
            let plan = of(&desired, "aws", bedrock_row(kind, "us-east-1", Some(("id", "secret"))));
            assert_eq!(states(&plan), [State::InSync], "{kind}");
        }
    }
}

#[test]
fn conflict_names_the_origin_of_both_values() {
    let plan = of(&openai(), "openai", row("openai", "https://other.example/", &["sk-two"]));
    let [url, keys] = &plan.conflicts[..] else { panic!("two conflicts") };
    assert_eq!((url.provider.as_str(), url.updated_at.as_str()), ("openai", "2026-11-20T09:12:00Z"));
    assert_eq!(url.origin.variable, "CODER_AIBRIDGE_PROVIDER_0_BASE_URL");
    assert_eq!(keys.origin.variable, "CODER_AIBRIDGE_PROVIDER_0_KEY");
    // An unset variable shows the spelling that it would have, and a default of Coder is marked as such.
    let unset = desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL)]);
    let origin = of(&unset, "openai", row("openai", URL, &["k"])).conflicts[0].origin.clone();
    assert_eq!((&*origin.variable.to_string(), origin.presence), ("CODER_AIBRIDGE_PROVIDER_0_KEYS", Presence::Unset));
    let legacy = desired(&[("OPENAI_KEY", "k")]);
    let origin = of(&legacy, "openai", row("openai", URL, &["k"])).conflicts[0].origin.clone();
    assert_eq!((&*origin.variable.to_string(), origin.presence), ("CODER_AIBRIDGE_OPENAI_BASE_URL", Presence::Default));
}

#[test]
fn fingerprint_can_be_confirmed_with_the_key() {
    // printf %s sk-one | openssl dgst -sha256 -hmac 00000000-0000-4000-8000-000000000001
    let expected = "30691694";
    assert_eq!(fingerprint(&Uuid::parse_str(ROW).unwrap(), "sk-one"), expected);
    let plan = of(&openai(), "openai", row("openai", URL, &["sk-two", "sk-one"]));
    assert_eq!(
        plan.conflicts[0].environment,
        FieldValue::Credentials { count: 1, fingerprints: vec![expected.to_owned()] }
    );
    let FieldValue::Credentials { count: 2, fingerprints } = &plan.conflicts[0].database else { panic!("two keys") };
    assert!(fingerprints.contains(&expected.to_owned()) && fingerprints.iter().all(|text| text.len() == 8));
    assert!(fingerprints.is_sorted());
    // In another row the same key has another fingerprint.
    assert_ne!(fingerprint(&Uuid::nil(), "sk-one"), expected);
}

#[test]
fn an_id_belongs_to_its_provider_and_changes_with_either_side() {
    let base = || row("openai", "https://other.example/", &["a", "b"]);
    let first = id(&openai(), base());
    assert!(crate::options::resolve::is_id(&first), "{first}");
    assert_eq!(id(&openai(), base()), first, "stable");
    let shared = of(&openai(), "openai", base());
    assert_eq!(shared.conflicts.len(), 2);
    assert!(shared.conflicts.iter().all(|conflict| conflict.id == first), "all fields of a provider share it");
    // The order of keys and the time of the row are not part of a side.
    let reordered =
        StoredProvider { updated_at: Time::default(), ..row("openai", "https://other.example/", &["b", "a"]) };
    assert_eq!(id(&openai(), reordered), first);

    let other_env = |url, key| desired(&[("0_TYPE", "openai"), ("0_BASE_URL", url), ("0_KEY", key)]);
    let named = desired(&[("0_TYPE", "openai"), ("0_NAME", "n"), ("0_BASE_URL", URL), ("0_KEY", "sk-one")]);
    let others = [
        id(&other_env("https://third.example/", "sk-one"), base()),
        id(&other_env(URL, "sk-other"), base()),
        id(&openai(), row("openai", "https://third.example/", &["a", "b"])),
        id(&openai(), row("azure", "https://other.example/", &["a", "b"])),
        id(&openai(), row("openai", "https://other.example/", &["a", "c"])),
        id(&openai(), row("openai", "https://other.example/", &["a"])),
        id(&openai(), StoredProvider { id: Uuid::nil(), ..base() }),
        of(&named, "n", base()).conflicts[0].id.clone(),
    ];
    let distinct: std::collections::BTreeSet<&String> = others.iter().chain([&first]).collect();
    assert_eq!(distinct.len(), others.len() + 1, "{others:?}");
}

/// The id of the example in docs/conflicts.md, which describes how an id is made.
#[test]
fn conflict_id_is_the_published_one() {
    let page = include_str!("../../../docs/conflicts.md");
    let published = |after: &str| page.split_once(after).unwrap().1.lines().next().unwrap().trim().to_owned();
    let environment =
        desired(&[("0_TYPE", "openai"), ("0_BASE_URL", "https://api.openai.com/v1"), ("0_KEYS", "sk-one,sk-two")]);
    let stored = StoredProvider {
        id: "7d1f4a52-9c3e-4b60-8f21-5ad0c6e9b713".parse().unwrap(),
        ..row("openai", "https://llm.example.com/v1", &["sk-two", "sk-one"])
    };
    let id = id(&environment, stored);
    assert_eq!(id, "ed7lijh33v6xf3w7ma6zwigoyb5nccs7");
    assert_eq!(id, published("\n$ python3 conflict-id.py\n"));
}

#[test]
fn field_that_is_not_compared_leaves_the_id_alone() {
    let of = |options, keys: &[&str]| {
        let rows = snapshot([("openai", row("openai", "https://other.example/", keys))]);
        plan(&openai(), &rows, options).conflicts[0].id.clone()
    };
    assert_eq!(of(&IGNORE, &["a"]), of(&IGNORE, &["b", "c"]));
    assert_ne!(of(&WRITE, &["a"]), of(&WRITE, &["b"]));
    assert_ne!(of(&IGNORE, &["a"]), of(&WRITE, &["a"]));
    // The comparison mode is not part of a side.
    assert_eq!(of(&WRITE, &["a"]), of(&FAIL, &["a"]));
    // Unreadable keys are not compared.
    let sealed = |environment: &[DesiredProvider]| {
        let mut sealed = row("openai", "https://other.example/", &[]);
        sealed.keys = Some(stored_keys([Err(Unreadable::KeyRequired)]));
        plan(environment, &snapshot([("openai", sealed)]), &WRITE).conflicts[0].id.clone()
    };
    let other = desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL), ("0_KEY", "sk-other")]);
    assert_eq!(sealed(&openai()), sealed(&other));
}

/// The database's value is or was the same secret.
#[test]
fn value_from_a_secret_hides_both_sides() {
    let secret = Source::secret("ai", "url");
    let plain =
        |name: &str, value: &str| Variable::new(format!("CODER_AIBRIDGE_PROVIDER_0_{name}"), value, Source::Process);
    let seen = |source: Source| {
        let url = Variable::new("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://canary-new.example/", source);
        let environment = Environment::read(&[plain("TYPE", "openai"), url, plain("KEY", "sk-one")]).providers;
        let stored = row("openai", "https://canary.example/", &["sk-one"]);
        (differences(&of(&environment, "openai", stored.clone())), format!("{:?}", of(&environment, "openai", stored)))
    };
    let (shown, all) = seen(secret);
    assert_eq!(shown, ["base_url 27 characters, not shown | 23 characters, not shown"]);
    assert!(!all.contains("canary"), "{all}");
    assert_eq!(seen(Source::Process).0, ["base_url https://canary-new.example/ | https://canary.example/"]);
}

#[test]
fn conflict_contains_only_safe_values() {
    let secret = [("0_TYPE", "openai"), ("0_BASE_URL", "https://u:CANARY@h.example/?k=CANARY"), ("0_KEY", "CANARY")];
    let row = row("openai", "https://u:CANARY2@h.example/?k=CANARY", &["CANARY2"]);
    let plan = of(&desired(&secret), "openai", row);
    assert!(!format!("{plan:?}").contains("CANARY"), "{plan:?}");
    assert!(plan.conflicts[0].differs_only_in_redacted_part());
    assert_eq!(differences(&plan)[0], "base_url https://***@h.example/?k=*** | https://***@h.example/?k=***");
}
