//! Rotated credentials beside a conflict that stops a start: another provider's conflict does not hold back a key, its
//! own does, and missing rows wait for both.

use super::carry::{environment, has_keys, owned, rotate};
use super::carry_races::overwritten;
use super::settling::resource;
use crate::support::controller::{
    Controller, check_now, condition, conditions, deployment, get, message, notes, reason,
};
use crate::support::kubernetes::eventually;
use crate::support::resolution::{OLD_URL, URL, database, openai, unchanged};
use crate::support::{Cluster, Database, Namespace, Snapshot};
use serde_json::{Value, json};

const OTHER: &str = "insert into ai_providers (type, name, base_url) values ('anthropic', 'anthropic', 'https://api.anthropic.com/');
    insert into ai_provider_keys (provider_id, api_key) select id, 'sk-canary-other' from ai_providers where name = 'anthropic';";

/// OpenAI, whose keys come from the Secret, Anthropic beside it, and the test's additions.
fn apply(namespace: &Namespace, database: &Database, more: &[(&str, &str)]) {
    let mut env = environment(database, "coder-keys", URL);
    let other = [
        ("CODER_AIBRIDGE_PROVIDER_1_TYPE", "anthropic"),
        ("CODER_AIBRIDGE_PROVIDER_1_BASE_URL", "https://api.anthropic.com/"),
        ("CODER_AIBRIDGE_PROVIDER_1_KEYS", "sk-canary-other"),
    ];
    let entry = |(name, value): &(&str, &str)| json!({"name": name, "value": value});
    env.as_array_mut().unwrap().extend(other.iter().chain(more).map(entry));
    namespace.apply(&deployment("coder", &env, &["seed"]).to_string());
}

/// Both providers agree, and a writing controller has seen it.
fn agreed(namespace: &Namespace, database: &Database, spec: Value) -> Controller {
    rotate(namespace, "coder", "sk-canary-old");
    apply(namespace, database, &[]);
    resource(namespace, "coder", spec);
    let controller = Controller::writing(namespace);
    assert_eq!(reason(namespace, "coder", "InSync").agreements.len(), 2);
    controller
}

fn set_url(database: &Database, provider: &str, url: &str) {
    database.execute(&format!("update ai_providers set base_url = '{url}' where name = '{provider}'"));
}

/// `anthropic Conflict`
fn states(namespace: &Namespace) -> Vec<String> {
    let providers = get(namespace, "coder").status.unwrap().providers;
    providers.iter().map(|provider| format!("{} {:?}", provider.name, provider.state)).collect()
}

#[test]
fn conflict_of_another_provider_holds_back_no_rotated_key() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&(openai(URL, &["sk-canary-old"]) + OTHER)));
    let controller = agreed(&namespace, &database, owned());
    set_url(&database, "anthropic", "https://other.example/");
    // A further provider is missing.
    let missing = [
        ("CODER_AIBRIDGE_PROVIDER_2_TYPE", "google"),
        ("CODER_AIBRIDGE_PROVIDER_2_KEYS", "sk-canary-third"),
        ("CODER_AIBRIDGE_PROVIDER_2_BASE_URL", "https://generativelanguage.googleapis.com/"),
    ];
    apply(&namespace, &database, &missing);
    check_now(&namespace, "coder");
    let status = reason(&namespace, "coder", "Conflict");
    let (id, agreements) = (status.conflicts[0].id.clone(), status.agreements);
    let before = Snapshot::of(&database);

    rotate(&namespace, "coder", "sk-canary-old,sk-canary-new");
    has_keys(&database, &["sk-canary-old", "sk-canary-new"]);

    // Only its row changes, by one write, and the missing row waits.
    let after = Snapshot::of(&database);
    for (table, change) in
        [("ai_providers: ", " became "), ("ai_provider_keys: ", "inserted"), ("audit_logs: ", "inserted")]
    {
        assert!(after.changes_since(&before).iter().any(|it| it.starts_with(table) && it.contains(change)));
    }
    assert_eq!((after.live("anthropic"), after.live("google")), (before.live("anthropic"), None));
    assert_eq!(overwritten(&database), 1);
    // The status has both: the new key, and the other provider's conflict unchanged.
    let status = eventually("the memory follows", || {
        let status = get(&namespace, "coder").status?;
        (status.agreements != agreements).then_some(status)
    });
    let expected = ["Ready=False Conflict", "InSync=False Conflict", "Stalled=True Conflict"];
    let found = conditions(&status);
    assert!(expected.iter().all(|condition| found.iter().any(|it| it == condition)), "{found:?}");
    assert!(message(&status, "Ready").starts_with("the next start of Deployment coder would be stopped"), "{status:?}");
    assert_eq!((status.conflicts.len(), &status.conflicts[0].id), (1, &id));
    assert_eq!(states(&namespace), ["anthropic Conflict", "google Missing", "openai InSync"]);
    eventually("its Event", || {
        notes(&namespace).iter().find(|note| note.starts_with("Seeded: took the environment: openai api_keys")).cloned()
    });

    // Nothing more is written until the conflict is gone; then the missing row is inserted.
    check_now(&namespace, "coder");
    unchanged(&database, &after);
    condition(&namespace, "coder", "Seeded", "Waiting");
    set_url(&database, "anthropic", "https://api.anthropic.com/");
    check_now(&namespace, "coder");
    reason(&namespace, "coder", "InSync");
    assert!(Snapshot::of(&database).live("google").is_some());
    controller.stop().expect(0);
}

/// With takeEnvironment All the URL is left to the next start, which does not hold back a key either.
#[test]
fn url_left_to_a_start_holds_back_only_its_own_provider() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&(openai(URL, &["sk-canary-old"]) + OTHER)));
    let all = json!({"mode": "Seed", "interval": "1h", "options": {"takeEnvironment": "All"}});
    let controller = agreed(&namespace, &database, all);
    set_url(&database, "anthropic", "https://other.example/");
    check_now(&namespace, "coder");
    reason(&namespace, "coder", "WouldUpdate");
    rotate(&namespace, "coder", "sk-canary-new");
    has_keys(&database, &["sk-canary-new"]);
    check_now(&namespace, "coder");
    assert_eq!(states(&namespace), ["anthropic WouldUpdate", "openai InSync"]);
    let rows = Snapshot::of(&database);
    assert_eq!(rows.live("anthropic").unwrap()["base_url"], "https://other.example/");

    // Its own difference does.
    set_url(&database, "openai", OLD_URL);
    rotate(&namespace, "coder", "sk-canary-newer");
    let before = Snapshot::of(&database);
    check_now(&namespace, "coder");
    reason(&namespace, "coder", "WouldUpdate");
    unchanged(&database, &before);
    controller.stop().expect(0);
}

#[test]
fn blocking_difference_holds_back_keys_of_its_own_provider() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&(openai(URL, &["sk-canary-old"]) + OTHER)));
    let controller = agreed(&namespace, &database, owned());
    set_url(&database, "openai", OLD_URL);
    rotate(&namespace, "coder", "sk-canary-new");
    let before = Snapshot::of(&database);
    check_now(&namespace, "coder");
    let status = condition(&namespace, "coder", "Ready", "Conflict");
    unchanged(&database, &before);
    assert_eq!(states(&namespace), ["openai Conflict", "anthropic InSync"]);
    assert!(status.conflicts.iter().all(|conflict| conflict.provider == "openai"), "{status:?}");
    controller.stop().expect(0);
}
