//! The whole of one check against an API server of a few lines: what is asked, what is written, and nothing else.

mod server;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::kubernetes::controller::publish_events::Subject;
use crate::kubernetes::status::conditions::{EventReason, PendingEvent};
use crate::store::pool::Claim;
use server::Server;

const STATUS: &str = "/apis/aiproviders.dev/v1alpha1/namespaces/team/aiproviderseeds/coder/status";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/team/deployments/coder";
const EVENTS: &str = "/api/v1/namespaces/team/events";
const SECRET: &str = "/api/v1/namespaces/team/secrets/ai";
const MAP: &str = "/api/v1/namespaces/team/configmaps/settings";

fn context(server: &Arc<Server>) -> Arc<Context> {
    let context = Context::new(server.client(), Arc::default(), Arc::default(), 4, false, "me".to_owned());
    context.readiness.listed("x");
    Arc::new(context)
}

fn resource(spec: Value) -> Value {
    let metadata =
        json!({"name": "coder", "namespace": "team", "uid": "uid-1", "generation": 3, "resourceVersion": "7"});
    json!({"apiVersion": "aiproviders.dev/v1alpha1", "kind": "AIProviderSeed", "metadata": metadata, "spec": spec})
}

fn guarded(object: &Value) -> Arc<Guarded> {
    Arc::new(serde_json::from_value(object.clone()).unwrap())
}

fn minimal() -> Value {
    resource(json!({"workloadRef": {"name": "coder"}}))
}

fn deployment(env: Value) -> Value {
    let init = json!([{"name": "ai-provider-seed", "args": ["seed"], "env": env}]);
    let spec =
        json!({"template": {"spec": {"containers": [{"name": "coder"}], "initContainers": init}}, "selector": {}});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "coder", "namespace": "team", "uid": "d"}, "spec": spec})
}

fn secret(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ai"}, "data": data})
}

fn key_from_secret() -> Value {
    json!({"name": "CODER_AIBRIDGE_OPENAI_KEY", "valueFrom": {"secretKeyRef": {"name": "ai", "key": "openai"}}})
}

/// One check, and its Events on their way to the end.
async fn settle(guarded: Arc<Guarded>, context: Arc<Context>) -> Result<Action, ApiError> {
    let result = reconcile(guarded, Arc::clone(&context)).await;
    context.events.finish(Duration::from_secs(60)).await;
    result
}

/// One check of a server with these objects; everything that was called after the first status, and the status at last.
async fn check(objects: &[(&str, Value)], seed: &Value) -> (Vec<String>, AIProviderSeedStatus) {
    let server = Arc::new(Server::default());
    objects.iter().for_each(|(path, object)| server.put(path, object.clone()));
    let context = context(&server);
    settle(guarded(seed), Arc::clone(&context)).await.unwrap();
    let calls = server.calls.lock().unwrap().clone();
    let last = calls.iter().rfind(|(call, _)| *call == format!("PATCH {STATUS}")).unwrap().1["status"].clone();
    (server.told(), serde_json::from_value(last).unwrap())
}

#[tokio::test]
async fn each_reason_has_one_event_that_names_its_subject() {
    let url = |url: &str| json!({"name": "DATABASE_URL", "value": url});
    let key = json!({"name": "CODER_AIBRIDGE_OPENAI_KEY", "value": "sk-1"});
    let map = json!({"name": "CODER_AIBRIDGE_OPENAI_KEY", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "k"}}});
    let other = json!({"spec": {"template": {"spec": {"containers": [{"name": "coder"}]}}, "selector": {}}, "metadata": {"name": "coder"}});
    let field = json!({"name": "CODER_AIBRIDGE_OPENAI_KEY", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}});
    let closed = "postgres://u:sk-canary@127.0.0.1:1/coder?sslmode=disable";
    for (objects, read, reason, also, named) in [
        (
            vec![],
            vec![DEPLOYMENT],
            "WorkloadNotFound",
            "Reconciling",
            "Deployment coder does not exist in namespace team",
        ),
        (
            vec![(DEPLOYMENT, other)],
            vec![DEPLOYMENT],
            "ContainerNotFound",
            "Reconciling",
            "has no container ai-provider-seed",
        ),
        (
            vec![(DEPLOYMENT, deployment(json!([key_from_secret()])))],
            vec![DEPLOYMENT, SECRET],
            "SecretNotFound",
            "Reconciling",
            "Secret ai, which env CODER_AIBRIDGE_OPENAI_KEY",
        ),
        (
            vec![(DEPLOYMENT, deployment(json!([key_from_secret()]))), (SECRET, secret(json!({"else": "eA=="})))],
            vec![DEPLOYMENT, SECRET],
            "SecretKeyMissing",
            "Reconciling",
            "Secret ai has no key openai",
        ),
        (
            vec![(DEPLOYMENT, deployment(json!([map])))],
            vec![DEPLOYMENT, MAP],
            "ConfigMapNotFound",
            "Reconciling",
            "ConfigMap settings, which env",
        ),
        (
            vec![(DEPLOYMENT, deployment(json!([map]))), (MAP, json!({"metadata": {"name": "settings"}, "data": {}}))],
            vec![DEPLOYMENT, MAP],
            "ConfigMapKeyMissing",
            "Reconciling",
            "ConfigMap settings has no key k",
        ),
        (
            vec![(DEPLOYMENT, deployment(json!([field])))],
            vec![DEPLOYMENT],
            "EnvironmentUnknown",
            "Stalled",
            "CODER_AIBRIDGE_OPENAI_KEY: it comes from fieldRef metadata.uid",
        ),
        (
            vec![(DEPLOYMENT, deployment(json!([key])))],
            vec![DEPLOYMENT],
            "InvalidEnvironment",
            "Stalled",
            "no database is named",
        ),
        (
            vec![(DEPLOYMENT, deployment(json!([key, url("redis://x")])))],
            vec![DEPLOYMENT],
            "InvalidEnvironment",
            "Stalled",
            "DATABASE_URL: redis:// is not a scheme",
        ),
        (
            vec![(DEPLOYMENT, deployment(json!([key, url("postgres://u@/db?host=/run")])))],
            vec![DEPLOYMENT],
            "DatabaseUnusable",
            "Stalled",
            "spec.database.urlSecretRef",
        ),
        (
            vec![(DEPLOYMENT, deployment(json!([key, url(closed)])))],
            vec![DEPLOYMENT],
            "DatabaseUnreachable",
            "Reconciling",
            "127.0.0.1:1",
        ),
    ] {
        let (told, status) = check(&objects, &minimal()).await;
        let reads = read.iter().map(|path| format!("GET {path}"));
        let mut expected = vec!["status Progressing".to_owned()];
        expected.extend(reads.chain([format!("status {reason}"), format!("event {reason}")]));
        assert_eq!(told, expected);
        let conditions: Vec<String> = status.conditions.iter().map(|c| format!("{} {}", c.type_, c.status)).collect();
        assert_eq!(conditions, ["Ready False", "InSync Unknown", &format!("{also} True")], "{reason}");
        let message = &status.conditions[0].message;
        assert!(message.contains(named), "{named} is not in {message}");
        assert!(!message.contains("canary"), "{message}");
    }
}

#[tokio::test]
async fn nothing_desired_opens_no_connection() {
    let (told, status) = check(&[(DEPLOYMENT, deployment(json!([])))], &minimal()).await;
    assert_eq!(
        told,
        ["status Progressing".to_owned(), format!("GET {DEPLOYMENT}"), "status NothingDesired".to_owned()]
    );
    let conditions: Vec<String> = status.conditions.iter().map(|c| format!("{} {}", c.type_, c.status)).collect();
    assert_eq!(conditions, ["Ready True", "InSync Unknown"]);
}

#[tokio::test]
async fn suspended_resource_sends_no_request() {
    let (told, status) = check(&[], &resource(json!({"workloadRef": {"name": "coder"}, "suspend": true}))).await;
    assert_eq!(told, ["status Suspended"]);
    assert_eq!(status.observed_generation, Some(3));
}

/// The patch as it is sent, to the letter.
#[tokio::test]
async fn status_patch_has_the_expected_fields() {
    let server = Arc::new(Server::default());
    let mut seed = minimal();
    seed["metadata"]["annotations"] = json!({"aiproviders.dev/reconcile": "now"});
    settle(guarded(&seed), context(&server)).await.unwrap();
    let calls = server.calls.lock().unwrap().clone();
    let mut patch = calls[2].1.clone();
    let time = patch["status"]["conditions"][0]["lastTransitionTime"].clone();
    assert_eq!(time.as_str().unwrap().len(), "2026-11-24T06:00:00Z".len(), "whole seconds: {time}");
    for condition in patch["status"]["conditions"].as_array_mut().unwrap() {
        condition["lastTransitionTime"] = json!("T");
    }
    let message = "Deployment coder does not exist in namespace team; create it, or correct spec.workloadRef";
    let pointed = format!("{message} · ai-provider-seed explain WorkloadNotFound");
    let condition = |kind: &str, status: &str, message: &str| json!({"type": kind, "status": status, "reason": "WorkloadNotFound", "message": message, "observedGeneration": 3, "lastTransitionTime": "T"});
    assert_eq!(
        patch,
        json!({
            "apiVersion": "aiproviders.dev/v1alpha1",
            "kind": "AIProviderSeed",
            "metadata": {"name": "coder", "uid": "uid-1"},
            "status": {
                "observedGeneration": 3,
                "lastHandledReconcileAt": "now",
                "conditions": [
                    condition("Ready", "False", &pointed),
                    condition("InSync", "Unknown", "not known; see Ready"),
                    condition("Reconciling", "True", &pointed),
                ],
                "summary": {"conflicts": 0, "message": message},
            },
        })
    );
    let event = &calls[3].1;
    assert_eq!(event["involvedObject"]["uid"], "uid-1");
    assert_eq!(event["type"], "Warning");
    assert_eq!(event["reportingComponent"], "ai-provider-seed");
    // kubectl describe sorts by it.
    assert_eq!(event["lastTimestamp"].as_str().unwrap().len(), "2026-11-24T06:00:00Z".len());
    assert_eq!(event["eventTime"].as_str().unwrap()[..19], event["lastTimestamp"].as_str().unwrap()[..19]);
}

#[tokio::test]
async fn progressing_is_written_before_the_queue() {
    let server = Arc::new(Server::default());
    let context = context(&server);
    // All that a namespace may have of the four.
    let claim = || Claim { tenant: "team".to_owned(), ..Claim::default() };
    let all = [context.work.take(claim()).await, context.work.take(claim()).await];
    let checking = tokio::spawn(settle(guarded(&minimal()), Arc::clone(&context)));
    let waits = || context.metrics.text().contains("ai_provider_seed_checks{state=\"waiting\"} 1");
    for _ in 0..100_000 {
        if waits() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(waits());
    assert_eq!(server.told(), ["status Progressing"]);
    drop(all);
    checking.await.unwrap().unwrap();
    assert_eq!(server.told(), [&format!("GET {DEPLOYMENT}"), "status WorkloadNotFound", "event WorkloadNotFound"]);
}

#[tokio::test]
async fn reconcile_annotations_are_one_a_second_a_resource() {
    let server = Arc::new(Server::default());
    let context = context(&server);
    let resource = |name: &str| ("team".to_owned(), name.to_owned());
    let asked = |name: &str| context.next_asked(&resource(name), Duration::from_secs(1));
    let times: Vec<Instant> = (0..10).map(|_| asked("often")).collect();
    assert!(times.windows(2).all(|pair| pair[1] >= pair[0] + Duration::from_secs(1)), "{times:?}");
    assert!(asked("other") <= Instant::now(), "another resource does not wait");

    // A check that is asked for too early waits, and one that is not asked for does not.
    for _ in 0..2 {
        context.next_asked(&resource("coder"), Duration::from_secs(3600));
    }
    let mut early = minimal();
    early["metadata"]["annotations"] = json!({"aiproviders.dev/reconcile": "now"});
    let waits = settle(guarded(&early), Arc::clone(&context));
    tokio::select! {
        biased;
        _ = waits => panic!("it was not the time"),
        checked = settle(guarded(&minimal()), Arc::clone(&context)) => drop(checked.unwrap()),
    }
    let reads = server.told().iter().filter(|call| **call == format!("GET {DEPLOYMENT}")).count();
    assert_eq!(reads, 1);
}

#[tokio::test]
async fn second_check_behind_a_late_watch_writes_nothing() {
    let server = Arc::new(Server::default());
    let context = context(&server);
    for _ in 0..2 {
        settle(guarded(&minimal()), Arc::clone(&context)).await.unwrap();
    }
    let get = format!("GET {DEPLOYMENT}");
    let expected = ["status Progressing", &get, "status WorkloadNotFound", "event WorkloadNotFound", &get];
    assert_eq!(server.told(), expected);
    // A new resource of that name is not taken for the old one.
    let mut seed = minimal();
    seed["metadata"]["uid"] = json!("uid-2");
    settle(guarded(&seed), Arc::clone(&context)).await.unwrap();
    assert_eq!(server.told()[0], "status Progressing");
}

#[tokio::test]
async fn failed_status_write_has_no_event_and_is_retried() {
    for code in [409, 429, 500, 503] {
        let server = Arc::new(Server::default());
        server.fail(STATUS, code);
        let context = context(&server);
        let error = settle(guarded(&minimal()), Arc::clone(&context)).await.unwrap_err();
        assert!(error.to_string().starts_with("cannot write the status of AIProviderSeed coder in namespace team: "));
        assert!(server.told().iter().all(|call| !call.starts_with("event")));
        on_error(guarded(&minimal()), &error, Arc::clone(&context));
        assert_eq!(context.failures(&("team".to_owned(), "coder".to_owned())), 1);
        server.faults.lock().unwrap().clear();
        settle(guarded(&minimal()), Arc::clone(&context)).await.unwrap();
        assert_eq!(server.told().last().map(String::as_str), Some("event WorkloadNotFound"));
    }
}

#[tokio::test]
async fn failed_event_is_counted_and_dropped() {
    let server = Arc::new(Server::default());
    server.fail(EVENTS, 403);
    let context = context(&server);
    for _ in 0..2 {
        settle(guarded(&minimal()), Arc::clone(&context)).await.unwrap();
    }
    assert_eq!(server.told().iter().filter(|call| call.starts_with("event")).count(), 1);
    assert!(context.metrics.text().contains("ai_provider_seed_events_total{result=\"failed\"} 1"));
}

#[tokio::test]
async fn throttled_event_is_sent_again_with_its_name() {
    let server = Arc::new(Server::default());
    server.fail_first(EVENTS, &[429, 503]);
    let context = context(&server);
    settle(guarded(&minimal()), Arc::clone(&context)).await.unwrap();
    let names: Vec<Value> = server.bodies(EVENTS).iter().map(|event| event["metadata"]["name"].clone()).collect();
    assert!(names.len() == 3 && names.iter().all(|name| *name == names[0]), "{names:?}");
    assert!(context.metrics.text().contains("ai_provider_seed_events_total{result=\"published\"} 1"));
    assert!(!context.metrics.text().contains("ai_provider_seed_events_total{result=\"failed\"}"));
}

#[tokio::test]
async fn event_whose_answer_was_lost_is_not_doubled() {
    for (codes, sent, names) in [(&[503, 409][..], 2, 1), (&[409], 2, 2)] {
        let server = Arc::new(Server::default());
        server.fail_first(EVENTS, codes);
        let context = context(&server);
        settle(guarded(&minimal()), Arc::clone(&context)).await.unwrap();
        let bodies = server.bodies(EVENTS);
        let different: BTreeSet<String> = bodies.iter().map(|event| event["metadata"]["name"].to_string()).collect();
        assert_eq!((bodies.len(), different.len()), (sent, names), "{codes:?}");
        assert!(context.metrics.text().contains("ai_provider_seed_events_total{result=\"published\"} 1"));
    }
}

/// 60 providers that change twice a second for 20 s were 2,400 Events.
#[tokio::test]
async fn storm_of_events_is_cut_and_told_once() {
    let server = Arc::new(Server::default());
    let context = context(&server);
    let seed = guarded(&minimal());
    let change = |number: u32| PendingEvent {
        reason: EventReason::ConflictDetected,
        is_warning: true,
        note: format!("number {number}"),
        field_path: Some(format!("status.conflicts{{p{number}.base_url.id}}")),
    };
    let start = Instant::now();
    for half_seconds in 0..40 {
        let changes: Vec<_> = (0..60).map(change).collect();
        let now = start + Duration::from_millis(500) * half_seconds;
        context.events.publish(now, &Subject { meta: seed.meta_of(), workload: None }, &changes);
        context.events.sweep(now);
    }
    context.events.finish(Duration::from_secs(60)).await;
    let bodies = server.bodies(EVENTS);
    let (told, suppressed): (Vec<_>, Vec<_>) = bodies.iter().partition(|event| event["reason"] != "EventsSuppressed");
    assert_eq!((told.len(), suppressed.len()), (25, 1));
    let message = suppressed[0]["message"].as_str().unwrap();
    assert!(message.starts_with("1235 Events of this resource were not published"), "{message}");
    assert_eq!(suppressed[0]["involvedObject"]["uid"], "uid-1");
    assert!(context.metrics.text().contains("ai_provider_seed_events_total{result=\"suppressed\"} 2375"));
    let names: Vec<&str> = told.iter().map(|event| event["metadata"]["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
}

#[tokio::test]
async fn forbidden_is_not_in_sync_and_unavailable_is_retried() {
    let server = Arc::new(Server::default());
    server.put(DEPLOYMENT, deployment(json!([key_from_secret()])));
    server.fail(SECRET, 403);
    let context = context(&server);
    settle(guarded(&minimal()), Arc::clone(&context)).await.unwrap();
    assert!(server.told().contains(&"status EnvironmentUnknown".to_owned()));
    server.fail(SECRET, 503);
    let error = settle(guarded(&minimal()), Arc::clone(&context)).await.unwrap_err();
    assert_eq!(error.call, "get Secret ai in namespace team");
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[tokio::test]
async fn malformed_resource_gets_its_condition_once() {
    let server = Arc::new(Server::default());
    let seed = resource(json!({"workloadRef": {"name": 7}}));
    let list = json!({"apiVersion": "aiproviders.dev/v1alpha1", "kind": "AIProviderSeedList", "metadata": {}, "items": [seed]});
    server.put("/apis/aiproviders.dev/v1alpha1/namespaces/team/aiproviderseeds", list);
    let context = context(&server);
    for _ in 0..2 {
        settle(guarded(&seed), Arc::clone(&context)).await.unwrap();
    }
    assert_eq!(server.told(), ["GET aps", "status InvalidSpec", "event InvalidSpec", "GET aps"]);
}

#[test]
fn pauses_grow_to_a_limit_and_are_spread() {
    let seconds: Vec<u64> = (1..=9).map(|failures| backoff(failures, LONGEST_BACKOFF).as_secs()).collect();
    assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    assert_eq!(backoff(u32::MAX, Duration::from_secs(10)), Duration::from_secs(10));
    for _ in 0..100 {
        let pause = spread(Duration::from_secs(100)).as_secs_f64();
        assert!((90.0..=110.0).contains(&pause), "{pause}");
    }
}
