//! The help of every command at three widths, and the terminal's influence on output. `INSTA_UPDATE=always` rewrites it.

use crate::one_provider::{KEY, base, database, go};
use crate::support::Run;
use crate::support::terminal::Terminal;

const WIDTHS: [usize; 3] = [60, 80, 120];

const COMMANDS: &[&str] = if cfg!(feature = "controller") {
    &[
        "",
        "seed",
        "diff",
        "resolve",
        "export",
        "status",
        "check",
        "decide",
        "controller",
        "crd",
        "probe",
        "explain",
        "completion",
        "man",
        "version",
    ]
} else {
    &["", "seed", "diff", "resolve", "export", "explain", "version"]
};

fn help(command: &str, width: usize) -> String {
    let words = [command, "--help"];
    let words = words.into_iter().filter(|word| !word.is_empty());
    Run::new(words).env("COLUMNS", width.to_string()).run().expect(0).stdout
}

#[test]
fn every_line_of_help_fits_the_terminal() {
    for command in COMMANDS {
        for width in WIDTHS {
            for line in help(command, width).lines() {
                assert!(line.chars().count() <= width, "{command} at {width}: {line}");
            }
        }
    }
}

/// For the full build: the other one has fewer commands and options.
#[cfg(feature = "controller")]
#[test]
fn help_of_every_command_is_as_recorded() {
    for command in COMMANDS {
        let name = if command.is_empty() { "program" } else { command };
        let texts = WIDTHS.map(|width| format!("=== {width} columns\n{}", help(command, width)));
        insta::assert_snapshot!(format!("help-{name}"), texts.join("\n"));
    }
}

#[cfg(feature = "controller")]
#[test]
fn help_has_examples_and_exit_codes_of_the_command() {
    for command in &COMMANDS[1..] {
        let text = help(command, 80);
        assert!(text.contains("Examples:\n  ai-provider-seed ") && text.contains("Exit codes:\n"), "{text}");
    }
    assert!(!help("diff", 80).contains("--lock-timeout") && !help("diff", 80).contains("--block-on"));
    assert!(!help("seed", 80).contains("changes:"));
}

#[cfg(feature = "controller")]
#[test]
fn completion_and_man_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Run::new(["completion", shell]).run().expect(0).stdout;
        assert!(COMMANDS.iter().all(|command| script.contains(command)) && script.contains("lock-timeout"), "{shell}");
    }
    let refused = Run::new(["completion", "fis"]).run().expect(2);
    assert!(refused.stderr.contains("did you mean \"fish\"?"), "{refused}");
    let refused = Run::new(["completion", KEY]).run().expect(2);
    assert!(refused.stderr.contains("one of bash") && !refused.everything().contains(&KEY[..12]), "{refused}");
    let page = Run::new(["man"]).run().expect(0).stdout;
    assert!(page.contains(".TH ai-provider-seed 1") && page.contains("ai\\-provider\\-seed"), "{page}");
    let page = Run::new(["man", "diff"]).run().expect(0).stdout;
    assert!(page.contains(".TH ai-provider-seed-diff 1") && page.contains("\\-\\-from"), "{page}");
}

#[test]
fn version_names_commit_and_features() {
    let version = Run::new(["version"]).run().expect(0).stdout;
    assert!(version.starts_with(concat!("ai-provider-seed ", env!("CARGO_PKG_VERSION"), "\n")), "{version}");
    let features = if cfg!(feature = "controller") { "controller" } else { "none (init container)" };
    assert!(version.contains("\ncommit    ") && version.contains(&format!("\nfeatures  {features}\n")), "{version}");
}

#[test]
fn usage_error_points_to_the_help_of_its_command() {
    for command in &COMMANDS[1..] {
        let finished = Run::new([command, "--hunter2", "x"]).run().expect(2);
        let said = finished.everything().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(&format!("see ai-provider-seed {command} --help")), "{finished}");
        assert!(!said.contains("hunter2"), "{finished}");
    }
}

#[test]
fn unknown_command_is_named_unless_it_may_be_a_key() {
    let said = |word: &str| Run::new([word]).run().expect(2).stdout.replace("\n ", " ");
    assert!(said("reconcile").contains("unknown command reconcile; the commands are seed"), "{}", said("reconcile"));
    for key in [KEY, "hunter2", "correcthorsebattery"] {
        assert!(said(key).contains("unknown command; the commands are seed") && !said(key).contains(key), "{key}");
    }
}

/// A database with a conflict that has long values.
#[test]
fn reports_fit_every_terminal() {
    let database = database();
    go(&base().database(database.url()), 0);
    database.execute("update ai_providers set base_url = 'https://llm.example.com/openai'");
    let run =
        base().database(database.url()).args(["--output=text", "--strict"]).env("CODER_AIBRIDGE_OPENAI_KEYZ", KEY);
    for width in WIDTHS {
        for run in [&base().database(database.url()).arg("--output=text"), &run] {
            let finished = run.clone().env("COLUMNS", width.to_string()).run();
            assert!(matches!(finished.code, 2 | 3), "{finished}");
            for line in finished.stdout.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}\n{finished}");
            }
        }
    }
}

#[test]
fn width_is_the_terminals_own_within_60_and_120() {
    let env = [
        ("CODER_AI_GATEWAY_PROVIDER_0_TYPE", "opnai"),
        ("CODER_AI_GATEWAY_PROVIDER_1_TYPE", "openai"),
        ("NO_COLOR", "1"),
    ];
    let widest = |columns: u16, arguments: &[&str]| {
        let (_, shown) = Terminal::of_width(columns, arguments, &env).end();
        shown.lines().map(|line| line.chars().count()).max().unwrap_or_default()
    };
    for arguments in [&["seed", "--help"][..], &["diff", "--offline"]] {
        for (columns, limits) in [(0, 90..=120), (40, 50..=60), (72, 62..=72), (200, 90..=120)] {
            let widest = widest(columns, arguments);
            assert!(limits.contains(&widest), "{arguments:?} at {columns}: {widest}");
        }
    }
}

#[test]
fn colour_follows_the_variables_and_the_terminal() {
    let coloured = |env: &[(&str, &str)]| {
        let run = Run::new(["diff", "--offline", "--block-on=x"]).envs(env.iter().copied()).run();
        run.stdout.contains('\u{1b}')
    };
    assert!(!coloured(&[]), "a pipe");
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "0")]));
    let at_terminal = |env: &[(&str, &str)]| {
        let wrong = [&[("CODER_AIBRIDGE_PROVIDER_0_TYPE", "opnai")], env].concat();
        let (code, shown) = Terminal::person(&["diff", "--offline"], &wrong).end();
        assert_eq!(code, 2, "{shown}");
        shown
    };
    assert!(at_terminal(&[]).starts_with("\u{1b}[1;31merror:"), "{}", at_terminal(&[]));
    for (name, value) in [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")] {
        assert!(at_terminal(&[(name, value)]).starts_with("error:"), "{name}");
    }
}

/// A user sees the report first; during the wait there is one line, which disappears.
#[test]
fn terminal_shows_a_live_line_and_then_the_report_alone() {
    let env = [
        ("CODER_AIBRIDGE_OPENAI_KEY", KEY),
        ("NO_COLOR", "1"),
        ("CODER_PG_CONNECTION_URL", "postgres://u@127.0.0.1:1/x"),
    ];
    let (code, shown) = Terminal::person(&["diff", "--wait=3s"], &env).end();
    assert_eq!(code, 4, "{shown}");
    let (line, report) = shown.rsplit_once("\r\u{1b}[K").unwrap();
    assert!(line.contains("waiting for an answer: 1 s (--wait: 3 s)"), "{line}");
    assert!(report.starts_with("error: no usable connection to the database") && !shown.contains("WARN"), "{shown}");

    let (code, shown) = Terminal::person(&["diff", "--wait=0"], &env).end();
    assert_eq!((code, shown.starts_with("error: no usable connection")), (4, true), "{shown}");
    // A requested log is shown.
    let (_, shown) = Terminal::person(&["diff", "--wait=0", "--log-level=info"], &env).end();
    assert!(shown.contains("diff ended"), "{shown}");
}

/// A terminal without control sequences, as in an editor: no live line, no alternate screen, no colour.
#[test]
fn dumb_terminal_gets_no_control_sequence() {
    let env = [
        ("TERM", "dumb"),
        ("CODER_AI_GATEWAY_PROVIDER_0_TYPE", "openai"),
        ("CODER_PG_CONNECTION_URL", "postgres://u@127.0.0.1:1/x"),
    ];
    let (code, shown) = Terminal::person(&["diff", "--wait=2s"], &env).end();
    assert_eq!((code, shown.contains('\u{1b}'), shown.starts_with("error: ")), (4, false, true), "{shown}");
    let mut terminal = Terminal::person(&["diff", "--watch=1s", "--wait=0"], &env);
    terminal.until("exit 4");
    let (_, shown) = terminal.interrupt();
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn diff_at_a_terminal_waits_ten_seconds() {
    let env = [("CODER_AIBRIDGE_OPENAI_KEY", KEY), ("CODER_PG_CONNECTION_URL", "postgres://u@127.0.0.1:1/x")];
    let mut terminal = Terminal::person(&["diff"], &env);
    terminal.until("(--wait: 10 s)");
    terminal.interrupt();
    let mut terminal = Terminal::person(&["seed"], &env);
    terminal.until("(--wait: 120 s)");
    terminal.interrupt();
}

#[test]
fn debug_log_has_the_steps_with_their_times() {
    let database = database();
    let finished = go(&base().database(database.url()).arg("--log-level=debug"), 0);
    for step in ["connected to database", "read rows", "locked, read again and wrote"] {
        let line = finished.stderr.lines().find(|line| line.contains(step));
        assert!(line.is_some_and(|line| line.contains("DEBUG") && line.contains("took_us=")), "{step}: {finished}");
    }
    assert!(!finished.everything().contains(&KEY[..12]), "{finished}");
}

#[test]
fn github_output_is_for_diff_alone() {
    let database = database();
    go(&base().database(database.url()), 0);
    database.execute("update ai_providers set base_url = 'https://other.example/'");
    let run = |command: &str| {
        Run::new([command, "--output=github"]).database(database.url()).env("CODER_AIBRIDGE_OPENAI_KEY", KEY)
    };
    let finished = go(&run("diff"), 3);
    let mut lines = finished.stdout.lines();
    assert!(lines.next().unwrap().starts_with("::error title=ai-provider-seed conflict::"), "{finished}");
    assert!(
        lines.next().unwrap().starts_with("::error title=ai-provider-seed conflict::openai base_url is "),
        "{finished}"
    );
    assert!(finished.stdout.lines().all(|line| line.starts_with("::")), "{finished}");
    assert!(go(&run("seed"), 2).stdout.contains("one of text, json is expected"));
}
