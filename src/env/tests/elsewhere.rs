//! Values that are unknown here, because the manifests lack their Secrets.

use super::*;

/// Adds a variable whose value is in a Secret that was not given.
fn with_elsewhere(pairs: &[(&str, &str)], name: &str) -> Vec<Variable> {
    let secret = Source::secret("ai", "k");
    let mut given = variables(pairs);
    given.push(Variable::elsewhere(name, "it comes from Secret ai", secret));
    given
}

fn downgraded(given: &[Variable], missing: &[String]) -> Environment {
    let mut environment = Environment::read(given);
    environment.downgrade_unknown(given, missing);
    environment
}

#[test]
fn incomparable_provider_is_described() {
    let unknown = |pairs: &[(&str, &str)], name: &str| {
        let environment = Environment::read(&with_elsewhere(pairs, &format!("{AIBRIDGE}{name}")));
        let found: Vec<_> = environment.unknown.iter().map(|it| (it.name.clone(), it.kind.clone())).collect();
        (found, environment.providers.len())
    };
    let one = |name: &str, kind: Option<&str>| (vec![(name.to_owned(), kind.map(str::to_owned))], 0);
    let openai = ("0_TYPE", "openai");
    assert_eq!(unknown(&[openai], "0_NAME"), one("(provider 0)", Some("openai")));
    assert_eq!(unknown(&[openai], "0_BASE_URL"), one("(provider 0)", Some("openai")));
    assert_eq!(unknown(&[openai, ("0_NAME", "mine")], "0_BASE_URL"), one("mine", Some("openai")));
    assert_eq!(unknown(&[("0_NAME", "mine")], "0_TYPE"), one("mine", None));
    // Unknown models and credentials leave the provider known.
    assert_eq!(unknown(&[openai], "0_KEYS"), (vec![], 1));
    assert_eq!(unknown(&[openai], "0_BEDROCK_MODEL"), (vec![], 1));
}

/// Whether the provider of the older variables is known, its name otherwise, and whether its credentials are known.
#[test]
fn older_variables() {
    let read = |pairs: &[(&str, &str)], name: &str| {
        let environment = Environment::read(&with_elsewhere(pairs, &format!("CODER_AIBRIDGE_{name}")));
        let known: Vec<_> = environment.providers.iter().map(|it| (it.name.clone(), it.credentials_unknown)).collect();
        (known, environment.unknown.iter().map(|it| it.name.clone()).collect::<Vec<_>>())
    };
    let region = ("CODER_AIBRIDGE_BEDROCK_REGION", "us-east-1");
    let key = ("CODER_AIBRIDGE_ANTHROPIC_KEY", "k");
    let known = |name: &str, credentials_unknown| (vec![(name.to_owned(), credentials_unknown)], vec![]);
    let unknown = |name: &str| (vec![], vec![name.to_owned()]);
    assert_eq!(read(&[], "ANTHROPIC_KEY"), known("anthropic", true));
    assert_eq!(read(&[], "OPENAI_KEY"), known("openai", true));
    assert_eq!(read(&[region], "BEDROCK_ACCESS_KEY"), known("anthropic", true));
    assert_eq!(read(&[region], "BEDROCK_ACCESS_KEY_SECRET"), known("anthropic", true));
    assert_eq!(read(&[region], "BEDROCK_MODEL"), known("anthropic", false));
    assert_eq!(read(&[], "BEDROCK_REGION"), unknown("anthropic"));
    assert_eq!(read(&[region], "BEDROCK_BASE_URL"), unknown("anthropic"));
    assert_eq!(read(&[key], "ANTHROPIC_BASE_URL"), unknown("anthropic"));
    assert_eq!(read(&[("CODER_AIBRIDGE_OPENAI_KEY", "k")], "OPENAI_BASE_URL"), unknown("openai"));
}

/// An object that is not among the manifests may set any variable, so a missing variable may not be a mistake.
#[test]
fn problems_of_absence_are_withdrawn() {
    let judged = |pairs: &[(&str, &str)], missing: &[String]| {
        let environment = downgraded(&variables(pairs), missing);
        let codes = |problems: &[Problem]| lines(problems).join(", ");
        let names = environment.unknown.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        (
            codes(&environment.findings.problems),
            codes(&environment.findings.warnings),
            names,
            environment.providers.len(),
        )
    };
    let secret = ["Secret ai, which envFrom of container x mentions".to_owned()];
    let url = ("0_BASE_URL", "https://ai.example/v1");
    let openai = ("0_TYPE", "openai");
    let text = |text: &str| text.to_owned();
    // If no object is missing, no finding is withdrawn.
    let said = (text(""), text("provider_without_keys[0] 0_TYPE"), vec![], 1);
    assert_eq!(judged(&[openai, url], &[]), said);
    // That object may set keys and another URL.
    assert_eq!(judged(&[openai, url], &secret), (text(""), text("not_in_manifests"), vec![], 1));
    assert_eq!(judged(&[openai], &secret), (text(""), text("not_in_manifests"), vec![text("openai")], 0));
    // That object may set the type; a mistake that holds in any case stays.
    assert_eq!(
        judged(&[("0_NAME", "mine"), url], &secret),
        (text(""), text("not_in_manifests"), vec![text("mine")], 0)
    );
    assert_eq!(judged(&[("1_TYPE", "openai"), ("1_BASE_URL", "https://ai.example/v1")], &secret).0, "");
    assert_eq!(judged(&[("0_TYPE", "opnai"), url], &secret).0, "unknown_type[0] 0_TYPE");
    assert_eq!(judged(&[("0_TYPE", "bedrock")], &secret).0, "");
    // Bedrock derives its endpoint from the region.
    let bedrock = [("0_TYPE", "bedrock"), ("0_BEDROCK_REGION", "us-east-1")];
    assert_eq!(judged(&bedrock, &secret), (text(""), text("not_in_manifests"), vec![], 1));
    let known = |pairs: &[(&str, &str)]| {
        let environment = downgraded(&variables(pairs), &secret);
        environment.providers.iter().map(|it| it.credentials_unknown).collect::<Vec<_>>()
    };
    assert_eq!(known(&[openai, url, ("0_KEY", "k")]), [false]);
    assert_eq!(known(&[openai, url]), [true]);
    let pair = [("0_BEDROCK_ACCESS_KEY", "id"), ("0_BEDROCK_ACCESS_KEY_SECRET", "s")];
    assert_eq!(known(&[&bedrock[..], &pair].concat()), [false]);
    assert_eq!(known(&bedrock), [true]);
}

/// A value that only the pod knows, and the effect on the comparison.
#[test]
fn unknown_value_is_a_warning() {
    for (name, code, so) in [
        ("0_KEY", Code::CredentialsNotCompared, "so these credentials are not compared"),
        ("0_keys", Code::CredentialsNotCompared, "so these credentials are not compared"),
        ("0_BEDROCK_ACCESS_KEY_SECRET", Code::CredentialsNotCompared, "so these credentials are not compared"),
        ("0_BEDROCK_MODEL", Code::NotInManifests, "so this field is not compared"),
        ("0_BASE_URL", Code::NotInManifests, "so the provider cannot be compared"),
    ] {
        let environment = downgraded(&with_elsewhere(&[("0_TYPE", "anthropic")], &format!("{AIBRIDGE}{name}")), &[]);
        let is = |warning: &&Problem| warning.message.contains("Secret ai");
        let warning = environment.findings.warnings.iter().find(is).unwrap();
        assert_eq!(warning.code, code, "{name}");
        assert!(warning.message.ends_with(so), "{}", warning.message);
    }
}
