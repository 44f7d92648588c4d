//! `spec.mode: Seed`: a writing controller completes a first install as soon as Coder has its tables, and never does more
//! than a seed would.

use super::settling::{env, nothing_secret, resource, workload};
use crate::support::controller::{
    Controller, check_now, condition, conditions, decide, deployment, get, message, notes, reason, writable,
};
use crate::support::kubernetes::eventually;
use crate::support::resolution::{self, ENCRYPTION_KEY, OLD_URL, URL, database, openai, row, run, unchanged};
use crate::support::roles::{DIFF, SEED};
use crate::support::{Cluster, Run, Server, Snapshot, Variant};
use postgres::fallible_iterator::FallibleIterator;
use serde_json::json;

const AZURE: [(&str, &str); 3] = [
    ("CODER_AIBRIDGE_PROVIDER_1_TYPE", "azure"),
    ("CODER_AIBRIDGE_PROVIDER_1_BASE_URL", "https://azure.example.com/"),
    ("CODER_AIBRIDGE_PROVIDER_1_KEY", "sk-canary-azure"),
];

#[test]
fn first_install_is_seeded_after_coder_migrates() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Empty));
    let mut listener = database.client();
    listener.batch_execute("listen ai_providers_changed").unwrap();
    workload(&namespace, "coder", &database, &AZURE, json!({"mode": "Seed"}));
    // when the database is empty / then the init container lets Coder start, and the controller waits
    let first =
        Run::seed().json().database(database.url()).env("CODER_AIBRIDGE_OPENAI_KEY", "sk-canary-new").run().expect(0);
    assert_eq!(first.codes("warnings"), ["schema_pending"]);
    let controller = Controller::writing(&namespace);
    let status = reason(&namespace, "coder", "SchemaPending");
    let expected = ["Ready=True SchemaPending", "InSync=Unknown SchemaPending", "Seeded=False Waiting"];
    assert_eq!(conditions(&status), expected);

    // when Coder has created its tables / then the controller inserts, long before its interval of five minutes
    database.create_tables(Variant::Current);
    let status = condition(&namespace, "coder", "Seeded", "Seeded");
    assert_eq!(conditions(&status), ["Ready=True InSync", "InSync=True InSync", "Seeded=True Seeded"]);
    assert_eq!(message(&status, "Seeded"), "inserted azure, openai; Coder was notified");
    assert_eq!(status.summary.unwrap().in_sync.as_deref(), Some("2/2"));
    eventually("one Event", || {
        (notes(&namespace) == ["Seeded: inserted azure, openai; Coder was notified"]).then_some(())
    });
    let rows = Snapshot::of(&database);
    assert_eq!(rows.keys.len(), 2);
    assert_eq!(rows.audit.len(), 4, "a row for each provider and each key");
    let mut notified = listener.notifications();
    assert!(notified.timeout_iter(std::time::Duration::from_secs(5)).next().unwrap().is_some());
    // when the pod starts again and the next check runs / then both have nothing to do
    let again = AZURE.iter().fold(run("seed", &database), |run, (name, value)| run.env(*name, *value)).run().expect(0);
    assert_eq!(again.json()["written"], false);
    check_now(&namespace, "coder");
    assert_eq!(Snapshot::of(&database).changes_since(&rows), [""; 0]);
    assert_eq!(notes(&namespace).len(), 1);
    assert_eq!(controller.metric("ai_provider_seed_database_writes_total{result=\"Seeded\"}"), 1.0);

    // when one provider is deleted in Coder and another is new / then only the new one is inserted
    database.execute("update ai_providers set deleted = true where name = 'azure'");
    let more = [
        ("CODER_AIBRIDGE_PROVIDER_2_TYPE", "google"),
        ("CODER_AIBRIDGE_PROVIDER_2_BASE_URL", "https://g.example.com/"),
        ("CODER_AIBRIDGE_PROVIDER_2_KEY", "sk-canary-google"),
    ];
    workload(&namespace, "coder", &database, &[AZURE, more].concat(), json!({"mode": "Seed"}));
    let status = eventually("google is there", || {
        let status = get(&namespace, "coder").status?;
        message(&status, "Seeded").contains("google").then_some(status)
    });
    assert_eq!(message(&status, "Seeded"), "inserted google; Coder was notified");
    let states: Vec<String> = status.providers.iter().map(|p| format!("{} {:?}", p.name, p.state)).collect();
    assert_eq!(states, ["azure Deleted", "google InSync", "openai InSync"]);
    assert!(Snapshot::of(&database).live("azure").is_none());

    // when the mode is Observe again / then the condition of the mode is gone
    workload(&namespace, "coder", &database, &[AZURE, more].concat(), json!({}));
    eventually("no condition of the mode", || {
        let status = get(&namespace, "coder").status?;
        (!conditions(&status).iter().any(|condition| condition.starts_with("Seeded"))).then_some(())
    });
    let finished = controller.stop().expect(0);
    nothing_secret(&namespace, &finished, "");
}

#[test]
fn missing_allow_writes_is_reported_and_writes_nothing() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    workload(&namespace, "coder", &database, &[], json!({"mode": "Seed"}));
    let before = Snapshot::of(&database);
    let controller = Controller::start(&namespace);
    let status = reason(&namespace, "coder", "WouldSeed");
    let expected = ["Ready=True WouldSeed", "InSync=False WouldSeed", "Seeded=False WritesNotAllowed"];
    assert_eq!(conditions(&status), expected);
    assert_eq!(
        message(&status, "Seeded"),
        "spec.mode is Seed, but this controller runs without --allow-writes, so it inserts nothing; set allowWrites in its \
         chart, or spec.mode to Observe"
    );
    for _ in 0..2 {
        check_now(&namespace, "coder");
    }
    eventually("one Event", || (notes(&namespace).len() == 1).then_some(()));
    assert!(notes(&namespace)[0].starts_with("WritesNotAllowed: spec.mode is Seed"), "{:?}", notes(&namespace));
    unchanged(&database, &before);
    controller.stop().expect(0);
    // Nor in mode Observe, by a writing controller.
    workload(&namespace, "coder", &database, &[], json!({}));
    let controller = Controller::writing(&namespace);
    check_now(&namespace, "coder");
    reason(&namespace, "coder", "WouldSeed");
    unchanged(&database, &before);
    controller.stop().expect(0);
}

#[test]
fn open_conflict_blocks_inserts() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    // Starting anyway lets the pod start, but still writes nothing.
    let anyway = [&AZURE[..], &[("AI_PROVIDER_SEED_BLOCK_ON", "none")]].concat();
    workload(&namespace, "coder", &database, &anyway, json!({"mode": "Seed"}));
    let before = Snapshot::of(&database);
    let controller = Controller::writing(&namespace);
    let status = reason(&namespace, "coder", "Conflict");
    assert_eq!(conditions(&status), ["Ready=True Conflict", "InSync=False Conflict", "Seeded=False Waiting"]);
    assert!(message(&status, "Seeded").starts_with("nothing is inserted while environment and database disagree"));
    check_now(&namespace, "coder");
    unchanged(&database, &before);
    // One annotation, and the same check settles the conflict and inserts the rest.
    decide(&namespace, "coder", &format!("{}:environment", status.conflicts[0].id));
    let status = condition(&namespace, "coder", "Seeded", "Seeded");
    assert_eq!(
        conditions(&status),
        ["Ready=True InSync", "InSync=True InSync", "Resolved=True Resolved", "Seeded=True Seeded"]
    );
    assert_eq!(row(&database)["base_url"], URL);
    assert!(Snapshot::of(&database).live("azure").is_some());
    controller.stop().expect(0);
}

#[test]
fn failed_insert_is_reported_once_and_retried() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    database.grant_roles();
    let url = |role: &str| writable("coder", "controller-db", json!({"url": database.url_of(role)})).to_string();
    namespace.apply(&url(DIFF));
    namespace.apply(&deployment("coder", &env("postgres://nobody@localhost/x", URL, &[]), &["seed"]).to_string());
    let spec = json!({"mode": "Seed", "database": {"urlSecretRef": {"name": "controller-db", "key": "url"}}});
    resource(&namespace, "coder", spec);
    let before = Snapshot::of(&database);
    let controller = Controller::writing(&namespace);
    let status = condition(&namespace, "coder", "Seeded", "SeedFailed");
    let text = message(&status, "Seeded");
    assert!(text.starts_with("nothing was written: ") && text.contains("connect as the role that seeds"), "{text}");
    assert_eq!(conditions(&status), ["Ready=True WouldSeed", "InSync=False WouldSeed", "Seeded=False SeedFailed"]);
    eventually("it is tried again by itself", || {
        (controller.metric("ai_provider_seed_database_writes_total{result=\"SeedFailed\"}") >= 2.0).then_some(())
    });
    assert_eq!(notes(&namespace).iter().filter(|note| note.starts_with("SeedFailed: ")).count(), 1);
    unchanged(&database, &before);
    // The role of the init container is sufficient.
    namespace.apply(&url(SEED));
    condition(&namespace, "coder", "Seeded", "Seeded");
    reason(&namespace, "coder", "InSync");
    controller.stop().expect(0);
}

/// Coder registers its key at its start; until then nothing is inserted, and nothing in plain text.
#[test]
fn encrypted_seed_waits_for_coders_key() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    let keys = [("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS", ENCRYPTION_KEY)];
    workload(&namespace, "coder", &database, &keys, json!({"mode": "Seed"}));
    let controller = Controller::writing(&namespace);
    let status = condition(&namespace, "coder", "Seeded", "Waiting");
    assert_eq!(conditions(&status)[0], "Ready=True WouldSeed");
    assert_eq!(Snapshot::of(&database).keys.len(), 0);
    database.execute(resolution::ENCRYPTED);
    condition(&namespace, "coder", "Seeded", "Seeded");
    let rows = Snapshot::of(&database);
    assert_eq!((rows.keys.len(), &rows.keys[0]["api_key_key_id"]), (1, &json!("6a193b3")));
    controller.stop().expect(0);
}
