//! The next status and its Events: a function of the old status, the observation, and the time.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::SignedDuration;

use super::last_agreed::{touch, update};
use super::observation::{DatabaseView, EventSubject, Observation, ObservedConflict, in_sync};
use super::write_result::{ConditionUpdate, WriteReason};
use crate::explain::pointer;
use crate::kubernetes::crd::reason::{Progress, Reason};
use crate::kubernetes::crd::status::{
    AIProviderSeedStatus, ConflictStatus, MAX_CONFLICTS, MAX_PROVIDERS, MAX_UNDESCRIBED, MAX_WARNINGS, ProviderState,
    ProviderStatus, Summary,
};
use crate::provider::redact::fit_bytes;

/// `lastCheckTime` alone justifies a write only this often.
const REFRESH: SignedDuration = SignedDuration::from_hours(1);
/// The API server's limit for the note of an Event, in bytes.
const NOTE: usize = 1024;

/// The condition of the last decision by annotation.
pub const RESOLVED: &str = "Resolved";
/// The condition of the mode Seed.
pub const SEEDED: &str = "Seeded";

/// The state of the resource that was checked, and the time.
#[derive(Clone, Debug)]
pub struct ReconcileInput {
    pub generation: i64,
    /// The value of the annotation that requests a check.
    pub token: Option<String>,
    pub now: Time,
    /// The decision that was last carried out or refused, for the new status.
    pub handled: Option<String>,
    /// The condition of the decision.
    pub resolved: ConditionUpdate,
    /// The condition of the mode Seed.
    pub seeded: ConditionUpdate,
}

/// An Event to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingEvent {
    pub reason: EventReason,
    pub is_warning: bool,
    pub note: String,
    /// `status.conflicts{provider.field.id}`
    pub field_path: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventReason {
    ConflictDetected,
    ConflictResolved,
    Failed(Reason),
    Write(WriteReason),
    /// Other Events were suppressed, because there were too many.
    EventsSuppressed,
}

impl EventReason {
    pub fn as_str(self) -> &'static str {
        match self {
            EventReason::ConflictDetected => "ConflictDetected",
            EventReason::ConflictResolved => "ConflictResolved",
            EventReason::Failed(reason) => reason.as_str(),
            EventReason::Write(word) => word.as_str(),
            EventReason::EventsSuppressed => "EventsSuppressed",
        }
    }

    /// The action of the controller.
    pub fn action(self) -> &'static str {
        match self {
            EventReason::Write(reason) => reason.row().action,
            _ => "Check",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct StatusUpdate {
    /// With the current times, even if they alone do not justify a write.
    pub status: AIProviderSeedStatus,
    pub events: Vec<PendingEvent>,
    /// Something but time differs, or the time of the last check is old.
    pub write: bool,
}

pub fn next(old: Option<&AIProviderSeedStatus>, observation: &Observation, input: &ReconcileInput) -> StatusUpdate {
    let none = AIProviderSeedStatus::default();
    let before = old.unwrap_or(&none);
    let (providers, conflicts) = lists(before, observation);
    let status = AIProviderSeedStatus {
        observed_generation: Some(input.generation),
        last_handled_reconcile_at: input.token.clone().or_else(|| before.last_handled_reconcile_at.clone()),
        last_handled_resolve: input.handled.clone(),
        last_check_time: before.last_check_time.clone(),
        conditions: conditions(before, observation, input),
        summary: Some(summary(before, observation, conflicts.len())),
        database_watch: observation.database_watch,
        providers,
        conflicts,
        agreements: match &observation.database {
            DatabaseView::Found { records, .. } => update(&before.agreements, records, &input.now),
            DatabaseView::Unread | DatabaseView::NotLooked => before.agreements.clone(),
        },
        undescribed: match observation.database {
            DatabaseView::NotLooked => before.undescribed.clone(),
            _ => observation.undescribed.iter().take(MAX_UNDESCRIBED).cloned().collect(),
        },
        warnings: match observation.database {
            DatabaseView::NotLooked => before.warnings.clone(),
            _ => observation.warnings.iter().take(MAX_WARNINGS).cloned().collect(),
        },
    };
    let looked = matches!(observation.database, DatabaseView::Found { .. });
    let is_old = |time: &Time| input.now.0.duration_since(time.0) >= REFRESH;
    let events = events(before, observation, input);
    // Events follow a status, so the status is written first.
    let due = looked && before.last_check_time.as_ref().is_none_or(is_old);
    let write = due || old != Some(&status) || !events.is_empty();
    let last_check_time = if write && looked { Some(input.now.clone()) } else { before.last_check_time.clone() };
    let mut status = AIProviderSeedStatus { last_check_time, ..status };
    if let DatabaseView::Found { records, .. } = &observation.database {
        touch(&mut status.agreements, records, &input.now);
    }
    StatusUpdate { status, events, write }
}

fn lists(before: &AIProviderSeedStatus, observation: &Observation) -> (Vec<ProviderStatus>, Vec<ConflictStatus>) {
    match &observation.database {
        DatabaseView::NotLooked => (before.providers.clone(), before.conflicts.clone()),
        DatabaseView::Unread => (Vec::new(), before.conflicts.clone()),
        DatabaseView::Found { providers, conflicts, .. } => {
            // The API server refuses a list with duplicate keys.
            let mut seen = BTreeSet::new();
            let mut providers: Vec<ProviderStatus> =
                providers.iter().filter(|provider| seen.insert(provider.name.as_str())).cloned().collect();
            providers.sort_by_key(|provider| provider.state == ProviderState::InSync);
            providers.truncate(MAX_PROVIDERS);
            (providers, unique(conflicts).map(|conflict| conflict.status.clone()).take(MAX_CONFLICTS).collect())
        }
    }
}

fn unique(conflicts: &[ObservedConflict]) -> impl Iterator<Item = &ObservedConflict> {
    let mut seen = BTreeSet::new();
    conflicts.iter().filter(move |conflict| seen.insert(key(&conflict.status)))
}

fn key(conflict: &ConflictStatus) -> (&str, &str) {
    (&conflict.provider, &conflict.field)
}

fn summary(before: &AIProviderSeedStatus, observation: &Observation, kept: usize) -> Summary {
    let number = |number: usize| Some(u32::try_from(number).unwrap_or(u32::MAX));
    let message = observation.message.clone();
    match &observation.database {
        DatabaseView::NotLooked => Summary { message, ..before.summary.clone().unwrap_or_default() },
        DatabaseView::Unread => {
            Summary { in_sync: None, desired: observation.desired.and_then(number), conflicts: number(kept), message }
        }
        DatabaseView::Found { providers, conflicts, .. } => {
            let agreeing = providers.iter().filter(|provider| provider.state == ProviderState::InSync).count();
            let desired = observation.desired.unwrap_or(providers.len());
            Summary {
                in_sync: Some(format!("{agreeing}/{desired}")),
                desired: number(desired),
                conflicts: number(unique(conflicts).count()),
                message,
            }
        }
    }
}

fn conditions(before: &AIProviderSeedStatus, observation: &Observation, input: &ReconcileInput) -> Vec<Condition> {
    let (ready, synced) = observation.reason.ready_and_in_sync(observation.blocked);
    let named = |kind: &str, status: &str, reason: &str, message: String| {
        let old = before.conditions.iter().find(|old| old.type_ == kind && old.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            observed_generation: Some(input.generation),
            last_transition_time: old.map_or_else(|| input.now.clone(), |old| old.last_transition_time.clone()),
        }
    };
    let condition =
        |kind: &str, status: &str, message: String| named(kind, status, observation.reason.as_str(), message);
    let known = match (&observation.database, synced) {
        (DatabaseView::Found { providers, .. }, "True" | "False") => {
            in_sync(providers, observation.desired.unwrap_or(providers.len()))
        }
        _ => "not known; see Ready".to_owned(),
    };
    let message = || with_pointer(observation);
    let mut conditions = vec![condition("Ready", ready, message()), condition("InSync", synced, known)];
    match observation.reason.progress(observation.blocked) {
        Progress::Current => {}
        Progress::Reconciling => conditions.push(condition("Reconciling", "True", message())),
        Progress::Stalled => conditions.push(condition("Stalled", "True", message())),
        Progress::Suspended => conditions.push(condition("Suspended", "True", message())),
    }
    for (kind, answer) in [(RESOLVED, &input.resolved), (SEEDED, &input.seeded)] {
        conditions.extend(match answer {
            ConditionUpdate::Remove => None,
            ConditionUpdate::Set(result) => {
                Some(named(kind, result.reason.status(), result.reason.as_str(), result.message.clone()))
            }
            ConditionUpdate::Keep => {
                find_condition(before, kind).map(|old| named(kind, &old.status, &old.reason, old.message.clone()))
            }
        });
    }
    conditions
}

/// The message ends with the command that explains the reason, unless no action is needed.
fn with_pointer(observation: &Observation) -> String {
    match observation.reason {
        Reason::InSync | Reason::Progressing | Reason::Suspended => observation.message.clone(),
        reason => format!("{} · {}", observation.message, pointer(reason.as_str())),
    }
}

pub fn find_condition<'a>(status: &'a AIProviderSeedStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == kind)
}

/// Only changes since the old status, so that a restart repeats no Event.
fn events(before: &AIProviderSeedStatus, observation: &Observation, input: &ReconcileInput) -> Vec<PendingEvent> {
    let mut events = Vec::new();
    if let DatabaseView::Found { conflicts, .. } = &observation.database {
        let start = observation.workload.as_ref().map_or_else(|| "the next start".to_owned(), next_start);
        for conflict in unique(conflicts).take(MAX_CONFLICTS) {
            let now = &conflict.status;
            let same = |old: &ConflictStatus| {
                key(old) == key(now)
                    && (&old.environment, &old.database, old.blocking)
                        == (&now.environment, &now.database, now.blocking)
            };
            if before.conflicts.iter().any(same) {
                continue;
            }
            let stops = observation.blocked && now.blocking;
            let effect =
                if stops { format!("; {start} would be stopped") } else { format!("; this does not stop {start}") };
            events.push(PendingEvent {
                reason: EventReason::ConflictDetected,
                is_warning: stops,
                note: fit_bytes("", &conflict.sentence, &effect, NOTE),
                field_path: Some(field_path(now)),
            });
        }
        // The whole list counts: a conflict beyond the limit is not resolved.
        let gone = |old: &&ConflictStatus| !conflicts.iter().any(|conflict| key(&conflict.status) == key(old));
        events.extend(before.conflicts.iter().filter(gone).map(|old| PendingEvent {
            reason: EventReason::ConflictResolved,
            is_warning: false,
            note: fit_bytes(&format!("{} {}", old.provider, old.field), "", " is no longer in conflict", NOTE),
            field_path: Some(field_path(old)),
        }));
    }
    let reason_before = before.conditions.iter().find(|old| old.type_ == "Ready").map(|old| old.reason.as_str());
    if observation.reason.is_failure() && reason_before != Some(observation.reason.as_str()) {
        events.push(PendingEvent {
            reason: EventReason::Failed(observation.reason),
            is_warning: true,
            note: fit_bytes("", &observation.message, "", NOTE),
            field_path: None,
        });
    }
    for (kind, answer) in [(RESOLVED, &input.resolved), (SEEDED, &input.seeded)] {
        let ConditionUpdate::Set(result) = answer else { continue };
        let another = kind == RESOLVED && input.handled != before.last_handled_resolve;
        let refused = result.reason == WriteReason::ResolveRefused;
        let new = find_condition(before, kind)
            .is_none_or(|old| old.reason != result.reason.as_str() || (refused && old.message != result.message));
        // An insert has happened now; every other reason keeps its time until it changes.
        if result.reason.emits_event() && (another || new || result.reason == WriteReason::Seeded) {
            events.push(PendingEvent {
                reason: EventReason::Write(result.reason),
                is_warning: result.reason.is_warning(),
                note: fit_bytes("", &result.message, "", NOTE),
                field_path: None,
            });
        }
    }
    events
}

fn next_start(workload: &EventSubject) -> String {
    format!("the next start of {}", workload.label())
}

fn field_path(conflict: &ConflictStatus) -> String {
    format!("status.conflicts{{{}.{}.{}}}", conflict.provider, conflict.field, conflict.id)
}

#[cfg(test)]
mod tests;
