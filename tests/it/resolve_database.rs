//! `--take database`: nothing is changed, and the printed edits make the environment agree.

use crate::support::resolution::{OLD_URL, URL, database, id_of, openai, unchanged};
use crate::support::{Database, Run, Snapshot};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn take_database_changes_nothing_and_prints_the_variables() {
    let database = database(&openai(OLD_URL, &["sk-canary-old", "sk-canary-older"]));
    let before = Snapshot::of(&database);
    let run = |command: &str| {
        let run = Run::new([command]).json().database(database.url());
        run.env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai")
            .env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", URL)
            .env("CODER_AIBRIDGE_PROVIDER_0_KEY", "sk-canary-new")
    };
    let finished =
        run("resolve").arg("--take=database").arg("--conflict").arg(id_of(&run("diff").run())).run().expect(0);
    assert_eq!(
        finished.json()["environment"],
        json!([
            {"provider": "openai", "variable": "CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "change": "set", "value": OLD_URL},
            {"provider": "openai", "variable": "CODER_AIBRIDGE_PROVIDER_0_KEY", "change": "unset"},
            {"provider": "openai", "variable": "CODER_AIBRIDGE_PROVIDER_0_KEYS", "change": "set_secret"},
        ])
    );
    assert!(!finished.everything().contains("canary"), "{finished}");
    run("resolve").arg("--take=database").arg("--conflict=abcdefghijklmnopqrstuvwxyz234567").run().expect(3);
    unchanged(&database, &before);
}

const INDEXED: [(&str, &str); 4] = [
    ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "google"),
    ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://google.example/"),
    ("CODER_AIBRIDGE_PROVIDER_1_NAME", "main"),
    ("CODER_AIBRIDGE_PROVIDER_1_BASE_URL", "https://api.example/v1"),
];

/// Environment (with `INDEXED` before it if it describes the provider with number 1), the name of the row, its type, base
/// URL and settings, and its keys.
type Sides<'a> = (&'a [(&'a str, &'a str)], &'a str, [&'a str; 3], &'a [&'a str]);
const SIDES: [Sides; 9] = [
    (&[("1_TYPE", "anthropic"), ("1_KEY", "k")], "main", ["bedrock", "", "region"], &[]),
    (&[("1_TYPE", "anthropic"), ("1_KEY", "k")], "main", ["bedrock", "https://api.example/v1", "pair"], &[]),
    // Coder's older Bedrock rows.
    (&[("1_TYPE", "openai"), ("1_KEYS", "k,l")], "main", ["anthropic", "", "pair"], &[]),
    (
        &[("1_TYPE", "bedrock"), ("1_BEDROCK_REGION", "us-east-1")],
        "main",
        ["openai", "https://x.example/", ""],
        &["a", "b"],
    ),
    (
        &[("1_TYPE", "bedrock"), ("1_BEDROCK_ACCESS_KEYS", "i"), ("1_BEDROCK_ACCESS_KEY_SECRETS", "s")],
        "main",
        ["azure", "", ""],
        &[],
    ),
    (&[("1_TYPE", "openai"), ("1_KEY", "k")], "main", ["copilot", "https://copilot.example/", ""], &[]),
    (&[("1_TYPE", "copilot")], "main", ["openai", "https://api.example/v1", ""], &["a"]),
    // Older variables: one key, no type, and Coder's default for an empty URL.
    (
        &[("1_TYPE", "openai"), ("OPENAI_KEY", "k"), ("OPENAI_BASE_URL", "https://a.example/")],
        "openai",
        ["openai", "", ""],
        &["k"],
    ),
    (&[("1_TYPE", "openai"), ("ANTHROPIC_KEY", "k")], "anthropic", ["azure", "https://x.example/", ""], &["a", "b"]),
];

fn sides(database: &Database, name: &str, [kind, url, settings]: [&str; 3], keys: &[&str]) {
    let settings = match settings {
        "" => "null".to_owned(),
        "region" => r#"'{"_type":"bedrock","_version":1,"region":"eu-west-1"}'"#.to_owned(),
        _ => {
            r#"'{"_type":"bedrock","_version":1,"region":"eu-west-1","access_key":"id","access_key_secret":"secret"}'"#
                .to_owned()
        }
    };
    database.execute(&format!(
        "insert into ai_providers (type, name, base_url) values ('google', 'google', 'https://google.example/');
         insert into ai_providers (type, name, base_url, settings) values ('{kind}', '{name}', '{url}', {settings})"
    ));
    for key in keys {
        database.execute(&format!(
            "insert into ai_provider_keys (provider_id, api_key) select id, '{key}' from ai_providers where name = '{name}'"
        ));
    }
}

#[test]
fn suggested_variables_settle_the_conflict() {
    for (given, name, row, keys) in SIDES {
        let database = database("");
        sides(&database, name, row, keys);
        let full = |name: &str| match name.starts_with(|c: char| c.is_ascii_digit()) {
            true => format!("CODER_AIBRIDGE_PROVIDER_{name}"),
            false => format!("CODER_AIBRIDGE_{name}"),
        };
        let mut env: BTreeMap<String, String> =
            INDEXED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        env.extend(given.iter().map(|(name, value)| (full(name), (*value).to_owned())));
        if name != "main" {
            env.retain(|name, _| !name.contains("PROVIDER_1"));
        }
        let run = |command: &str, env: &BTreeMap<String, String>| {
            let run = Run::new([command]).json().arg("--compare-credentials=fail").database(database.url());
            run.envs(env.clone())
        };
        run("diff", &env).run().expect(3);
        let said = run("resolve", &env).arg("--take=database").run().expect(0);
        for line in said.json()["environment"].as_array().unwrap() {
            let variable = line["variable"].as_str().unwrap();
            let secret = match variable.trim_end_matches(['s', 'S']).to_ascii_uppercase() {
                name if name.ends_with("ACCESS_KEY") => "id".to_owned(),
                name if name.ends_with("SECRET") => "secret".to_owned(),
                _ => keys.join(","),
            };
            match line["change"].as_str().unwrap() {
                "set" => _ = env.insert(variable.to_owned(), line["value"].as_str().unwrap().to_owned()),
                "set_secret" => _ = env.insert(variable.to_owned(), secret),
                "unset" => _ = env.remove(variable),
                other => panic!("{other} for {name} {row:?}: {said}"),
            }
        }
        let after = run("diff", &env).run();
        assert_eq!(after.code, 0, "{given:?} {name} {row:?}: {env:?}\n{said}\n{after}");
    }
}

/// One of the older providers needs no number, so the other gets the next one.
#[test]
fn only_newly_described_providers_get_an_index() {
    let database = database("");
    sides(&database, "openai", ["azure", "https://x.example/", ""], &["k"]);
    database.execute(
        "insert into ai_providers (type, name, base_url) values ('anthropic', 'anthropic', 'https://other.example/');
         insert into ai_provider_keys (provider_id, api_key) select id, 'k' from ai_providers where name = 'anthropic'",
    );
    let run = Run::new(["resolve"]).json().arg("--take=database").database(database.url());
    let run = run.envs(INDEXED[..2].iter().copied()).env("CODER_AIBRIDGE_ANTHROPIC_KEY", "k");
    let said = run.env("CODER_AIBRIDGE_OPENAI_KEY", "k").run().expect(0).json();
    let variables = said["environment"].as_array().unwrap().iter().map(|line| line["variable"].as_str().unwrap());
    let variables: Vec<&str> = variables.collect();
    assert!(variables.contains(&"CODER_AIBRIDGE_ANTHROPIC_BASE_URL"), "{said}");
    assert!(variables.contains(&"CODER_AIBRIDGE_PROVIDER_1_TYPE"), "{said}");
}

/// There is no answer if nothing describes the row.
#[test]
fn row_that_variables_cannot_describe_is_reported() {
    let database = database("");
    sides(&database, "openai", ["bedrock", "", ""], &[]);
    let run = Run::new(["resolve"]).json().arg("--take=database").database(database.url());
    let said = run.env("CODER_AIBRIDGE_OPENAI_KEY", "k").run().expect(0);
    let expected: Value =
        json!([{"provider": "openai", "variable": "CODER_AIBRIDGE_OPENAI_KEY", "change": "describe_anew"}]);
    assert_eq!(said.json()["environment"], expected);
    let text = said.termination.unwrap();
    assert!(text.contains("except for openai"), "{text}");
}
