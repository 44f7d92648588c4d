//! The next status and the Events that go with it: a function of the old status, what was observed, and the time.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::SignedDuration;

use super::last_agreed::{remember, renew};
use super::observation::{Disagreement, Observed, Related, Seen, in_sync};
use super::write_result::{Answer, Word};
use crate::kubernetes::crd::reason::{Progress, Reason};
use crate::kubernetes::crd::status::{
    AIProviderSeedStatus, ConflictStatus, MAX_CONFLICTS, MAX_PROVIDERS, MAX_WARNINGS, ProviderState, ProviderStatus,
    Summary,
};
use crate::provider::redact::fit;

/// `lastCheckTime` alone is not worth a write more often than this.
const REFRESH: SignedDuration = SignedDuration::from_hours(1);
/// The API server's limit for the note of an Event, in bytes.
const NOTE: usize = 1024;

/// The condition of the last decision by annotation.
pub const RESOLVED: &str = "Resolved";
/// The condition of the mode Seed.
pub const SEEDED: &str = "Seeded";

/// Which state of the resource was looked at, and when.
#[derive(Clone, Debug)]
pub struct Look {
    pub generation: i64,
    /// The value of the annotation that asks for a check.
    pub token: Option<String>,
    pub now: Time,
    /// The decision that was last carried out or refused, as the status remembers it from now on.
    pub handled: Option<String>,
    /// What became of it.
    pub resolved: Answer,
    /// The same of the mode Seed.
    pub seeded: Answer,
}

/// An Event to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub what: What,
    pub is_warning: bool,
    pub note: String,
    /// `status.conflicts{provider.field.id}`
    pub field_path: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    ConflictDetected,
    ConflictResolved,
    Failed(Reason),
    Told(Word),
}

impl What {
    pub fn as_str(self) -> &'static str {
        match self {
            What::ConflictDetected => "ConflictDetected",
            What::ConflictResolved => "ConflictResolved",
            What::Failed(reason) => reason.as_str(),
            What::Told(word) => word.as_str(),
        }
    }

    /// What was done when it was noticed.
    pub fn action(self) -> &'static str {
        match self {
            What::Told(Word::Resolved | Word::ResolveRefused | Word::ResolveFailed | Word::ResolveWaiting) => "Resolve",
            What::Told(_) => "Seed",
            _ => "Check",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Next {
    /// With the times of now, even if they alone are not worth a write.
    pub status: AIProviderSeedStatus,
    pub notices: Vec<Notice>,
    /// Something but time differs, or the time of the last check is old.
    pub write: bool,
}

pub fn next(old: Option<&AIProviderSeedStatus>, observed: &Observed, look: &Look) -> Next {
    let none = AIProviderSeedStatus::default();
    let before = old.unwrap_or(&none);
    let (providers, conflicts) = lists(before, observed);
    let status = AIProviderSeedStatus {
        observed_generation: Some(look.generation),
        last_handled_reconcile_at: look.token.clone().or_else(|| before.last_handled_reconcile_at.clone()),
        last_handled_resolve: look.handled.clone(),
        last_check_time: before.last_check_time.clone(),
        conditions: conditions(before, observed, look),
        summary: Some(summary(before, observed, conflicts.len())),
        providers,
        conflicts,
        agreements: match &observed.seen {
            Seen::Found { records, .. } => remember(&before.agreements, records, &look.now),
            Seen::Unread | Seen::NotLooked => before.agreements.clone(),
        },
        warnings: match observed.seen {
            Seen::NotLooked => before.warnings.clone(),
            _ => observed.warnings.iter().take(MAX_WARNINGS).cloned().collect(),
        },
    };
    let looked = matches!(observed.seen, Seen::Found { .. });
    let is_old = |time: &Time| look.now.0.duration_since(time.0) >= REFRESH;
    let notices = notices(before, observed, look);
    // The status goes first, so an Event has one to follow.
    let due = looked && before.last_check_time.as_ref().is_none_or(is_old);
    let write = due || old != Some(&status) || !notices.is_empty();
    let last_check_time = if write && looked { Some(look.now.clone()) } else { before.last_check_time.clone() };
    let mut status = AIProviderSeedStatus { last_check_time, ..status };
    if let Seen::Found { records, .. } = &observed.seen {
        renew(&mut status.agreements, records, &look.now);
    }
    Next { status, notices, write }
}

fn lists(before: &AIProviderSeedStatus, observed: &Observed) -> (Vec<ProviderStatus>, Vec<ConflictStatus>) {
    match &observed.seen {
        Seen::NotLooked => (before.providers.clone(), before.conflicts.clone()),
        Seen::Unread => (Vec::new(), before.conflicts.clone()),
        Seen::Found { providers, conflicts, .. } => {
            // The API server refuses a list that names something twice.
            let mut seen = BTreeSet::new();
            let mut providers: Vec<ProviderStatus> =
                providers.iter().filter(|provider| seen.insert(provider.name.as_str())).cloned().collect();
            providers.sort_by_key(|provider| provider.state == ProviderState::InSync);
            providers.truncate(MAX_PROVIDERS);
            (providers, unique(conflicts).map(|conflict| conflict.status.clone()).take(MAX_CONFLICTS).collect())
        }
    }
}

fn unique(conflicts: &[Disagreement]) -> impl Iterator<Item = &Disagreement> {
    let mut seen = BTreeSet::new();
    conflicts.iter().filter(move |conflict| seen.insert(key(&conflict.status)))
}

fn key(conflict: &ConflictStatus) -> (&str, &str) {
    (&conflict.provider, &conflict.field)
}

fn summary(before: &AIProviderSeedStatus, observed: &Observed, kept: usize) -> Summary {
    let number = |number: usize| Some(u32::try_from(number).unwrap_or(u32::MAX));
    let message = observed.message.clone();
    match &observed.seen {
        Seen::NotLooked => Summary { message, ..before.summary.clone().unwrap_or_default() },
        Seen::Unread => {
            Summary { in_sync: None, desired: observed.desired.and_then(number), conflicts: number(kept), message }
        }
        Seen::Found { providers, conflicts, .. } => {
            let agreeing = providers.iter().filter(|provider| provider.state == ProviderState::InSync).count();
            let desired = observed.desired.unwrap_or(providers.len());
            Summary {
                in_sync: Some(format!("{agreeing}/{desired}")),
                desired: number(desired),
                conflicts: number(unique(conflicts).count()),
                message,
            }
        }
    }
}

fn conditions(before: &AIProviderSeedStatus, observed: &Observed, look: &Look) -> Vec<Condition> {
    let (ready, synced) = truth(observed.reason, observed.blocked);
    let named = |kind: &str, status: &str, reason: &str, message: String| {
        let old = before.conditions.iter().find(|old| old.type_ == kind && old.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            observed_generation: Some(look.generation),
            last_transition_time: old.map_or_else(|| look.now.clone(), |old| old.last_transition_time.clone()),
        }
    };
    let condition = |kind: &str, status: &str, message: String| named(kind, status, observed.reason.as_str(), message);
    let known = match (&observed.seen, synced) {
        (Seen::Found { providers, .. }, "True" | "False") => {
            in_sync(providers, observed.desired.unwrap_or(providers.len()))
        }
        _ => "not known; see Ready".to_owned(),
    };
    let message = || observed.message.clone();
    let mut conditions = vec![condition("Ready", ready, message()), condition("InSync", synced, known)];
    match observed.reason.progress(observed.blocked) {
        Progress::Settled => {}
        Progress::Reconciling => conditions.push(condition("Reconciling", "True", message())),
        Progress::Stalled => conditions.push(condition("Stalled", "True", message())),
        Progress::Suspended => conditions.push(condition("Suspended", "True", message())),
    }
    for (kind, answer) in [(RESOLVED, &look.resolved), (SEEDED, &look.seeded)] {
        conditions.extend(match answer {
            Answer::Forget => None,
            Answer::Say(deed) => Some(named(kind, deed.word.status(), deed.word.as_str(), deed.message.clone())),
            Answer::Keep => {
                find_condition(before, kind).map(|old| named(kind, &old.status, &old.reason, old.message.clone()))
            }
        });
    }
    conditions
}

pub fn find_condition<'a>(status: &'a AIProviderSeedStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == kind)
}

/// Ready and InSync.
fn truth(reason: Reason, blocked: bool) -> (&'static str, &'static str) {
    match reason {
        Reason::InSync => ("True", "True"),
        Reason::WouldSeed | Reason::CredentialsDiffer => ("True", "False"),
        Reason::Conflict if blocked => ("False", "False"),
        Reason::Conflict => ("True", "False"),
        Reason::SchemaPending | Reason::NothingDesired => ("True", "Unknown"),
        Reason::Progressing | Reason::Suspended => ("Unknown", "Unknown"),
        Reason::InvalidEnvironment
        | Reason::InvalidSpec
        | Reason::DatabaseUnusable
        | Reason::EnvironmentUnknown
        | Reason::WorkloadNotFound
        | Reason::ContainerNotFound
        | Reason::SecretNotFound
        | Reason::SecretKeyMissing
        | Reason::ConfigMapNotFound
        | Reason::ConfigMapKeyMissing
        | Reason::DatabaseUnreachable => ("False", "Unknown"),
    }
}

/// Only what changed since the old status, so that a restart repeats nothing.
fn notices(before: &AIProviderSeedStatus, observed: &Observed, look: &Look) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Seen::Found { conflicts, .. } = &observed.seen {
        let start = observed.workload.as_ref().map_or_else(|| "the next start".to_owned(), next_start);
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
            let stops = observed.blocked && now.blocking;
            let effect =
                if stops { format!("; {start} would be stopped") } else { format!("; this does not stop {start}") };
            notices.push(Notice {
                what: What::ConflictDetected,
                is_warning: stops,
                note: fit("", &conflict.sentence, &effect, NOTE),
                field_path: Some(field_path(now)),
            });
        }
        // Not cut: one that only fell out of the list is not resolved.
        let gone = |old: &&ConflictStatus| !conflicts.iter().any(|conflict| key(&conflict.status) == key(old));
        notices.extend(before.conflicts.iter().filter(gone).map(|old| Notice {
            what: What::ConflictResolved,
            is_warning: false,
            note: fit(&format!("{} {}", old.provider, old.field), "", " is no longer in conflict", NOTE),
            field_path: Some(field_path(old)),
        }));
    }
    let reason_before = before.conditions.iter().find(|old| old.type_ == "Ready").map(|old| old.reason.as_str());
    if observed.reason.is_failure() && reason_before != Some(observed.reason.as_str()) {
        notices.push(Notice {
            what: What::Failed(observed.reason),
            is_warning: true,
            note: fit("", &observed.message, "", NOTE),
            field_path: None,
        });
    }
    for (kind, answer) in [(RESOLVED, &look.resolved), (SEEDED, &look.seeded)] {
        let Answer::Say(deed) = answer else { continue };
        let another = kind == RESOLVED && look.handled != before.last_handled_resolve;
        let refused = deed.word == Word::ResolveRefused;
        let new = find_condition(before, kind)
            .is_none_or(|old| old.reason != deed.word.as_str() || (refused && old.message != deed.message));
        // What was inserted was inserted now; everything else stands until it changes.
        if deed.word.is_told() && (another || new || deed.word == Word::Seeded) {
            notices.push(Notice {
                what: What::Told(deed.word),
                is_warning: deed.word.is_warning(),
                note: fit("", &deed.message, "", NOTE),
                field_path: None,
            });
        }
    }
    notices
}

fn next_start(workload: &Related) -> String {
    format!("the next start of {}", workload.label())
}

fn field_path(conflict: &ConflictStatus) -> String {
    format!("status.conflicts{{{}.{}.{}}}", conflict.provider, conflict.field, conflict.id)
}

#[cfg(test)]
mod tests;
