//! The conditions Resolved and Seeded, as the patch that is sent.

use serde_json::{Value, json};

use super::*;
use crate::kubernetes::status::write_result::Deed;

fn said(look: Look, handled: Option<&str>, word: Word) -> Look {
    Look { handled: handled.map(str::to_owned), resolved: Answer::Say(Deed::new(word, "m")), ..look }
}

fn seeded(look: Look, word: Word) -> Look {
    Look { seeded: Answer::Say(Deed::new(word, "m")), ..look }
}

/// What of a status is about writes, as it is sent.
fn patch(status: &AIProviderSeedStatus) -> Value {
    let mut status = serde_json::to_value(status).unwrap();
    let conditions = status["conditions"].as_array_mut().unwrap().split_off(2);
    json!({"handled": status["lastHandledResolve"], "conditions": conditions})
}

fn condition(kind: &str, status: &str, reason: &str, second: i64) -> Value {
    let time = look(1, second).now.0.to_string();
    json!({"type": kind, "status": status, "reason": reason, "message": "m", "observedGeneration": 1,
           "lastTransitionTime": time})
}

fn events(next: &Next) -> Vec<&'static str> {
    next.notices.iter().map(|notice| notice.what.as_str()).collect()
}

#[test]
fn a_decision_from_failed_to_done_to_forgotten() {
    let (stuck, agreed) = (observed(Reason::Conflict, false, &[]), observed(Reason::InSync, false, &[]));
    let failed = next(None, &stuck, &said(look(1, 0), None, Word::ResolveFailed));
    let expected = json!([condition("Resolved", "Unknown", "ResolveFailed", 0)]);
    assert_eq!(patch(&failed.status), json!({"handled": null, "conditions": expected}));
    assert_eq!(events(&failed), ["ResolveFailed"]);
    let note = &failed.notices[0];
    assert!(note.is_warning && note.field_path.is_none() && note.what.action() == "Resolve");
    // Again: not told again, and not even written.
    let again = next(Some(&failed.status), &stuck, &said(look(1, 9), None, Word::ResolveFailed));
    assert!(!again.write && again.notices.is_empty());

    let done = next(Some(&failed.status), &agreed, &said(look(1, 20), Some("a:environment"), Word::Resolved));
    let expected = json!([condition("Resolved", "True", "Resolved", 20)]);
    assert_eq!(patch(&done.status), json!({"handled": "a:environment", "conditions": expected}));
    assert_eq!(events(&done), ["Resolved"]);
    assert!(!done.notices[0].is_warning);
    // It stands, whatever is found later.
    let kept = Look { handled: Some("a:environment".to_owned()), ..look(1, 30) };
    for seen in
        [&agreed, &stuck, &observed(Reason::DatabaseUnreachable, false, &[]), &observed(Reason::Suspended, false, &[])]
    {
        let kept = next(Some(&done.status), seen, &kept).status;
        assert_eq!(patch(&kept)["conditions"].as_array().unwrap().last(), expected.as_array().unwrap().last());
        assert_eq!(kept.last_handled_resolve.as_deref(), Some("a:environment"));
    }
    // The annotation is removed.
    let gone = next(Some(&done.status), &agreed, &Look { resolved: Answer::Forget, ..look(1, 40) });
    assert_eq!(patch(&gone.status), json!({"handled": null, "conditions": []}));
    assert!(gone.write && gone.notices.is_empty());
}

#[test]
fn each_refused_decision_is_told_even_if_for_the_same_reason() {
    let seen = observed(Reason::Conflict, false, &[]);
    let first = next(None, &seen, &said(look(1, 0), Some("a:environment"), Word::ResolveRefused));
    assert_eq!(events(&first), ["ResolveRefused"]);
    let second = next(Some(&first.status), &seen, &said(look(1, 9), Some("b:environment"), Word::ResolveRefused));
    assert_eq!(events(&second), ["ResolveRefused"]);
    let expected = json!([condition("Resolved", "False", "ResolveRefused", 0)]);
    assert_eq!(patch(&second.status), json!({"handled": "b:environment", "conditions": expected}));
}

#[test]
fn the_mode_seed() {
    let missing = observed(Reason::WouldSeed, false, &[]);
    let waiting = next(None, &missing, &seeded(look(1, 0), Word::Waiting));
    assert_eq!(patch(&waiting.status)["conditions"], json!([condition("Seeded", "False", "Waiting", 0)]));
    assert!(events(&waiting).is_empty());
    for word in [Word::WritesNotAllowed, Word::SeedFailed] {
        let told = next(Some(&waiting.status), &missing, &seeded(look(1, 5), word));
        assert_eq!(patch(&told.status)["conditions"], json!([condition("Seeded", "False", word.as_str(), 0)]));
        assert_eq!((events(&told), told.notices[0].is_warning), (vec![word.as_str()], true));
        assert_eq!(told.notices[0].what.action(), "Seed");
        assert!(next(Some(&told.status), &missing, &seeded(look(1, 9), word)).notices.is_empty());
    }
    let agreed = observed(Reason::InSync, false, &[]);
    let done = next(Some(&waiting.status), &agreed, &seeded(look(1, 9), Word::Seeded));
    assert_eq!(patch(&done.status)["conditions"], json!([condition("Seeded", "True", "Seeded", 9)]));
    assert_eq!((events(&done), done.notices[0].is_warning), (vec!["Seeded"], false));
    let observe = next(Some(&done.status), &agreed, &Look { seeded: Answer::Forget, ..look(1, 9) });
    assert_eq!(patch(&observe.status)["conditions"], json!([]));
}

/// Each decision is told, also one that ends like the last; what stands beside it is not told again for that.
#[test]
fn another_decision_is_another_notice() {
    let say = |word| Answer::Say(Deed::new(word, "a message"));
    let decided = |handled: &str| Look {
        handled: Some(handled.to_owned()),
        resolved: say(Word::Resolved),
        seeded: say(Word::WritesNotAllowed),
        ..look(1, 0)
    };
    let in_sync = observed(Reason::InSync, false, &[]);
    let told = |before: Option<&AIProviderSeedStatus>, handled| {
        let next = next(before, &in_sync, &decided(handled));
        (next.notices.iter().map(|notice| notice.what).collect::<Vec<_>>(), next.status)
    };
    let (first, status) = told(None, "one");
    assert_eq!(first, [What::Told(Word::Resolved), What::Told(Word::WritesNotAllowed)]);
    assert_eq!(told(Some(&status), "one").0, []);
    assert_eq!(told(Some(&status), "two").0, [What::Told(Word::Resolved)]);
}

/// A refusal for another reason is told; a try that failed in another way is the same news.
#[test]
fn a_refusal_is_told_for_each_reason() {
    let in_sync = observed(Reason::InSync, false, &[]);
    let told_again = |word| {
        let decided = |message: &str| Look { resolved: Answer::Say(Deed::new(word, message)), ..look(1, 0) };
        let first = next(None, &in_sync, &decided("one")).status;
        [decided("one"), decided("two")].map(|look| next(Some(&first), &in_sync, &look).notices.len())
    };
    assert_eq!(told_again(Word::ResolveRefused), [0, 1]);
    assert_eq!(told_again(Word::ResolveFailed), [0, 0]);
}
