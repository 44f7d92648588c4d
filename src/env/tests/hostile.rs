//! Values that are not Unicode, empty, very long, or with control or bidirectional characters; and secrets in the wrong
//! place.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn os(name: &[u8], value: &[u8]) -> Variable {
    Variable::from_os(OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec()))
}

fn printable(text: &str) -> bool {
    text.chars().all(|c| matches!(c, ' '..='~' | '…' | '\n'))
}

#[test]
fn non_unicode_value_is_reported_once() {
    let name = b"CODER_AIBRIDGE_PROVIDER_0_KEY";
    let environment = Environment::read(&[os(b"CODER_AIBRIDGE_PROVIDER_0_TYPE", b"openai"), os(name, b"k\xff")]);
    assert_eq!(lines(&environment.findings.problems), ["not_unicode 0_KEY"]);

    // Readable variables are judged; missing ones are not.
    let mut given = variables(&[("0_TYPE", "opnai"), ("0_NAME", "Bad"), ("1_KEYS", "a,a"), ("2_TYPE", "openai")]);
    given.extend([os(name, b"\xff"), os(b"CODER_AIBRIDGE_PROVIDER_1_TYPE", b"\xff")]);
    given.extend(variables(&[("3_TYPE", "openai")]));
    given.push(os(b"CODER_AIBRIDGE_PROVIDER_3_NAME", b"\xff"));
    let environment = Environment::read(&given);
    assert_eq!(
        lines(&environment.findings.problems),
        [
            "duplicate_key[1] 1_KEYS",
            "invalid_name[0] 0_NAME",
            "not_unicode 0_KEY",
            "not_unicode 1_TYPE",
            "not_unicode 3_NAME",
            "unknown_type[0] 0_TYPE"
        ]
    );

    let environment = Environment::read(&[os(b"CODER_AIBRIDGE_PROVIDER_0_\xffTYPE", b"openai")]);
    assert_eq!(environment.findings.problems[0].code, Code::NotUnicode);
    assert!(printable(&said(&environment)));
    let environment = Environment::read(&[os(b"CODER_AIBRIDGE_OPENAI_KEY", b"\xff")]);
    assert_eq!(lines(&environment.findings.problems), ["not_unicode CODER_AIBRIDGE_OPENAI_KEY"]);
    assert_eq!(Environment::read(&[os(b"LS_COLORS", b"\xff")]).findings.problems, []);
}

#[test]
fn control_and_bidirectional_characters_reach_no_message() {
    for bad in ["\u{1b}[31mred", "open\u{202e}ai", "a\nb", "a\0b", "a\u{200b}b", "öpenai", "\u{7f}"] {
        for suffix in ["TYPE", "NAME", "BASE_URL", "KEY", "BEDROCK_REGION", "BEDROCK_BASE_URL", bad] {
            let near = format!("CODER_AIBRIGE_PROVIDER_0_{bad}");
            let environment = read(&[("0_TYPE", "anthropic"), (&format!("0_{suffix}"), bad), (bad, bad), (&near, bad)]);
            assert!(printable(&said(&environment)), "{}", said(&environment));
        }
    }
    assert_problems(&[("0_TYPE", "openai"), ("0_NAME", "a\u{202e}b")], &["invalid_name[0] 0_NAME"]);
}

#[test]
fn very_long_values_are_read_quickly_and_not_repeated() {
    let long = "x".repeat(1 << 20);
    let commas = ",".repeat(1 << 20);
    let many: String = (0..200_000).map(|n| format!("{n},")).collect();
    let started = Instant::now();
    for suffix in ["TYPE", "NAME", "BASE_URL", "KEY", "KEYS", "BEDROCK_REGION", "BEDROCK_ACCESS_KEYS", "WHATEVER"] {
        for value in [&long, &commas, &many] {
            let environment = read(&[("0_TYPE", "openai"), (&format!("0_{suffix}"), value)]);
            assert!(said(&environment).len() < 64 << 10, "{suffix}: {} bytes", said(&environment).len());
        }
    }
    let environment = read(&[(&format!("0_{long}"), "x"), (&format!("CODER_AIBRIGE_{long}"), "x"), (&long, "x")]);
    assert!(said(&environment).len() < 4096);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

fn name() -> impl Strategy<Value = String> {
    let suffix = prop::sample::select(vec![
        "TYPE",
        "NAME",
        "KEY",
        "KEYS",
        "BASE_URL",
        "BEDROCK_BASE_URL",
        "BEDROCK_REGION",
        "BEDROCK_ACCESS_KEY",
        "BEDROCK_ACCESS_KEYS",
        "BEDROCK_ACCESS_KEY_SECRET",
        "BEDROCK_MODEL",
        "BEDROCK_SMALL_FAST_MODEL",
        "KEYZ",
        "",
    ]);
    let prefix = prop::sample::select(vec![
        "CODER_AIBRIDGE_PROVIDER_",
        "CODER_AI_GATEWAY_PROVIDER_",
        "coder_aibridge_provider_",
        "CODER_AIBRIGE_PROVIDER_",
        "CODER_AIBRIDGE_OPENAI_",
        "CODER_AI_GATEWAY_BEDROCK_",
        "CODER_AIBRIDGE_ANTHROPIC_",
    ]);
    let number = prop_oneof![Just("0_".to_owned()), Just("1_".to_owned()), Just(String::new()), "[-+0-9]{0,20}_?"];
    prop_oneof![
        8 => (prefix, number, suffix).prop_map(|(prefix, number, suffix)| format!("{prefix}{number}{suffix}")),
        1 => any::<String>(),
        1 => any::<String>().prop_map(|rest| format!("CODER_AIBRIDGE_PROVIDER_{rest}")),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let known =
        prop::sample::select(vec!["openai", "anthropic", "bedrock", "copilot", "azure", "opnai", "us-east-1", ""]);
    prop_oneof![known.prop_map(str::to_owned), any::<String>(), "[a-z0-9,_ -]{0,40}"]
}

/// A secret as people might write it anywhere. In a URL it takes a place that URLs have for secrets.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,9}CANARY[ -~]{2,30}".prop_filter("no URL", |text| !text.contains("://")),
        "https://user:CANARY[a-z0-9]{2,9}@host\\.example/v1",
        "https://host\\.example/v1\\?key=CANARY[a-z0-9]{2,9}",
        "[a-z0-9]{2,9}canary[a-z0-9]{2,9}",
        "CANARY[a-z0-9]{2,9},CANARY[a-z0-9]{2,9}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn reading_never_panics_and_says_only_printable_things(
        pairs in prop::collection::vec((name(), value()), 0..12), strict: bool,
    ) {
        let given: Vec<Variable> =
            pairs.iter().map(|(name, value)| Variable::new(name, value, Source::Process)).collect();
        let mut environment = Environment::read(&given);
        environment.warn_of_undecided();
        environment.require(3, "X");
        if strict {
            environment.strict();
        }
        prop_assert!(printable(&said(&environment)), "{}", said(&environment));
        // Without problems, Coder would accept every provider.
        if environment.findings.problems.is_empty() {
            for provider in &environment.providers {
                prop_assert!(crate::provider::check_name(&provider.name).is_ok());
                prop_assert!(provider.keys.len() <= 5 && (provider.keys.is_empty() || provider.bedrock.is_none()));
            }
        }
    }

    #[test]
    fn any_bytes_are_read(pairs in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..6)) {
        let given: Vec<Variable> = pairs
            .iter()
            .map(|(name, value)| os(&[b"CODER_AIBRIDGE_PROVIDER_", &name[..]].concat(), value))
            .collect();
        prop_assert!(printable(&said(&Environment::read(&given))));
    }

    #[test]
    fn no_value_is_repeated(pairs in prop::collection::vec((name(), prop_oneof![value(), secret()]), 1..10)) {
        // A valid NAME is shown, since it names the provider from then on.
        let is_name = |pair: &(String, String)| pair.0.ends_with("NAME") && crate::provider::check_name(&pair.1).is_ok();
        let given: Vec<Variable> = pairs
            .iter()
            .filter(|pair| !is_name(pair))
            .map(|(name, value)| Variable::new(name, value, Source::Process))
            .collect();
        let mut environment = Environment::read(&given);
        environment.warn_of_undecided();
        // A URL is shown without its secrets; no other shown value here contains CANARY.
        prop_assert!(!said(&environment).to_ascii_uppercase().contains("CANARY"), "{}", said(&environment));
    }
}

/// Else this start would write settings that the next one refuses.
#[test]
fn settings_with_more_bytes_than_a_row_may_have_are_a_problem() {
    let long = "m".repeat(100 << 10);
    let bedrock = |suffixes: &[&str]| {
        let of = |suffix: &&str| Variable::new(format!("{AIBRIDGE}0_BEDROCK_{suffix}"), long.as_str(), Source::Process);
        let mut variables = variables(&[("0_TYPE", "bedrock"), ("0_BEDROCK_REGION", "us-east-1")]);
        variables.extend(suffixes.iter().map(of));
        lines(&Environment::read(&variables).findings.problems)
    };
    assert!(bedrock(&["MODEL", "SMALL_FAST_MODEL"]).is_empty());
    assert_eq!(bedrock(&["MODEL", "SMALL_FAST_MODEL", "REGION"]), ["environment_too_large[0] 0_*"]);
}
