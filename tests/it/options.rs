//! The options for emergencies, through the built program.

use std::net::TcpListener;
use std::path::Path;

use crate::one_provider::{KEY, PASSWORD, base, database, go, only_problem};
use crate::support::{Database, Run, Snapshot};
use serde_json::json;

fn nothing_written(database: &Database, before: &Snapshot) {
    assert_eq!(Snapshot::of(database).changes_since(before), [""; 0]);
}

/// A port without a listener.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

const OUTCOMES: [(&str, i32); 5] =
    [("invalid", 2), ("conflict", 3), ("unavailable", 4), ("unusable", 5), ("locked", 6)];

/// A run that has this outcome on this database.
fn coming_to(outcome: &str, database: &Database) -> Run {
    let run = base().database(database.url());
    match outcome {
        "invalid" => run.env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openay"),
        "conflict" => {
            database.execute(
                "insert into ai_providers (type, name, base_url) values ('openai', 'openai', 'https://x.example/')",
            );
            run
        }
        "unavailable" => run.database(database.url_at(closed_port(), "postgres", PASSWORD)),
        "unusable" => {
            database.execute("drop table ai_providers cascade");
            run
        }
        _ => run.arg("--lock-timeout=200ms"),
    }
}

#[test]
fn block_on_lets_each_outcome_through() {
    for (outcome, code) in OUTCOMES {
        let database = database();
        let run = coming_to(outcome, &database);
        let _holder = (outcome == "locked").then(|| database.lock());
        let before = Snapshot::of(&database);
        let others: Vec<&str> = OUTCOMES.iter().map(|(other, _)| *other).filter(|other| *other != outcome).collect();
        let others = others.join(", ");
        for (words, blocks) in [("all", true), (outcome, true), (others.as_str(), false), ("none", false)] {
            let finished = go(&run.clone().arg("--block-on").arg(words), if blocks { code } else { 0 });
            let json = finished.json();
            assert_eq!(
                (&json["outcome"], &json["blocked"], &json["written"]),
                (&json!(outcome), &json!(blocks), &json!(false)),
                "{words}: {finished}"
            );
            let said =
                finished.stderr.contains("ERROR") && finished.stderr.contains("does not stop the start (--block-on)");
            assert_eq!(said, !blocks, "{finished}");
            let termination = finished.termination.unwrap();
            let verdict = if blocks {
                format!("{outcome}: ")
            } else {
                format!("started anyway, nothing was written: {outcome}: ")
            };
            assert!(termination.starts_with(&verdict), "{termination}");
        }
        let text = go(&run.clone().arg("--block-on=none").arg("--output=text"), 0);
        assert!(text.stdout.replace('\n', " ").contains("this does not stop the start (--block-on)"), "{text}");
        assert!(!text.stdout.contains("Start anyway"), "{text}");
        go(&run.clone().env("AI_PROVIDER_SEED_BLOCK_ON", "none"), 0);
        go(&run.env("AI_PROVIDER_SEED_BLOCK_ON", "none").arg("--block-on=all"), code);
        nothing_written(&database, &before);
    }
}

#[test]
fn invalid_block_on_is_refused() {
    for (words, said) in [
        ("al", "did you mean \"all\"?"),
        ("conflcit", "did you mean \"conflict\"?"),
        ("none,conflict", "\"none\" cannot be combined with other values"),
        (KEY, "19 characters"),
    ] {
        let finished = go(&base().arg("--block-on").arg(words), 2);
        let problem = finished.json()["problems"]
            .as_array()
            .unwrap()
            .iter()
            .find(|p| p["code"] == "invalid_option")
            .cloned()
            .unwrap();
        assert_eq!(problem["variables"], json!(["--block-on"]));
        assert!(problem["message"].as_str().unwrap().contains(said), "{finished}");
    }
}

/// A typing error in the arguments at 3 in the morning, and a pod that must start.
#[test]
fn unknown_flag_is_invalid_and_can_be_let_through() {
    let run = base().arg("--strickt");
    let problem = only_problem(&go(&run, 2), "invalid_option");
    assert!(problem["message"].as_str().unwrap().contains("did you mean --strict?"), "{problem}");
    let finished = go(&run.env("AI_PROVIDER_SEED_BLOCK_ON", "none"), 0);
    assert_eq!((&finished.json()["outcome"], &finished.json()["blocked"]), (&json!("invalid"), &json!(false)));
    assert!(finished.stderr.contains("does not stop the start"), "{finished}");
    go(&base().arg(KEY).env("AI_PROVIDER_SEED_BLOCK_ON", "none"), 0);
    go(&base().arg("--wait=soon").arg("--block-on=none").env("AI_PROVIDER_SEED_AUDIT", KEY), 0);
}

#[test]
fn strict_turns_four_warnings_into_problems() {
    const EMPTY_MODEL: (&str, &str) = ("CODER_AIBRIDGE_BEDROCK_MODEL", "");
    let nothing = Run::seed().env("AI_PROVIDER_SEED_OUTPUT", "json").env("AI_PROVIDER_SEED_WAIT", "0");
    for (code, run) in [
        ("unknown_variable", base().env("CODER_AIBRIDGE_OPENAI_KEYZ", KEY)),
        ("unknown_variable", base().env("AI_PROVIDER_SEED_BLOKC_ON", "none")),
        (
            "provider_without_keys",
            base()
                .env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "google")
                .env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://g.example/"),
        ),
        ("base_url_suspicious", base().env("CODER_AIBRIDGE_OPENAI_BASE_URL", "api.openai.com")),
        ("bedrock_without_models", base().envs([("CODER_AIBRIDGE_BEDROCK_REGION", "us-east-1"), EMPTY_MODEL])),
        ("nothing_desired", nothing),
    ] {
        let database = database();
        let run = run.database(database.url());
        let before = Snapshot::of(&database);
        for strict in [run.clone().arg("--strict"), run.clone().env("AI_PROVIDER_SEED_STRICT", "true")] {
            let finished = go(&strict, 2);
            only_problem(&finished, code);
            assert!(!finished.codes("warnings").contains(&code.to_owned()), "{finished}");
        }
        nothing_written(&database, &before);
        let lax = go(&run.arg("--strict=false"), 0);
        assert_eq!(lax.codes("warnings"), [code], "{lax}");
    }
}

#[test]
fn fewer_providers_than_required_is_a_problem() {
    let database = database();
    let run = base().database(database.url());
    let before = Snapshot::of(&database);
    let finished = go(&run.clone().arg("--require-providers=2"), 2);
    let problem = only_problem(&finished, "too_few_providers");
    assert!(problem["message"].as_str().unwrap().contains('2'), "{problem}");
    let without = Run::seed().env("AI_PROVIDER_SEED_OUTPUT", "json").env("AI_PROVIDER_SEED_REQUIRE_PROVIDERS", "1");
    only_problem(&go(&without.database(database.url()), 2), "too_few_providers");
    nothing_written(&database, &before);
    go(&run.clone().arg("--require-providers=1"), 0);
    only_problem(&go(&run.arg("--require-providers=-1"), 2), "invalid_option");
}

#[test]
fn offline_diff_reads_only_the_environment() {
    let offline = |run: Run| run.arg("--offline").database(format!("postgres://u:{PASSWORD}@127.0.0.1:1/x"));
    let diff = || Run::diff().env("AI_PROVIDER_SEED_OUTPUT", "json").env("CODER_AIBRIDGE_OPENAI_KEY", KEY);
    let finished = go(&offline(diff()), 0);
    assert_eq!((&finished.json()["outcome"], finished.codes("problems").len()), (&json!("ok"), 0));
    go(&offline(diff()).env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "nonsense"), 2);
    go(&offline(diff()).arg("--strict").env("CODER_AIBRIDGE_OPENAI_BASE_URL", " "), 2);
    go(&diff().env("AI_PROVIDER_SEED_OFFLINE", "true"), 0);
    go(&offline(base()), 2);
}

#[test]
fn termination_log_may_be_moved_disabled_or_unwritable() {
    let url = format!("postgres://u:{PASSWORD}@127.0.0.1:1/x");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("message");
    let run = base().without_termination_log().database(url);
    go(&run.clone().arg("--termination-log").arg(&path), 4);
    let message = std::fs::read_to_string(&path).unwrap();
    assert!(message.starts_with("unavailable: ") && message.len() <= 1024, "{message}");

    // The flag overrides the variable, and an empty flag turns it off.
    std::fs::write(&path, "before").unwrap();
    let quiet = go(&run.clone().env("AI_PROVIDER_SEED_TERMINATION_LOG", &path).arg("--termination-log="), 4);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
    assert!(!quiet.stderr.contains("termination"), "{quiet}");
    go(&run.clone().env("AI_PROVIDER_SEED_TERMINATION_LOG", ""), 4);

    for unwritable in [directory.path(), Path::new("/nowhere/message")] {
        let finished = go(&run.clone().arg("--termination-log").arg(unwritable), 4);
        assert!(finished.stderr.contains("the termination message cannot be written"), "{finished}");
        assert!(finished.stderr.contains("see --termination-log"), "{finished}");
        assert_eq!(finished.json()["outcome"], "unavailable");
    }
}
