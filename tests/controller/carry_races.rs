//! Rotations during other activity: another resource, Coder, a held lock, a crash, a frozen leader, more providers than
//! are recorded.

use super::carry::{agreed, has_keys, keys, owned, replace_key, rotate, workload};
use super::settling::{account_without_status, resource, wait_for_waiters};
use crate::support::controller::{
    Controller, check_now, condition, conditions, deployment, get, message, reason, secret,
};
use crate::support::kubernetes::eventually;
use crate::support::resolution::{URL, database, openai, unchanged};
use crate::support::{Cluster, Database, Server, Snapshot, Variant};
use serde_json::{Value, json};
use std::time::Duration;

/// How often a row was overwritten.
pub fn overwritten(database: &Database) -> Value {
    database
        .json("select count(*) from audit_logs where resource_type::text = 'ai_provider' and action::text = 'write'")
}

#[test]
fn two_resources_of_one_database_never_fight() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-old"])));
    let both = ["one", "two"];
    both.iter().for_each(|name| workload(&namespace, name, &database, "sk-canary-old"));
    let controller = Controller::writing(&namespace);
    both.iter().for_each(|name| drop(reason(&namespace, name, "InSync")));
    rotate(&namespace, "one", "sk-canary-one");
    has_keys(&database, &["sk-canary-one"]);
    // The other resource never agreed with that row.
    rotate(&namespace, "two", "sk-canary-two");
    // As many rotations as an interval of ten seconds would check in a minute; each controller also receives the other's
    // announcements.
    for _ in 0..6 {
        both.iter().for_each(|name| check_now(&namespace, name));
    }
    reason(&namespace, "one", "InSync");
    reason(&namespace, "two", "WouldUpdate");
    assert_eq!((keys(&database), overwritten(&database)), (vec!["sk-canary-one".to_owned()], json!(1)));
    controller.stop().expect(0);
}

#[test]
fn change_in_coder_between_decision_and_lock_is_kept() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-old"])));
    let controller = agreed(&namespace, &database);
    let holder = database.lock();
    rotate(&namespace, "coder", "sk-canary-new");
    wait_for_waiters(&database, 1);
    replace_key(&database, "sk-canary-of-coder");
    drop(holder);
    reason(&namespace, "coder", "WouldUpdate");
    check_now(&namespace, "coder");
    assert_eq!((keys(&database), overwritten(&database)), (vec!["sk-canary-of-coder".to_owned()], json!(0)));
    controller.stop().expect(0);
}

/// The basis of a write may be at most 5 s old at its commit.
#[test]
fn late_lock_writes_nothing_until_the_next_check() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-old"])));
    let controller = agreed(&namespace, &database);
    let holder = database.lock();
    rotate(&namespace, "coder", "sk-canary-new");
    wait_for_waiters(&database, 1);
    std::thread::sleep(Duration::from_secs(6));
    drop(holder);
    let status = condition(&namespace, "coder", "Seeded", "SeedFailed");
    assert!(message(&status, "Seeded").contains("the lock came too late"), "{status:?}");
    has_keys(&database, &["sk-canary-new"]);
    condition(&namespace, "coder", "Seeded", "Seeded");
    assert_eq!(overwritten(&database), 1);
    controller.stop().expect(0);
}

#[test]
fn crash_between_commit_and_status_carries_nothing_twice() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-old"])));
    let controller = agreed(&namespace, &database);
    let before = get(&namespace, "coder").status.unwrap().agreements;
    controller.stop().expect(0);
    rotate(&namespace, "coder", "sk-canary-new");
    let account = account_without_status(&namespace);
    let controller = Controller::start_as(&account.kubeconfig, &["--allow-writes"]);
    has_keys(&database, &["sk-canary-new"]);
    eventually("the status is refused", || {
        (controller.metric("ai_provider_seed_status_writes_total") >= 1.0).then_some(())
    });
    controller.kill();
    assert_eq!(get(&namespace, "coder").status.unwrap().agreements, before);
    let after = Snapshot::of(&database);
    let controller = Controller::writing(&namespace);
    eventually("both sides agree on the new key", || {
        let status = get(&namespace, "coder").status?;
        (status.agreements[0].credentials != before[0].credentials).then_some(())
    });
    unchanged(&database, &after);
    rotate(&namespace, "coder", "sk-canary-newer");
    has_keys(&database, &["sk-canary-newer"]);
    assert_eq!(overwritten(&database), 2);
    controller.stop().expect(0);
}

#[test]
fn secret_that_is_changed_back_leaves_the_row_as_agreed() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-old"])));
    let controller = agreed(&namespace, &database);
    let before = Snapshot::of(&database);
    // While no controller watches.
    controller.stop().expect(0);
    ["sk-canary-new", "sk-canary-old"].iter().for_each(|keys| rotate(&namespace, "coder", keys));
    let controller = Controller::writing(&namespace);
    check_now(&namespace, "coder");
    unchanged(&database, &before);
    // While it is watched: whichever states it saw, both sides end where they were.
    ["sk-canary-new", "sk-canary-old"].iter().for_each(|keys| rotate(&namespace, "coder", keys));
    eventually("both sides agree", || {
        check_now(&namespace, "coder");
        let status = get(&namespace, "coder").status?;
        (keys(&database) == ["sk-canary-old"] && conditions(&status)[0] == "Ready=True InSync").then_some(())
    });
    controller.stop().expect(0);
}

#[test]
fn leader_that_was_frozen_writes_nothing_when_it_wakes() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-old"])));
    workload(&namespace, "coder", &database, "sk-canary-old");
    let start = || Controller::start_as(namespace.kubeconfig(), &["--allow-writes", "--leader-elect"]);
    let first = start();
    reason(&namespace, "coder", "InSync");
    let second = start();
    second.wait_ready();
    let holder = database.lock();
    rotate(&namespace, "coder", "sk-canary-new");
    wait_for_waiters(&database, 1);
    first.signal("STOP");
    // The other controller waits for the lease to expire, and then for the lock.
    eventually("the other one leads", || (second.metric("ai_provider_seed_leader") >= 1.0).then_some(()));
    drop(holder);
    has_keys(&database, &["sk-canary-new"]);
    replace_key(&database, "sk-canary-of-coder");
    first.signal("CONT");
    first.wait().expect(4);
    check_now(&namespace, "coder");
    reason(&namespace, "coder", "WouldUpdate");
    assert_eq!((keys(&database), overwritten(&database)), (vec!["sk-canary-of-coder".to_owned()], json!(1)));
    second.stop().expect(0);
}

/// Providers beyond the status's limit are never written automatically.
#[test]
fn only_recorded_providers_of_300_are_carried() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    database.execute(&format!(
        "insert into ai_providers (type, name, base_url) select 'openai', 'p-' || lpad(n::text, 3, '0'), '{URL}' from generate_series(0, 299) n;
         insert into ai_provider_keys (provider_id, api_key) select id, 'sk-canary-old' from ai_providers"
    ));
    let mut env = vec![json!({"name": "CODER_PG_CONNECTION_URL", "value": database.url()})];
    for number in 0..300 {
        let name = |suffix: &str| format!("CODER_AIBRIDGE_PROVIDER_{number}_{suffix}");
        env.push(json!({"name": name("TYPE"), "value": "openai"}));
        env.push(json!({"name": name("NAME"), "value": format!("p-{number:03}")}));
        env.push(json!({"name": name("BASE_URL"), "value": URL}));
        let from = json!({"secretKeyRef": {"name": "coder-keys", "key": "keys"}});
        env.push(json!({"name": name("KEYS"), "valueFrom": from}));
    }
    namespace.apply(&secret("coder-keys", json!({"keys": "sk-canary-old"})).to_string());
    namespace.apply(&deployment("coder", &Value::Array(env), &["seed"]).to_string());
    resource(&namespace, "coder", owned());
    let controller = Controller::writing(&namespace);
    let status = reason(&namespace, "coder", "InSync");
    assert_eq!(status.agreements.len(), 256);
    rotate(&namespace, "coder", "sk-canary-new");
    let carried = "select count(*) from ai_provider_keys where api_key = 'sk-canary-new'";
    eventually("what is remembered is written", || (database.json(carried) == 256).then_some(()));
    reason(&namespace, "coder", "WouldUpdate");
    check_now(&namespace, "coder");
    assert_eq!((database.json(carried), overwritten(&database)), (json!(256), json!(256)));
    controller.stop().expect(0);
}
