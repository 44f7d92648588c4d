//! A whole check against a minimal API server: exactly which calls it makes and what it writes.

mod admission;
mod server;
mod writing;

use serde_json::{Value, json};

use super::*;
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

/// Runs one check and waits for its Events.
async fn settle(guarded: Arc<Guarded>, context: Arc<Context>) -> Result<Action, ApiError> {
    let result = reconcile(guarded, Arc::clone(&context)).await;
    context.events.finish(Duration::from_secs(60)).await;
    result
}

/// One check against a server with these objects: all calls after the first status, and the final status.
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
