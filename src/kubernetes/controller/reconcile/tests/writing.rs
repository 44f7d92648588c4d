//! The writes of a check: the status, and the Events after it.

use std::collections::BTreeSet;

use super::*;
use crate::kubernetes::controller::publish_events::Subject;
use crate::kubernetes::status::conditions::{EventReason, PendingEvent};

/// The exact patch that is sent.
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
async fn second_check_behind_a_late_watch_writes_nothing() {
    let server = Arc::new(Server::default());
    let context = context(&server);
    for _ in 0..2 {
        settle(guarded(&minimal()), Arc::clone(&context)).await.unwrap();
    }
    let get = format!("GET {DEPLOYMENT}");
    let expected = ["status Progressing", &get, "status WorkloadNotFound", "event WorkloadNotFound", &get];
    assert_eq!(server.told(), expected);
    // A new resource with that name is not mistaken for the old one.
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

/// 60 providers that change twice a second for 20 s used to cause 2,400 Events.
#[tokio::test]
async fn storm_of_events_is_cut_and_reported_once() {
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
