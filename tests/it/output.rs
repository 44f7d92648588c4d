//! Output that is the result of a command, and arguments that cannot be parsed.

use std::process::{Command, Output};

use crate::one_provider::{KEY, base, database, go, only_problem};
use crate::support::{Database, Run};
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ai-provider-seed");

/// Runs the program in a shell that redirects its output.
fn redirected(arguments: &str, redirection: &str, database: Option<&Database>) -> Output {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("exec \"$0\" {arguments} {redirection}")]).arg(PROGRAM).env_clear();
    if let Some(database) = database {
        shell.env("CODER_PG_CONNECTION_URL", database.url());
    }
    shell.env("CODER_AIBRIDGE_OPENAI_KEY", KEY).output().unwrap()
}

const LOST: [&str; 2] = [">/dev/full", ">&-"];

#[test]
fn lost_result_fails_the_command_and_is_reported() {
    let database = database();
    go(&base().database(database.url()), 0);
    database.execute("update ai_providers set base_url = 'https://other.example/'");
    let commands = [
        "explain conflict",
        "explain --list",
        "--help",
        "export",
        "export --output=json",
        "resolve --take database",
        "resolve --take database --output=json",
        #[cfg(feature = "controller")]
        "crd",
    ];
    for command in commands {
        for redirection in LOST {
            let output = redirected(command, redirection, Some(&database));
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(74), "{command} {redirection}: {said}");
            assert!(said.contains("could not be written") && said.contains("output_failed"), "{command}: {said}");
            assert!(!said.contains(&KEY[..12]), "{said}");
        }
        for taken in ["", ">/dev/null"] {
            assert_eq!(redirected(command, taken, Some(&database)).status.code(), Some(0), "{command} {taken}");
        }
    }
}

#[test]
fn closed_pipe_ends_quietly() {
    for command in ["explain --list", "explain conflict"] {
        // The reader of the pipe is gone when the program writes.
        let script = format!("(sleep 0.3; \"$0\" {command}; echo \"exit $?\" >&2) | true");
        let output = Command::new("/bin/sh")
            .args(["-c", &script])
            .arg(PROGRAM)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "exit 0\n", "{command}");
    }
}

#[test]
fn lost_report_does_not_change_the_exit_code() {
    let database = database();
    for (command, code) in [("diff", 1), ("seed", 0), ("diff", 0)] {
        for redirection in LOST {
            let output = redirected(command, redirection, Some(&database));
            let said = String::from_utf8(output.stderr).unwrap();
            let code = if command == "seed" { 0 } else { code };
            assert_eq!(output.status.code(), Some(code), "{command} {redirection}: {said}");
            if redirection == LOST[0] {
                assert!(said.contains("the report could not be written to standard output"), "{said}");
            }
        }
    }
}

#[test]
fn usage_error_of_a_command_that_starts_nothing_always_fails() {
    let commands: &[&str] = if cfg!(feature = "controller") {
        &["crd", "explain", "controller", "export", "resolve"]
    } else {
        &["explain", "export", "resolve"]
    };
    for command in commands {
        let run = Run::new([*command, "--bogus"]).env("AI_PROVIDER_SEED_BLOCK_ON", "none");
        let finished = run.run().expect(2);
        assert!(finished.everything().contains("invalid_option"), "{finished}");
        assert!(!finished.everything().contains("tart anyway"), "{finished}");
    }
}

#[test]
fn unknown_option_and_command_get_a_suggestion() {
    for (arguments, said) in [
        (&["sede"][..], "unknown command sede; did you mean seed?"),
        (&["halp"], "did you mean help?"),
        (&[KEY], "unknown command; the commands are seed, diff,"),
        (&["export", "--strict"], "--strict is an option of seed, diff, resolve, not of export"),
        (&["export", "--formt=env"], "unknown option --formt; did you mean --format?"),
        (&["seed", "--formt=env"], "unexpected argument; see ai-provider-seed seed --help"),
        (&["--wait=5", "seed"], "--wait=5"),
        (&["seed", KEY], "unexpected argument; see ai-provider-seed seed --help"),
    ] {
        let finished = Run::new(arguments.iter().copied()).run().expect(2);
        if arguments[0].starts_with("--") {
            assert!(finished.stdout.contains("--wait comes after the command (seed)"), "{finished}");
        } else {
            assert!(finished.stdout.replace('\n', " ").contains(said) || finished.stderr.contains(said), "{finished}");
        }
        assert!(!finished.everything().contains(&KEY[..12]), "{finished}");
    }
    let help = Run::new(["help", "seed"]).run().expect(0).stdout;
    assert!(help.contains("--lock-timeout <DURATION>"), "{help}");
    assert!(Run::new(["--help"]).run().expect(0).stdout.contains("ai-provider-seed seed --help"));
}

#[test]
fn option_errors_have_the_document_of_the_command() {
    let keys = |arguments: &[&str]| {
        let finished = Run::new(arguments.iter().copied()).arg("--output=json").run().expect(2);
        let document = finished.json();
        assert_eq!(document["problems"][0]["code"], "invalid_option", "{finished}");
        document.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let database = database();
    let with = |arguments: &[&str]| {
        let finished = Run::new(arguments.iter().copied()).arg("--output=json").database(database.url()).run();
        finished.json().as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let resolve = with(&["resolve", "--take=database"]);
    assert_eq!(keys(&["resolve", "--bogus"]), resolve);
    assert_eq!(keys(&["resolve", "--take=nothing"]), resolve);
    let export = with(&["export"]);
    assert_eq!(keys(&["export", "--bogus"]), export);
    assert_eq!(keys(&["export", "--format=nothing"]), export);
}

#[test]
fn start_anyway_is_offered_only_by_seed_and_as_it_works() {
    let wrong = Run::new(["seed"]).env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "opnai");
    let finished = wrong.run().expect(2);
    assert!(finished.stdout.contains("Start anyway  AI_PROVIDER_SEED_BLOCK_ON=none"), "{finished}");
    let finished = wrong.clone().arg("--block-on=all").run().expect(2);
    assert!(finished.stdout.contains("Start anyway  --block-on=none in place of the flag"), "{finished}");
    assert!(finished.termination.as_ref().unwrap().contains("Start anyway: --block-on=none"), "{finished}");
    let diff = Run::new(["diff", "--offline"]).env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "opnai");
    let finished = diff.run().expect(2);
    assert!(!finished.everything().contains("tart anyway"), "{finished}");
}

#[test]
fn differing_keys_are_not_reported_as_success() {
    let database = database();
    go(&base().database(database.url()), 0);
    let text = |run: Run| go(&run.database(database.url()).arg("--output=text"), 0).stdout;
    let same = text(base());
    assert!(same.starts_with("nothing to do: 1 provider in sync\n"), "{same}");
    assert!(same.trim_end().lines().last().unwrap().starts_with("  database "), "{same}");
    let other = text(base().env("CODER_AIBRIDGE_OPENAI_KEY", "sk-other-Kd8sLw0qPz"));
    assert!(
        other.starts_with(
            "nothing was written: the provider has other credentials in the database, and Coder goes on with those\n"
        ),
        "{other}"
    );
    let last = other.trim_end().lines().last().unwrap();
    assert!(last.starts_with("  database ") && last.ends_with(" · ai-provider-seed explain conflict"), "{other}");
}

#[test]
fn printed_resolve_command_finds_the_same_conflict() {
    let database = database();
    go(&base().database(database.url()), 0);
    database.execute("update ai_providers set base_url = 'https://other.example/'");
    let text = go(&base().database(database.url()).args(["--output=text", "--compare-credentials=ignore"]), 3).stdout;
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words.windows(2).position(|pair| pair == ["ai-provider-seed", "resolve"]).unwrap();
    let command = words[at + 1..].iter().take_while(|word| !word.ends_with(';')).copied();
    let mut command: Vec<&str> = command.collect();
    command.push(words[at + 1 + command.len()].trim_end_matches(';'));
    assert!(command.contains(&"--compare-credentials=ignore"), "{text}");
    let mut run = Run::new(command).args(["--dry-run", "--output=json"]).database(database.url());
    run = run.env("CODER_AIBRIDGE_OPENAI_KEY", KEY);
    let finished = go(&run, 0);
    assert_eq!(finished.json()["changes"][0]["fields"], json!(["base_url"]), "{finished}");
    let refused = go(&Run::new(["export", "--strict"]).arg("--output=json"), 2);
    only_problem(&refused, "invalid_option");
}

#[test]
fn unknown_provider_name_is_answered_with_the_known_ones() {
    let database = database();
    go(&base().database(database.url()), 0);
    let run = |command: &[&str]| {
        let run = Run::new(command.iter().copied()).arg("--output=json").database(database.url());
        let finished = go(&run.env("CODER_AIBRIDGE_OPENAI_KEY", KEY), if command[0] == "export" { 5 } else { 2 });
        finished.json()["problems"][0]["message"].as_str().unwrap().to_owned()
    };
    for command in [&["export"][..], &["resolve", "--take=database"]] {
        let with = |name: &'static str| run(&[command, &[name]].concat());
        assert!(with("openay").ends_with("of the 1st name; did you mean openai?"), "{}", with("openay"));
        assert!(with("claude").ends_with("of the 1st name; it has openai"), "{}", with("claude"));
    }
    let folder = Run::new(["export", "--output=json", "--secrets-file=/nowhere/at/all/file"]).database(database.url());
    let problem = only_problem(&go(&folder, 2), "invalid_option");
    assert!(problem["message"].as_str().unwrap().contains("the folder /nowhere/at/all does not exist"), "{problem}");
}

#[test]
fn duplicate_default_names_get_the_variable_to_set() {
    let run = Run::new(["diff", "--offline", "--output=json"])
        .env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai")
        .env("CODER_AIBRIDGE_PROVIDER_1_TYPE", "openai");
    let problem = only_problem(&go(&run, 2), "duplicate_name");
    assert_eq!(
        problem["message"],
        "providers 0 and 1 are both called openai, after their type; set CODER_AIBRIDGE_PROVIDER_1_NAME"
    );
    let named = go(&run.env("CODER_AIBRIDGE_PROVIDER_1_NAME", "openai"), 2);
    assert!(named.stdout.contains("have the same name; give one of them another NAME"), "{named}");
}

#[test]
fn restoring_one_provider_does_not_list_the_others() {
    let database = database();
    let two = |run: Run| {
        let run = run.database(database.url()).env("CODER_AIBRIDGE_ANTHROPIC_KEY", "sk-two-Wd7Xc3Vb9Nm2");
        run.env("CODER_AIBRIDGE_OPENAI_KEY", KEY)
    };
    go(&two(base()), 0);
    database.execute(
        "update ai_providers set deleted = true where name = 'anthropic';
         update ai_providers set base_url = 'https://other.example/' where name = 'openai'",
    );
    let run = two(Run::new(["resolve", "anthropic", "--restore", "--yes"]));
    let text = go(&run, 0).stdout;
    assert!(text.contains("brought back 1 provider") && !text.contains("openai"), "{text}");
}

#[test]
fn diff_of_an_empty_database_reports_the_inserts_of_a_seed() {
    let database = database();
    database.execute("drop schema public cascade; create schema public");
    let run = |command: &str| {
        let run = Run::new([command, "--wait=0"]).database(database.url());
        run.env("CODER_AIBRIDGE_OPENAI_KEY", KEY)
    };
    let json = go(&run("diff").arg("--output=json"), 1);
    assert_eq!(
        (json.json()["outcome"].clone(), json.codes("warnings")),
        (json!("changes"), vec!["schema_pending".into()])
    );
    assert_eq!(json.json()["providers"][0]["state"], "missing");
    let text = go(&run("diff"), 1).stdout;
    assert!(text.starts_with("a seed would insert 1 provider, once Coder has created its tables\n"), "{text}");
    assert_eq!(go(&run("seed").arg("--output=json"), 0).json()["outcome"], "ok");
}
