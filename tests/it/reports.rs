//! tests/data/reports.md: inputs and the expected messages. tests/data/valid-values.md: values that must cause no
//! message.

use crate::support::Run;
use ai_provider_seed::testing::env::{Environment, Variable};
use serde_json::Value;

/// The cells of a page's table, row by row.
fn rows(page: &str) -> Vec<Vec<String>> {
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(1);
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    rows.map(cells).collect()
}

fn unescape(text: &str) -> String {
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A valid provider with the value at the place that the row names.
fn variables(place: &str, value: &str) -> Vec<(String, String)> {
    let bedrock = [
        ("TYPE", "bedrock"),
        ("BEDROCK_REGION", "eu-central-1"),
        ("BEDROCK_MODEL", "anthropic.claude-a"),
        ("BEDROCK_SMALL_FAST_MODEL", "anthropic.claude-b"),
    ];
    let openai = [("TYPE", "openai"), ("BASE_URL", "https://ai.example/v1"), ("KEY", "sk-valid-0123456789")];
    let of_bedrock = ["region", "pair", "model"].contains(&place);
    let base = if of_bedrock { &bedrock[..] } else { &openai[..] };
    let mut fields: Vec<(String, String)> =
        base.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let mut set = |name: &str, value: &str| {
        fields.retain(|(known, _)| known != name);
        fields.push((name.to_owned(), value.to_owned()));
    };
    match place {
        "key" => set("KEY", value),
        "url" => set("BASE_URL", value),
        "type" => set("TYPE", value),
        "name" => set("NAME", value),
        "region" => set("BEDROCK_REGION", value),
        "model" => set("BEDROCK_MODEL", value),
        "pair" => {
            let (id, secret) = value.split_once(' ').unwrap();
            set("BEDROCK_ACCESS_KEY", id);
            set("BEDROCK_ACCESS_KEY_SECRET", secret);
        }
        "keys" => {
            set("KEYS", value);
            fields.retain(|(name, _)| name != "KEY");
        }
        _ => {}
    }
    let mut variables: Vec<(String, String)> =
        fields.into_iter().map(|(name, value)| (format!("CODER_AIBRIDGE_PROVIDER_0_{name}"), value)).collect();
    let mut add = |name: &str, value: &str| variables.push((name.to_owned(), value.to_owned()));
    match place {
        "older key" => add("CODER_AIBRIDGE_ANTHROPIC_KEY", value),
        "database" => add("CODER_PG_CONNECTION_URL", value),
        "option" => {
            let (name, value) = value.split_once('=').unwrap();
            add(&format!("AI_PROVIDER_SEED_{name}"), value);
        }
        "variables" => {
            value.split(' ').filter_map(|pair| pair.split_once('=')).for_each(|(name, value)| add(name, value))
        }
        _ => {}
    }
    variables
}

/// The difference between the program's message and this row.
fn wrong(place: &str, value: &str, code: &str, words: &str) -> Option<String> {
    let run = Run::diff().json().envs(variables(place, value));
    let run = if place == "database" { run.arg("--wait=0") } else { run.arg("--offline") };
    let finished = run.run();
    let json = finished.json();
    let found = |list: &str| {
        let says = |problem: &&Value| {
            let said = format!("{} {}", problem["message"], problem["suggestion"]).replace("\\\"", "\"");
            problem["code"] == code && said.contains(words)
        };
        json[list].as_array().unwrap().iter().any(|problem| says(&problem))
    };
    if !(found("problems") || found("warnings")) {
        return Some(format!(
            "{place} {value:?}: no {code} with {words:?} in {} {}",
            json["problems"], json["warnings"]
        ));
    }
    // A warning about a value is a problem under --strict, and ends in exit code 2.
    let strict =
        ["key_suspicious", "region_suspicious", "base_url_suspicious", "unexpanded_reference", "duplicate_variable"];
    let invalid = if strict.contains(&code) && place != "database" {
        Run::diff().json().arg("--offline").arg("--strict").envs(variables(place, value)).run().code == 2
    } else {
        found("warnings") || finished.code == 2
    };
    (!invalid).then(|| format!("{place} {value:?}: not invalid under --strict"))
}

#[test]
fn reported_input_is_named() {
    let rows = rows(include_str!("../data/reports.md"));
    assert!(rows.len() >= 120, "{}", rows.len());
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let [place, value, code, words] = &row[..] else { panic!("{row:?}") };
            wrong(place, &unescape(value.trim_matches('`')), code, words)
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// `{b64:43}`: this many characters of an alphabet, a different text for each seed.
fn expand(form: &str, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    let mut expanded = String::new();
    let mut rest = form;
    while let Some((before, after)) = rest.split_once('{') {
        let (class, after) = after.split_once('}').unwrap();
        let (class, length) = class.split_once(':').unwrap();
        let digits = "0123456789";
        let (upper, lower) = ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz");
        let alphabet: Vec<char> = match class {
            "hex" => format!("{digits}abcdef"),
            "b64" => format!("{upper}{lower}{digits}+/"),
            "url" => format!("{upper}{lower}{digits}-_"),
            "alnum" => format!("{upper}{lower}{digits}"),
            "upper" => format!("{upper}{digits}"),
            "lower" => format!("{lower}{digits}"),
            "digit" => digits.to_owned(),
            _ => panic!("{class}"),
        }
        .chars()
        .collect();
        expanded.push_str(before);
        for _ in 0..length.parse::<usize>().unwrap() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            expanded.push(alphabet[(state >> 33) as usize % alphabet.len()]);
        }
        rest = after;
    }
    expanded + rest
}

#[test]
fn valid_values_get_no_warning() {
    let rows = rows(include_str!("../data/valid-values.md"));
    assert!(rows.len() >= 60, "{}", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let [place, _, form] = &row[..] else { panic!("{row:?}") };
        for seed in 0..50 {
            let value = expand(form.trim_matches('`'), seed);
            let given: Vec<Variable> = variables(place, &value)
                .into_iter()
                .map(|(name, value)| Variable::from_os(name.into(), value.into()))
                .collect();
            let findings = Environment::read(&given).findings;
            let said: Vec<_> =
                findings.problems.iter().chain(&findings.warnings).map(|problem| &problem.message).collect();
            if !said.is_empty() {
                wrong.push(format!("{place} {value}: {said:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn overridden_line_of_an_env_file_is_named_without_its_value() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "CODER_AIBRIDGE_PROVIDER_0_TYPE=openai\n# the old one\nCODER_AIBRIDGE_PROVIDER_0_KEY=sk-canary-first-0123\n\
                CODER_AIBRIDGE_PROVIDER_0_BASE_URL=https://ai.example/v1\nCODER_AIBRIDGE_PROVIDER_0_KEY=sk-canary-last-0123\n";
    std::fs::write(file.path(), text).unwrap();
    let run = Run::new(["diff"]).json().args(["--offline", "--env-file"]).arg(file.path());
    let warned = run.clone().run().expect(0);
    assert_eq!(warned.codes("warnings"), ["duplicate_variable"], "{warned}");
    let warning = &warned.json()["warnings"][0];
    let message = "set on line 5 of the env file, and to another value on line 3; line 5 counts: remove it";
    assert_eq!(
        (&warning["message"], &warning["variables"][0]),
        (&message.into(), &"CODER_AIBRIDGE_PROVIDER_0_KEY".into())
    );
    assert!(!warned.everything().contains("sk-canary"), "{warned}");
    assert_eq!(run.arg("--strict").run().expect(2).codes("problems"), ["duplicate_variable"]);
}
