//! `--take-environment`: the values that a start overwrites in an existing row, and its limits.

use crate::support::cases::{ConnectAs, Env, run_all};
use crate::support::resolution::{ID, OLD_URL, URL, database, openai, row, run, unchanged};
use crate::support::{Database, Finished, Proxy, Run, Server, Snapshot};
use serde_json::{Value, json};

pub fn seed(database: &Database, take: &str) -> Run {
    run("seed", database).arg("--take-environment").arg(take)
}

fn keys(database: &Database) -> Vec<String> {
    Snapshot::of(database).keys_of(&json!(ID))
}

pub fn state(finished: &Finished, at: usize) -> Value {
    finished.json()["providers"][at]["state"].clone()
}

pub fn written(finished: &Finished) -> Value {
    finished.json()["written"].clone()
}

fn with_display_name(run: Run) -> Run {
    run.env("CODER_AIBRIDGE_PROVIDER_0_DISPLAY_NAME", "From the environment")
}

#[test]
fn rotated_key_is_taken_and_a_second_start_writes_nothing() {
    let database = database(&openai(URL, &["sk-canary-old", "sk-canary-older"]));
    let before = Snapshot::of(&database);
    let told = run("diff", &database).arg("--take-environment=credentials").run().expect(1);
    assert_eq!((told.json()["outcome"].clone(), state(&told, 0)), (json!("changes"), json!("would_update")));
    unchanged(&database, &before);
    let finished = seed(&database, "credentials").run().expect(0);
    assert_eq!((state(&finished, 0), written(&finished)), (json!("updated"), json!(true)));
    assert_eq!(finished.json()["conflicts"], json!([]));
    assert_eq!(keys(&database), ["sk-canary-new"]);
    let after = Snapshot::of(&database);
    let again = seed(&database, "credentials").run().expect(0);
    assert_eq!((state(&again, 0), written(&again)), (json!("in_sync"), json!(false)));
    unchanged(&database, &after);
}

#[test]
fn audit_rows_name_the_option_and_no_value() {
    let database = database(&openai(URL, &["sk-canary-old"]));
    seed(&database, "credentials").run().expect(0);
    let fields = database.json(
        "select json_agg(json_build_array(resource_type, action, additional_fields) order by resource_type, action)
           from audit_logs",
    );
    let provider = &fields[0];
    assert_eq!((&provider[0], &provider[1]), (&json!("ai_provider"), &json!("write")));
    let [added, removed] = ["added", "removed"].map(|list| provider[2][list].as_array().unwrap().len());
    assert_eq!((added, removed, &provider[2]["kept"]), (1, 1, &json!(0)));
    assert_eq!((&provider[2]["by"], &provider[2]["take"]), (&json!("ai-provider-seed"), &json!("credentials")));
    let others: Vec<Value> = fields.as_array().unwrap()[1..].iter().map(|row| row[1].clone()).collect();
    assert_eq!(others, ["create", "delete"]);
    let all = database.json("select json_agg(a) from audit_logs a").to_string();
    assert!(!all.contains("sk-canary") && !all.contains("canary-"), "{all}");
}

#[test]
fn key_rows_that_stay_are_kept() {
    let database = database(&openai(URL, &["sk-canary-old"]));
    let id_of_old = || database.json("select json_agg(id order by created_at) from ai_provider_keys")[0].clone();
    let before = id_of_old();
    let both = |run: Run| run.env("CODER_AIBRIDGE_PROVIDER_0_KEYS", "sk-canary-old,sk-canary-new");
    both(seed(&database, "credentials")).run().expect(0);
    assert_eq!(keys(&database), ["sk-canary-old", "sk-canary-new"]);
    assert_eq!(id_of_old(), before);
}

/// `old,new`, then `new`: no start leaves Coder without a working key. As in docs/runbooks/key-rotated.md. Coder may read
/// at any moment, so each state that another session can see counts.
#[test]
fn rotation_runbook_never_leaves_a_row_without_a_working_key() {
    let database = database(&openai(URL, &["sk-canary-old"]));
    let start = |keys: &str| seed(&database, "credentials").env("CODER_AIBRIDGE_PROVIDER_0_KEYS", keys).start();
    let both = ["sk-canary-old", "sk-canary-new"];
    // The Secret, and the keys that the vendor accepts from then on.
    for (secret, accepted, changes) in [
        ("sk-canary-old", &both[..], false),
        ("sk-canary-old,sk-canary-new", &both, true),
        ("sk-canary-old,sk-canary-new", &both, false),
        ("sk-canary-new", &both, true),
        ("sk-canary-new", &both[1..], false),
    ] {
        let stored: Vec<&str> = secret.split(',').collect();
        let (before, old) = (keys(&database), Snapshot::of(&database));
        let mut started = start(secret);
        while !started.ended() {
            let seen = keys(&database);
            assert!(seen == before || seen == stored, "{seen:?} on the way from {before:?} to {stored:?}");
            assert!(seen.iter().any(|key| accepted.contains(&key.as_str())), "none of {seen:?} works");
        }
        let finished = started.wait().expect(0);
        assert_eq!(
            (written(&finished), keys(&database)),
            (json!(changes), stored.iter().map(|key| (*key).to_owned()).collect())
        );
        // A remaining key keeps its row and its position.
        let is_old = |row: &&Value| row["api_key"] == before[0];
        if stored.contains(&before[0].as_str()) {
            let rows = [&old, &Snapshot::of(&database)].map(|rows| rows.keys.iter().find(is_old).cloned());
            assert_eq!(rows[0], rows[1]);
        }
    }
}

#[test]
fn changed_display_name_does_not_hold_back_a_key() {
    let database = database(&openai(URL, &["sk-canary-old"]));
    let finished = with_display_name(seed(&database, "credentials")).run().expect(0);
    assert_eq!(state(&finished, 0), "updated");
    let reported = &finished.json()["conflicts"][0];
    assert_eq!((&reported["field"], &reported["blocking"]), (&json!("display_name"), &json!(false)));
    assert_eq!(keys(&database), ["sk-canary-new"]);
    assert_eq!(row(&database)["display_name"], "Our OpenAI");
    with_display_name(seed(&database, "all")).run().expect(0);
    assert_eq!(row(&database)["display_name"], "From the environment");
}

#[test]
fn all_takes_the_url_with_its_keys_and_enables_nothing() {
    let database = database(&openai(OLD_URL, &["sk-canary-old"]));
    let finished = seed(&database, "all").run().expect(0);
    assert_eq!(state(&finished, 0), "updated");
    let after = row(&database);
    assert_eq!(
        (&after["base_url"], &after["enabled"], &after["display_name"]),
        (&json!(URL), &json!(false), &json!("Our OpenAI"))
    );
    assert_eq!(keys(&database), ["sk-canary-new"]);
    unchanged(&database, &{
        let after = Snapshot::of(&database);
        assert_eq!(written(&seed(&database, "all").run().expect(0)), false);
        after
    });
}

#[test]
fn uncovered_blocking_difference_writes_nothing_of_the_run() {
    let database = database(&openai(OLD_URL, &["sk-canary-old"]));
    database.execute(
        "insert into ai_providers (id, type, name, base_url) values
             ('00000000-0000-4000-8000-000000000002', 'anthropic', 'claude', 'https://api.anthropic.com/');
         insert into ai_provider_keys (provider_id, api_key) values ('00000000-0000-4000-8000-000000000002', 'sk-stale')",
    );
    let before = Snapshot::of(&database);
    let healthy = |run: Run| {
        run.env("CODER_AIBRIDGE_PROVIDER_1_TYPE", "anthropic")
            .env("CODER_AIBRIDGE_PROVIDER_1_NAME", "claude")
            .env("CODER_AIBRIDGE_PROVIDER_1_BASE_URL", "https://api.anthropic.com/")
            .env("CODER_AIBRIDGE_PROVIDER_1_KEY", "sk-canary-fresh")
            .env("CODER_AIBRIDGE_PROVIDER_2_TYPE", "azure")
            .env("CODER_AIBRIDGE_PROVIDER_2_BASE_URL", "https://azure.example/")
            .env("CODER_AIBRIDGE_PROVIDER_2_KEY", "sk-canary-azure")
    };
    let finished = healthy(seed(&database, "credentials")).run().expect(3);
    assert_eq!(
        (state(&finished, 0), state(&finished, 1), state(&finished, 2)),
        (json!("missing"), json!("would_update"), json!("conflict"))
    );
    assert_eq!(written(&finished), false);
    unchanged(&database, &before);
    let text = healthy(seed(&database, "credentials")).with_text().run().expect(3).stdout;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("1 more missing there, 1 more to be updated there; nothing was written"), "{text}");
}

#[test]
fn report_shows_both_sides_of_taken_fields() {
    let database = database(&openai(URL, &["sk-canary-old"]));
    let text = seed(&database, "credentials").with_text().run().expect(0).stdout;
    assert!(text.starts_with("updated 1 provider; Coder was notified (requests in flight end after 5 s)\n"), "{text}");
    assert!(text.contains("from  1 key (") && text.contains("to    1 key ("), "{text}");
    assert!(
        text.contains("since 2026-11-20 09:12 UTC") && text.contains("from CODER_AIBRIDGE_PROVIDER_0_KEYS"),
        "{text}"
    );
}

/// Each difference is treated as `--compare-*` says, and nothing is written.
#[test]
fn limits_of_taking_hold() {
    let refused = |sql: &str, code: i32, change: &dyn Fn(Run) -> Run| {
        let database = database(sql);
        let before = Snapshot::of(&database);
        let finished = change(seed(&database, "all")).run().expect(code);
        assert_eq!(written(&finished), false, "{finished}");
        unchanged(&database, &before);
        let told = change(run("diff", &database).arg("--take-environment=all")).run();
        assert_eq!(told.code, code, "{told}");
    };
    let no_keys = |run: Run| run.without("CODER_AIBRIDGE_PROVIDER_0_KEYS");
    // The row's keys would go to a host that the environment chose.
    refused(&openai(OLD_URL, &["sk-canary-old"]), 3, &no_keys);
    refused(&openai(OLD_URL, &[]), 3, &no_keys);
    // An empty value never replaces a stored one.
    refused(&openai(URL, &["sk-canary-old"]), 0, &no_keys);
    refused(&openai(URL, &["sk-canary-new"]), 3, &|run| run.env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", ""));
    // A value that cannot work.
    refused(&openai(URL, &["sk-canary-old"]), 0, &|run| run.env("CODER_AIBRIDGE_PROVIDER_0_KEYS", "$(KEY)"));
    refused(&openai(URL, &["sk-canary-old"]), 0, &|run| run.env("CODER_AIBRIDGE_PROVIDER_0_KEYS", "sk-a;b"));
    refused(&openai(URL, &["sk-canary-new"]), 3, &|run| run.env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "ai.example"));
    refused(&openai(OLD_URL, &["sk-canary-old"]), 3, &|run| run.env("CODER_AIBRIDGE_PROVIDER_0_KEYS", "$(KEY)"));
    // A type, and a deletion.
    refused(&openai(URL, &["sk-canary-new"]), 3, &|run| {
        run.env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "azure").env("CODER_AIBRIDGE_PROVIDER_0_NAME", "openai")
    });
    let deleted = openai(OLD_URL, &["sk-canary-old"]) + "update ai_providers set deleted = true";
    refused(&deleted, 0, &|run| run);
}

#[test]
fn refused_key_is_a_conflict_under_fail() {
    let database = database(&openai(URL, &["sk-canary-old"]));
    let finished = seed(&database, "credentials")
        .arg("--compare-credentials=fail")
        .env("CODER_AIBRIDGE_PROVIDER_0_KEYS", "$(KEY)")
        .run()
        .expect(3);
    assert_eq!(finished.json()["conflicts"][0]["blocking"], true);
    // Differences that no limit excludes are also taken there.
    seed(&database, "credentials").arg("--compare-credentials=fail").run().expect(0);
    assert_eq!(keys(&database), ["sk-canary-new"]);
}

#[test]
fn taking_ignored_fields_is_an_invalid_option() {
    let database = database(&openai(URL, &["sk-canary-old"]));
    for (take, ignored, code) in [
        ("credentials", "credentials", 2),
        ("all", "credentials", 2),
        ("all", "settings", 2),
        ("credentials", "settings", 0),
        ("none", "credentials", 0),
    ] {
        let finished = seed(&database, take).arg(format!("--compare-{ignored}=ignore")).run().expect(code);
        if code == 2 {
            assert_eq!(finished.codes("problems"), ["invalid_option"], "{take} {ignored}");
            assert_eq!(
                finished.json()["problems"][0]["variables"],
                json!(["--take-environment", format!("--compare-{ignored}")])
            );
        }
    }
}

#[test]
fn change_takes_four_round_trips_and_no_change_one() {
    let server = Server::shared();
    let database = database(&openai(OLD_URL, &["sk-canary-old"]));
    let trips = |expected: usize| {
        let proxy = Proxy::new().start(server.port());
        let url = database.url_at(proxy.port(), "postgres", "postgres");
        let mut start = seed(&database, "all").database(url).env("CODER_AIBRIDGE_PROVIDER_1_TYPE", "anthropic");
        start = start
            .env("CODER_AIBRIDGE_PROVIDER_1_BASE_URL", "https://a.example/")
            .env("CODER_AIBRIDGE_PROVIDER_1_KEY", "sk-a");
        start.run().expect(0);
        assert_eq!(proxy.round_trips(), [expected]);
    };
    trips(4);
    trips(1);
}

#[test]
fn server_that_takes_no_writes_is_reported() {
    let database = database(&openai(URL, &["sk-canary-old"]));
    database.execute("create role taker superuser login; alter role taker set default_transaction_read_only = on");
    let before = Snapshot::of(&database);
    let finished = seed(&database, "credentials").database(database.url_as("taker", "x")).run().expect(5);
    assert_eq!(finished.codes("problems"), ["read_only"]);
    unchanged(&database, &before);
    database.execute("drop owned by taker; drop role taker");
}

/// The cases in which `all` resolves every difference, and those in which the limits leave a conflict.
#[test]
fn every_conflict_of_the_cases_ends_or_is_named_here() {
    run_all(ConnectAs { finally: take_all, ..ConnectAs::SUPERUSER });
}

fn take_all(id: &str, database: &Database, env: &Env) -> Vec<String> {
    let start = || {
        let run = Run::seed().json().arg("--take-environment=all").arg("--wait=10s");
        run.database(database.url()).envs(env).run()
    };
    let first = start();
    let stays = STAY_CONFLICTS.contains(&id);
    match (first.code, stays) {
        (3, true) => Vec::new(),
        (0, false) => {
            let after = Snapshot::of(database);
            let again = start();
            let mut wrong = Snapshot::of(database).changes_since(&after);
            if again.code != 0 || again.json()["written"] != json!(false) {
                wrong.push(format!("the second start: {again}"));
            }
            wrong
        }
        (3, false) => vec![format!("stays a conflict: {first}")],
        (_, true) => vec![format!("is no conflict any more: {first}")],
        // Invalid, or a database that allows nothing: this option does not matter.
        _ => Vec::new(),
    }
}

/// Another type.
const STAY_CONFLICTS: &[&str] = &["derived/TypeChangeIsDrift@current", "derived/TypeChangeIsDrift@initial"];
