use super::*;
use crate::problem::Outcome;
use crate::provider::Source;

fn variables(pairs: &[(&str, &str)]) -> Vec<Variable> {
    pairs.iter().map(|(name, value)| Variable::new(*name, *value, Source::Process)).collect()
}

fn from(pairs: &[(&str, &str)]) -> (Options, Findings) {
    parse(Texts::default(), None, &variables(pairs))
}

#[test]
fn defaults() {
    let (options, Findings { problems, warnings }) = from(&[]);
    assert_eq!((options.wait, options.lock_timeout), (Duration::from_secs(120), Duration::from_secs(30)));
    assert_eq!(options.compare_credentials, CompareCredentials::Warn);
    assert_eq!(options.if_schema_missing, IfSchemaMissing::Auto);
    assert!(options.audit && !options.strict && options.require_providers == 0);
    assert!(BlockOn::OUTCOMES.into_iter().all(|outcome| options.block_on.blocks(outcome)));
    assert!(matches!(options.database, DatabaseSource::PgVariables));
    assert!(problems.is_empty() && warnings.is_empty());
}

#[test]
fn a_flag_beats_its_variable_and_an_empty_variable_is_unset() {
    let texts = Texts { wait: Some("5".into()), ..Texts::default() };
    let given = variables(&[("AI_PROVIDER_SEED_WAIT", "7s"), ("AI_PROVIDER_SEED_LOCK_TIMEOUT", "")]);
    let (options, Findings { problems, .. }) = parse(texts, None, &given);
    assert_eq!((options.wait, options.lock_timeout), (Duration::from_secs(5), Duration::from_secs(30)));
    assert!(problems.is_empty());
}

#[test]
fn block_on() {
    let read = |text: &str| BlockOn::parse(text);
    let some = read("conflict, locked").unwrap();
    assert!(some.blocks(Outcome::Conflict) && some.blocks(Outcome::Locked) && !some.blocks(Outcome::Unavailable));
    let none = read("none").unwrap();
    assert!(!BlockOn::OUTCOMES.into_iter().any(|outcome| none.blocks(outcome)));
    assert!(none.blocks(Outcome::Internal));
    assert!(read("nnoe").unwrap_err().contains("did you mean \"none\""));
    assert!(read("none,conflict").unwrap_err().contains("stands alone"));
    assert!(read("ok").is_err());
}

#[test]
fn durations() {
    for (text, seconds) in [("0", 0), ("120", 120), ("2m", 120), ("1m 30s", 90), ("1m30s", 90), ("24h", 86400)] {
        assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for text in ["", "-1", "25h", "soon", "1 fortnight", "99999999999999999999"] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn an_invalid_option_names_its_place_and_does_not_echo_the_text() {
    let (options, Findings { problems, .. }) =
        from(&[("AI_PROVIDER_SEED_WAIT", "sk-secret"), ("AI_PROVIDER_SEED_OUTPUT", "sk-secret")]);
    assert_eq!(options.wait, Duration::from_secs(120));
    assert_eq!(problems.len(), 2);
    assert!(problems.iter().all(|p| p.code == Code::InvalidOption && !p.message.contains("secret")), "{problems:?}");
    assert_eq!(problems[0].variables, ["AI_PROVIDER_SEED_WAIT"]);
}

#[test]
fn an_unknown_option_variable_is_a_warning_with_a_suggestion() {
    let (_, Findings { warnings, .. }) = from(&[
        ("AI_PROVIDER_SEED_BLOCKON", "none"),
        ("AI_PROVIDER_SEED_SERVICE_HOST", "10.0.0.1"),
        ("AI_PROVIDER_SEED_PORT_8080_TCP", "x"),
        ("AI_PROVIDER_SEED_LEADER_ELECT", "true"),
    ]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0].suggestion.as_deref(), Some("AI_PROVIDER_SEED_BLOCK_ON"));
}

#[test]
fn the_database_is_found_in_the_documented_order() {
    let origin = |pairs: &[(&str, &str)]| match from(pairs).0.database {
        DatabaseSource::Url { origin, .. } | DatabaseSource::File { origin, .. } => origin,
        DatabaseSource::PgVariables => "PG".to_owned(),
    };
    let all = [
        ("AI_PROVIDER_SEED_DATABASE_URL", "postgres://a"),
        ("CODER_PG_CONNECTION_URL", "postgres://b"),
        ("DATABASE_URL", "postgres://c"),
    ];
    assert_eq!(origin(&all), "AI_PROVIDER_SEED_DATABASE_URL");
    assert_eq!(origin(&all[1..]), "CODER_PG_CONNECTION_URL");
    assert_eq!(origin(&all[2..]), "DATABASE_URL");
    assert_eq!(origin(&[("CODER_PG_CONNECTION_URL", " \n"), ("PGHOST", "h")]), "PG");
    assert_eq!(origin(&[("AI_PROVIDER_SEED_DATABASE_URL_FILE", "/f"), all[1]]), "AI_PROVIDER_SEED_DATABASE_URL_FILE");

    let (_, Findings { problems, .. }) = from(&[all[0], ("AI_PROVIDER_SEED_DATABASE_URL_FILE", "/f")]);
    assert_eq!(problems[0].code, Code::InvalidOption);

    let texts = Texts { database_url_file: Some("/f".into()), ..Texts::default() };
    let (options, Findings { problems, .. }) = parse(texts, None, &variables(&all));
    assert!(matches!(options.database, DatabaseSource::File { .. }) && problems.is_empty());
}

#[test]
fn how_many_providers_are_required_names_where_it_was_said() {
    let texts = Texts { require_providers: Some("2".into()), ..Texts::default() };
    assert_eq!(parse(texts, None, &[]).0.require_origin, "--require-providers");
    let of_variable = from(&[("AI_PROVIDER_SEED_REQUIRE_PROVIDERS", "2")]).0;
    assert_eq!(of_variable.require_origin, "AI_PROVIDER_SEED_REQUIRE_PROVIDERS");
}
