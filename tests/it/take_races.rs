//! `--take-environment` during other activity and interruptions.

use std::thread::sleep;
use std::time::Duration;

use crate::support::resolution::{ENCRYPTED, ENCRYPTION_KEY, ID, OLD_URL, URL, database, openai, row, run};
use crate::support::{Database, Fault, Finished, PgBouncer, Proxy, Run, Server, Snapshot};
use serde_json::{Value, json};

fn seed(database: &Database) -> Run {
    run("seed", database).arg("--take-environment=all").arg("--lock-timeout=60s")
}

fn keys(database: &Database) -> Vec<String> {
    Snapshot::of(database).keys_of(&json!(ID))
}

fn state(finished: &Finished) -> Value {
    finished.json()["providers"][0]["state"].clone()
}

fn until(database: &Database, query: &str, what: &dyn Fn(Value) -> bool) {
    while !what(database.json(query)) {
        sleep(Duration::from_millis(5));
    }
}

/// The last start wins, and leaves exactly one of the two environments.
#[test]
fn fifty_starts_of_two_environments_leave_one_of_them_whole() {
    let database = database(&openai(OLD_URL, &["sk-canary-old"]));
    let of = |which: usize| [(URL, "sk-canary-a1,sk-canary-a2"), ("https://b.example/v1", "sk-canary-b")][which % 2];
    let start = |at: usize| {
        let (url, keys) = of(at);
        let run = seed(&database).env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", url);
        run.env("CODER_AIBRIDGE_PROVIDER_0_KEYS", keys).start()
    };
    let finished: Vec<Finished> = (0..50).map(start).collect::<Vec<_>>().into_iter().map(|run| run.wait()).collect();
    let mut updated = 0;
    for finished in &finished {
        assert_eq!(finished.code, 0, "{finished}");
        updated += usize::from(finished.json()["written"] == true);
    }
    let (url, stored) = (row(&database)["base_url"].clone(), keys(&database).join(","));
    assert!((0..2).map(of).any(|(of_url, of_keys)| url == of_url && stored == of_keys), "{url} {stored}");
    let writes = database.json(
        "select json_agg(json_build_array(json_array_length((additional_fields -> 'added')::json),
                json_array_length((additional_fields -> 'removed')::json))) from audit_logs where action = 'write'",
    );
    assert_eq!(writes.as_array().unwrap().len(), updated, "one audit row for each start that wrote");
    assert!(updated >= 1);
    // Each write removes the keys that the previous one added.
    let lengths: Vec<(u64, u64)> =
        writes.as_array().unwrap().iter().map(|w| (w[0].as_u64().unwrap(), w[1].as_u64().unwrap())).collect();
    let (added, removed): (u64, u64) = lengths.iter().fold((0, 0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    assert_eq!(1 + added - removed, keys(&database).len() as u64);
}

/// Coder's PATCH reads without a lock, then writes all columns: if a seed writes in between, the old columns return.
/// Coder notifies, and the next start takes the values again.
#[test]
fn patch_of_coder_around_our_write_is_taken_again() {
    let database = database(&openai(OLD_URL, &["sk-canary-old"]));
    let mut api = database.client();
    api.batch_execute("begin").unwrap();
    let read = api.query_one("select type::text, display_name, base_url from ai_providers", &[]).unwrap();
    let (display_name, base_url): (String, String) = (read.get(1), read.get(2));
    let first = seed(&database).run().expect(0);
    assert_eq!((state(&first), row(&database)["base_url"].clone()), (json!("updated"), json!(URL)));
    let write = "update ai_providers set display_name = $1, enabled = true, base_url = $2, updated_at = now()";
    api.execute(write, &[&format!("{display_name}!"), &base_url]).unwrap();
    api.batch_execute("commit").unwrap();
    assert_eq!(row(&database)["base_url"], OLD_URL);
    let again = seed(&database).run().expect(0);
    assert_eq!(state(&again), "updated");
    let after = row(&database);
    assert_eq!(
        (&after["base_url"], &after["display_name"], &after["enabled"]),
        (&json!(URL), &json!("Our OpenAI!"), &json!(true))
    );
    assert_eq!(keys(&database), ["sk-canary-new"]);
}

/// A session that waits for a row holds the lock that Coder takes before it reads providers: only briefly.
#[test]
fn row_that_coder_holds_is_waited_for_without_the_seed_lock() {
    let database = database(&openai(URL, &["sk-canary-old"]));
    let mut api = database.client();
    api.batch_execute("begin; update ai_providers set display_name = 'held', updated_at = now()").unwrap();
    let started = seed(&database).start();
    let ours = "select count(*) from pg_locks where locktype = 'advisory' and objid = 10 and database =
        (select oid from pg_database where datname = current_database())";
    let taken = |count: Value| count != 0;
    let given_back = |count: Value| count == 0;
    // Taken, released while the row is still held, and taken again.
    until(&database, ours, &taken);
    until(&database, ours, &given_back);
    until(&database, ours, &taken);
    api.batch_execute("commit").unwrap();
    let finished = started.wait().expect(0);
    assert_eq!((state(&finished), row(&database)["display_name"].clone()), (json!("updated"), json!("held")));
    assert_eq!(keys(&database), ["sk-canary-new"]);
}

/// It reads all key rows, then writes them one by one, by their ids.
#[test]
fn encryption_rotation_of_coder_does_not_bring_an_old_key_back() {
    let database = database(&format!("{ENCRYPTED}{}", openai(URL, &["sk-canary-old"])));
    let mut rotation = database.client();
    rotation.batch_execute("begin").unwrap();
    let read = rotation.query_one("select id::text, api_key from ai_provider_keys", &[]).unwrap();
    let (id, old): (String, String) = (read.get(0), read.get(1));
    seed(&database).env("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS", ENCRYPTION_KEY).run().expect(0);
    let written =
        rotation.execute("update ai_provider_keys set api_key = $2 where id = $1::text::uuid", &[&id, &old]).unwrap();
    assert_eq!(written, 0, "Coder's update finds no row, and its rotation fails loudly");
    rotation.batch_execute("rollback").unwrap();
    let digest = "select json_agg(json_build_array(api_key_key_id, api_key <> 'sk-canary-old')) from ai_provider_keys";
    assert_eq!(database.json(digest), json!([["6a193b3", true]]));
}

/// With a missing row beside the one that changes: both or neither, and the report says which.
#[test]
fn lost_connection_leaves_all_or_nothing_of_a_take() {
    let server = Server::shared();
    let faults: [fn(&'static str) -> Fault; 2] = [Fault::DropBefore, Fault::DropAfter];
    for at in ["for update", "with given", "commit work"] {
        for fault in faults {
            let database = database(&openai(OLD_URL, &["sk-canary-old"]));
            let proxy = Proxy::new().fault(fault(at)).start(server.port());
            let url = database.url_at(proxy.port(), "postgres", "postgres");
            let run = seed(&database).database(url).env("CODER_AIBRIDGE_PROVIDER_1_TYPE", "anthropic");
            let run = run.env("CODER_AIBRIDGE_PROVIDER_1_BASE_URL", "https://a.example/");
            let finished = run.env("CODER_AIBRIDGE_PROVIDER_1_KEY", "sk-canary-a").run().expect(0);
            assert_eq!(proxy.connections(), 2, "{at}: the fault was met");
            let states =
                finished.json()["providers"].as_array().unwrap().iter().map(|p| p["state"].clone()).collect::<Vec<_>>();
            assert_eq!(
                (states, &finished.json()["written"]),
                (vec![json!("created"), json!("updated")], &json!(true)),
                "{at}"
            );
            let after = Snapshot::of(&database);
            // A row and a key inserted; a row changed, a key inserted, a key deleted.
            assert_eq!(
                (after.keys_of(&json!(ID)), after.audit.len()),
                (vec!["sk-canary-new".to_owned()], 5),
                "{at}: once"
            );
            assert_eq!(row(&database)["base_url"], URL);
        }
    }
}

#[test]
fn take_works_through_pgbouncer() {
    let server = Server::shared();
    let Some(bouncer) = PgBouncer::start(server, &[("postgres", "postgres")]) else { return };
    let database = database(&openai(OLD_URL, &["sk-canary-old"]));
    let url = database.url_at(bouncer.port(), "postgres", "postgres");
    let starts: Vec<_> = (0..6).map(|_| seed(&database).database(&url).start()).collect();
    let written = starts.into_iter().map(|run| run.wait().expect(0).json()["written"].clone());
    assert_eq!(written.filter(|written| *written == json!(true)).count(), 1);
    assert_eq!((keys(&database), row(&database)["base_url"].clone()), (vec!["sk-canary-new".to_owned()], json!(URL)));
    let open = "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in%'";
    assert_eq!(database.json(open), 0);
}

#[test]
fn killed_take_leaves_all_or_nothing() {
    let database = database(&openai(OLD_URL, &["sk-canary-old"]));
    let proxy = Proxy::new().delay(Duration::from_millis(8)).start(Server::shared().port());
    let url = database.url_at(proxy.port(), "postgres", "postgres");
    for round in 0..24u64 {
        let (to, key) = (format!("https://round-{round}.example/"), format!("sk-canary-{round}"));
        let before = Snapshot::of(&database);
        let run = seed(&database).database(&url).env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", &to);
        let mut started = run.env("CODER_AIBRIDGE_PROVIDER_0_KEYS", &key).start();
        sleep(Duration::from_millis(40 + round * 9));
        started.kill();
        started.wait();
        // A transaction that the server still considers open ends with its backend.
        let busy = "select count(*) from pg_stat_activity where datname = current_database()
                     and application_name = 'ai-provider-seed' and xact_start is not null";
        until(&database, busy, &|count| count == 0);
        let after = Snapshot::of(&database);
        if row(&database)["base_url"] == to.as_str() {
            let removed = before.keys_of(&json!(ID)).len();
            let audit = before.audit.len() + 2 + removed;
            assert_eq!((after.keys_of(&json!(ID)), after.audit.len()), (vec![key], audit));
        } else {
            assert_eq!(after.changes_since(&before), [""; 0]);
        }
    }
}
