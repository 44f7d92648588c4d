//! The older variables of a single OpenAI and a single Anthropic or Bedrock provider.

use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::provider::{DesiredProvider, Presence, ProviderType};

const OPENAI_KEY: (&str, &str) = ("CODER_AIBRIDGE_OPENAI_KEY", "k");
const ANTHROPIC_KEY: (&str, &str) = ("CODER_AIBRIDGE_ANTHROPIC_KEY", "k");
const REGION: (&str, &str) = ("CODER_AIBRIDGE_BEDROCK_REGION", "us-east-1");

fn providers(pairs: &[(&str, &str)]) -> Vec<DesiredProvider> {
    assert_problems(pairs, &[]).providers
}

#[test]
fn older_provider_exists_if_its_key_does() {
    assert!(providers(&[("CODER_AIBRIDGE_OPENAI_BASE_URL", "https://a/")]).is_empty());
    let both = providers(&[OPENAI_KEY, ANTHROPIC_KEY]);
    let summary: Vec<_> = both.iter().map(|p| (p.name.as_str(), p.base_url.as_str(), p.index)).collect();
    assert_eq!(
        summary,
        [("anthropic", "https://api.anthropic.com/", None), ("openai", "https://api.openai.com/v1/", None)]
    );
    assert_eq!(both[1].origins.base_url.presence, Presence::Default);
    assert_eq!(both[1].origins.base_url.variable, "CODER_AIBRIDGE_OPENAI_BASE_URL");
}

#[test]
fn names_in_either_case_are_read_and_named_as_written() {
    let [provider] = &assert_warnings(&[("coder_AiBridge_openai_key", "k")], &[]).providers[..] else {
        panic!("one provider")
    };
    assert_eq!(provider.origins.keys.variable, "coder_AiBridge_openai_key");
    assert_eq!(provider.origins.base_url.variable, "CODER_AIBRIDGE_OPENAI_BASE_URL");
    // Go reads this letter as an I.
    let [provider] = &assert_warnings(&[("CODER_A\u{131}BRIDGE_OPENAI_KEY", "k")], &[]).providers[..] else {
        panic!("one provider")
    };
    assert_eq!(provider.origins.keys.variable, "CODER_A\\u{131}BRIDGE_OPENAI_KEY");
    let newer = &providers(&[OPENAI_KEY, ("coder_ai_gateway_openai_base_url", "https://new/")])[0];
    assert_eq!(newer.base_url, "https://new/");
    // As everywhere, the last value of a name counts.
    let last = &providers(&[OPENAI_KEY, ("coder_aibridge_openai_key", "last")])[0];
    assert_eq!(last.keys[0].expose_secret(), "last");
    let unreadable = Variable::from_os("coder_aibridge_openai_key".into(), super::validation::not_unicode());
    assert_eq!(lines(&Environment::read(&[unreadable]).findings.problems), ["not_unicode coder_aibridge_openai_key"]);
}

#[test]
fn empty_value_overrides_the_default_and_nothing_is_trimmed() {
    assert!(providers(&[("CODER_AIBRIDGE_OPENAI_KEY", "")]).is_empty());
    let pairs = [("CODER_AIBRIDGE_OPENAI_KEY", " k "), ("CODER_AIBRIDGE_OPENAI_BASE_URL", "")];
    let [provider] = &assert_warnings(&pairs, &["key_suspicious CODER_AIBRIDGE_OPENAI_KEY"]).providers[..] else {
        panic!("one provider")
    };
    assert_eq!(provider.keys[0].expose_secret(), " k ");
    assert_eq!((provider.base_url.as_str(), provider.origins.base_url.presence), ("", Presence::Set));
    assert_eq!(providers(&[ANTHROPIC_KEY, ("CODER_AI_GATEWAY_ANTHROPIC_BASE_URL", "")])[0].base_url, "");
    let empty = "CODER_AIBRIDGE_BEDROCK_MODEL";
    let [bedrock] =
        &assert_warnings(&[REGION, (empty, "")], &[&format!("bedrock_without_models {empty}")]).providers[..]
    else {
        panic!("one provider")
    };
    assert_eq!(bedrock.bedrock.as_ref().unwrap().model, "");
    // Unlike in the indexed variables, an empty credential is not a Bedrock configuration.
    let provider = &providers(&[ANTHROPIC_KEY, ("CODER_AIBRIDGE_BEDROCK_ACCESS_KEY", "")])[0];
    assert!(provider.bedrock.is_none());
}

#[test]
fn the_newer_spelling_decides_variable_by_variable() {
    let table: &[(Pairs, &str, &str)] = &[
        (&[("CODER_AIBRIDGE_OPENAI_BASE_URL", "https://old/")], "https://old/", "CODER_AIBRIDGE_OPENAI_BASE_URL"),
        (
            &[("CODER_AIBRIDGE_OPENAI_BASE_URL", "https://old/"), ("CODER_AI_GATEWAY_OPENAI_BASE_URL", "https://new/")],
            "https://new/",
            "CODER_AI_GATEWAY_OPENAI_BASE_URL",
        ),
        (
            &[("CODER_AI_GATEWAY_OPENAI_BASE_URL", ""), ("CODER_AIBRIDGE_OPENAI_BASE_URL", "https://old/")],
            "",
            "CODER_AI_GATEWAY_OPENAI_BASE_URL",
        ),
        (
            &[("CODER_AIBRIDGE_OPENAI_BASE_URL", "https://a/"), ("CODER_AIBRIDGE_OPENAI_BASE_URL", "https://b/")],
            "https://b/",
            "CODER_AIBRIDGE_OPENAI_BASE_URL",
        ),
    ];
    for (pairs, url, variable) in table {
        let provider = &providers(&[&[OPENAI_KEY], *pairs].concat())[0];
        assert_eq!((provider.base_url.as_str(), &*provider.origins.base_url.variable.to_string()), (*url, *variable));
    }
    // The deliberate difference: an empty key does not hide the other one, as it would in Coder.
    let provider = &providers(&[OPENAI_KEY, ("CODER_AI_GATEWAY_OPENAI_KEY", "")])[0];
    assert_eq!(provider.origins.keys.variable, OPENAI_KEY.0);
    let provider = &providers(&[OPENAI_KEY, ("CODER_AI_GATEWAY_OPENAI_KEY", "new")])[0];
    assert_eq!(provider.keys[0].expose_secret(), "new");
    let provider = &providers(&[("CODER_AI_GATEWAY_ANTHROPIC_KEY", "k")])[0];
    assert_eq!(provider.origins.base_url.variable, "CODER_AI_GATEWAY_ANTHROPIC_BASE_URL");
}

#[test]
fn bedrock_has_default_models_and_no_keys() {
    let [provider] = &providers(&[REGION])[..] else { panic!("one provider") };
    let settings = provider.bedrock.as_ref().unwrap();
    assert_eq!(
        (provider.name.as_str(), provider.kind, provider.base_url.as_str()),
        ("anthropic", ProviderType::Anthropic, "")
    );
    assert_eq!(settings.model, "global.anthropic.claude-sonnet-4-5-20250929-v1:0");
    assert_eq!(settings.small_fast_model, "global.anthropic.claude-haiku-4-5-20251001-v1:0");
    assert!(provider.keys.is_empty());
    assert_eq!((provider.stored_type(true), provider.stored_type(false)), ("bedrock", "anthropic"));

    let pair = [("CODER_AIBRIDGE_BEDROCK_ACCESS_KEY", "id"), ("CODER_AIBRIDGE_BEDROCK_ACCESS_KEY_SECRET", "s")];
    let [provider] = &providers(&[REGION, pair[0], pair[1]])[..] else { panic!("one provider") };
    let settings = provider.bedrock.as_ref().unwrap();
    let secret = |value: &Option<SecretString>| value.as_ref().map(|value| value.expose_secret().to_owned());
    assert_eq!(settings.region, REGION.1);
    assert_eq!(
        (secret(&settings.access_key), secret(&settings.access_key_secret)),
        (Some("id".into()), Some("s".into()))
    );
    assert!(!provider.credentials_unknown);

    for name in ["BASE_URL", "REGION", "ACCESS_KEY", "ACCESS_KEY_SECRET"] {
        let name = format!("CODER_AIBRIDGE_BEDROCK_{name}");
        assert!(providers(&[(&name, "https://x/")])[0].bedrock.is_some(), "{name}");
    }
    for name in ["CODER_AIBRIDGE_BEDROCK_MODEL", "CODER_AIBRIDGE_BEDROCK_SMALL_FAST_MODEL"] {
        assert!(providers(&[(name, "m")]).is_empty(), "{name}");
        assert_eq!(providers(&[ANTHROPIC_KEY, (name, "m")]).len(), 1);
    }
    assert_warnings(
        &[("CODER_AIBRIDGE_BEDROCK_BASE_URL", "https://b.example/")],
        &["bedrock_without_credentials CODER_AIBRIDGE_BEDROCK_BASE_URL"],
    );
    assert_problems(
        &[ANTHROPIC_KEY, REGION],
        &["legacy_key_with_bedrock CODER_AIBRIDGE_ANTHROPIC_KEY CODER_AIBRIDGE_BEDROCK_REGION"],
    );
}

/// Only for the two types that every database knows; the plan decides about the others.
#[test]
fn a_name_of_an_older_provider() {
    let url = ("0_BASE_URL", "https://a.example/");
    assert_problems(
        &[OPENAI_KEY, ("0_TYPE", "openai"), ("0_KEY", "k"), url],
        &["legacy_name_conflict[0] 0_TYPE CODER_AIBRIDGE_OPENAI_KEY"],
    );
    assert_problems(
        &[REGION, ("0_TYPE", "openai"), ("0_NAME", "anthropic"), ("0_KEY", "k"), url],
        &["legacy_name_conflict[0] 0_NAME CODER_AIBRIDGE_BEDROCK_REGION"],
    );
    assert_problems(&[OPENAI_KEY, ("0_TYPE", "anthropic"), ("0_KEY", "k"), url], &[]);
    for kind in ["azure", "google", "copilot"] {
        let pairs = [OPENAI_KEY, ("0_TYPE", kind), ("0_NAME", "openai"), url];
        let mut environment = assert_problems(&pairs, &[]);
        assert_eq!(environment.providers.len(), 2, "both are there for the plan");
        assert_eq!(environment.providers[0].index, Some(0));
        // Without a database this is undecided, so it is a warning.
        environment.warn_of_undecided();
        assert!(environment.findings.warnings.iter().any(|warning| warning.code == Code::LegacyNameConflict));
    }
}

/// Without a database it is unknown whether Coder would skip the newer type, and so whether the name is taken.
#[test]
fn a_name_that_only_the_database_can_decide_about() {
    let warned = |pairs: &[(&str, &str)]| {
        let mut environment = read(pairs);
        environment.warn_of_undecided();
        let is = |warning: &&Problem| warning.code == Code::LegacyNameConflict;
        environment.findings.warnings.iter().filter(is).count()
    };
    let legacy = ("CODER_AIBRIDGE_OPENAI_KEY", "k");
    assert_eq!(warned(&[("0_TYPE", "azure"), ("0_NAME", "openai"), legacy]), 1);
    // Another name, or two indexed providers.
    assert_eq!(warned(&[("0_TYPE", "azure"), legacy]), 0);
    assert_eq!(warned(&[("0_TYPE", "azure"), ("1_TYPE", "google")]), 0);
}
