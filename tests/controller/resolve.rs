//! An annotation settles a conflict: once, only by a writing controller, and only the named conflict.

use super::settling::{audited, env, nothing_secret, resource, workload};
use crate::support::controller::{
    Controller, check_now, condition, conditions, decide, deployment, events, get, message, notes, reason, secret,
};
use crate::support::kubernetes::eventually;
use crate::support::resolution::{ENCRYPTED, ENCRYPTION_KEY, ID, OLD_URL, URL, database, openai, row, unchanged};
use crate::support::{Cluster, Namespace, Snapshot};
use postgres::fallible_iterator::FallibleIterator;
use serde_json::{Value, json};

fn told(namespace: &Namespace, reason: &str) -> Vec<String> {
    notes(namespace).into_iter().filter(|note| note.starts_with(&format!("{reason}: "))).collect()
}

#[test]
fn decision_is_carried_out_once() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    let mut listener = database.client();
    listener.batch_execute("listen ai_providers_changed").unwrap();
    workload(&namespace, "coder", &database, &[], json!({}));
    let controller = Controller::writing(&namespace);
    let status = reason(&namespace, "coder", "Conflict");
    assert_eq!(conditions(&status), ["Ready=False Conflict", "InSync=False Conflict", "Stalled=True Conflict"]);
    let id = status.conflicts[0].id.clone();
    let annotate = format!("kubectl annotate --overwrite aps/coder aiproviders.dev/resolve={id}:environment");
    assert!(message(&status, "Ready").contains(&annotate), "{status:?}");

    // when the conflict is decided / then one status write has the result and the new state
    decide(&namespace, "coder", &format!("{id}:environment"));
    let status = condition(&namespace, "coder", "Resolved", "Resolved");
    assert_eq!(conditions(&status), ["Ready=True InSync", "InSync=True InSync", "Resolved=True Resolved"]);
    assert_eq!(status.last_handled_resolve, Some(format!("{id}:environment")));
    assert!(status.conflicts.is_empty());
    let expected =
        format!("took the environment: openai base_url from {OLD_URL} to {URL}; Coder was notified (conflict {id})");
    assert_eq!(message(&status, "Resolved"), expected);
    let event = eventually("an Event", || {
        events(&namespace).into_iter().find(|event| event.reason.as_deref() == Some("Resolved"))
    });
    assert_eq!((event.note, event.type_), (Some(expected), Some("Normal".to_owned())));
    assert_eq!(event.action.as_deref(), Some("Resolve"));
    assert_eq!(row(&database)["base_url"], URL);
    assert_eq!(audited(&database), 1);
    let mut notified = listener.notifications();
    assert!(notified.timeout_iter(std::time::Duration::from_secs(5)).next().unwrap().is_some());
    drop(notified);

    // when the same conflict returns while the annotation is still set / then it is not resolved again, even after a restart
    let undo = format!("update ai_providers set base_url = '{OLD_URL}', updated_at = '2026-11-20 09:12:00+00'");
    database.execute(&undo);
    check_now(&namespace, "coder");
    let status = reason(&namespace, "coder", "Conflict");
    assert_eq!(status.conflicts[0].id, id);
    let before = Snapshot::of(&database);
    controller.stop().expect(0);
    let controller = Controller::writing(&namespace);
    check_now(&namespace, "coder");
    unchanged(&database, &before);
    assert_eq!(told(&namespace, "Resolved").len(), 1);
    assert_eq!(controller.metric("ai_provider_seed_database_writes_total"), 0.0);

    // when the annotation is removed and set again / then it is another decision
    decide(&namespace, "coder", "");
    eventually("it is forgotten", || get(&namespace, "coder").status?.last_handled_resolve.is_none().then_some(()));
    assert!(!conditions(&get(&namespace, "coder").status.unwrap()).iter().any(|c| c.starts_with("Resolved")));
    decide(&namespace, "coder", &format!("{id}:environment"));
    condition(&namespace, "coder", "Resolved", "Resolved");
    assert_eq!((&row(&database)["base_url"], audited(&database)), (&json!(URL), 2));

    let finished = controller.stop().expect(0);
    nothing_secret(&namespace, &finished, "");
}

#[test]
fn refused_decision_changes_nothing_and_names_the_next_step() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    workload(&namespace, "coder", &database, &[], json!({}));
    let before = Snapshot::of(&database);
    let controller = Controller::start(&namespace);
    let status = reason(&namespace, "coder", "Conflict");
    assert!(!message(&status, "Ready").contains("annotate"), "it would have no effect: {status:?}");
    let id = status.conflicts[0].id.clone();

    // when the controller may not write / then it refuses once, and another controller may still take the decision
    decide(&namespace, "coder", &format!("{id}:environment"));
    let refused = condition(&namespace, "coder", "Resolved", "ResolveRefused");
    assert!(message(&refused, "Resolved").contains("runs without --allow-writes and never writes"), "{refused:?}");
    assert!(message(&refused, "Resolved").contains(&format!("resolve --take environment --conflict {id}")));
    eventually("its Event", || (told(&namespace, "ResolveRefused").len() == 1).then_some(()));
    check_now(&namespace, "coder");
    assert_eq!((refused.last_handled_resolve, told(&namespace, "ResolveRefused").len()), (None, 1));
    controller.stop().expect(0);
    unchanged(&database, &before);
    namespace.kubectl(&["annotate", "aps", "coder", "aiproviders.dev/resolve-"]).ok();

    // when a controller that may write sees an invalid decision / then it refuses once and names the next step
    let controller = Controller::writing(&namespace);
    check_now(&namespace, "coder");
    unchanged(&database, &before);
    let current = format!("the current one is {id} (openai): check it");
    for (value, part) in [
        ("abcdefghijklmnopqrstuvwxyz234567:environment".to_owned(), current.as_str()),
        (format!("{id}:database"), "nothing to write; ai-provider-seed resolve --take database --conflict"),
        (id.clone(), "use <id>:environment with the whole id of status.conflicts[].id"),
        ("sk-canary-in-the-wrong-place".to_owned(), "such as ed7lijh33v6xf3w7ma6zwigoyb5nccs7:environment"),
    ] {
        let number = told(&namespace, "ResolveRefused").len();
        decide(&namespace, "coder", &value);
        let new = eventually("one more Event", || {
            let told = told(&namespace, "ResolveRefused");
            (told.len() == number + 1).then(|| told[number].clone())
        });
        assert!(new.contains(part), "{value}: {new}");
        assert_eq!(message(&get(&namespace, "coder").status.unwrap(), "Resolved"), new["ResolveRefused: ".len()..]);
        // One request, one report.
        check_now(&namespace, "coder");
        assert_eq!(told(&namespace, "ResolveRefused").len(), number + 1);
    }
    unchanged(&database, &before);
    // Text in the wrong place is repeated nowhere.
    let status = get(&namespace, "coder").status.unwrap();
    assert!(status.last_handled_resolve.as_deref().unwrap().starts_with("malformed-"), "{status:?}");
    let finished = controller.stop().expect(0);
    for text in [finished.stderr, serde_json::to_string(&status).unwrap(), notes(&namespace).concat()] {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn rotated_key_is_stored_encrypted_if_the_database_is() {
    let Some(cluster) = Cluster::shared() else { return };
    let keyring = ai_provider_seed::testing::store::dbcrypt::Keyring::parse(ENCRYPTION_KEY).ok().unwrap();
    let old = keyring.encrypt("6a193b3", &"sk-canary-old".into()).unwrap();
    let database = database(&format!(
        "{ENCRYPTED}{}insert into ai_provider_keys (provider_id, api_key, api_key_key_id) values ('{ID}', '{old}', '6a193b3')",
        openai(URL, &[])
    ));
    let namespace = cluster.namespace();
    workload(&namespace, "coder", &database, &[("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS", ENCRYPTION_KEY)], json!({}));
    let controller = Controller::writing(&namespace);
    let status = reason(&namespace, "coder", "CredentialsDiffer");
    assert_eq!((status.conflicts[0].blocking, status.conflicts[0].field.as_str()), (false, "api_keys"));
    decide(&namespace, "coder", &format!("{}:environment", status.conflicts[0].id));
    let status = condition(&namespace, "coder", "Resolved", "Resolved");
    assert_eq!(conditions(&status)[..2], ["Ready=True InSync", "InSync=True InSync"]);
    assert!(
        message(&status, "Resolved").starts_with("took the environment: openai api_keys from 1 key ("),
        "{status:?}"
    );
    let after = Snapshot::of(&database);
    assert_eq!((after.keys.len(), &after.keys[0]["api_key_key_id"]), (1, &json!("6a193b3")));
    let opened = keyring.decrypt("6a193b3", after.keys[0]["api_key"].as_str().unwrap()).unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&opened), "sk-canary-new");
    assert_eq!(after.audit.len(), 3);
    let finished = controller.stop().expect(0);
    nothing_secret(&namespace, &finished, &format!("{:?}", after.audit));
}

/// The other fields that a decision takes are named before, and a value from a Secret is also secret in the audit log.
#[test]
fn audit_log_names_changes_without_secret_values() {
    const AZURE: &str = "https://azure.example.com/";
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-old"])));
    namespace.apply(&secret("ai", json!({"openai": URL, "azure": AZURE})).to_string());
    let more = [("CODER_AIBRIDGE_PROVIDER_1_TYPE", "azure"), ("CODER_AIBRIDGE_PROVIDER_1_KEYS", "sk-canary-azure")];
    let mut env = env(&database.url(), "", &more);
    let of_secret = |key: &str| json!({"secretKeyRef": {"name": "ai", "key": key}});
    env[2] = json!({"name": "CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "valueFrom": of_secret("openai")});
    let url = json!({"name": "CODER_AIBRIDGE_PROVIDER_1_BASE_URL", "valueFrom": of_secret("azure")});
    env.as_array_mut().unwrap().push(url);
    namespace.apply(&deployment("coder", &env, &["seed"]).to_string());
    resource(&namespace, "coder", json!({"mode": "Seed"}));
    let controller = Controller::writing(&namespace);
    let status = reason(&namespace, "coder", "Conflict");
    let hidden = format!("{} characters, not shown", OLD_URL.len());
    let told = format!("{hidden} in the database, and its api_keys differ too.");
    assert!(message(&status, "Ready").contains(&told) && !format!("{status:?}").contains(OLD_URL), "{status:?}");

    decide(&namespace, "coder", &format!("{}:environment", status.conflicts[0].id));
    condition(&namespace, "coder", "Resolved", "Resolved");
    condition(&namespace, "coder", "Seeded", "Seeded");
    let after = Snapshot::of(&database);
    let audited = |action: &str, name: &str| {
        let is = |row: &&Value| row["action"] == action && row["resource_target"] == name;
        after.audit.iter().find(is).unwrap()["diff"]["base_url"]["new"].clone()
    };
    for (action, name, url) in [("write", "openai", URL), ("create", "azure", AZURE)] {
        assert_eq!(after.live(name).unwrap()["base_url"], url);
        assert_eq!(audited(action, name), format!("{} characters, not shown", url.len()));
    }
    let finished = controller.stop().expect(0);
    nothing_secret(&namespace, &finished, &format!("{:?}", after.audit));
}

#[test]
fn settled_conflict_is_not_confused_with_an_open_one() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    workload(&namespace, "coder", &database, &[], json!({}));
    let controller = Controller::start(&namespace);
    let id = reason(&namespace, "coder", "Conflict").conflicts[0].id.clone();
    decide(&namespace, "coder", &format!("{id}:environment"));
    condition(&namespace, "coder", "Resolved", "ResolveRefused");
    // A second controller may write.
    let writing = Controller::writing(&namespace);
    let status = condition(&namespace, "coder", "Resolved", "Resolved");
    assert_eq!(status.last_handled_resolve, Some(format!("{id}:environment")));
    controller.stop().expect(0);

    // The same conflict again, while the annotation is set.
    database.execute(&format!("update ai_providers set base_url = '{OLD_URL}'"));
    check_now(&namespace, "coder");
    let status = condition(&namespace, "coder", "Resolved", "ResolveWaiting");
    assert!(message(&status, "Resolved").contains("remove the annotation"), "{status:?}");
    namespace.kubectl(&["annotate", "aps", "coder", "aiproviders.dev/resolve-"]).ok();
    check_now(&namespace, "coder");
    decide(&namespace, "coder", &format!("{id}:environment"));
    condition(&namespace, "coder", "Resolved", "Resolved");

    // Another decision, which no controller can carry out yet.
    namespace.kubectl(&["patch", "aps", "coder", "--type=merge", "-p", r#"{"spec": {"suspend": true}}"#]).ok();
    decide(&namespace, "coder", "abcdefghijklmnopqrstuvwxyz234567:environment");
    let status = condition(&namespace, "coder", "Resolved", "ResolveWaiting");
    assert!(message(&status, "Resolved").ends_with("spec.suspend is true"), "{status:?}");
    assert_eq!(status.last_handled_resolve, Some(format!("{id}:environment")));
    writing.stop().expect(0);
}
