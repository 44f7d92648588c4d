//! Common parts of the tests of a writing controller: the workload of `resolution`'s environment beside its rows.

use serde_json::{Value, json};

use crate::support::controller::{deployment, get, notes, seed};
use crate::support::kubernetes::ServiceAccount;
use crate::support::resolution::URL;
use crate::support::{Database, Finished, Namespace, Snapshot};

const SECRETS: [&str; 3] = ["sk-canary", "postgres://", "MDEyMzQ1"];

/// OpenAI at `url` with the key `sk-canary-new`, as in `resolution::run`, and the test's additions.
pub fn env(database_url: &str, url: &str, more: &[(&str, &str)]) -> Value {
    let given = [
        ("CODER_PG_CONNECTION_URL", database_url),
        ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"),
        ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", url),
        ("CODER_AIBRIDGE_PROVIDER_0_KEYS", "sk-canary-new"),
    ];
    given.iter().chain(more).map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// A workload with that environment, and its resource.
pub fn workload(namespace: &Namespace, name: &str, database: &Database, more: &[(&str, &str)], spec: Value) {
    namespace.apply(&deployment(name, &env(&database.url(), URL, more), &["seed"]).to_string());
    resource(namespace, name, spec);
}

pub fn resource(namespace: &Namespace, name: &str, spec: Value) {
    let mut whole = json!({"workloadRef": {"name": name}});
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    namespace.apply(&seed(name, whole).to_string());
}

/// The kinds that a controller reads and writes, without the status of its resources.
const ALL_BUT_STATUS: [&str; 6] = ["aiproviderseeds", "deployments", "statefulsets", "secrets", "configmaps", "events"];
const WITHOUT_STATUS: &str = "no-status";

/// An account for a controller that may not write the status.
pub fn account_without_status(namespace: &Namespace) -> ServiceAccount {
    namespace.account_with(WITHOUT_STATUS, &rules(&ALL_BUT_STATUS))
}

/// From now on that account may write the status.
pub fn grant_status(namespace: &Namespace) {
    let rules = rules(&[&ALL_BUT_STATUS[..], &["aiproviderseeds/status"]].concat());
    let metadata = json!({"name": WITHOUT_STATUS});
    let role =
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules});
    namespace.apply(&role.to_string());
}

fn rules(resources: &[&str]) -> Value {
    json!([{"apiGroups": ["*"], "resources": resources, "verbs": ["*"]}])
}

/// The number of audit rows of each kind.
pub fn audited(database: &Database) -> usize {
    Snapshot::of(database).audit.len()
}

/// No secret is in the output of the controller and the resource, nor in `more`.
#[track_caller]
pub fn nothing_secret(namespace: &Namespace, finished: &Finished, more: &str) {
    let status = serde_json::to_string(&get(namespace, "coder").status).unwrap();
    for text in [&finished.stderr, &status, &notes(namespace).concat(), more] {
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "a secret is in {text}");
    }
}

/// Waits until a session waits for the held lock.
pub fn wait_for_waiters(database: &Database, number: u64) {
    let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted and database =
        (select oid from pg_database where datname = current_database())";
    crate::support::kubernetes::eventually("a session waits for the lock", || {
        (database.json(waiting) == number).then_some(())
    });
}
