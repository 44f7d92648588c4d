//! From names to numbers and fields, and to the resulting provider.

use secrecy::ExposeSecret;

use super::*;
use crate::provider::{DesiredProvider, Presence, ProviderType};

fn only(pairs: &[(&str, &str)]) -> DesiredProvider {
    let environment = assert_problems(pairs, &[]);
    assert_eq!(environment.providers.len(), 1);
    environment.providers[0].clone()
}

fn keys(provider: &DesiredProvider) -> Vec<&str> {
    provider.keys.iter().map(ExposeSecret::expose_secret).collect()
}

#[test]
fn structure() {
    let table: &[(Pairs, &[&str])] = &[
        (&[("0", "x")], &["malformed_variable 0"]),
        (&[("0TYPE", "x")], &["malformed_variable 0TYPE"]),
        (&[("CODER_AIBRIDGE_PROVIDER__TYPE", "x")], &["malformed_variable _TYPE"]),
        (&[("CODER_AIBRIDGE_PROVIDER_A_TYPE", "x")], &["malformed_variable A_TYPE"]),
        (&[("-1_TYPE", "x")], &["malformed_variable -1_TYPE"]),
        (&[("-9223372036854775808_TYPE", "x")], &["malformed_variable -9223372036854775808_TYPE"]),
        (&[("9223372036854775808_TYPE", "x")], &["malformed_variable 9223372036854775808_TYPE"]),
        (&[("++1_TYPE", "x")], &["malformed_variable ++1_TYPE"]),
        (&[("0x1_TYPE", "x")], &["malformed_variable 0x1_TYPE"]),
        // The first missing number, and the variable after the gap.
        (&[("1_TYPE", "openai")], &["index_gap[0] 1_TYPE"]),
        (
            &[("0_TYPE", "openai"), ("2_TYPE", "azure"), ("5_KEY", "k"), ("5_TYPE", "google")],
            &["index_gap[1] 2_TYPE", "index_gap[3] 5_KEY"],
        ),
        (&[("0_TYPE", "openai"), ("9223372036854775807_TYPE", "azure")], &["index_gap[1] 9223372036854775807_TYPE"]),
        // Any suffix starts a provider of its number.
        (&[("0_WHATEVER", "x")], &["type_required[0] 0_TYPE"]),
        (&[("0_", "x")], &["type_required[0] 0_TYPE"]),
    ];
    for (pairs, expected) in table {
        assert_problems(pairs, expected);
    }
    let gap = &read(&[("0_TYPE", "openai"), ("5_TYPE", "azure")]).findings.problems[0].message;
    assert_eq!(gap, "indices 1 to 4 are missing: providers are numbered from 0 without gaps");
    let gap = &read(&[("0_TYPE", "openai"), ("2_TYPE", "azure")]).findings.problems[0].message;
    assert_eq!(gap, "index 1 is missing: providers are numbered from 0 without gaps");
}

#[test]
fn numbers_are_read_as_go_reads_them_and_sorted_as_numbers() {
    let many: Vec<(String, &str)> = (0..12).rev().map(|n| (format!("{n}_TYPE"), "openai")).collect();
    let named: Vec<(String, String)> = (0..12).map(|n| (format!("{n}_NAME"), format!("p{n}"))).collect();
    let pairs: Vec<(&str, &str)> =
        many.iter().map(|(n, v)| (n.as_str(), *v)).chain(named.iter().map(|(n, v)| (n.as_str(), v.as_str()))).collect();
    let environment = assert_problems(&pairs, &[]);
    let names: Vec<&str> = environment.providers.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["p0", "p1", "p10", "p11", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"]);

    for spelling in ["0", "00", "-0", "+0", "000000000000000000000000"] {
        let provider = only(&[(&format!("{spelling}_TYPE"), "openai")]);
        assert_eq!(provider.index, Some(0), "{spelling}");
    }
    assert_problems(&[("-0_TYPE", "openai"), ("+1_TYPE", "azure"), ("02_TYPE", "google")], &[]);
}

#[test]
fn the_last_value_wins_in_coders_order() {
    // One spelling twice (possible in the env list of a pod), or two letter cases: the order of the environment.
    assert_eq!(only(&[("0_TYPE", "azure"), ("0_TYPE", "openai")]).kind, ProviderType::Openai);
    let provider = only(&[("0_TYPE", "openai"), ("0_BASE_URL", "https://a/"), ("0_base_url", "https://b/")]);
    assert_eq!(
        (provider.base_url.as_str(), &*provider.origins.base_url.variable.to_string()),
        ("https://b/", "CODER_AIBRIDGE_PROVIDER_0_base_url")
    );
    // Two spellings of a number: the order of the text after the prefix, in any order of the environment.
    for pairs in [
        [("00_TYPE", "azure"), ("0_TYPE", "openai")],
        [("0_TYPE", "openai"), ("00_TYPE", "azure")],
        [("0_TYPE", "openai"), ("+0_TYPE", "azure")],
        [("0_TYPE", "openai"), ("-0_TYPE", "azure")],
    ] {
        assert_eq!(only(&pairs).kind, ProviderType::Openai, "{pairs:?}");
    }
}

#[test]
fn names_are_case_insensitive_and_reported_as_written() {
    let provider = only(&[("coder_AiBridge_provider_0_Type", "openai"), ("Coder_aibridge_Provider_0_kEyS", "a,b")]);
    assert_eq!(keys(&provider), ["a", "b"]);
    assert_eq!(provider.origins.keys.variable, "Coder_aibridge_Provider_0_kEyS");
    assert_eq!(provider.origins.base_url.variable, "CODER_AIBRIDGE_PROVIDER_0_BASE_URL");
    assert_problems(&[("0_type", "opnai")], &["unknown_type[0] 0_type"]);
}

#[test]
fn a_credential_given_twice_names_both_spellings() {
    for [first, second] in [
        ["0_KEY", "0_KEYS"],
        ["0_KEY", "0_key"],
        ["0_Key", "0_keyS"],
        ["00_KEY", "0_KEY"],
        ["+0_KEYS", "0_KEY"],
        ["0_KEY", "0_KEY"],
    ] {
        let line = format!("singular_and_plural[0] {first} {second}");
        let environment = assert_problems(&[("0_TYPE", "openai"), (first, "a"), (second, "b")], &[&line]);
        let message = &environment.findings.problems[0].message;
        assert!(message.contains(first) && message.contains(second), "{message}");
    }
    for suffix in ["BEDROCK_ACCESS_KEY", "BEDROCK_ACCESS_KEY_SECRET"] {
        let (single, plural) = (format!("0_{suffix}"), format!("0_{suffix}S"));
        let line = format!("singular_and_plural[0] {single} {plural}");
        assert_problems(&[("0_TYPE", "bedrock"), (&single, "a"), (&plural, "a")], &[&line]);
    }
}

#[test]
fn keys_are_trimmed_and_only_a_plural_is_split() {
    assert_eq!(keys(&only(&[("0_TYPE", "openai"), ("0_KEY", " a,b\n")])), ["a,b"]);
    assert_eq!(keys(&only(&[("0_TYPE", "openai"), ("0_KEYS", " c , a\t,b\n")])), ["c", "a", "b"]);
    let provider = only(&[("0_TYPE", "openai"), ("0_NAME", "n"), ("0_BASE_URL", " https://a/ ")]);
    assert_eq!(provider.base_url, " https://a/ ");
}

#[test]
fn bedrock() {
    let provider = only(&[
        ("0_TYPE", "anthropic"),
        ("0_BASE_URL", "https://dropped.example/"),
        ("0_BEDROCK_REGION", "us-east-1"),
        ("0_BEDROCK_ACCESS_KEYS", "first, second"),
        ("0_BEDROCK_ACCESS_KEY_SECRETS", "one,two"),
        ("0_BEDROCK_MODEL", "m"),
        ("0_BEDROCK_SMALL_FAST_MODEL", "s"),
    ]);
    let settings = provider.bedrock.as_ref().unwrap();
    assert_eq!((provider.kind, provider.base_url.as_str()), (ProviderType::Anthropic, ""));
    assert_eq!(
        (settings.region.as_str(), settings.model.as_str(), settings.small_fast_model.as_str()),
        ("us-east-1", "m", "s")
    );
    assert_eq!(settings.access_key.as_ref().unwrap().expose_secret(), "first");
    assert_eq!(settings.access_key_secret.as_ref().unwrap().expose_secret(), "one");
    assert_eq!(provider.origins.base_url.variable, "CODER_AIBRIDGE_PROVIDER_0_BEDROCK_BASE_URL");
    assert_eq!(provider.origins.base_url.presence, Presence::Unset);

    // A model alone does not make an anthropic provider a Bedrock one, so its keys are valid.
    let provider = only(&[("0_TYPE", "anthropic"), ("0_KEY", "k"), ("0_BEDROCK_MODEL", "m")]);
    assert!(provider.bedrock.is_none() && keys(&provider) == ["k"]);

    // Set but empty counts as configured: type bedrock has enough, and another type conflicts.
    let empty = [("0_BEDROCK_ACCESS_KEY", ""), ("0_BEDROCK_ACCESS_KEY_SECRET", "")];
    let problems = ["empty_key[0] 0_BEDROCK_ACCESS_KEY", "empty_key[0] 0_BEDROCK_ACCESS_KEY_SECRET"];
    assert_problems(&[&[("0_TYPE", "bedrock")], &empty[..]].concat(), &problems);
    assert_problems(
        &[&[("0_TYPE", "openai")], &empty[..]].concat(),
        &["bedrock_unsupported[0] 0_BEDROCK_ACCESS_KEY 0_BEDROCK_ACCESS_KEY_SECRET", problems[0], problems[1]],
    );
}

#[test]
fn warnings() {
    let url = ("0_BASE_URL", "https://ai.example/v1");
    let key = ("0_KEY", "k");
    let region = ("0_BEDROCK_REGION", "us-east-1");
    let models = [("0_BEDROCK_MODEL", "m"), ("0_BEDROCK_SMALL_FAST_MODEL", "s")];
    let table: &[(Pairs, &[&str])] = &[
        (&[("0_TYPE", "openai"), key, url], &[]),
        (&[("0_TYPE", "copilot"), url], &[]),
        // In Coder a region is enough for AWS's own endpoint, with either type.
        (&[("0_TYPE", "bedrock"), region, models[0], models[1]], &[]),
        (&[("0_TYPE", "anthropic"), region, models[0], models[1]], &[]),
        (
            &[("0_TYPE", "bedrock"), region, ("0_bedrock_model", "")],
            &["bedrock_without_models[0] 0_bedrock_model 0_BEDROCK_SMALL_FAST_MODEL"],
        ),
        (&[("0_TYPE", "anthropic"), region, models[0]], &["bedrock_without_models[0] 0_BEDROCK_SMALL_FAST_MODEL"]),
        (&[("0_TYPE", "openai"), url], &["provider_without_keys[0] 0_TYPE"]),
        (&[("0_TYPE", "openai"), ("0_NAME", "n"), url], &["provider_without_keys[0] 0_NAME"]),
        // For these an empty URL means the vendor's endpoint; for the others, OpenAI's.
        (&[("0_TYPE", "openai"), key], &[]),
        (&[("0_TYPE", "anthropic"), key], &[]),
        (&[("0_TYPE", "copilot")], &[]),
        (&[("0_TYPE", "azure"), key], &["base_url_suspicious[0] 0_BASE_URL"]),
        (&[("0_TYPE", "google"), key], &["base_url_suspicious[0] 0_BASE_URL"]),
        (&[("0_TYPE", "openai-compat"), key], &["base_url_suspicious[0] 0_BASE_URL"]),
        (&[("0_TYPE", "openrouter"), key, ("0_base_url", "")], &["base_url_suspicious[0] 0_base_url"]),
        (&[("0_TYPE", "vercel"), key], &["base_url_suspicious[0] 0_BASE_URL"]),
        (&[("0_TYPE", "openai"), key, ("0_BASE_URL", "https://a.example/ ")], &["base_url_suspicious[0] 0_BASE_URL"]),
        (&[("0_TYPE", "openai"), key, ("0_base_url", "api.openai.com")], &["base_url_suspicious[0] 0_base_url"]),
        (&[("0_TYPE", "openai"), key, ("0_BASE_URL", "ftp://a.example/")], &["base_url_suspicious[0] 0_BASE_URL"]),
        (&[("0_TYPE", "bedrock"), region, models[0], models[1], url], &["base_url_ignored[0] 0_BASE_URL"]),
        (
            &[("0_TYPE", "bedrock"), ("0_BEDROCK_BASE_URL", "https://b.example"), models[0], models[1]],
            &["bedrock_without_credentials[0] 0_BEDROCK_BASE_URL"],
        ),
        (&[("0_TYPE", "openai"), key, url, ("0_KEYZ", "x")], &["unknown_variable[0] 0_KEYZ"]),
        (&[("0_TYPE", "openai"), key, url, ("0_DUMP_DIR", "x")], &["unknown_variable[0] 0_DUMP_DIR"]),
        (
            &[("CODER_AIBRIGE_PROVIDER_0_TYPE", "openai")],
            &["nothing_desired", "unknown_variable CODER_AIBRIGE_PROVIDER_0_TYPE"],
        ),
        (&[("PATH", "/bin")], &["nothing_desired"]),
        (&[], &["nothing_desired"]),
    ];
    for (pairs, expected) in table {
        assert_warnings(pairs, expected);
    }
    let only_url = [("0_TYPE", "bedrock"), ("0_BEDROCK_BASE_URL", "https://b.example")];
    assert!(read(&only_url).findings.warnings[0].message.starts_with("only a Bedrock URL is set"));
    let no_url = read(&[("0_TYPE", "vercel"), key]).findings.warnings;
    assert!(no_url[0].message.contains("the key of this vercel provider"), "{}", no_url[0].message);
    let meant = |name| {
        let warnings = read(&[("0_TYPE", "openai"), key, url, (name, "x")]).findings.warnings;
        warnings[0].suggestion.clone().map(|name| name.replace(AIBRIDGE, ""))
    };
    assert_eq!(meant("0_KEYZ").as_deref(), Some("0_KEYS"));
    assert_eq!(meant("0_DUMP_DIR"), None);
    assert_eq!(meant("CODER_AIBRIDGE_PROVIDERS_0_KEY").as_deref(), Some("0_KEY"));
}

#[test]
fn strict_turns_its_warnings_into_problems_and_only_those() {
    let mut environment = read(&[
        ("0_TYPE", "google"),
        ("0_KEYZ", "x"),
        ("1_TYPE", "bedrock"),
        ("1_BEDROCK_BASE_URL", "https://b.example"),
        ("1_BASE_URL", "https://ignored.example"),
        ("2_TYPE", "bedrock"),
        ("2_NAME", "other"),
        ("2_name", "third"),
        ("2_BEDROCK_REGION", "eu_central_1"),
        ("2_BEDROCK_MODEL", "$(MODEL)"),
        ("2_BEDROCK_SMALL_FAST_MODEL", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1"),
        ("CODER_AIBRIDGE_OPENAI_KEY", "sk-replace-me"),
    ]);
    environment.strict();
    let codes = |problems: &[Problem]| problems.iter().map(|problem| problem.code).collect::<Vec<_>>();
    let mut problems = codes(&environment.findings.problems);
    problems.sort();
    let strict = Code::STRICT.into_iter().filter(|code| *code != Code::NothingDesired);
    assert_eq!(problems, strict.collect::<Vec<_>>());
    let mut warnings = codes(&environment.findings.warnings);
    warnings.sort();
    assert_eq!(warnings, [Code::BaseUrlIgnored, Code::BedrockWithoutCredentials]);

    let mut nothing = read(&[]);
    nothing.strict();
    assert_eq!(codes(&nothing.findings.problems), [Code::NothingDesired]);
}

#[test]
fn too_few_providers() {
    let mut environment = read(&[("0_TYPE", "openai"), ("0_KEY", "k")]);
    environment.require(1, "X");
    assert_eq!(environment.findings.problems, []);
    environment.require(2, "X");
    assert_eq!(lines(&environment.findings.problems), ["too_few_providers X"]);
    // A provider that cannot be compared still counts.
    let mut given = variables(&[("0_TYPE", "openai"), ("1_NAME", "other")]);
    given.push(Variable::in_pod("CODER_AIBRIDGE_PROVIDER_1_TYPE", "it comes from fieldRef metadata.name"));
    let mut environment = Environment::read(&given);
    environment.findings.problems.clear();
    environment.require(2, "X");
    assert_eq!(environment.findings.problems, []);
    environment.require(3, "X");
    assert_eq!(environment.findings.problems[0].message.split(',').next(), Some("2 providers in the environment"));
}

/// How findings name a provider.
#[test]
fn name_is_shown_unless_it_may_be_a_secret() {
    let told = |pairs: &[(&str, &str)], from_secret: &[(&str, &str)]| {
        let mut given = variables(pairs);
        let secret = Source::secret("ai", "k");
        let more = variables(from_secret).into_iter();
        given.extend(more.map(|v| Variable::new(v.name.clone(), v.value().unwrap_or_default(), secret.clone())));
        let environment = Environment::read(&given);
        let said = environment.findings.problems.into_iter().chain(environment.findings.warnings).next().unwrap();
        (said.provider, environment.providers.first().map(DesiredProvider::label))
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(told(&[("0_TYPE", "openai")], &[]), (text("openai"), text("openai")));
    assert_eq!(told(&[("0_TYPE", "openai"), ("0_NAME", "mine")], &[]), (text("mine"), text("mine")));
    assert_eq!(told(&[("0_TYPE", "opnai"), ("0_NAME", "mine")], &[]), (text("mine"), None));
    // An unknown type serves as the name and may be any text.
    assert_eq!(told(&[("0_TYPE", "opnai")], &[]), (None, None));
    let number = text("(provider 0, name not shown)");
    assert_eq!(told(&[("0_TYPE", "openai")], &[("0_NAME", "mine")]), (None, number.clone()));
    assert_eq!(told(&[], &[("0_TYPE", "openai")]), (None, number));
}

#[test]
fn mixed_prefixes() {
    let gateway = ("CODER_AI_GATEWAY_PROVIDER_0_TYPE", "azure");
    let environment =
        assert_problems(&[("0_TYPE", "openai"), gateway], &["mixed_prefixes * CODER_AI_GATEWAY_PROVIDER_*"]);
    assert!(environment.findings.problems[0].message.contains("move all providers to CODER_AI_GATEWAY_PROVIDER_*"));
    // Each prefix is numbered separately.
    assert_problems(&[gateway], &[]);
    assert_problems(
        &[("1_TYPE", "openai"), gateway],
        &["index_gap[0] 1_TYPE", "mixed_prefixes * CODER_AI_GATEWAY_PROVIDER_*"],
    );
    // Variables that describe no provider do not count.
    assert_problems(
        &[("A_TYPE", "x"), gateway, ("CODER_AIBRIDGE_PROVIDER_A_TYPE", "x")],
        &["malformed_variable A_TYPE"],
    );
}
