//! The conditions Resolved and Seeded, as the patch that is sent.

use serde_json::{Value, json};

use super::*;
use crate::kubernetes::status::write_result::WriteResult;

fn said(input: ReconcileInput, handled: Option<&str>, word: WriteReason) -> ReconcileInput {
    ReconcileInput {
        handled: handled.map(str::to_owned),
        resolved: ConditionUpdate::Set(WriteResult::new(word, "m")),
        ..input
    }
}

fn seeded(input: ReconcileInput, word: WriteReason) -> ReconcileInput {
    ReconcileInput { seeded: ConditionUpdate::Set(WriteResult::new(word, "m")), ..input }
}

/// The part of a status about writes, as it is sent.
fn patch(status: &AIProviderSeedStatus) -> Value {
    let mut status = serde_json::to_value(status).unwrap();
    let conditions = status["conditions"].as_array_mut().unwrap().split_off(2);
    json!({"handled": status["lastHandledResolve"], "conditions": conditions})
}

fn condition(kind: &str, status: &str, reason: &str, second: i64) -> Value {
    let time = input(1, second).now.0.to_string();
    json!({"type": kind, "status": status, "reason": reason, "message": "m", "observedGeneration": 1,
           "lastTransitionTime": time})
}

fn events(next: &StatusUpdate) -> Vec<&'static str> {
    next.events.iter().map(|event| event.reason.as_str()).collect()
}

#[test]
fn a_decision_from_failed_to_done_to_forgotten() {
    let (stuck, agreed) = (observed(Reason::Conflict, false, &[]), observed(Reason::InSync, false, &[]));
    let failed = next(None, &stuck, &said(input(1, 0), None, WriteReason::ResolveFailed));
    let expected = json!([condition("Resolved", "Unknown", "ResolveFailed", 0)]);
    assert_eq!(patch(&failed.status), json!({"handled": null, "conditions": expected}));
    assert_eq!(events(&failed), ["ResolveFailed"]);
    let note = &failed.events[0];
    assert!(note.is_warning && note.field_path.is_none() && note.reason.action() == "Resolve");
    // A repetition causes no Event and not even a write.
    let again = next(Some(&failed.status), &stuck, &said(input(1, 9), None, WriteReason::ResolveFailed));
    assert!(!again.write && again.events.is_empty());

    let done = next(Some(&failed.status), &agreed, &said(input(1, 20), Some("a:environment"), WriteReason::Resolved));
    let expected = json!([condition("Resolved", "True", "Resolved", 20)]);
    assert_eq!(patch(&done.status), json!({"handled": "a:environment", "conditions": expected}));
    assert_eq!(events(&done), ["Resolved"]);
    assert!(!done.events[0].is_warning);
    // It stays, whatever later checks find.
    let kept = ReconcileInput { handled: Some("a:environment".to_owned()), ..input(1, 30) };
    for seen in
        [&agreed, &stuck, &observed(Reason::DatabaseUnreachable, false, &[]), &observed(Reason::Suspended, false, &[])]
    {
        let kept = next(Some(&done.status), seen, &kept).status;
        assert_eq!(patch(&kept)["conditions"].as_array().unwrap().last(), expected.as_array().unwrap().last());
        assert_eq!(kept.last_handled_resolve.as_deref(), Some("a:environment"));
    }
    let gone = next(Some(&done.status), &agreed, &ReconcileInput { resolved: ConditionUpdate::Remove, ..input(1, 40) });
    assert_eq!(patch(&gone.status), json!({"handled": null, "conditions": []}));
    assert!(gone.write && gone.events.is_empty());
}

#[test]
fn each_refused_decision_emits_an_event() {
    let seen = observed(Reason::Conflict, false, &[]);
    let first = next(None, &seen, &said(input(1, 0), Some("a:environment"), WriteReason::ResolveRefused));
    assert_eq!(events(&first), ["ResolveRefused"]);
    let second =
        next(Some(&first.status), &seen, &said(input(1, 9), Some("b:environment"), WriteReason::ResolveRefused));
    assert_eq!(events(&second), ["ResolveRefused"]);
    let expected = json!([condition("Resolved", "False", "ResolveRefused", 0)]);
    assert_eq!(patch(&second.status), json!({"handled": "b:environment", "conditions": expected}));
}

#[test]
fn the_mode_seed() {
    let missing = observed(Reason::WouldSeed, false, &[]);
    let waiting = next(None, &missing, &seeded(input(1, 0), WriteReason::Waiting));
    assert_eq!(patch(&waiting.status)["conditions"], json!([condition("Seeded", "False", "Waiting", 0)]));
    assert!(events(&waiting).is_empty());
    for word in [WriteReason::WritesNotAllowed, WriteReason::SeedFailed] {
        let told = next(Some(&waiting.status), &missing, &seeded(input(1, 5), word));
        assert_eq!(patch(&told.status)["conditions"], json!([condition("Seeded", "False", word.as_str(), 0)]));
        assert_eq!((events(&told), told.events[0].is_warning), (vec![word.as_str()], true));
        assert_eq!(told.events[0].reason.action(), "Seed");
        assert!(next(Some(&told.status), &missing, &seeded(input(1, 9), word)).events.is_empty());
    }
    let agreed = observed(Reason::InSync, false, &[]);
    let done = next(Some(&waiting.status), &agreed, &seeded(input(1, 9), WriteReason::Seeded));
    assert_eq!(patch(&done.status)["conditions"], json!([condition("Seeded", "True", "Seeded", 9)]));
    assert_eq!((events(&done), done.events[0].is_warning), (vec!["Seeded"], false));
    let observe = next(Some(&done.status), &agreed, &ReconcileInput { seeded: ConditionUpdate::Remove, ..input(1, 9) });
    assert_eq!(patch(&observe.status)["conditions"], json!([]));
}

/// Each decision gets an Event, also one with the same result as the last; the other condition gets none.
#[test]
fn each_decision_has_a_separate_event() {
    let say = |word| ConditionUpdate::Set(WriteResult::new(word, "a message"));
    let decided = |handled: &str| ReconcileInput {
        handled: Some(handled.to_owned()),
        resolved: say(WriteReason::Resolved),
        seeded: say(WriteReason::WritesNotAllowed),
        ..input(1, 0)
    };
    let in_sync = observed(Reason::InSync, false, &[]);
    let told = |before: Option<&AIProviderSeedStatus>, handled| {
        let next = next(before, &in_sync, &decided(handled));
        (next.events.iter().map(|event| event.reason).collect::<Vec<_>>(), next.status)
    };
    let (first, status) = told(None, "one");
    assert_eq!(first, [EventReason::Write(WriteReason::Resolved), EventReason::Write(WriteReason::WritesNotAllowed)]);
    assert_eq!(told(Some(&status), "one").0, []);
    assert_eq!(told(Some(&status), "two").0, [EventReason::Write(WriteReason::Resolved)]);
}

/// A refusal for another reason gets an Event; an attempt that failed in another way does not.
#[test]
fn refusal_emits_an_event_for_each_reason() {
    let in_sync = observed(Reason::InSync, false, &[]);
    let told_again = |word| {
        let decided = |message: &str| ReconcileInput {
            resolved: ConditionUpdate::Set(WriteResult::new(word, message)),
            ..input(1, 0)
        };
        let first = next(None, &in_sync, &decided("one")).status;
        [decided("one"), decided("two")].map(|input| next(Some(&first), &in_sync, &input).events.len())
    };
    assert_eq!(told_again(WriteReason::ResolveRefused), [0, 1]);
    assert_eq!(told_again(WriteReason::ResolveFailed), [0, 0]);
}
