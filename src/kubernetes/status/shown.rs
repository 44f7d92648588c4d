//! A resource in the form that `status`, `check` and `decide` print: functions of values.

use serde::Serialize;

use super::conditions::{RESOLVED, SEEDED, find_condition};
use super::resolve_annotation::is_handled;
use super::write_result::WriteReason;
use crate::kubernetes::crd::reason::Reason;
use crate::kubernetes::crd::spec::AIProviderSeed;
use crate::kubernetes::crd::status::AIProviderSeedStatus;
use crate::kubernetes::workload::objects::WRITABLE_BY;
use crate::problem::{Code, Outcome};
use crate::provider::redact;

/// The columns of `kubectl get`, and the next step.
pub struct Shown {
    pub namespace: String,
    pub name: String,
    pub ready: String,
    pub in_sync: String,
    pub providers: String,
    pub conflicts: String,
    pub reason: String,
    pub age: String,
    pub message: String,
    pub outcome: Outcome,
}

/// The status for a program.
#[derive(Serialize)]
pub struct ShownStatus<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub status: Option<&'a AIProviderSeedStatus>,
}

const NOTHING: &str = "–";

/// `now`: Unix time in seconds.
pub fn shown(resource: &AIProviderSeed, now: i64) -> Shown {
    let meta = &resource.metadata;
    let status = resource.status.as_ref();
    let ready = status.and_then(|status| find_condition(status, "Ready"));
    // The status does not cover a change that was not checked yet.
    let seen = status.and_then(|status| status.observed_generation) >= meta.generation;
    let (ready, in_sync, reason, message) = match (ready, seen) {
        (Some(ready), true) => {
            let in_sync = status.and_then(|status| find_condition(status, "InSync"));
            let in_sync = in_sync.map_or(NOTHING, |condition| &condition.status);
            (ready.status.as_str(), in_sync, ready.reason.as_str(), ready.message.as_str())
        }
        (None, _) => (
            "Unknown",
            "Unknown",
            NOTHING,
            "no controller has checked it yet; make sure that one watches this namespace",
        ),
        (Some(_), false) => (
            "Unknown",
            "Unknown",
            "Progressing",
            "its last change was not checked yet; run this again, or look at the controller's log",
        ),
    };
    let summary = status.and_then(|status| status.summary.as_ref());
    let nothing = || NOTHING.to_owned();
    let text = |text: Option<&str>| text.map_or_else(nothing, redact::escape);
    let name = |text: &str| if text == NOTHING { nothing() } else { redact::name(text) };
    let conflicts = summary.and_then(|summary| summary.conflicts).map(|number| number.to_string());
    Shown {
        namespace: text(meta.namespace.as_deref()),
        name: text(meta.name.as_deref()),
        ready: redact::escape(ready),
        in_sync: name(in_sync),
        providers: text(summary.and_then(|summary| summary.in_sync.as_deref())),
        conflicts: text(conflicts.as_deref()),
        reason: name(reason),
        age: meta.creation_timestamp.as_ref().map_or(NOTHING.to_owned(), |created| age(now - created.0.as_second())),
        message: redact::escape(message),
        outcome: outcome(ready, reason),
    }
}

/// As kubectl shows it, in one unit.
fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds if seconds < 120 => format!("{seconds}s"),
        seconds if seconds < 2 * 3600 => format!("{}m", seconds / 60),
        seconds if seconds < 2 * 86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// The exit of `status` for a resource with this condition Ready.
fn outcome(ready: &str, reason: &str) -> Outcome {
    if ready == "True" {
        return Outcome::Ok;
    }
    match Reason::ALL.iter().find(|known| known.as_str() == reason) {
        Some(Reason::Conflict) => Outcome::Conflict,
        Some(Reason::DatabaseUnusable) => Outcome::Unusable,
        Some(Reason::DatabaseUnreachable | Reason::Progressing | Reason::Suspended) | None => Outcome::Unavailable,
        Some(_) => Outcome::Invalid,
    }
}

/// The first outcome in this order: a state that stops a start and that an operator can settle has precedence.
pub fn first(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    const ORDER: [Outcome; 4] = [Outcome::Conflict, Outcome::Invalid, Outcome::Unusable, Outcome::Unavailable];
    let outcomes: Vec<Outcome> = outcomes.collect();
    ORDER.into_iter().find(|outcome| outcomes.contains(outcome)).unwrap_or(Outcome::Ok)
}

/// Each conflict in the status once: id and provider. The flag tells whether there are more than the status holds.
pub fn conflicts(status: Option<&AIProviderSeedStatus>) -> (Vec<(&str, &str)>, bool) {
    let Some(status) = status else { return (Vec::new(), false) };
    let mut known: Vec<(&str, &str)> = Vec::new();
    for conflict in &status.conflicts {
        let pair = (conflict.id.as_str(), conflict.provider.as_str());
        if !known.contains(&pair) {
            known.push(pair);
        }
    }
    let all = status.summary.as_ref().and_then(|summary| summary.conflicts).unwrap_or_default();
    (known, all as usize > status.conflicts.len())
}

/// Why the controller would refuse any write for this resource.
pub fn write_not_permitted(status: &AIProviderSeedStatus) -> Option<&str> {
    let conditions = ["Ready", SEEDED].into_iter().filter_map(|kind| find_condition(status, kind));
    let refused = conditions.into_iter().find(|condition| condition.reason == WriteReason::WriteNotPermitted.as_str());
    refused.map(|condition| condition.message.as_str())
}

/// The controller's progress with a decision.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// With its message in the meantime.
    Waiting(Option<String>),
    /// It waits for a person: where the controller may write is not said.
    NotPermitted(String),
    Done(String),
    Refused(String, Code),
}

/// `token`: the value of the annotation.
pub fn answer(status: Option<&AIProviderSeedStatus>, token: &str) -> Answer {
    let Some(condition) = status.and_then(|status| find_condition(status, RESOLVED)) else {
        return Answer::Waiting(None);
    };
    let (id, side) = token.split_once(':').unwrap_or((token, ""));
    let (reason, message) = (condition.reason.as_str(), redact::escape(&condition.message));
    let handled = is_handled(status, token);
    if handled && reason == WriteReason::Resolved.as_str() {
        return Answer::Done(message);
    }
    // A controller without --allow-writes names the command to run instead, and leaves the decision to one that may
    // write.
    let is_left = || message.contains(&format!("--take {side} --conflict {id}"));
    if reason == WriteReason::ResolveRefused.as_str() && (handled || is_left()) {
        let is_there = conflicts(status).0.iter().any(|(known, _)| *known == id);
        let code = code_in(&message).unwrap_or(if is_there { Code::CannotResolve } else { Code::ConflictMoved });
        return Answer::Refused(message, code);
    }
    let is_pending = reason == WriteReason::ResolveWaiting.as_str() || reason == WriteReason::ResolveFailed.as_str();
    if reason == WriteReason::ResolveWaiting.as_str() && message.contains(WRITABLE_BY) {
        return Answer::NotPermitted(message);
    }
    Answer::Waiting(is_pending.then_some(message))
}

/// The code at the end of a controller's sentence: `… (lock_timeout); retrying`.
pub fn code_in(message: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|code| message.contains(&format!("({code})")))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::kubernetes::crd::status::ConflictStatus;

    const ID: &str = "ed7lijh33v6xf3w7ma6zwigoyb5nccs7";

    fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Condition {
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        }
    }

    fn resource(generation: i64, ready: Option<(&str, &str)>) -> AIProviderSeed {
        let spec = serde_json::json!({"workloadRef": {"name": "coder"}});
        let mut resource = AIProviderSeed::new("coder", serde_json::from_value(spec).unwrap());
        resource.metadata.generation = Some(generation);
        resource.metadata.creation_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        resource.status = ready.map(|(status, reason)| AIProviderSeedStatus {
            observed_generation: Some(1),
            conditions: vec![condition("Ready", status, reason, "what to do")],
            ..AIProviderSeedStatus::default()
        });
        resource
    }

    #[test]
    fn outcome_of_a_resource_follows_its_reason() {
        let outcome = |generation, ready| shown(&resource(generation, ready), 0).outcome;
        for (ready, reason, expected) in [
            ("True", "InSync", Outcome::Ok),
            ("True", "Conflict", Outcome::Ok),
            ("False", "Conflict", Outcome::Conflict),
            ("False", "InvalidEnvironment", Outcome::Invalid),
            ("False", "WorkloadNotFound", Outcome::Invalid),
            ("False", "DatabaseUnusable", Outcome::Unusable),
            ("False", "DatabaseUnreachable", Outcome::Unavailable),
            ("Unknown", "Suspended", Outcome::Unavailable),
            ("Unknown", "Progressing", Outcome::Unavailable),
            ("False", "OfANewerController", Outcome::Unavailable),
        ] {
            assert_eq!(outcome(1, Some((ready, reason))), expected, "{reason}");
        }
        // A resource without a check is not ready, nor is one with an unchecked change.
        assert_eq!(outcome(1, None), Outcome::Unavailable);
        assert_eq!(outcome(2, Some(("True", "InSync"))), Outcome::Unavailable);
        assert_eq!(shown(&resource(2, Some(("True", "InSync"))), 0).in_sync, "Unknown");
        let several = [Outcome::Ok, Outcome::Unavailable, Outcome::Invalid, Outcome::Conflict];
        assert_eq!(first(several.into_iter()), Outcome::Conflict);
        assert_eq!(first(several[..3].iter().copied()), Outcome::Invalid);
        assert_eq!(first(several[..1].iter().copied()), Outcome::Ok);
    }

    #[test]
    fn age_is_shown_in_one_unit() {
        for (seconds, shown) in [(-5, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172_800, "2d")]
        {
            assert_eq!(age(seconds), shown);
        }
    }

    #[test]
    fn answer_is_that_to_this_decision() {
        let token = format!("{ID}:environment");
        let of = |handled: Option<&str>, reason: &str, message: &str| {
            let status = AIProviderSeedStatus {
                last_handled_resolve: handled.map(str::to_owned),
                conditions: vec![condition("Resolved", "Unknown", reason, message)],
                conflicts: vec![ConflictStatus { id: ID.to_owned(), ..ConflictStatus::default() }],
                ..AIProviderSeedStatus::default()
            };
            answer(Some(&status), &token)
        };
        let other = format!("{ID}:database");
        assert_eq!(answer(None, &token), Answer::Waiting(None));
        assert_eq!(of(Some(&token), "Resolved", "done"), Answer::Done("done".to_owned()));
        assert_eq!(of(Some(&other), "Resolved", "done"), Answer::Waiting(None), "an earlier one");
        let refused = |message: &str, code| Answer::Refused(message.to_owned(), code);
        assert_eq!(of(Some(&token), "ResolveRefused", "no"), refused("no", Code::CannotResolve));
        let lacking = "nothing was written: no grant (permission_denied)";
        assert_eq!(of(Some(&token), "ResolveRefused", lacking), refused(lacking, Code::PermissionDenied));
        let left = format!("run ai-provider-seed resolve --take environment --conflict {ID}");
        assert_eq!(of(None, "ResolveRefused", &left), refused(&left, Code::CannotResolve));
        let of_other = format!("run ai-provider-seed resolve --take database --conflict {ID}");
        assert_eq!(of(Some(&other), "ResolveRefused", &of_other), Answer::Waiting(None), "an earlier one");
        assert_eq!(of(None, "ResolveWaiting", "later"), Answer::Waiting(Some("later".to_owned())));
        let lacking = "not decided yet: run kubectl annotate secret db aiproviders.dev/writable-by=coder";
        assert_eq!(of(None, "ResolveWaiting", lacking), Answer::NotPermitted(lacking.to_owned()));
        assert_eq!(code_in("nothing was written: held (lock_timeout); retrying"), Some(Code::LockTimeout));
        assert_eq!(code_in("the connection broke"), None);
    }

    #[test]
    fn write_that_is_not_permitted_is_found_in_the_status() {
        let mut status = AIProviderSeedStatus::default();
        assert_eq!(write_not_permitted(&status), None);
        status.conditions.push(condition("Ready", "True", "WriteNotPermitted", "annotate the Secret"));
        assert_eq!(write_not_permitted(&status), Some("annotate the Secret"));
    }
}
