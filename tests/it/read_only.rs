//! Read-only servers: without missing rows they are fine; with missing rows the program finds the primary or reports it.
//! A standby is never written to.

use std::time::Duration;

use crate::support::{Database, Finished, Options, Run, Server, Snapshot, Variant};
use serde_json::json;

fn run(command: &str, url: &str) -> Run {
    let run = Run::new([command]).json().env("CODER_AIBRIDGE_OPENAI_KEY", "sk-one");
    run.env("AI_PROVIDER_SEED_WAIT", "0").database(url)
}

/// No row is missing, but this server would refuse an insert.
fn fine(finished: Finished) {
    let finished = finished.expect(0);
    assert_eq!(finished.json()["providers"][0]["state"], "in_sync");
    assert!(finished.codes("warnings").iter().all(|code| code == "cannot_insert"), "{finished}");
}

fn refused(finished: Finished) -> String {
    let finished = finished.expect(5);
    assert_eq!(finished.codes("problems"), ["read_only"], "{finished}");
    assert_eq!((&finished.json()["written"], &finished.json()["outcome"]), (&json!(false), &json!("unusable")));
    finished.json()["problems"][0]["message"].as_str().unwrap().to_owned()
}

fn two_hosts(database: &Database, first: &Server, second: &Server) -> String {
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", first.port(), second.port());
    format!("postgres://postgres:postgres@{hosts}/{}?sslmode=disable", database.name())
}

#[test]
fn read_only_default_of_the_server_is_reported() {
    let server = Server::start(Options::new().setting("default_transaction_read_only", "on"));
    let database = server.database(Variant::Current);
    let message = refused(run("seed", &database.url()).run());
    let expected = "default_transaction_read_only is on in the server's configuration; turn it off there";
    assert!(message.contains(expected), "{message}");
    assert_eq!(run("diff", &database.url()).run().expect(1).codes("warnings"), ["cannot_insert"]);
    assert!(Snapshot::of(&database).providers.is_empty());

    database.execute(
        "insert into ai_providers (type, name, base_url) values ('openai', 'openai', 'https://api.openai.com/v1/');
         insert into ai_provider_keys (provider_id, api_key) select id, 'sk-one' from ai_providers",
    );
    fine(run("seed", &database.url()).run());
    fine(run("diff", &database.url()).run());
    let finished = run("seed", &database.url()).env("CODER_AIBRIDGE_OPENAI_BASE_URL", "https://x.example/").run();
    assert_eq!(finished.expect(3).json()["outcome"], "conflict");
}

#[test]
fn read_only_default_of_the_role_is_reported() {
    let database = Server::shared().database(Variant::Current);
    database.execute("create role careful superuser login; alter role careful set default_transaction_read_only = on");
    // Waiting would not help, so the program does not wait.
    let waiting = run("seed", &database.url_as("careful", "x")).env("AI_PROVIDER_SEED_WAIT", "60s");
    let message = refused(waiting.run());
    assert!(!message.contains("tried"), "{message}");
    let (_, advice) = message.split_once("run: ").unwrap_or_else(|| panic!("no advice in {message}"));
    assert!(Snapshot::of(&database).providers.is_empty());
    database.execute(advice);
    run("seed", &database.url_as("careful", "x")).run().expect(0);
}

#[test]
fn read_only_default_elsewhere_names_its_place() {
    let database = Server::shared().database(Variant::Current);
    let (name, url) = (database.name(), database.url_as("cautious", "x"));
    database.execute("create role cautious superuser login");
    for (set, expected) in [
        (format!("alter database {name} set"), format!("is on for database {name}; run: alter database {name} reset")),
        (
            format!("alter role cautious in database {name} set"),
            format!("for role cautious in database {name}; run: alter role cautious in database {name} reset"),
        ),
    ] {
        database.execute(&format!("{set} default_transaction_read_only = on"));
        let message = refused(run("seed", &url).run());
        assert!(message.contains(&expected), "{message}");
        database.execute(message.split_once("run: ").unwrap().1);
    }
    let asked = format!("{url}&default_transaction_read_only=on");
    let message = refused(run("seed", &asked).env("AI_PROVIDER_SEED_WAIT", "60s").run());
    assert!(message.contains("is on in the URL or PGOPTIONS; remove it there"), "{message}");
    assert!(!message.contains("tried"), "{message}");
    let resolving = refused(run("seed", &format!("{asked}&target_session_attrs=read-write")).run());
    assert!(resolving.contains("is on in the URL or PGOPTIONS; remove it there"), "{resolving}");
    run("seed", &url).run().expect(0);
}

/// Waits until the standby has this many providers.
fn replicated(copy: &Database, count: u32) {
    for _ in 0..500 {
        if copy.json("select count(*) from ai_providers") == count {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the standby does not follow");
}

#[test]
fn standby_is_read_and_never_written() {
    let primary = Server::start(Options::new());
    let database = primary.database(Variant::Current);
    let standby = primary.standby();
    let copy = standby.attach(database.name());
    // A single standby is refused, at once without waiting and in time with it.
    let message = refused(run("seed", &copy.url()).run());
    assert!(message.contains("connect to the primary") || message.contains("name all servers"), "{message}");
    let patient = run("seed", &copy.url()).env("AI_PROVIDER_SEED_WAIT", "1500ms").run();
    assert!(patient.elapsed > Duration::from_secs(1) && patient.elapsed < Duration::from_secs(8), "{patient}");
    assert!(refused(patient).contains("tried"));
    assert_eq!(run("diff", &copy.url()).run().expect(1).json()["outcome"], "changes");

    // The primary is the second host: the rows are inserted there.
    let url = two_hosts(&database, &standby, &primary);
    let finished = run("seed", &url).env("AI_PROVIDER_SEED_WAIT", "20s").run().expect(0);
    assert_eq!(finished.json()["providers"][0]["state"], "created", "{finished}");
    assert!(finished.elapsed < Duration::from_secs(5), "another host needs no long pause: {finished}");
    replicated(&copy, 1);

    // No row is missing: the standby is sufficient, and the primary is not contacted.
    fine(run("seed", &copy.url()).run());
    fine(run("seed", &url).run());

    // A fail-over in between: the standby becomes the primary during the wait.
    let two = |url: &str| {
        let variables = [("TYPE", "anthropic"), ("KEY", "sk-two"), ("BASE_URL", "https://two.example/")];
        let variables = variables.map(|(name, value)| (format!("CODER_AIBRIDGE_PROVIDER_0_{name}"), value));
        run("seed", url).env("AI_PROVIDER_SEED_WAIT", "30s").envs(variables)
    };
    let started = two(&copy.url()).start();
    std::thread::sleep(Duration::from_secs(1));
    primary.stop(crate::support::Mode::Immediate);
    standby.promote();
    let finished = started.wait().expect(0);
    assert!(finished.stderr.contains("retrying"), "{finished}");
    assert_eq!(finished.json()["written"], true);
    assert_eq!(copy.json("select count(*) from ai_providers"), 2);
    assert_eq!(copy.json("select count(*) from audit_logs"), 4);
}

/// A single attempt still goes over all hosts.
#[test]
fn one_attempt_goes_over_all_hosts() {
    let primary = Server::start(Options::new());
    let database = primary.database(Variant::Current);
    let standby = primary.standby();
    let copy = standby.attach(database.name());
    let url = two_hosts(&database, &standby, &primary);
    for attributes in ["&target_session_attrs=read-write", "&target_session_attrs=primary", ""] {
        database.execute("delete from ai_providers");
        replicated(&copy, 0);
        let finished = run("seed", &format!("{url}{attributes}")).run().expect(0);
        assert_eq!(finished.json()["written"], true, "{attributes}: {finished}");
    }
}

/// A changed row is handled like a missing one: the standby is read, and the primary is written to.
#[test]
fn rotated_key_is_written_to_the_primary_behind_a_standby() {
    let primary = Server::start(Options::new());
    let database = primary.database(Variant::Current);
    database.execute(
        "insert into ai_providers (type, name, base_url) values ('openai', 'openai', 'https://api.openai.com/v1/');
         insert into ai_provider_keys (provider_id, api_key) select id, 'sk-old' from ai_providers",
    );
    let standby = primary.standby();
    let copy = standby.attach(database.name());
    replicated(&copy, 1);
    let take = |url: &str| run("seed", url).arg("--take-environment=credentials");
    let before = Snapshot::of(&database);
    refused(take(&copy.url()).run());
    assert_eq!(Snapshot::of(&database).changes_since(&before), [""; 0]);

    let finished = take(&two_hosts(&database, &standby, &primary)).env("AI_PROVIDER_SEED_WAIT", "20s").run().expect(0);
    assert_eq!(finished.json()["providers"][0]["state"], "updated", "{finished}");
    let after = Snapshot::of(&database);
    assert_eq!(after.keys_of(&before.providers[0]["id"]), ["sk-one"]);
}
