//! By itself the controller overwrites only credentials on which both sides last agreed. When a Secret is rotated, the
//! row gets the new key without a start.

use super::settling::{audited, nothing_secret, resource};
use crate::support::controller::{
    Controller, check_now, condition, conditions, decide, deployment, get, message, notes, reason, secret,
};
use crate::support::kubernetes::eventually;
use crate::support::resolution::{ID, OLD_URL, URL, database, openai, row, unchanged};
use crate::support::{Cluster, Database, Namespace, Snapshot};
use postgres::fallible_iterator::FallibleIterator;
use serde_json::{Value, json};
use std::time::Duration;

pub fn environment(database: &Database, from: &str, url: &str) -> Value {
    json!([
        {"name": "CODER_PG_CONNECTION_URL", "value": database.url()},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_TYPE", "value": "openai"},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "value": url},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_KEYS", "valueFrom": {"secretKeyRef": {"name": from, "key": "keys"}}},
    ])
}

pub fn owned() -> Value {
    json!({"mode": "Seed", "interval": "1h", "options": {"takeEnvironment": "Credentials"}})
}

/// A workload whose keys come from the Secret `name`-keys, and a resource that makes the environment own them.
pub fn workload(namespace: &Namespace, name: &str, database: &Database, keys: &str) {
    let from = format!("{name}-keys");
    rotate(namespace, name, keys);
    namespace.apply(&deployment(name, &environment(database, &from, URL), &["seed"]).to_string());
    resource(namespace, name, owned());
}

/// A workload whose key and row agree, and a writing controller that has seen the agreement.
pub fn agreed(namespace: &Namespace, database: &Database) -> Controller {
    workload(namespace, "coder", database, "sk-canary-old");
    let controller = Controller::writing(namespace);
    reason(namespace, "coder", "InSync");
    controller
}

pub fn rotate(namespace: &Namespace, name: &str, keys: &str) {
    namespace.apply(&secret(&format!("{name}-keys"), json!({"keys": keys})).to_string());
}

pub fn keys(database: &Database) -> Vec<String> {
    Snapshot::of(database).keys_of(&row(database)["id"])
}

pub fn has_keys(database: &Database, expected: &[&str]) {
    eventually(&format!("the row has {expected:?}"), || (keys(database) == expected).then_some(()));
}

/// As an operator does in Coder's UI.
pub fn replace_key(database: &Database, key: &str) {
    database.execute(&format!(
        "delete from ai_provider_keys; insert into ai_provider_keys (provider_id, api_key)
         select id, '{key}' from ai_providers where not deleted"
    ));
}

/// The row stays unchanged while checks continue, and the status says what would be written.
#[track_caller]
fn is_left(namespace: &Namespace, name: &str, database: &Database) -> String {
    let before = Snapshot::of(database);
    let status = reason(namespace, name, "WouldUpdate");
    check_now(namespace, name);
    unchanged(database, &before);
    assert_eq!(conditions(&status)[..2], ["Ready=True WouldUpdate", "InSync=False WouldUpdate"]);
    let id = status.conflicts[0].id.clone();
    assert!(message(&status, "Ready").contains(&format!("--conflict {id}")), "{status:?}");
    id
}

#[test]
fn rotated_secret_reaches_the_row_and_coder_hears_of_it() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-old"])));
    let mut listener = database.client();
    listener.batch_execute("listen ai_providers_changed").unwrap();
    let controller = agreed(&namespace, &database);
    let status = get(&namespace, "coder").status.unwrap();
    let agreed = status.agreements[0].credentials.clone().unwrap();
    assert!(agreed.len() == 1 && agreed[0].len() == 16, "{agreed:?}");
    assert_eq!(audited(&database), 0);

    // when the Secret is rotated, through a state with both keys / then the row follows without a start, once for each
    // change
    for (number, rotated) in (1..).zip([&["sk-canary-old", "sk-canary-new"][..], &["sk-canary-new"]]) {
        rotate(&namespace, "coder", &rotated.join(","));
        has_keys(&database, rotated);
        assert!(listener.notifications().timeout_iter(Duration::from_secs(5)).next().unwrap().is_some());
        let status = eventually("the status follows", || {
            let status = get(&namespace, "coder").status?;
            (status.agreements[0].credentials.as_ref()?.len() == rotated.len()
                && conditions(&status) == ["Ready=True InSync", "InSync=True InSync", "Seeded=True Seeded"])
            .then_some(status)
        });
        assert!(message(&status, "Seeded").starts_with("took the environment: openai api_keys from "), "{status:?}");
        assert_eq!(controller.metric("ai_provider_seed_database_writes_total{result=\"Seeded\"}"), f64::from(number));
    }
    let after = Snapshot::of(&database);
    check_now(&namespace, "coder");
    unchanged(&database, &after);
    eventually("two Events", || {
        (notes(&namespace).iter().filter(|note| note.starts_with("Seeded: ")).count() == 2).then_some(())
    });
    nothing_secret(&namespace, &controller.stop().expect(0), "");
}

#[test]
fn row_that_was_changed_since_the_agreement_is_left() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-old"])));
    let controller = agreed(&namespace, &database);
    replace_key(&database, "sk-canary-of-coder");
    check_now(&namespace, "coder");
    let first = is_left(&namespace, "coder", &database);
    // Also if the environment changes afterwards.
    rotate(&namespace, "coder", "sk-canary-new");
    let id = eventually("another id", || {
        let id = get(&namespace, "coder").status?.conflicts.first()?.id.clone();
        (id != first).then_some(id)
    });
    is_left(&namespace, "coder", &database);
    // The decision takes that difference, and from then on both sides agree again.
    decide(&namespace, "coder", &format!("{id}:environment"));
    condition(&namespace, "coder", "Resolved", "Resolved");
    assert_eq!(keys(&database), ["sk-canary-new"]);
    rotate(&namespace, "coder", "sk-canary-newer");
    has_keys(&database, &["sk-canary-newer"]);
    controller.stop().expect(0);
}

#[test]
fn missing_memory_or_another_row_is_never_overwritten() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-old"])));
    let controller = agreed(&namespace, &database);

    // when the row was deleted and created again / then it is another row
    controller.stop().expect(0);
    database.execute(&format!(
        "update ai_providers set deleted = true; insert into ai_providers (type, name, base_url) values ('openai', 'openai', '{URL}')"
    ));
    replace_key(&database, "sk-canary-old");
    rotate(&namespace, "coder", "sk-canary-new");
    let controller = Controller::writing(&namespace);
    is_left(&namespace, "coder", &database);

    // when the resource is new / then it has no record
    database.execute(&format!(
        "delete from ai_provider_keys; delete from ai_providers; {}",
        openai(URL, &["sk-canary-old"])
    ));
    namespace.kubectl(&["delete", "aps", "coder"]).ok();
    resource(&namespace, "coder", owned());
    is_left(&namespace, "coder", &database);

    // when the provider was temporarily missing from the environment / then its record is gone
    rotate(&namespace, "coder", "sk-canary-old");
    reason(&namespace, "coder", "InSync");
    let without = json!([{"name": "CODER_PG_CONNECTION_URL", "value": database.url()}]);
    namespace.apply(&deployment("coder", &without, &["seed"]).to_string());
    reason(&namespace, "coder", "NothingDesired");
    rotate(&namespace, "coder", "sk-canary-new");
    namespace.apply(&deployment("coder", &environment(&database, "coder-keys", URL), &["seed"]).to_string());
    is_left(&namespace, "coder", &database);
    assert_eq!((row(&database)["id"].clone(), audited(&database)), (json!(ID), 0));
    controller.stop().expect(0);
}

/// The container's own option serves only the prediction; other fields than credentials wait for a start.
#[test]
fn only_credentials_are_carried_where_the_resource_says_so() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-old"])));
    rotate(&namespace, "coder", "sk-canary-old");
    let container = |url: &str| {
        let env = environment(&database, "coder-keys", url);
        namespace.apply(&deployment("coder", &env, &["seed", "--take-environment=all"]).to_string());
    };
    container(URL);
    resource(&namespace, "coder", json!({"mode": "Seed", "interval": "1h"}));
    let controller = Controller::writing(&namespace);
    reason(&namespace, "coder", "InSync");
    rotate(&namespace, "coder", "sk-canary-new");
    is_left(&namespace, "coder", &database);
    rotate(&namespace, "coder", "sk-canary-old");
    reason(&namespace, "coder", "InSync");
    let all = json!({"mode": "Seed", "interval": "1h", "options": {"takeEnvironment": "All"}});
    resource(&namespace, "coder", all.clone());
    container(OLD_URL);
    rotate(&namespace, "coder", "sk-canary-new");
    is_left(&namespace, "coder", &database);
    container(URL);
    has_keys(&database, &["sk-canary-new"]);
    // A mode that only reads.
    resource(&namespace, "coder", json!({"mode": "Observe", "interval": "1h", "options": {"takeEnvironment": "All"}}));
    reason(&namespace, "coder", "InSync");
    rotate(&namespace, "coder", "sk-canary-newer");
    is_left(&namespace, "coder", &database);
    controller.stop().expect(0);
}

/// A resource whose author may not reach production, and a Secret of the namespace that does.
#[test]
fn secret_says_which_resource_may_write_to_its_database() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-old"])));
    namespace.apply(&secret("prod-db", json!({"url": database.url()})).to_string());
    let dev = json!([
        {"name": "CODER_PG_CONNECTION_URL", "value": "postgres://dev@dev.invalid/dev"},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_TYPE", "value": "azure"},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_NAME", "value": "theirs"},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "value": "https://evil.example.com/"},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_KEYS", "value": "sk-canary-theirs"},
    ]);
    namespace.apply(&deployment("dev", &dev, &["seed"]).to_string());
    let before = Snapshot::of(&database);
    let reference = json!({"mode": "Seed", "database": {"urlSecretRef": {"name": "prod-db", "key": "url"}}});
    resource(&namespace, "dev", reference);
    let controller = Controller::writing(&namespace);
    let status = reason(&namespace, "dev", "WriteNotPermitted");
    let expected = ["Ready=True WriteNotPermitted", "InSync=False WriteNotPermitted", "Seeded=False WriteNotPermitted"];
    assert_eq!(conditions(&status), expected);
    let next = "kubectl annotate secret prod-db aiproviders.dev/writable-by=dev";
    assert!(message(&status, "Ready").contains(next), "{status:?}");
    let annotate = |by: &str| {
        let annotation = format!("aiproviders.dev/writable-by={by}");
        namespace.kubectl(&["annotate", "--overwrite", "secret/prod-db", &annotation]).ok();
    };
    annotate("coder,developer");
    check_now(&namespace, "dev");
    unchanged(&database, &before);
    annotate("coder, dev");
    condition(&namespace, "dev", "Seeded", "Seeded");
    assert!(Snapshot::of(&database).live("theirs").is_some());
    controller.stop().expect(0);
}
