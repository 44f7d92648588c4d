//! `resolve` during other activity and interruptions: stale ids, two at once, lost connections, kill -9.

use crate::support::resolution::{ID, OLD_URL, URL, current_id, database, id_of, openai, row, run, take, unchanged};
use crate::support::{Database, Fault, PgBouncer, Proxy, Run, Server, Snapshot};
use serde_json::json;

#[test]
fn stale_id_changes_nothing_and_shows_the_current_conflict() {
    let database = database(&openai(OLD_URL, &["sk-canary-new"]));
    let id = current_id(&database);
    database.execute("update ai_providers set base_url = 'https://third.example/v1', updated_at = now()");
    let before = Snapshot::of(&database);
    let finished = take(&database, &id).run().expect(3);
    unchanged(&database, &before);
    let document = finished.json();
    assert_eq!((&document["outcome"], &document["written"]), (&json!("conflict"), &json!(false)));
    assert_eq!(finished.codes("problems"), ["conflict_moved"]);
    assert_eq!(document["conflicts"][0]["database"]["value"], "https://third.example/v1");
    assert_ne!(id_of(&finished), id);
    assert!(finished.termination.as_ref().unwrap().contains("conflict_moved"));
    // The environment changes.
    let id = current_id(&database);
    let moved = take(&database, &id).env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://fourth.example/");
    moved.run().expect(3);
    // Also with its name.
    assert_eq!(
        take(&database, "abcdefghijklmnopqrstuvwxyz234567").arg("openai").run().expect(3).codes("problems"),
        ["conflict_moved"]
    );
    unchanged(&database, &before);
}

#[test]
fn second_of_two_resolvers_shows_the_new_state() {
    let database = database(&openai(OLD_URL, &["sk-canary-new"]));
    let other = "https://api.openai.com/v3";
    let to = |run: Run, url: &str| run.env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", url);
    let ids = [URL, other].map(|url| id_of(&to(run("diff", &database), url).run()));
    let mut holder = database.lock();
    let started = [(URL, &ids[0]), (other, &ids[1])].map(|(url, id)| to(take(&database, id), url).start());
    let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted and database =
        (select oid from pg_database where datname = current_database())";
    while database.json(waiting) != 2 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    holder.batch_execute("commit").unwrap();
    let mut codes = started.map(|started| {
        let finished = started.wait();
        let document = finished.json();
        if finished.code == 3 {
            assert_eq!(document["conflicts"][0]["database"]["value"], row(&database)["base_url"], "{finished}");
        }
        assert_eq!(document["written"], finished.code == 0);
        finished.code
    });
    codes.sort_unstable();
    assert_eq!(codes, [0, 3]);
    assert_eq!(Snapshot::of(&database).audit.len(), 1);
}

/// A Job that is started twice: the second run has nothing to do, which is not a failure.
#[test]
fn repeated_decision_has_nothing_to_do() {
    let database = database(&openai(OLD_URL, &["sk-canary-new"]));
    let id = current_id(&database);
    take(&database, &id).run().expect(0);
    let before = Snapshot::of(&database);
    let again = take(&database, &id).run().expect(0);
    assert_eq!((&again.json()["written"], &again.json()["changes"]), (&json!(false), &json!([])));
    unchanged(&database, &before);
}

#[test]
fn coders_api_cannot_interleave_with_resolve() {
    let database = database(&openai(OLD_URL, &["sk-canary-new"]));
    let id = current_id(&database);
    // The API takes no advisory lock; it changes the row and is about to commit.
    let mut api = database.client();
    api.batch_execute("begin; update ai_providers set base_url = 'https://api-won.example/', updated_at = now()")
        .unwrap();
    let started = take(&database, &id).start();
    let waiting = "select count(*) from pg_locks where not granted and locktype = 'transactionid'";
    while database.json(waiting) == 0 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    api.batch_execute("commit").unwrap();
    let finished = started.wait().expect(3);
    assert_eq!(finished.codes("problems"), ["conflict_moved"]);
    assert_eq!(row(&database)["base_url"], "https://api-won.example/");
    assert_eq!(Snapshot::of(&database).audit.len(), 0);
}

#[test]
fn lost_connection_leaves_all_or_nothing() {
    let server = Server::shared();
    let url = |database: &Database, port: u16| database.url_at(port, "postgres", "postgres");
    for (fault, written) in [
        (Fault::DropBefore("with given"), true),
        (Fault::DropAfter("with given"), true),
        (Fault::DropBefore("commit work"), true),
        (Fault::DropAfter("commit work"), true),
    ] {
        let database = database(&openai(OLD_URL, &["sk-canary-old"]));
        let id = current_id(&database);
        let proxy = Proxy::new().fault(fault).start(server.port());
        let finished = take(&database, &id).database(url(&database, proxy.port())).run().expect(0);
        assert_eq!(finished.json()["written"], written, "{finished}");
        let after = Snapshot::of(&database);
        assert_eq!((after.keys_of(&json!(ID)), after.audit.len()), (vec!["sk-canary-new".to_owned()], 3), "once");
        assert_eq!(row(&database)["base_url"], URL);
    }
}

/// The answer to the commit is lost, and afterwards no answer comes at all.
#[test]
fn lost_commit_without_a_status_is_reported_as_unknown() {
    let server = Server::shared();
    let database = database(&openai(OLD_URL, &["sk-canary-old"]));
    let id = current_id(&database);
    // Slow, so that the connection is closed before the second one is open.
    let delay = std::time::Duration::from_millis(300);
    let proxy = Proxy::new().delay(delay).fault(Fault::DropAfter("commit work")).start(server.port());
    let url = database.url_at(proxy.port(), "postgres", "postgres");
    let mut started = take(&database, &id).database(url).start();
    let mut client = database.client();
    let changed = |client: &mut postgres::Client| {
        client.query_one("select base_url from ai_providers", &[]).unwrap().get::<_, String>(0) == URL
    };
    while !changed(&mut client) {
        assert!(!started.ended(), "{}", started.wait());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    drop(proxy);
    let finished = started.wait().expect(4);
    assert_eq!(finished.codes("problems"), ["unreachable"]);
    let message = finished.termination.as_ref().unwrap();
    assert!(message.contains("the answer to the commit was lost, so the change may be there or not"), "{finished}");
    assert!(!message.contains("nothing was written"), "{finished}");
    // A second run determines the outcome.
    let before = Snapshot::of(&database);
    let again = take(&database, &id).run().expect(0);
    assert_eq!(again.json()["changes"], json!([]));
    unchanged(&database, &before);
    assert_eq!(before.audit.len(), 3);
}

#[test]
fn resolve_works_through_pgbouncer() {
    let server = Server::shared();
    let Some(bouncer) = PgBouncer::start(server, &[("postgres", "postgres")]) else { return };
    let database = database(&openai(OLD_URL, &["sk-canary-old"]));
    let url = database.url_at(bouncer.port(), "postgres", "postgres");
    let id = current_id(&database);
    // More clients than server connections, so that they share one between transactions.
    let mut written: Vec<bool> = Vec::new();
    for started in (0..6).map(|_| take(&database, &id).database(&url).start()).collect::<Vec<_>>() {
        let finished = started.wait();
        assert!([0, 3].contains(&finished.code), "{finished}");
        written.push(finished.json()["written"] == true);
    }
    assert_eq!(written.iter().filter(|written| **written).count(), 1, "{written:?}");
    let after = Snapshot::of(&database);
    assert_eq!((after.keys_of(&json!(ID)), after.audit.len()), (vec!["sk-canary-new".to_owned()], 3));
    assert_eq!(row(&database)["base_url"], URL);
    // Also restored; and no transaction stays open.
    database.execute("update ai_providers set deleted = true");
    run("resolve", &database).database(&url).arg("openai").arg("--restore").arg("--yes").run().expect(0);
    assert_eq!(row(&database)["enabled"], true);
    let open = "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in%'";
    assert_eq!(database.json(open), 0);
}

#[test]
fn killed_resolve_leaves_all_or_nothing() {
    let database = database(&openai(OLD_URL, &["sk-canary-old"]));
    let proxy = Proxy::new().delay(std::time::Duration::from_millis(8)).start(Server::shared().port());
    let url = database.url_at(proxy.port(), "postgres", "postgres");
    for round in 0..24u64 {
        let to = format!("https://round-{round}.example/");
        let key = format!("sk-canary-{round}");
        let with =
            |run: Run| run.env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", &to).env("CODER_AIBRIDGE_PROVIDER_0_KEYS", &key);
        let id = id_of(&with(run("diff", &database)).run());
        let before = Snapshot::of(&database);
        let mut started = with(take(&database, &id)).database(&url).start();
        std::thread::sleep(std::time::Duration::from_millis(40 + round * 9));
        started.kill();
        started.wait();
        // A transaction that the server still considers open ends with its backend.
        let busy = "select count(*) from pg_stat_activity where datname = current_database()
                     and application_name = 'ai-provider-seed' and xact_start is not null";
        while database.json(busy) != 0 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let after = Snapshot::of(&database);
        if row(&database)["base_url"] == to.as_str() {
            assert_eq!((after.keys_of(&json!(ID)), after.audit.len()), (vec![key], before.audit.len() + 3));
        } else {
            assert_eq!(after.changes_since(&before), [""; 0]);
        }
    }
}

#[test]
fn held_lock_and_read_only_server_are_reported() {
    let database = database(&openai(OLD_URL, &["sk-canary-new"]));
    let id = current_id(&database);
    let mut holder = database.lock();
    let finished = take(&database, &id).arg("--lock-timeout=200ms").run().expect(6);
    assert_eq!(finished.codes("problems"), ["lock_timeout"]);
    holder.batch_execute("commit").unwrap();
    database.execute(&format!("alter database {} set default_transaction_read_only = on", database.name()));
    let finished = take(&database, &id).env("AI_PROVIDER_SEED_LOCK_TIMEOUT", "1s").run();
    assert!([4, 5].contains(&finished.code), "{finished}");
}

#[test]
fn problems_of_other_providers_do_not_block_resolve() {
    let database = database(&openai(OLD_URL, &["sk-canary-new"]));
    database.execute("insert into ai_providers (type, name, base_url, settings) values ('bedrock', 'aws', '', '{}')");
    let more = |run: Run| {
        run.env("CODER_AIBRIDGE_PROVIDER_1_TYPE", "bedrock")
            .env("CODER_AIBRIDGE_PROVIDER_1_NAME", "aws")
            .env("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_REGION", "us-east-1")
            .env("CODER_AIBRIDGE_PROVIDER_2_TYPE", "azure")
            .env("AI_PROVIDER_SEED_BLOCK_ON", "none")
    };
    let id = current_id(&database);
    // By name: the other provider's damaged settings do not matter.
    more(take(&database, &id)).arg("openai").run().expect(0);
    assert_eq!(row(&database)["base_url"], URL);
    // A decision has no option to start anyway.
    database.execute("update ai_providers set base_url = 'https://x.example/' where name = 'openai'");
    more(take(&database, &id)).arg("openai").run().expect(3);
}

#[test]
fn several_conflicts_are_resolved_at_once_or_none() {
    let two = "insert into ai_providers (type, name, base_url) values ('openai', 'openai', 'https://a.example/'), ('azure', 'azure', 'https://b.example/')";
    let database = database(two);
    let both = |command: &str| {
        run(command, &database)
            .env("CODER_AIBRIDGE_PROVIDER_1_TYPE", "azure")
            .env("CODER_AIBRIDGE_PROVIDER_1_BASE_URL", "https://c.example/")
    };
    let conflicts = both("diff").arg("--compare-credentials=ignore").run().json()["conflicts"].clone();
    let id = |at: usize| conflicts[at]["id"].as_str().unwrap().to_owned();
    let resolve = |ids: &[String]| {
        let run = both("resolve").arg("--compare-credentials=ignore").arg("--take=environment").arg("--yes");
        ids.iter().fold(run, |run, id| run.arg("--conflict").arg(id))
    };
    let before = Snapshot::of(&database);
    resolve(&[id(0), "abcdefghijklmnopqrstuvwxyz234567".to_owned()]).run().expect(3);
    resolve(&[id(0)]).arg("azure").arg("openai").run().expect(3);
    unchanged(&database, &before);
    let one = resolve(&[id(0)]).run().expect(0).json();
    assert_eq!((&one["conflicts"][0]["provider"], &one["changes"][0]["provider"]), (&json!("openai"), &json!("azure")));
    assert_eq!(resolve(&[id(1)]).run().expect(0).json()["conflicts"], json!([]));
}
