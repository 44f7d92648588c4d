//! `--compare-settings`: the optional fields, each compared only where its variable is set.

use super::*;

const STOPS: PlanOptions = PlanOptions { compare_settings: Compare::Fail, ..WRITE };
const UNSEEN: PlanOptions = PlanOptions { compare_settings: Compare::Ignore, ..WRITE };

const AWS: [(&str, &str); 3] = [("0_TYPE", "bedrock"), ("0_NAME", "aws"), ("0_BEDROCK_REGION", "us-east-1")];

fn aws(more: &[(&str, &str)]) -> Vec<DesiredProvider> {
    desired(&[&AWS[..], more].concat())
}

fn stored(texts: &[(&str, &str)]) -> StoredProvider {
    let mut row = bedrock_row("bedrock", "us-east-1", None);
    let settings = row.settings.as_mut().unwrap().as_mut().unwrap();
    texts.iter().for_each(|(key, text)| settings.set(key, text));
    row
}

fn planned(desired: &[DesiredProvider], name: &str, row: &StoredProvider, options: &PlanOptions) -> Plan {
    plan(desired, &with(schema(), snapshot([(name, row.clone())])), options)
}

/// The field differs in each mode, and in no mode if its variable is not set.
fn differs(desired: &[DesiredProvider], unset: &[DesiredProvider], name: &str, row: &StoredProvider, field: Field) {
    for (options, state, blocking) in [
        (&UNSEEN, State::InSync, None),
        (&WRITE, State::SettingsDiffer, Some(false)),
        (&STOPS, State::Conflict, Some(true)),
    ] {
        let found = planned(desired, name, row, options);
        assert_eq!(states(&found), [state], "{field:?}");
        let found: Vec<_> = found.conflicts.iter().map(|conflict| (conflict.field, conflict.blocking)).collect();
        assert_eq!(found, blocking.map(|blocking| (field, blocking)).into_iter().collect::<Vec<_>>());
        assert_eq!(states(&planned(unset, name, row, options)), [State::InSync], "{field:?} is not set");
    }
}

#[test]
fn model_is_compared_where_its_variable_is_set() {
    for (suffix, key, field) in [
        ("0_BEDROCK_MODEL", "model", Field::BedrockModel),
        ("0_BEDROCK_SMALL_FAST_MODEL", "small_fast_model", Field::BedrockSmallFastModel),
    ] {
        let set = aws(&[(suffix, "anthropic.one")]);
        for other in ["anthropic.two", ""] {
            differs(&set, &aws(&[(suffix, "")]), "aws", &stored(&[(key, other)]), field);
        }
        assert_eq!(states(&planned(&set, "aws", &stored(&[(key, "anthropic.one")]), &STOPS)), [State::InSync]);
    }
}

#[test]
fn id_holds_a_setting_only_where_it_is_compared() {
    let of = |options: &PlanOptions, model: &str, stored_model: &str| {
        let desired = aws(&[("0_BEDROCK_BASE_URL", URL), ("0_BEDROCK_MODEL", model)]);
        planned(&desired, "aws", &stored(&[("model", stored_model)]), options).conflicts[0].id.clone()
    };
    assert_ne!(of(&WRITE, "a", "c"), of(&WRITE, "b", "c"));
    assert_ne!(of(&WRITE, "a", "b"), of(&WRITE, "a", "c"));
    assert_eq!(of(&WRITE, "a", "b"), of(&STOPS, "a", "b"));
    assert_eq!(of(&UNSEEN, "a", "b"), of(&UNSEEN, "c", "d"));
    assert_eq!(of(&WRITE, "", "b"), of(&WRITE, "", "c"));
}

#[test]
fn display_name_is_trimmed_and_null_is_the_name() {
    let ours = |name: &str| {
        desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL), ("0_KEY", "sk-one"), ("0_DISPLAY_NAME", name)])
    };
    let of = |name: Option<&str>| StoredProvider {
        columns: name.map(|name| (Field::DisplayName, name.to_owned())).into_iter().collect(),
        ..row("openai", URL, &["sk-one"])
    };
    for other in [None, Some("Theirs"), Some("ours")] {
        differs(&ours(" Ours\n"), &ours(" "), "openai", &of(other), Field::DisplayName);
    }
    assert_eq!(states(&planned(&ours(" Ours "), "openai", &of(Some("Ours")), &STOPS)), [State::InSync]);
    assert_eq!(states(&planned(&ours("openai"), "openai", &of(None), &STOPS)), [State::InSync]);
    // An operator may have put a key there.
    let shown = planned(&ours("sk-canary"), "openai", &of(Some("sk-canary-2")), &WRITE);
    assert_eq!(differences(&shown), ["display_name 9 characters, not shown | 11 characters, not shown"]);
    assert_eq!((ours("Ours")[0].text(Field::DisplayName), ours("")[0].text(Field::DisplayName)), ("Ours", "openai"));
}
