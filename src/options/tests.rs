use std::time::Duration;

use super::definitions::{Command, OPTIONS, Scope};
use super::reader::OptionReader;
use super::words::word;
use super::*;
use crate::env::Variable;
use crate::problem::{Code, Findings, Outcome};
use crate::provider::Source;

fn variables(pairs: &[(&str, &str)]) -> Vec<Variable> {
    pairs.iter().map(|(name, value)| Variable::new(*name, *value, Source::Process)).collect()
}

fn from(pairs: &[(&str, &str)]) -> (Options, Findings) {
    parse(&RawOptions::default(), &variables(pairs))
}

#[test]
fn defaults() {
    let (options, Findings { problems, warnings }) = from(&[]);
    assert_eq!((options.wait, options.lock_timeout), (Duration::from_secs(120), Duration::from_secs(30)));
    assert_eq!(options.compare_credentials, Compare::Warn);
    assert_eq!(options.if_schema_missing, IfSchemaMissing::Auto);
    assert!(options.audit && !options.strict && options.require_providers == 0);
    assert!(BlockOn::OUTCOMES.into_iter().all(|outcome| options.block_on.blocks(outcome)));
    assert!(matches!(options.database, DatabaseSource::PgVariables));
    assert!(problems.is_empty() && warnings.is_empty());
}

#[test]
fn a_flag_beats_its_variable_and_an_empty_variable_is_unset() {
    let raw = RawOptions::of(Command::Seed, &[("wait", "5")]);
    let given = variables(&[("AI_PROVIDER_SEED_WAIT", "7s"), ("AI_PROVIDER_SEED_LOCK_TIMEOUT", "")]);
    let (options, Findings { problems, .. }) = parse(&raw, &given);
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
    assert!(read("none,conflict").unwrap_err().contains("cannot be combined with other values"));
    assert!(read("ok").is_err());
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

    let raw = RawOptions::of(Command::Seed, &[("database-url-file", "/f")]);
    let (options, Findings { problems, .. }) = parse(&raw, &variables(&all));
    assert!(matches!(options.database, DatabaseSource::File { .. }) && problems.is_empty());
}

#[test]
fn how_many_providers_are_required_names_where_it_was_said() {
    let raw = RawOptions::of(Command::Seed, &[("require-providers", "2")]);
    assert_eq!(parse(&raw, &[]).0.require_origin, "--require-providers");
    let of_variable = from(&[("AI_PROVIDER_SEED_REQUIRE_PROVIDERS", "2")]).0;
    assert_eq!(of_variable.require_origin, "AI_PROVIDER_SEED_REQUIRE_PROVIDERS");
}

/// A declared option that is not read, or the reverse, is a bug in this program.
#[test]
fn each_command_reads_the_options_that_it_declares() {
    for command in Command::ALL {
        let raw = RawOptions::of(*command, &[("from", "-")]);
        let mut reader = OptionReader::new(&raw, &[]);
        match command {
            Command::Crd
            | Command::Explain
            | Command::Probe
            | Command::Completion
            | Command::Man
            | Command::Version => {}
            #[cfg(feature = "controller")]
            Command::Status | Command::Check | Command::Decide => drop(resources::read(&mut reader)),
            #[cfg(feature = "controller")]
            Command::Controller => drop(controller::read(&mut reader)),
            Command::Diff => drop((seed::read(&mut reader, &raw), from::read(&mut reader), diff::read(&mut reader))),
            Command::Resolve => drop((seed::read(&mut reader, &raw), from::read(&mut reader))),
            _ => drop(seed::read(&mut reader, &raw)),
        }
        let mut asked = reader.asked;
        let rows = OPTIONS.iter().filter(|row| row.is_taken_by(*command) && row.scope != Scope::CommandLine);
        let mut declared: Vec<&str> = rows.map(|row| row.name).collect();
        asked.sort_unstable();
        declared.sort_unstable();
        assert_eq!(asked, declared, "{}", command.as_str());
    }
}

#[test]
fn formats_of_report_and_log_are_refused_with_their_own_words() {
    fn refusal<T: Copy>(words: &[(&str, T)]) -> String {
        word("nonsense", words).map(|_| ()).unwrap_err()
    }
    let flags = [("output", "nonsense"), ("log-format", "nonsense")];
    let (_, Findings { problems, .. }) = parse(&RawOptions::of(Command::Seed, &flags), &[]);
    let messages: Vec<(&str, &str)> =
        problems.iter().map(|problem| (problem.variables[0].as_str(), problem.message.as_str())).collect();
    let (output, log) = (refusal(OutputFormat::words(Command::Seed)), refusal(LogFormat::WORDS));
    assert_eq!(messages, [("--output", output.as_str()), ("--log-format", log.as_str())]);
}

#[test]
fn conflict_id_in_part_or_in_capitals_is_refused() {
    let id = "ed7lijh33v6xf3w7ma6zwigoyb5nccs7";
    use super::resolve::is_id;
    assert!(is_id(id));
    let others =
        [&id[..31], &id[..12], &id.to_uppercase(), &format!("{id}a"), &id.replace('e', "1"), &format!(" {id}"), ""];
    assert!(others.iter().all(|other| !is_id(other)), "{others:?}");
}

#[test]
fn mistyped_conflict_id_is_described_and_not_echoed() {
    let id = "k7q2mzt4w5xj3n6rbvhdgcfa2ypse5uo";
    let said = |text: &str| {
        let raw = RawOptions::of(Command::Resolve, &[("take", "database"), ("conflict", text)]);
        let mut problems = Vec::new();
        super::resolve::parse(&raw, true, &mut problems);
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    assert_eq!(said(id), [""; 0]);
    assert_eq!(said(&format!(" {id} ")), [""; 0]);
    for (text, what) in [
        (id.to_uppercase(), "is written in upper case; write it in lower case"),
        (id[..20].to_owned(), "is cut off: it has 20 characters"),
        (format!("{id}a"), "is too long: it has 33 characters"),
        (format!("{} {}", &id[..10], &id[10..]), "has white space at the 11th character"),
        (format!("{}1{}", &id[..10], &id[11..]), "has a character at the 11th place that no id has"),
        (String::new(), "is empty"),
    ] {
        let messages = said(&text);
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(messages[0].starts_with(&format!("the id {what}; an id has 32 characters")), "{messages:?}");
        assert!(text.is_empty() || !messages[0].contains(&text), "{messages:?}");
    }
    assert!(said(&format!("{id},{}", &id[..5]))[0].starts_with("the 2nd id is cut off"));
}
