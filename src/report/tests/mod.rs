//! Cases that the golden files of tests/it/golden.rs cannot show: properties and rare ones.

mod take_database;

use proptest::prelude::*;

use super::*;
use crate::plan::{Conflict, Field, FieldValue, State};
use crate::problem::{Code, Findings, Outcome, Problem};
use crate::provider::redact::Redacted;
use crate::provider::{Origin, Presence, Source};

const PLAIN: Style = Style { colour: false, width: 120 };

/// The redacted form that a real value would have.
fn field_value(text: &str) -> FieldValue {
    let exact = !text.ends_with("not shown") && !text.contains("***");
    FieldValue::Text(Redacted { text: text.to_owned(), exact })
}

fn conflict(provider: &str, id: &str, field: Field, environment: &str, database: &str) -> Conflict {
    Conflict {
        id: id.to_owned(),
        provider: provider.to_owned(),
        field,
        blocking: true,
        environment: field_value(environment),
        origin: Origin::set("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", Source::Process),
        database: field_value(database),
        updated_at: "2026-11-20T09:12:00Z".to_owned(),
    }
}

fn conflicting(conflicts: Vec<Conflict>, blocked: bool) -> Report {
    let mut report = Report::new(Command::Seed, Findings::default());
    report.conflicts = conflicts;
    report.conclude();
    report.blocked = blocked;
    report
}

/// The conflict names its variables, whatever it is about.
#[test]
fn one_wording_for_a_conflict() {
    let one = conflict(
        "openai",
        "g6vq3n4kz2c7w5xtm3yhd2jf4rbe6p7a",
        Field::BaseUrl,
        "https://a.example/v2",
        "https://a.example/v1",
    );
    assert_eq!(
        conflict_sentence(&one),
        "openai base_url is https://a.example/v2 in the environment (CODER_AIBRIDGE_PROVIDER_0_BASE_URL), \
         https://a.example/v1 in the database"
    );
    let from = |source| Conflict { origin: Origin::set("X", source), ..one.clone() };
    let map = from(Source::config_map("ai", "url"));
    assert!(conflict_sentence(&map).contains("(X, ConfigMap ai, key url)"));
    assert!(termination_message(&conflicting(vec![map.clone()], true)).contains("(X, ConfigMap ai, key url)"));
    assert!(text(&conflicting(vec![map], true), PLAIN).contains("from X, ConfigMap ai, key url"));
    assert!(conflict_sentence(&from(Source::EnvFile)).contains("(X, env file)"));
}

#[test]
fn advice_names_the_value_to_set() {
    let of = |field, environment: &str, database: &str, presence| {
        let one = conflict("p", "1", field, environment, database);
        let one = Conflict { origin: Origin { presence, ..one.origin.clone() }, ..one };
        advice(&[one], Some("AI_PROVIDER_SEED_BLOCK_ON=none"), &[])
    };
    let variable = "CODER_AIBRIDGE_PROVIDER_0_BASE_URL";
    for (field, environment, database, presence, first) in [
        (Field::BaseUrl, "https://a/", "https://b/", Presence::Set, format!("Set {variable} to https://b/, change")),
        (Field::BaseUrl, "", "https://b/", Presence::Unset, format!("Set {variable} to https://b/, change")),
        (Field::BaseUrl, "https://a/", "", Presence::Set, format!("Unset {variable}, change")),
        (Field::BaseUrl, "https://a/", "", Presence::Default, format!("Set {variable} to an empty value, change")),
        // A hidden value cannot be set.
        (
            Field::BaseUrl,
            "https://a/",
            "7 characters, not shown",
            Presence::Set,
            format!("Set {variable} to the database's value"),
        ),
        (
            Field::BaseUrl,
            "https://a/",
            "https://***@b/",
            Presence::Set,
            format!("Set {variable} to the database's value"),
        ),
        (
            Field::Type,
            "openai",
            "azure",
            Presence::Set,
            format!("Set {variable} to azure, recreate the provider in Coder"),
        ),
        (Field::Type, "openai", "azure", Presence::Default, "Describe the provider in indexed".to_owned()),
        (
            Field::Type,
            "bedrock",
            "anthropic",
            Presence::Set,
            format!("Set {variable} to anthropic and unset the BEDROCK"),
        ),
    ] {
        let advice = of(field, environment, database, presence);
        assert!(advice.starts_with(&first), "{advice}");
        assert!(advice.ends_with("or start anyway with AI_PROVIDER_SEED_BLOCK_ON=none"), "{advice}");
    }
    let two = [conflict("a", "1", Field::BaseUrl, "x", "y"), conflict("b", "2", Field::BaseUrl, "x", "y")];
    assert_eq!(
        advice(&two, None, &[]),
        "Set the variables to the database's values, change the providers in Coder, or run ai-provider-seed resolve \
         --take environment --conflict 1 --conflict 2"
    );
}

#[test]
fn credentials_are_shown_as_count_and_fingerprints() {
    let of = |field, fingerprints: &[&str]| {
        let fingerprints: Vec<String> = fingerprints.iter().map(|text| (*text).to_owned()).collect();
        value(field, &FieldValue::Credentials { count: fingerprints.len(), fingerprints })
    };
    assert_eq!(of(Field::ApiKeys, &[]), "no keys");
    assert_eq!(of(Field::ApiKeys, &["1f3a09bc"]), "1 key (1f3a09bc)");
    assert_eq!(of(Field::ApiKeys, &["1f3a09bc", "77b1c0de"]), "2 keys (1f3a09bc, 77b1c0de)");
    assert_eq!(of(Field::BedrockCredentials, &[]), "no credentials");
    assert_eq!(of(Field::BedrockCredentials, &["a", "b"]), "access key a, secret b");
    assert_eq!(of(Field::BedrockCredentials, &["a"]), "half a pair (a)");
    assert_eq!(value(Field::BaseUrl, &field_value("")), "(empty)");
}

#[test]
fn the_outcome_is_the_first_that_applies() {
    let with = |codes: &[Code], conflict_too: bool| {
        let problems: Vec<Problem> = codes.iter().map(|code| Problem::new(*code, "x")).collect();
        let mut report = Report::new(Command::Seed, problems);
        if conflict_too {
            report.conflicts = vec![conflict("a", "1", Field::BaseUrl, "x", "y")];
        }
        report.conclude();
        report.outcome
    };
    assert_eq!(with(&[], false), Outcome::Ok);
    assert_eq!(with(&[], true), Outcome::Conflict);
    assert_eq!(with(&[Code::PermissionDenied], true), Outcome::Unusable);
    assert_eq!(with(&[Code::PermissionDenied, Code::LegacyNameConflict], true), Outcome::Invalid);
    assert_eq!(with(&[Code::LockTimeout], false), Outcome::Locked);
    assert_eq!(with(&[Code::Unreachable], false), Outcome::Unavailable);
    // A warning among the problems is a bug, unless strict made it a problem.
    assert_eq!(with(&[Code::SchemaPending], false), Outcome::Internal);
    assert_eq!(with(&[Code::UnknownVariable], false), Outcome::Invalid);

    let mut unblocked = conflicting(vec![conflict("a", "1", Field::BaseUrl, "x", "y")], false);
    assert_eq!((unblocked.outcome, unblocked.exit_code()), (Outcome::Conflict, 0));
    unblocked.blocked = true;
    assert_eq!(unblocked.exit_code(), 3);
    unblocked.conflicts[0].blocking = false;
    unblocked.conclude();
    assert_eq!((unblocked.outcome, unblocked.exit_code()), (Outcome::Ok, 0));
}

#[test]
fn colour_only_where_it_is_wanted() {
    let report = conflicting(vec![conflict("openai", "1", Field::BaseUrl, "x", "y")], true);
    assert!(!text(&report, PLAIN).contains('\u{1b}'));
    let coloured = text(&report, Style { colour: true, width: 120 });
    assert!(coloured.contains("\u{1b}[1;31merror:\u{1b}[0m"));
    assert_eq!(
        coloured.replace("\u{1b}[1;31m", "").replace("\u{1b}[1m", "").replace("\u{1b}[0m", ""),
        text(&report, PLAIN)
    );
}

#[test]
fn a_lost_commit_is_never_called_unwritten() {
    for blocked in [true, false] {
        for problems in [Vec::new(), vec![Problem::new(Code::Unreachable, "gone")]] {
            let mut report = Report::new(Command::Seed, problems);
            report.conflicts = vec![conflict("a", "1", Field::BaseUrl, "x", "y")];
            report.conclude();
            (report.blocked, report.commit_unknown) = (blocked, true);
            for said in [text(&report, PLAIN), termination_message(&report)] {
                let said = said.replace('\n', " ");
                assert!(!said.contains("nothing was written") && said.contains("the next start finds out"), "{said}");
            }
        }
    }
}

/// The keys that scripts rely on are always present, and the document is one line.
#[test]
fn json_has_every_key() {
    let problem = Problem::new(Code::ServerError, "x");
    let report = Report::new(Command::Seed, vec![problem]);
    let line = json(&report);
    assert!(!line.contains('\n'));
    let document: serde_json::Value = serde_json::from_str(&line).unwrap();
    for key in ["version", "outcome", "blocked", "written", "providers", "conflicts", "problems", "warnings"] {
        assert!(document.get(key).is_some(), "{key}");
    }
    for key in ["code", "index", "provider", "variables", "message", "suggestion"] {
        assert!(document["problems"][0].get(key).is_some(), "{key}");
    }
    assert_eq!((&document["version"], &document["outcome"]), (&1.into(), &"unusable".into()));
}

prop_compose! {
    fn any_conflict()(
        provider in "[a-z-]{1,300}", id in "[0-9a-f]{12}", url in "https://[a-z.]{1,900}é", blocking: bool, field in 0..3,
    ) -> Vec<Conflict> {
        let fields = [Field::Type, Field::BaseUrl, Field::BedrockRegion];
        let of = |field| Conflict { blocking, ..conflict(&provider, &id, field, &url, "https://b.example/") };
        (0..=field).map(|at| of(fields[at as usize])).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn message_is_short_and_has_verdict_next_step_and_id(
        conflicts in prop::collection::vec(any_conflict(), 1..60), blocked: bool,
    ) {
        let conflicts: Vec<Conflict> = conflicts.into_iter().flatten().collect();
        let report = conflicting(conflicts, blocked);
        let message = termination_message(&report);
        prop_assert!(message.len() <= 1024, "{} bytes", message.len());
        let blocking = report.conflicts.iter().find(|conflict| conflict.blocking);
        let verdict = match (blocking, blocked) {
            (None, _) => "ok with ",
            (Some(_), true) => "conflict: ",
            (Some(_), false) => "started anyway, nothing was written: conflict: ",
        };
        prop_assert!(message.starts_with(verdict), "{}", message);
        let first = blocking.unwrap_or(&report.conflicts[0]);
        prop_assert!(message.contains(&format!("conflict {}", first.id)), "{}", message);
        prop_assert!(message.contains(" in Coder"), "{}", message);
        prop_assert!(message.ends_with(" · ai-provider-seed explain conflict"), "{}", message);
        prop_assert_eq!(message.contains("start anyway with AI_PROVIDER_SEED_BLOCK_ON=none"), blocking.is_some() && blocked);
    }

    #[test]
    fn problems_are_cut_and_the_next_step_stays(
        messages in prop::collection::vec("[ -~]{1,400}", 1..40), code in 0..Code::ALL.len(), blocked: bool,
    ) {
        let problems: Vec<Problem> = messages.iter().map(|message| Problem::new(Code::ALL[code], message).variable("VARIABLE")).collect();
        let mut report = Report::new(Command::Seed, problems);
        report.blocked = blocked;
        let message = termination_message(&report);
        let pointer = format!(" ai-provider-seed explain {}", report.explained_by());
        prop_assert!(message.len() <= 1024 && message.ends_with(&pointer));
        let anyway = blocked && report.outcome != Outcome::Internal && !report.has_no_workload();
        prop_assert_eq!(message.contains("Start anyway: AI_PROVIDER_SEED_BLOCK_ON=none"), anyway);
    }
}

fn credentials(count: usize) -> FieldValue {
    FieldValue::Credentials { count, fingerprints: vec!["1f3a09bc".to_owned(); count] }
}

#[test]
fn other_fields_of_a_decision_are_named() {
    let url = conflict("openai", "1", Field::BaseUrl, "https://a/", "https://b/");
    let keys = Conflict {
        field: Field::ApiKeys,
        blocking: false,
        environment: credentials(1),
        database: credentials(2),
        ..url.clone()
    };
    let message = termination_message(&conflicting(vec![url.clone(), keys.clone()], true));
    assert!(message.contains("https://b/ in the database, and its api_keys differ too; nothing"), "{message}");
    // The fields of a provider that does not block are not named, and values are cut off before this.
    let other = Conflict { provider: "other".to_owned(), id: "2".to_owned(), ..keys };
    assert!(!termination_message(&conflicting(vec![url, other], true)).contains("differ too"));
}

#[test]
fn offered_commands_are_accepted_by_resolve() {
    let keys = |blocking| Conflict {
        blocking,
        environment: credentials(0),
        database: credentials(2),
        ..conflict("openai", "1", Field::ApiKeys, "", "")
    };
    for stopped in [true, false] {
        let anyway = stopped.then_some("AI_PROVIDER_SEED_BLOCK_ON=none");
        assert!(!advice(&[keys(stopped)], anyway, &[]).contains("ai-provider-seed resolve"));
        let report = conflicting(vec![keys(stopped)], stopped);
        assert!(!text(&report, PLAIN).contains("ai-provider-seed resolve"));
    }
}

#[test]
fn no_command_with_an_id_that_is_not_the_pods() {
    let mut report = conflicting(vec![conflict("openai", "1", Field::BaseUrl, "https://a/", "https://b/")], true);
    assert!(text(&report, PLAIN).contains("ai-provider-seed resolve --take environment --conflict 1"));
    report.providers.push(Provider {
        name: "openai".to_owned(),
        kind: "openai".to_owned(),
        state: State::Conflict,
        id: None,
        environment_hash: Some(String::new()),
        database_hash: None,
        external_id: None,
        credential_sides: None,
        credentials: "credentials unknown".into(),
        credentials_unknown: true,
        pattern: "".into(),
    });
    assert!(!text(&report, PLAIN).contains("--take environment"));
}
