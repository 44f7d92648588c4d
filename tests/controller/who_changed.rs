//! A conflict names the changed side and the time, if known, and claims nothing otherwise.

use super::settling::{env, workload};
use crate::support::controller::{Controller, check_now, deployment, events, get, reason};
use crate::support::kubernetes::eventually;
use crate::support::resolution::{OLD_URL, URL, database, openai};
use crate::support::{Cluster, Namespace, Run};
use ai_provider_seed::testing::kubernetes::crd::status::{AIProviderSeedStatus, Changed, ConflictStatus};
use serde_json::json;

fn agreement(status: &AIProviderSeedStatus) -> String {
    status.agreements[0].time.0.to_string()
}

/// The first conflict once it has this value of the environment and this one of the database.
fn conflict(namespace: &Namespace, environment: &str, database: &str) -> ConflictStatus {
    check_now(namespace, "coder");
    eventually(&format!("{environment} against {database}"), || {
        let conflict = get(namespace, "coder").status?.conflicts.into_iter().next()?;
        (conflict.environment == environment && conflict.database == database).then_some(conflict)
    })
}

fn environment(namespace: &Namespace, database_url: &str, url: &str) {
    namespace.apply(&deployment("coder", &env(database_url, url, &[]), &["seed"]).to_string());
}

/// The sentence about it: in the condition, in the Event, and so in `kubectl describe`.
fn is_reported(namespace: &Namespace, conflict: &ConflictStatus, who: &str) {
    let since = conflict.since.as_ref().unwrap().0.to_string();
    let claim = format!("in the database ({who} changed since {} {} UTC)", &since[..10], &since[11..16]);
    let status = get(namespace, "coder").status.unwrap();
    assert!(status.conditions[0].message.contains(&claim), "{claim}: {status:?}");
    assert!(status.summary.unwrap().message.contains(&claim));
    eventually("an Event says it", || {
        let told = |note: &Option<String>| {
            let note = note.as_deref().unwrap_or_default();
            note.contains(&claim) && note.contains(&conflict.environment) && note.contains(&conflict.database)
        };
        events(namespace).iter().any(|event| told(&event.note)).then_some(())
    });
    let described = namespace.kubectl(&["describe", "aps", "coder"]).ok();
    let described = described.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(described.contains(&claim) && described.contains(&format!("Since: {since}")), "{described}");
}

#[test]
fn changed_side_is_named_also_after_a_restart() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-new"])));
    workload(&namespace, "coder", &database, &[], json!({}));
    let set = |url: &str| database.execute(&format!("update ai_providers set base_url = '{url}'"));
    let controller = Controller::start(&namespace);
    let status = reason(&namespace, "coder", "InSync");
    let agreed = agreement(&status);
    let diff = Run::diff().json().database(database.url());
    let env = [("TYPE", "openai"), ("BASE_URL", URL), ("KEYS", "sk-canary-new")];
    let diff = env.iter().fold(diff, |run, (name, value)| run.env(format!("CODER_AIBRIDGE_PROVIDER_0_{name}"), *value));
    assert_eq!(status.agreements[0].hash, diff.run().expect(0).json()["providers"][0]["hash"]["database"]);

    // The environment changed.
    let other = "https://other.example.com/";
    environment(&namespace, &database.url(), other);
    let found = conflict(&namespace, other, URL);
    assert_eq!(found.changed, Some(Changed::Environment));
    assert!(found.since.as_ref().unwrap().0.to_string() >= agreed, "{found:?}");
    is_reported(&namespace, &found, "the environment");
    // The same after a restart, without another status write.
    controller.stop().expect(0);
    let version = get(&namespace, "coder").metadata.resource_version;
    let controller = Controller::start(&namespace);
    eventually("it has looked", || (controller.metric("ai_provider_seed_reconciles_total") >= 1.0).then_some(()));
    assert_eq!(get(&namespace, "coder").metadata.resource_version, version);
    // Both changed, seen by a controller that never saw an agreement itself.
    set(OLD_URL);
    let both = conflict(&namespace, other, OLD_URL);
    assert_eq!((both.changed, &both.since), (Some(Changed::Both), &found.since));
    is_reported(&namespace, &both, "both");
    // The environment changes back, so only the database has changed since.
    environment(&namespace, &database.url(), URL);
    let database_alone = conflict(&namespace, URL, OLD_URL);
    assert_eq!((database_alone.changed, &database_alone.since), (Some(Changed::Database), &found.since));
    is_reported(&namespace, &database_alone, "the database");
    // An outage does not erase the record.
    environment(&namespace, "postgres://nobody@127.0.0.1:1/x?sslmode=disable", URL);
    reason(&namespace, "coder", "DatabaseUnreachable");
    environment(&namespace, &database.url(), URL);
    reason(&namespace, "coder", "Conflict");
    assert_eq!(conflict(&namespace, URL, OLD_URL), database_alone);
    controller.stop().expect(0);
}

#[test]
fn changed_side_is_unknown_without_an_earlier_check() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    workload(&namespace, "coder", &database, &[], json!({}));
    let nothing = |found: &ConflictStatus| {
        assert_eq!((found.changed, &found.since), (None, &None), "{found:?}");
        let status = get(&namespace, "coder").status.unwrap();
        assert!(!status.conditions[0].message.contains("changed since"), "{status:?}");
    };
    // when the first check finds a conflict / then no side has changed
    let controller = Controller::start(&namespace);
    reason(&namespace, "coder", "Conflict");
    nothing(&conflict(&namespace, URL, OLD_URL));
    assert!(get(&namespace, "coder").status.unwrap().agreements.is_empty());

    // when both agreed, and Coder has replaced the row / then no side has changed
    let set = |url: &str| database.execute(&format!("update ai_providers set base_url = '{url}' where not deleted"));
    set(URL);
    check_now(&namespace, "coder");
    reason(&namespace, "coder", "InSync");
    database.execute(&format!(
        "update ai_providers set deleted = true;
         insert into ai_providers (type, name, base_url) values ('openai', 'openai', '{OLD_URL}')"
    ));
    nothing(&conflict(&namespace, URL, OLD_URL));

    // when both agreed, and the row was deleted and restored with other values / then no side has changed
    set(URL);
    database.execute("insert into ai_provider_keys (provider_id, api_key) select id, 'sk-canary-new' from ai_providers where not deleted");
    check_now(&namespace, "coder");
    reason(&namespace, "coder", "InSync");
    database.execute(
        "delete from ai_provider_keys; delete from ai_providers where deleted; update ai_providers set deleted = true",
    );
    check_now(&namespace, "coder");
    eventually("it is deleted", || get(&namespace, "coder").status?.agreements.is_empty().then_some(()));
    database.execute(&format!("update ai_providers set deleted = false, base_url = '{OLD_URL}'"));
    nothing(&conflict(&namespace, URL, OLD_URL));

    // when both agreed, and the environment temporarily lacked the provider / then no side has changed
    set(URL);
    check_now(&namespace, "coder");
    eventually("they agree", || (get(&namespace, "coder").status?.agreements.len() == 1).then_some(()));
    let none = json!([{"name": "CODER_PG_CONNECTION_URL", "value": database.url()}]);
    namespace.apply(&deployment("coder", &none, &["seed"]).to_string());
    reason(&namespace, "coder", "NothingDesired");
    set(OLD_URL);
    environment(&namespace, &database.url(), URL);
    reason(&namespace, "coder", "Conflict");
    nothing(&conflict(&namespace, URL, OLD_URL));

    // when only keys differ / then no side has changed, because keys are not recorded
    set(URL);
    database
        .execute("insert into ai_provider_keys (provider_id, api_key) select id, 'sk-canary-other' from ai_providers");
    check_now(&namespace, "coder");
    let status = reason(&namespace, "coder", "CredentialsDiffer");
    nothing(&status.conflicts[0]);
    assert_eq!(status.agreements.len(), 1, "type, URL and region agree");
    controller.stop().expect(0);
}
