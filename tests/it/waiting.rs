//! Files that are read again, waiting, locks and time limits, through the built program.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use crate::one_provider::{KEY, PASSWORD, base, database, go, only_problem};
use crate::support::roles::SEED;
use crate::support::{Database, Fault, Finished, Options, Proxy, Run, Server, Snapshot, Variant};
use serde_json::json;

fn message(finished: &Finished, code: &str) -> String {
    only_problem(finished, code)["message"].as_str().unwrap().to_owned()
}

/// A port without a listener.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn file(contents: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), contents).unwrap();
    file
}

/// As the kubelet does: a new file replaces the old one.
fn replace(path: &Path, contents: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, contents).unwrap();
    std::fs::rename(new, path).unwrap();
}

#[test]
fn rotated_password_file_is_read_while_waiting() {
    let server = Server::start(Options::new().scram());
    let database = server.database(Variant::Current);
    database.execute(&format!("create role app superuser login password '{PASSWORD}'"));
    let url = database.url_as("app", "old-and-wrong");
    let secret = file("old-and-wrong-too\n");
    let run = base().database(&url).arg("--database-password-file").arg(secret.path());
    let refused = message(&go(&run, 4), "authentication_failed");
    assert!(refused.contains("role app") && refused.contains("rotation"), "{refused}");

    let started = run.env("AI_PROVIDER_SEED_WAIT", "30s").start();
    std::thread::sleep(Duration::from_secs(1));
    replace(secret.path(), &format!("{PASSWORD}\n"));
    let finished = started.wait().expect(0);
    assert!(finished.elapsed > Duration::from_secs(1) && !finished.everything().contains(PASSWORD), "{finished}");
    assert_eq!(finished.json()["providers"][0]["state"], "created");

    // The same with the whole URL in a file.
    let secret = file(&url);
    let run = base().arg("--database-url-file").arg(secret.path());
    go(&run, 4);
    let started = run.env("AI_PROVIDER_SEED_WAIT", "30s").start();
    std::thread::sleep(Duration::from_secs(1));
    replace(secret.path(), &database.url_as("app", PASSWORD));
    assert_eq!(started.wait().expect(0).json()["providers"][0]["state"], "in_sync");
}

#[test]
fn missing_or_empty_secret_files_are_reported() {
    let database = database();
    for (option, contents, code) in [
        ("--database-password-file", None, "invalid_option"),
        ("--database-password-file", Some(""), "invalid_option"),
        ("--database-url-file", None, "database_url_missing"),
        ("--database-url-file", Some(""), "database_url_missing"),
        ("--database-url-file", Some(PASSWORD), "database_url_invalid"),
    ] {
        let secret = file(contents.unwrap_or_default());
        let path = if contents.is_some() { secret.path() } else { Path::new("/nowhere/secret") };
        let finished = go(&base().database(database.url()).arg(option).arg(path), 2);
        let problem = only_problem(&finished, code);
        assert!(problem["variables"][0].as_str().unwrap().contains("database"), "{problem}");
    }
}

#[test]
fn cloud_tokens_come_only_from_a_file() {
    let database = database();
    let run = base().env("CODER_PG_AUTH", "awsiamrds").database(database.url());
    let finished = go(&run, 2);
    let problem = only_problem(&finished, "authentication_unsupported");
    assert_eq!(problem["variables"], json!(["CODER_PG_AUTH"]));
    assert!(problem["message"].as_str().unwrap().contains("--database-password-file"), "{problem}");
    let token = file("token");
    go(&run.clone().arg("--database-password-file").arg(token.path()), 0);
    let url = file(&database.url());
    go(&run.arg("--database-url-file").arg(url.path()), 0);
}

#[test]
fn wait_zero_is_one_attempt() {
    let url = format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/coder", closed_port());
    for wait in ["0", "0s"] {
        let finished = go(&base().database(&url).env("AI_PROVIDER_SEED_WAIT", wait), 4);
        assert!(finished.elapsed < Duration::from_secs(2) && !finished.everything().contains("tried"), "{finished}");
        assert!(message(&finished, "unreachable").contains("connection refused"));
    }
    let finished = go(&base().database(&url).env("AI_PROVIDER_SEED_WAIT", "1s"), 4);
    assert!(finished.elapsed > Duration::from_millis(800) && finished.elapsed < Duration::from_secs(4), "{finished}");
    assert!(message(&finished, "unreachable").contains("tried"));
}

/// A session that holds the lock until it is dropped, and the number of its backend.
fn holder(database: &Database) -> (postgres::Client, i32) {
    let mut client = database.client();
    client.batch_execute("set application_name = 'coderd'; begin; select pg_advisory_xact_lock(10)").unwrap();
    let pid = client.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    (client, pid)
}

#[test]
fn held_lock_is_waited_for_and_reported() {
    let database = database();
    database.grant_roles();
    for url in [database.url(), database.url_of(SEED)] {
        database.execute("delete from ai_providers");
        let before = Snapshot::of(&database);
        let (client, pid) = holder(&database);
        // Waiting for the database is a separate limit and does not help.
        let run = base().database(&url).env("AI_PROVIDER_SEED_WAIT", "20s");
        let finished = go(&run.clone().arg("--lock-timeout=500ms"), 6);
        assert!(
            finished.elapsed > Duration::from_millis(500) && finished.elapsed < Duration::from_secs(4),
            "{finished}"
        );
        let message = message(&finished, "lock_timeout");
        for said in ["--lock-timeout", &format!("backend {pid}"), "application coderd", "role checks"] {
            assert!(message.contains(said), "{message}");
        }
        assert!(finished.termination.unwrap().contains(&format!("backend {pid}")));
        assert_eq!(Snapshot::of(&database).changes_since(&before), [""; 0]);

        let started = run.arg("--lock-timeout=20s").start();
        std::thread::sleep(Duration::from_secs(1));
        drop(client);
        let finished = started.wait().expect(0);
        assert!(finished.elapsed > Duration::from_secs(1), "{finished}");
        assert_eq!(finished.json()["providers"][0]["state"], "created");
    }
}

#[test]
fn held_lock_matters_only_if_rows_are_missing() {
    let database = database();
    go(&base().database(database.url()), 0);
    let (_client, _) = holder(&database);
    go(&base().database(database.url()).arg("--lock-timeout=0"), 0);
    let conflict = base().database(database.url()).env("CODER_AIBRIDGE_OPENAI_BASE_URL", "https://x.example/");
    go(&conflict.arg("--lock-timeout=0"), 3);
    let missing = Run::diff().database(database.url()).env("CODER_AIBRIDGE_ANTHROPIC_KEY", KEY);
    go(&missing, 1);
}

/// A migration of Coder locks a table, for reading or only for writing: the message says that, and not that the network
/// is broken.
#[test]
fn locked_table_is_waited_for_and_reported() {
    let database = database();
    let mut client = database.client();
    for (mode, lock_timeout) in [("access exclusive", "500ms"), ("share", "500ms"), ("share", "30s")] {
        client.batch_execute(&format!("begin; lock table ai_providers in {mode} mode")).unwrap();
        let run = base().database(database.url()).arg("--lock-timeout").arg(lock_timeout);
        let finished = go(&run, 5);
        assert!(finished.elapsed < Duration::from_secs(10), "{finished}");
        assert!(message(&finished, "server_error").contains("pg_locks"), "{finished}");
        client.batch_execute("rollback").unwrap();
        assert!(Snapshot::of(&database).providers.is_empty());
    }
}

/// Connections are accepted but never answered.
#[test]
fn unreachable_host_ends_by_the_deadline() {
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = hole.local_addr().unwrap().port();
    let url = format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/coder?sslmode=disable");
    let run = base().database(&url).arg("--lock-timeout=1s").limit(Duration::from_secs(40));
    let finished = go(&run.clone().env("AI_PROVIDER_SEED_WAIT", "2s"), 4);
    assert!(finished.elapsed >= Duration::from_millis(1500) && finished.elapsed < Duration::from_secs(5), "{finished}");
    assert!(message(&finished, "unreachable").contains("no answer in time"), "{finished}");
    let finished = go(&run.database(format!("{url}&connect_timeout=2")), 4);
    assert!(finished.elapsed < Duration::from_secs(5), "{finished}");
}

/// The server stops answering after the connection is open.
#[test]
fn silent_server_ends_by_the_deadline() {
    let database = database();
    let run = |statement: &'static str| {
        let proxy = Proxy::new().fault(Fault::Stall(statement)).start(Server::shared().port());
        let run = base().database(database.url_at(proxy.port(), "postgres", "postgres"));
        let finished = run.arg("--lock-timeout=1s").limit(Duration::from_secs(40)).run();
        assert!(finished.elapsed < Duration::from_secs(33), "{finished}");
        finished
    };
    for statement in ["begin read only", "pg_advisory_xact_lock"] {
        assert!(message(&run(statement).expect(4), "unreachable").contains("does not answer"));
    }
    // The server ends the silent transaction, and the next attempt is not blocked.
    let finished = run("insert into ai_providers").expect(0);
    assert!(finished.stderr.contains("ended our idle connection"), "{finished}");
    assert_eq!(Snapshot::of(&database).providers.len(), 1);
}

/// A sidecar of the same pod may still be writing them.
#[test]
fn seed_waits_for_files_that_do_not_exist_yet() {
    let database = database();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let run = |command: &str| {
        let run = Run::new([command, "--output=json"]).arg("--env-file").arg(path("env"));
        run.arg("--database-url-file").arg(path("url")).arg("--database-password-file").arg(path("password"))
    };
    // The others fail at once with any `--wait`, and so does `seed` without it.
    for finished in [run("diff").arg("--wait=100s").run(), run("seed").arg("--wait=0").run()] {
        assert!(finished.codes("problems").contains(&"env_file_invalid".to_owned()), "{finished}");
        assert!(finished.elapsed < Duration::from_secs(90), "{finished}");
    }
    let finished = run("seed").arg("--wait=1s").run().expect(2);
    assert!(finished.everything().contains("(waited 1s)"), "{finished}");
    // The program does not wait because of another mistake.
    let finished = run("seed").args(["--wait=100s", "--audit=maybe"]).run().expect(2);
    assert!(finished.elapsed < Duration::from_secs(90), "{finished}");

    let mut started = run("seed").arg("--wait=60s").start();
    for (name, text) in [
        ("env", format!("CODER_AIBRIDGE_OPENAI_KEY={KEY}\n")),
        ("url", database.url()),
        ("password", PASSWORD.to_owned()),
    ] {
        std::thread::sleep(Duration::from_millis(300));
        assert!(!started.ended(), "{name}");
        std::fs::write(path("new"), text).unwrap();
        std::fs::rename(path("new"), path(name)).unwrap();
    }
    let finished = started.wait().expect(0);
    assert!(finished.stderr.contains("does not exist yet; waiting for it"), "{finished}");
    assert!(!finished.everything().contains(&KEY[..12]), "{finished}");
}
