//! The edits of `--take database`: only exact values are offered.

use super::*;
use crate::plan::{Edit, Snapshot, VariableEdit};
use crate::report::take_database as edits_as;

fn written(conflicts: &[Conflict]) -> (Vec<VariableEdit>, String) {
    let edits = crate::plan::take_database(conflicts, &[], &Snapshot::default());
    let mut out = String::new();
    edits_as::text(&mut out, &edits);
    (edits, out)
}

#[test]
fn a_key_is_not_unset_without_its_replacement() {
    let url = conflict("openai", "1", Field::BaseUrl, "https://a/", "https://b/");
    let keys = Conflict {
        field: Field::ApiKeys,
        environment: credentials(1),
        database: credentials(2),
        origin: Origin::set("CODER_AIBRIDGE_PROVIDER_0_KEY", Source::Process),
        ..url.clone()
    };
    let (edits, out) = written(&[url, keys.clone()]);
    assert!(out.contains("--patch") && !out.contains("null"), "{out}");
    assert_eq!(edits_as::except(&edits), ", except for CODER_AIBRIDGE_PROVIDER_0_KEYS");
    let none = Conflict { database: credentials(0), ..keys };
    let (edits, out) = written(&[none]);
    assert!(out.contains(r#"{"data":{"CODER_AIBRIDGE_PROVIDER_0_KEY":null}}"#), "{out}");
    assert_eq!(edits_as::except(&edits), "");
}

#[test]
fn another_type_is_a_variable_where_it_says_all() {
    let of = |provider: &str, environment: &str, database: &str| {
        let origin = Origin::set("CODER_AIBRIDGE_PROVIDER_3_TYPE", Source::Process);
        let one = Conflict { origin, ..conflict(provider, "1", Field::Type, environment, database) };
        let edits = crate::plan::take_database(&[one], &[], &Snapshot::default());
        edits.into_iter().map(|edit| (edit.variable, edit.edit)).collect::<Vec<_>>()
    };
    let set =
        |name: &str, value: &str| (format!("CODER_AIBRIDGE_PROVIDER_3_{name}"), Edit::Set { value: value.to_owned() });
    assert_eq!(of("mine", "openai", "azure"), [set("TYPE", "azure")]);
    // Its name may be that of the type.
    assert_eq!(of("openai", "openai", "azure"), [set("TYPE", "azure"), set("NAME", "openai")]);
    for (environment, database) in
        [("bedrock", "anthropic"), ("openai", "bedrock"), ("openai", "copilot"), ("openai", "x")]
    {
        assert_eq!(of("mine", environment, database)[0].1, Edit::Redescribe);
    }
}

/// Every text that offers a value to set, for a database that holds `url`.
fn offers(url: &str) -> String {
    let database = FieldValue::Text(crate::provider::redact::base_url(url, None));
    let one = Conflict { database, ..conflict("openai", "1", Field::BaseUrl, "https://a.example/", "") };
    let (edits, patches) = written(std::slice::from_ref(&one));
    assert!(edits.iter().all(|edit| edit.edit == Edit::SetSecret), "{edits:?}");
    let report = conflicting(vec![one.clone()], true);
    let keep = text(&report, PLAIN);
    let keep = keep.split_once("Keep the database").map(|(_, keep)| keep.to_owned()).unwrap_or_default();
    let message = termination_message(&report);
    let step = message.split_once("Set ").map(|(_, step)| step.to_owned()).unwrap_or_default();
    [patches, keep, step, advice(&[one], None, &[])].concat()
}

#[test]
fn a_value_that_is_cut_or_escaped_is_never_offered() {
    let long = format!("https://host.example/{}", "a".repeat(1100));
    for url in [
        long.as_str(),
        "https://host.example/\u{202e}gpj",
        "https://host.example/\u{430}pi",
        "https://u:p@host.example/",
    ] {
        let offers = offers(url);
        assert!(!offers.contains("host.example"), "{offers}");
        assert_eq!(offers.matches("to the database's value").count(), 3, "{offers}");
    }
}
