//! The controller with a real API server and a real Postgres: status and Events from the first check to the last.

use crate::support::controller::{
    Controller, check_now, conditions, deployment, events, get, notes, reason, secret, seed,
};
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Database, Namespace, Run, Server, Variant};
use ai_provider_seed::testing::kubernetes::crd::status::Changed;
use serde_json::json;

const V1: &str = "https://api.openai.com/v1";
/// As Coder does.
const ANNOUNCE: &str = "select pg_notify('ai_providers_changed', '')";
const KEY: &str = "sk-canary-5f8e2d";

fn apply(namespace: &Namespace, objects: &[serde_json::Value]) {
    objects.iter().for_each(|object| namespace.apply(&object.to_string()));
}

/// A workload with one provider, whose database URL and key come from Secrets.
fn workload(namespace: &Namespace, database: &Database) {
    let from = |secret: &str, key: &str| json!({"secretKeyRef": {"name": secret, "key": key}});
    let env = json!([
        {"name": "CODER_PG_CONNECTION_URL", "valueFrom": from("coder-db", "url")},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_TYPE", "value": "openai"},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "value": V1},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_KEY", "valueFrom": from("coder-ai", "openai")},
    ]);
    let objects = [
        secret("coder-db", json!({"url": database.url()})),
        secret("coder-ai", json!({"openai": KEY})),
        deployment("coder", &env, &["seed", "--compare-credentials=fail"]),
    ];
    apply(namespace, &objects);
}

fn seed_rows(database: &Database) {
    let env = [
        ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"),
        ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", V1),
        ("CODER_AIBRIDGE_PROVIDER_0_KEY", KEY),
    ];
    Run::seed().database(database.url()).envs(env).run().expect(0);
}

/// kubectl's output, with everything masked that differs between runs.
fn golden(name: &str, namespace: &Namespace, args: &[&str]) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, masked(&namespace.kubectl(args).ok()));
    });
}

fn masked(text: &str) -> String {
    let line = |line: &str| {
        if line.trim_start().starts_with("Resource Version:") {
            return "  Resource Version:  <version>\n".to_owned();
        }
        let indent = line.len() - line.trim_start().len();
        let mut out = line[..indent].to_owned();
        for word in line[indent..].split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == ':')) {
            let (body, end) = word.split_at(word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len());
            out.push_str(mask(body).unwrap_or(body));
            out.push_str(end);
        }
        // The width of a column depends on the masked text.
        while out[indent..].contains("   ") {
            out.replace_range(indent.., &out[indent..].replace("   ", "  "));
        }
        out.trim_end().to_owned() + "\n"
    };
    text.lines().map(line).collect()
}

fn mask(word: &str) -> Option<&'static str> {
    let hex =
        |length: usize| word.len() == length && word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let is_id = word.len() == 32 && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_age =
        |text: &str| text.split_once('m').map_or(text, |(_, seconds)| seconds).strip_suffix('s').is_some_and(digits);
    match word {
        _ if word.len() == 20 && word.ends_with('Z') && word.as_bytes()[10] == b'T' => Some("<time>"),
        _ if word.len() == 36 && word.matches('-').count() == 4 => Some("<uuid>"),
        _ if is_id => Some("<conflict>"),
        _ if hex(64) => Some("<hash>"),
        _ if word.len() == 10 && word.starts_with("20") && word.matches('-').count() == 2 => Some("<day>"),
        _ if word.len() == 5 && word.as_bytes()[2] == b':' && word.starts_with(|c: char| c.is_ascii_digit()) => {
            Some("<minute>")
        }
        _ if hex(8) || hex(16) => Some("<fingerprint>"),
        _ if word.strip_prefix("test-").is_some_and(digits) => Some("<namespace>"),
        _ if is_age(word) => Some("<age>"),
        _ => None,
    }
}

#[test]
fn resource_goes_from_would_seed_to_conflict_and_back() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    workload(&namespace, &database);
    // when the table is empty / then the status is WouldSeed
    let controller = Controller::start(&namespace);
    apply(&namespace, &[seed("coder", json!({"workloadRef": {"name": "coder"}}))]);

    let status = reason(&namespace, "coder", "WouldSeed");
    assert_eq!(conditions(&status), ["Ready=True WouldSeed", "InSync=False WouldSeed"]);
    assert_eq!(status.summary.unwrap().in_sync.as_deref(), Some("0/1"));

    // when the pod has seeded / then it is InSync, without an Event
    seed_rows(&database);
    check_now(&namespace, "coder");
    let status = reason(&namespace, "coder", "InSync");
    assert_eq!(conditions(&status), ["Ready=True InSync", "InSync=True InSync"]);
    assert!(events(&namespace).is_empty(), "{:?}", notes(&namespace));

    // when two fields of one provider change / then it is a Conflict, with an Event for each field
    database.execute(&format!(
        "update ai_providers set base_url = 'https://api.openai.com/v2', updated_at = now();
         update ai_provider_keys set api_key = 'sk-other'; {ANNOUNCE}"
    ));
    check_now(&namespace, "coder");
    let status = reason(&namespace, "coder", "Conflict");
    assert_eq!(conditions(&status), ["Ready=False Conflict", "InSync=False Conflict", "Stalled=True Conflict"]);
    let message = &status.conditions[0].message;
    for part in [
        "the next start of Deployment coder would be stopped: openai base_url is https://api.openai.com/v1 in the \
         environment (CODER_AIBRIDGE_PROVIDER_0_BASE_URL), https://api.openai.com/v2 in the database",
        "(CODER_AIBRIDGE_PROVIDER_0_KEY, Secret coder-ai, key openai)",
    ] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    // Both agreed before, and the database has changed since; for keys this is unknown.
    let changed: Vec<Option<Changed>> = status.conflicts.iter().map(|conflict| conflict.changed).collect();
    assert_eq!(changed, [Some(Changed::Database), None]);
    assert!(message.contains("/v2 in the database (the database changed since 20"), "{message}");
    let sources: Vec<&str> = status.conflicts.iter().map(|conflict| conflict.source.as_str()).collect();
    assert_eq!(sources, ["Deployment coder, container ai-provider-seed", "Secret coder-ai, key openai"]);
    let told = eventually("two Events", || Some(events(&namespace)).filter(|events| events.len() == 2));
    let deployment_uid = namespace.kubectl(&["get", "deployment", "coder", "-o", "jsonpath={.metadata.uid}"]).ok();
    for (event, field) in told.iter().zip(["base_url", "api_keys"]) {
        assert_eq!(event.reason.as_deref(), Some("ConflictDetected"));
        assert_eq!(event.type_.as_deref(), Some("Warning"));
        let note = event.note.as_deref().unwrap();
        assert!(note.starts_with(&format!("openai {field} is ")), "{note}");
        assert!(note.ends_with("; the next start of Deployment coder would be stopped"), "{note}");
        let regarding = event.regarding.as_ref().unwrap();
        let path = format!("status.conflicts{{openai.{field}.{}}}", status.conflicts[0].id);
        assert_eq!(regarding.field_path.as_deref(), Some(path.as_str()));
        assert_eq!(regarding.uid, get(&namespace, "coder").metadata.uid);
        assert_eq!(event.related.as_ref().unwrap().uid.as_deref(), Some(deployment_uid.as_str()));
    }
    // They are core/v1: each name ends in the time in hexadecimal digits, and kubectl describe sorts by both.
    for event in &told {
        let time = event.event_time.as_ref().unwrap().0.as_microsecond();
        assert_eq!(event.metadata.name, Some(format!("coder.{time:016x}")));
        assert!(event.deprecated_last_timestamp.is_some() && event.deprecated_count == Some(1), "{event:?}");
    }

    golden("describe_conflict", &namespace, &["describe", "aps", "coder"]);
    golden("get_conflict", &namespace, &["get", "aps"]);
    golden("get_wide_conflict", &namespace, &["get", "aps", "-o", "wide"]);
    golden("events_conflict", &namespace, &["events", "--for", "aps/coder"]);

    // when another controller starts / then it repeats no Event and writes no status
    controller.stop().expect(0);
    let before = get(&namespace, "coder").metadata.resource_version;
    let controller = Controller::start(&namespace);
    eventually("the new controller has looked", || {
        (controller.metric("ai_provider_seed_reconciles_total") >= 1.0).then_some(())
    });
    assert_eq!(get(&namespace, "coder").metadata.resource_version, before);
    assert_eq!(controller.metric("ai_provider_seed_status_writes_total"), 0.0);
    assert_eq!(events(&namespace).len(), 2);
    assert_eq!(controller.metric("ai_provider_seed_conflicts{"), 2.0);

    // when one field is corrected in the database, the other in the Secret / then it is InSync, and Events say so
    database.execute(&format!("update ai_providers set base_url = 'https://api.openai.com/v1'; {ANNOUNCE}"));
    check_now(&namespace, "coder");
    eventually("one conflict is left", || (get(&namespace, "coder").status?.conflicts.len() == 1).then_some(()));
    apply(&namespace, &[secret("coder-ai", json!({"openai": "sk-other"}))]);
    let status = reason(&namespace, "coder", "InSync");
    assert_eq!(conditions(&status), ["Ready=True InSync", "InSync=True InSync"]);
    let told = eventually("all is resolved", || Some(notes(&namespace)).filter(|notes| notes.len() == 4));
    let resolved: Vec<&String> = told.iter().filter(|note| note.starts_with("ConflictResolved")).collect();
    let expected =
        ["openai base_url", "openai api_keys"].map(|what| format!("ConflictResolved: {what} is no longer in conflict"));
    assert_eq!(resolved, expected.iter().collect::<Vec<_>>());
    assert_eq!(controller.metric("ai_provider_seed_conflicts{"), 0.0);
    golden("describe_resolved", &namespace, &["describe", "aps", "coder"]);
    golden("get_resolved", &namespace, &["get", "aps"]);

    let metrics = controller.get("/metrics").unwrap().1;
    let finished = controller.stop().expect(0);
    let status = serde_json::to_string(&get(&namespace, "coder").status).unwrap();
    for text in [&metrics, &finished.stderr, &status, &told.concat()] {
        for secret in [KEY, "sk-other", "postgres://"] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}
