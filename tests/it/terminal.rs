//! At a terminal `resolve` shows the change and asks, and makes exactly the shown change.

use crate::support::terminal::Terminal;
use crate::support::{Database, Run, Server, Snapshot, Variant};

const ROW: &str = "insert into ai_providers (id, type, name, base_url) values
    ('00000000-0000-4000-8000-000000000001', 'openai', 'openai', 'https://llm.example.com/v1')";
const ENV: [(&str, &str); 2] =
    [("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"), ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://api.openai.com/v1")];

fn start(database: &Database, arguments: &[&str]) -> Terminal {
    let (url, mut env) = (database.url(), ENV.to_vec());
    env.push(("CODER_PG_CONNECTION_URL", &url));
    Terminal::start(arguments, &env)
}

fn database() -> (Database<'static>, String) {
    let database = Server::shared().database(Variant::Current);
    database.execute(ROW);
    let diff = Run::diff().json().envs(ENV).database(database.url()).run();
    let id = diff.json()["conflicts"][0]["id"].as_str().unwrap().to_owned();
    (database, id)
}

const QUESTION: &str = "Only \"yes\" does it: ";

#[test]
fn answer_yes_makes_the_shown_change() {
    let (database, id) = database();
    let mut terminal = start(&database, &["resolve", "--take=environment", "--conflict", &id]);
    terminal.until(QUESTION);
    assert!(terminal.shown.contains("would change 1 provider in the database"), "{}", terminal.shown);
    assert!(terminal.shown.contains("from  https://llm.example.com/v1"), "{}", terminal.shown);
    assert!(terminal.shown.contains("to    https://api.openai.com/v1"), "{}", terminal.shown);
    assert!(Snapshot::of(&database).audit.is_empty(), "nothing before the answer");
    let (code, shown) = terminal.answer("yes");
    assert_eq!((code, shown.contains("changed 1 provider in the database")), (0, true), "{shown}");
    assert_eq!(Snapshot::of(&database).live("openai").unwrap()["base_url"], "https://api.openai.com/v1");
}

#[test]
fn any_other_answer_does_nothing() {
    for answer in ["", "y", "no", "YES PLEASE"] {
        let (database, id) = database();
        let before = Snapshot::of(&database);
        let mut terminal = start(&database, &["resolve", "--take=environment", "--conflict", &id]);
        terminal.until(QUESTION);
        let (code, shown) = terminal.answer(answer);
        assert_eq!((code, shown.contains("nothing was changed")), (3, true), "{shown}");
        assert_eq!(Snapshot::of(&database).changes_since(&before), [""; 0]);
    }
    // The same for a program that reads the output.
    let (database, id) = database();
    let mut terminal = start(&database, &["resolve", "--take=environment", "--output=json", "--conflict", &id]);
    terminal.until(QUESTION);
    let (code, shown) = terminal.answer("no");
    let said = [r#""outcome":"conflict","blocked":true,"written":false"#, r#""dry_run":false,"changes":[]"#];
    assert!(code == 3 && said.iter().all(|part| shown.contains(part)), "{shown}");
}

#[test]
fn change_during_the_question_is_not_overwritten() {
    let (database, id) = database();
    let mut terminal = start(&database, &["resolve", "--take=environment", "--conflict", &id]);
    terminal.until(QUESTION);
    database.execute("update ai_providers set base_url = 'https://third.example/'");
    let (code, shown) = terminal.answer("yes");
    assert_eq!((code, shown.contains("conflict_moved")), (3, true), "{shown}");
    assert_eq!(Snapshot::of(&database).live("openai").unwrap()["base_url"], "https://third.example/");

    // The same for a deleted row: another row of its name was deleted since.
    database.execute("update ai_providers set deleted = true, enabled = false");
    let mut terminal = start(&database, &["resolve", "openai", "--restore"]);
    terminal.until(QUESTION);
    database.execute(
        "insert into ai_providers (type, name, base_url, deleted, updated_at) values ('openai', 'openai', '', true, now() + '1 minute')",
    );
    let (code, shown) = terminal.answer("yes");
    assert_eq!((code, shown.contains("conflict_moved")), (3, true), "{shown}");
    assert!(Snapshot::of(&database).live("openai").is_none());
}

#[test]
fn no_question_if_nothing_would_change() {
    let (database, id) = database();
    for (arguments, code) in [
        (vec!["resolve", "--take=environment", "--conflict", "abcdefghijklmnopqrstuvwxyz234567"], 3),
        (vec!["resolve", "--take=environment", "--conflict", &id, "--dry-run"], 0),
        (vec!["resolve", "--take=database", "--conflict", &id], 0),
        (vec!["resolve", "openai", "--restore"], 0),
    ] {
        let (ended, shown) = start(&database, &arguments).answer("yes");
        assert_eq!((ended, shown.contains(QUESTION)), (code, false), "{shown}");
    }
}
