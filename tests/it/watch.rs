//! `diff --watch`: a table at a terminal, a block for each change elsewhere; an unreachable database is one of the
//! states.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::support::terminal::Terminal;
use crate::support::{Mode, Options, Proxy, Run, Server, Variant};

const ROW: &str =
    "insert into ai_providers (type, name, base_url) values ('openai', 'openai', 'https://llm.example.com/v1')";
const ENV: [(&str, &str); 2] = [
    ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"),
    ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://llm.example.com/v1"),
];
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

#[test]
fn terminal_output_is_redrawn_on_each_check() {
    let server = Server::start(Options::new());
    let database = server.database(Variant::Current);
    let url = database.url();
    let env = [&ENV[..], &[("CODER_PG_CONNECTION_URL", url.as_str())]].concat();
    let mut terminal = Terminal::start(&["diff", "--watch=1s"], &env);
    let mut next = |text: &str| {
        terminal.until(text);
        let rest = terminal.shown.split_off(terminal.shown.find(text).unwrap() + text.len());
        std::mem::replace(&mut terminal.shown, rest)
    };
    let footer = "UTC · every 1s · Ctrl-C ends";
    assert!(next("a seed would insert 1 provider").starts_with(&format!("\u{1b}[?1049h{CLEAR}")));
    assert!(next(footer).contains("exit 1"));
    database.execute(ROW);
    next("nothing to do: 1 provider in sync");
    let first = next(footer);
    assert!(first.contains("in sync  openai  type openai") && first.contains("exit 0"), "{first}");
    database.execute("update ai_providers set base_url = 'https://api.openai.com/v1'");
    next("error: the provider disagrees with the database");
    let conflict = next(footer);
    assert!(
        conflict.contains("conflict  openai") && conflict.contains("https://api.openai.com/v1 in the database"),
        "{conflict}"
    );
    // The database goes away: the last state stays, with its time.
    server.stop(Mode::Immediate);
    next("error: no usable connection to the database");
    let away = next(footer);
    assert!(
        away.contains("as last seen at ") && away.contains("conflict  openai") && away.contains("exit 4"),
        "{away}"
    );
    server.start_again();
    next("error: the provider disagrees with the database");
    assert!(next(CLEAR).contains(footer), "each table begins on an empty screen");
    next("error: the provider disagrees with the database");
    let (code, rest) = terminal.interrupt();
    assert_eq!(code, 3, "the exit code of the last state: {rest}");
    // All output was on the terminal's alternate screen, which has no scrollback.
    assert!(rest.ends_with("\u{1b}[?1049l"), "{rest}");
}

/// The program with its standard output as a pipe.
fn start(arguments: &[&str], url: &str) -> std::process::Child {
    let mut command = Command::new(crate::support::binary::program());
    command.args(arguments).env_clear().envs(ENV).env("CODER_PG_CONNECTION_URL", url);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn pipe_output_prints_only_changes() {
    let database = Server::shared().database(Variant::Current);
    let proxy = Proxy::new().start(Server::shared().port());
    let url = database.url_at(proxy.port(), "postgres", "postgres");
    let mut child = start(&["diff", "--watch=1s", "--output=json"], &url);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<serde_json::Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["outcome"], "changes");
    // Several checks pass without a change; the first line after them is the change.
    while proxy.connections() < 4 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    database.execute(ROW);
    assert_eq!(next()["providers"][0]["state"], "in_sync");
    database.execute("update ai_providers set deleted = true, enabled = false");
    assert_eq!(next()["providers"][0]["state"], "deleted");
    interrupt(child.id());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(lines.count(), 0);

    let mut child = start(&["diff", "--watch=1s"], &database.url());
    let mut shown = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    while !shown.contains("exit ") {
        out.read_line(&mut shown).unwrap();
    }
    let mut block = shown.lines();
    assert!(block.next().unwrap().ends_with(" UTC"), "{shown}");
    assert_eq!(block.next(), Some("nothing to do: 1 provider (1 left deleted)"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
    interrupt(child.id());
    out.read_to_string(&mut shown).unwrap();
    assert_eq!(shown.matches("nothing to do").count(), 1, "{shown}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn interrupt(id: u32) {
    assert!(Command::new("kill").args(["-s", "INT", &id.to_string()]).status().unwrap().success());
}

#[test]
fn watch_ends_when_its_output_is_closed() {
    let database = Server::shared().database(Variant::Current);
    let mut child = start(&["diff", "--watch=1s", "--output=json"], &database.url());
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    drop(out);
    database.execute(ROW);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn invalid_interval_is_refused() {
    for (text, says) in [("soon", "not a duration"), ("10ms", "at least 1s")] {
        let finished = Run::diff().json().arg("--offline").arg(format!("--watch={text}")).envs(ENV).run().expect(2);
        assert_eq!(finished.codes("problems"), ["invalid_option"]);
        assert!(finished.stdout.contains(says), "{finished}");
    }
}

#[cfg(not(feature = "controller"))]
#[test]
fn init_build_has_no_from_option() {
    for from in ["deployment/coder", "-"] {
        let finished = Run::diff().json().arg("--offline").arg("--from").arg(from).envs(ENV).run().expect(2);
        assert_eq!(finished.codes("problems"), ["invalid_option"]);
        assert!(finished.stdout.contains("take the full one (the image without -init"), "{finished}");
    }
}

/// The last state is shown for an unreachable database, not for one that is not queried.
#[test]
fn state_without_providers_is_printed_once() {
    let mut child = start(&["diff", "--watch=1s", "--offline"], "postgres://nobody@127.0.0.1:1/x");
    std::thread::sleep(std::time::Duration::from_millis(3500));
    child.kill().unwrap();
    child.wait().unwrap();
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!((printed.matches(" UTC\n").count(), printed.contains("as last seen")), (1, false), "{printed}");
}
