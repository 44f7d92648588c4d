mod sequences;
mod writes;

use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::kubernetes::crd::reason::CheckStopped;
use crate::kubernetes::crd::status::WarningStatus;
use crate::kubernetes::status::last_agreed::ProviderHashes;
use crate::kubernetes::status::write_result::{WriteReason, WriteResult};
use crate::options::WorkloadKind;

fn input(generation: i64, second: i64) -> ReconcileInput {
    ReconcileInput {
        generation,
        token: None,
        now: Time(Timestamp::from_second(1_800_000_000 + second).unwrap()),
        handled: None,
        resolved: ConditionUpdate::Keep,
        seeded: ConditionUpdate::Keep,
    }
}

fn conflict(provider: &str, field: &str, environment: &str) -> ObservedConflict {
    let status = ConflictStatus {
        id: format!("id-{environment}"),
        provider: provider.to_owned(),
        field: field.to_owned(),
        blocking: true,
        environment: environment.to_owned(),
        database: "https://db/".to_owned(),
        variable: "VARIABLE".to_owned(),
        source: "Secret s, key k".to_owned(),
        ..ConflictStatus::default()
    };
    let sentence = format!(
        "{provider} {field} is {environment} in the environment (VARIABLE, Secret s, key k), https://db/ in the database"
    );
    ObservedConflict { status, sentence }
}

/// Both sides of provider `a`, in one row.
fn record(environment: &str, database: &str) -> ProviderHashes {
    let [provider, row, environment, database] = ["a", "1", environment, database].map(str::to_owned);
    ProviderHashes { provider, row, environment, database, credentials: None }
}

fn with_records(observation: Observation, found: &[ProviderHashes]) -> Observation {
    let mut observation = observation;
    if let DatabaseView::Found { records, .. } = &mut observation.database {
        *records = found.to_vec();
    }
    observation
}

fn provider(name: &str, state: ProviderState) -> ProviderStatus {
    ProviderStatus { name: name.to_owned(), r#type: "openai".to_owned(), state, id: None }
}

fn observed(reason: Reason, blocked: bool, conflicts: &[ObservedConflict]) -> Observation {
    let looked = !(reason.is_failure() || matches!(reason, Reason::Progressing | Reason::Suspended));
    let mut observation = match reason {
        Reason::Suspended => Observation::suspended(),
        Reason::Progressing => Observation::progressing(),
        reason => Observation::stopped(CheckStopped::new(reason, format!("message of {reason}"))),
    };
    if looked {
        let state = if reason == Reason::InSync { ProviderState::InSync } else { ProviderState::Conflict };
        observation.database = DatabaseView::Found {
            providers: vec![provider("a", state)],
            conflicts: conflicts.to_vec(),
            records: Vec::new(),
        };
        observation.desired = Some(1);
    }
    observation.blocked = blocked;
    observation.workload = Some(EventSubject { kind: WorkloadKind::Deployment, name: "coder".to_owned(), uid: None });
    observation
}

fn shown(status: &AIProviderSeedStatus) -> String {
    let conditions = status.conditions.iter().map(|c| format!("{} {} {}", c.type_, c.status, c.reason));
    conditions.collect::<Vec<_>>().join(", ")
}

#[test]
fn every_row_of_the_table() {
    use Reason as R;
    for (reason, blocked, ready, synced, also) in [
        (R::InSync, false, "True", "True", ""),
        (R::WouldSeed, false, "True", "False", ""),
        (R::CredentialsDiffer, false, "True", "False", ""),
        (R::SettingsDiffer, false, "True", "False", ""),
        (R::Conflict, true, "False", "False", "Stalled"),
        (R::Conflict, false, "True", "False", ""),
        (R::SchemaPending, false, "True", "Unknown", ""),
        (R::NothingDesired, false, "True", "Unknown", ""),
        (R::InvalidEnvironment, false, "False", "Unknown", "Stalled"),
        (R::InvalidSpec, false, "False", "Unknown", "Stalled"),
        (R::DatabaseUnusable, false, "False", "Unknown", "Stalled"),
        (R::EnvironmentUnknown, false, "False", "Unknown", "Stalled"),
        (R::WorkloadNotFound, false, "False", "Unknown", "Reconciling"),
        (R::ContainerNotFound, false, "False", "Unknown", "Reconciling"),
        (R::SecretNotFound, false, "False", "Unknown", "Reconciling"),
        (R::SecretKeyMissing, false, "False", "Unknown", "Reconciling"),
        (R::ConfigMapNotFound, false, "False", "Unknown", "Reconciling"),
        (R::ConfigMapKeyMissing, false, "False", "Unknown", "Reconciling"),
        (R::DatabaseUnreachable, false, "False", "Unknown", "Reconciling"),
        (R::Progressing, false, "Unknown", "Unknown", "Reconciling"),
        (R::Suspended, false, "Unknown", "Unknown", "Suspended"),
    ] {
        let next = next(None, &observed(reason, blocked, &[]), &input(4, 0));
        let also = if also.is_empty() { String::new() } else { format!(", {also} True {reason}") };
        assert_eq!(shown(&next.status), format!("Ready {ready} {reason}, InSync {synced} {reason}{also}"));
        assert_eq!(next.status.observed_generation, Some(4));
        assert!(next.status.conditions.iter().all(|condition| condition.observed_generation == Some(4)));
    }
}

#[test]
fn the_time_of_a_transition_stays_with_its_status() {
    let first = next(None, &observed(Reason::DatabaseUnreachable, false, &[]), &input(1, 0)).status;
    let second = next(Some(&first), &observed(Reason::InvalidEnvironment, false, &[]), &input(2, 60)).status;
    let time = |status: &AIProviderSeedStatus, kind: &str| {
        status.conditions.iter().find(|condition| condition.type_ == kind).unwrap().last_transition_time.clone()
    };
    assert_eq!(time(&second, "Ready"), input(1, 0).now);
    assert_eq!(time(&second, "Stalled"), input(1, 60).now);
    let third = next(Some(&second), &observed(Reason::InSync, false, &[]), &input(2, 120)).status;
    assert_eq!(time(&third, "Ready"), input(1, 120).now);
    assert_eq!(shown(&third), "Ready True InSync, InSync True InSync");
}

#[test]
fn unchanged_hour_writes_one_status() {
    let seen = observed(Reason::InSync, false, &[]);
    let first = next(None, &seen, &input(1, 0));
    assert!(first.write);
    assert_eq!(first.status.last_check_time, Some(input(1, 0).now));
    let quiet = next(Some(&first.status), &seen, &input(1, 3599));
    assert!(!quiet.write);
    assert_eq!(quiet.status, first.status);
    let refreshed = next(Some(&first.status), &seen, &input(1, 3600));
    assert!(refreshed.write);
    assert_eq!(refreshed.status.last_check_time, Some(input(1, 3600).now));
    // A failed read is not a check.
    let failed = observed(Reason::DatabaseUnreachable, false, &[]);
    let failed_status = next(Some(&first.status), &failed, &input(1, 60)).status;
    assert_eq!(failed_status.last_check_time, Some(input(1, 0).now));
    assert!(!next(Some(&failed_status), &failed, &input(1, 36_000)).write);
}

/// The time of an agreement moves with each check, but is written only with another change.
#[test]
fn agreements_are_remembered_without_a_write_of_their_own() {
    let agreed = with_records(observed(Reason::InSync, false, &[]), &[record("x", "x")]);
    let first = next(None, &agreed, &input(1, 0)).status;
    let memory = |status: &AIProviderSeedStatus| {
        let agreement = status.agreements.first()?;
        Some((agreement.hash.clone(), agreement.time.0.as_second() - 1_800_000_000))
    };
    assert_eq!(memory(&first), Some(("x".to_owned(), 0)));
    let quiet = next(Some(&first), &agreed, &input(1, 600));
    assert!(!quiet.write);
    assert_eq!(memory(&quiet.status), Some(("x".to_owned(), 600)));
    // The next status continues from one that was not written.
    assert!(!next(Some(&quiet.status), &agreed, &input(1, 1200)).write);
    // An outage, a suspension and the conflict itself keep the agreement.
    let disagreed =
        with_records(observed(Reason::Conflict, true, &[conflict("a", "base_url", "y")]), &[record("y", "x")]);
    let mut status = quiet.status;
    for (at, step) in [
        &observed(Reason::DatabaseUnreachable, false, &[]),
        &observed(Reason::Suspended, false, &[]),
        &disagreed,
        &disagreed,
    ]
    .into_iter()
    .enumerate()
    {
        status = next(Some(&status), step, &input(1, 700 + 100 * i64::try_from(at).unwrap())).status;
        assert_eq!(memory(&status), Some(("x".to_owned(), 600)));
    }
    assert!(!next(Some(&status), &disagreed, &input(1, 1300)).write);
    // A later agreement replaces it; a missing row removes it.
    let settled = with_records(observed(Reason::InSync, false, &[]), &[record("y", "y")]);
    status = next(Some(&status), &settled, &input(1, 1400)).status;
    assert_eq!(memory(&status), Some(("y".to_owned(), 1400)));
    let gone = with_records(observed(Reason::WouldSeed, false, &[]), &[]);
    assert_eq!(memory(&next(Some(&status), &gone, &input(1, 1500)).status), None);
}

#[test]
fn conflicts_stay_until_a_check_finds_them_gone() {
    let conflicts = [conflict("openai", "base_url", "https://one/"), conflict("openai", "type", "azure")];
    let first = next(None, &observed(Reason::Conflict, true, &conflicts), &input(1, 0));
    let told: Vec<_> =
        first.events.iter().map(|n| (n.reason.as_str(), n.field_path.as_deref(), n.is_warning)).collect();
    assert_eq!(
        told,
        [
            ("ConflictDetected", Some("status.conflicts{openai.base_url.id-https://one/}"), true),
            ("ConflictDetected", Some("status.conflicts{openai.type.id-azure}"), true),
        ]
    );
    assert!(first.events[0].note.ends_with("in the database; the next start of Deployment coder would be stopped"));

    let down = next(Some(&first.status), &observed(Reason::DatabaseUnreachable, false, &[]), &input(1, 60));
    assert_eq!(down.status.conflicts, first.status.conflicts);
    assert_eq!(down.events.len(), 1);
    assert_eq!(down.events[0].reason, EventReason::Failed(Reason::DatabaseUnreachable));
    let still_down = next(Some(&down.status), &observed(Reason::DatabaseUnreachable, false, &[]), &input(1, 120));
    assert!(still_down.events.is_empty());

    let up = next(Some(&still_down.status), &observed(Reason::Conflict, true, &conflicts), &input(1, 180));
    assert!(up.events.is_empty(), "{:?}", up.events);
    // One conflict changed, one is gone.
    let changed = [conflict("openai", "base_url", "https://two/")];
    let after = next(Some(&up.status), &observed(Reason::Conflict, true, &changed), &input(1, 240));
    let told: Vec<&str> = after.events.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(told, ["ConflictDetected", "ConflictResolved"]);
    assert_eq!(after.events[1].note, "openai type is no longer in conflict");
    assert_eq!(after.events[1].field_path.as_deref(), Some("status.conflicts{openai.type.id-azure}"));
}

#[test]
fn non_blocking_outcome_is_not_a_warning() {
    let mut keys = conflict("openai", "api_keys", "1 (aa)");
    keys.status.blocking = false;
    let told = next(None, &observed(Reason::CredentialsDiffer, false, &[keys]), &input(1, 0)).events;
    assert!(!told[0].is_warning);
    assert!(told[0].note.ends_with("; this does not stop the next start of Deployment coder"), "{}", told[0].note);
    // Not beside a conflict that does, nor if nothing blocks.
    let mut keys = conflict("openai", "api_keys", "1 (aa)");
    keys.status.blocking = false;
    let both = [conflict("openai", "base_url", "https://a/"), keys];
    let warnings = |blocked| {
        let told = next(None, &observed(Reason::Conflict, blocked, &both), &input(1, 0)).events;
        told.iter().map(|event| event.is_warning).collect::<Vec<_>>()
    };
    assert_eq!((warnings(true), warnings(false)), (vec![true, false], vec![false, false]));
}

#[test]
fn suspended_resource_keeps_its_findings() {
    let conflicts = [conflict("openai", "type", "azure")];
    let before = next(None, &observed(Reason::Conflict, true, &conflicts), &input(1, 0)).status;
    let after = next(Some(&before), &observed(Reason::Suspended, false, &[]), &input(2, 60));
    assert_eq!((&after.status.providers, &after.status.conflicts), (&before.providers, &before.conflicts));
    assert_eq!(after.status.observed_generation, Some(2));
    assert_eq!(after.status.summary.unwrap().in_sync.as_deref(), Some("0/1"));
    assert!(after.events.is_empty());
}

/// Texts beside the reasons: how many agree, the message of the summary, and the warnings.
#[test]
fn messages_and_warnings_are_of_the_last_check() {
    let warning = |code: &str| WarningStatus { code: code.to_owned(), ..WarningStatus::default() };
    let of = |status: &AIProviderSeedStatus, kind: &str| find_condition(status, kind).unwrap().message.clone();
    let said = |status: &AIProviderSeedStatus| status.summary.clone().unwrap().message;
    let mut seen = observed(Reason::Conflict, true, &[conflict("a", "base_url", "https://a/")]);
    seen.warnings = vec![warning("unknown_variable")];
    let first = next(None, &seen, &input(1, 0)).status;
    assert_eq!(
        (of(&first, "Ready"), of(&first, "InSync")),
        (format!("{} · ai-provider-seed explain Conflict", seen.message), "0 of 1 provider in sync".to_owned())
    );
    assert_eq!((said(&first), first.warnings.len()), (seen.message.clone(), 1));

    let away = next(Some(&first), &observed(Reason::DatabaseUnreachable, false, &[]), &input(1, 60)).status;
    assert_eq!(of(&away, "InSync"), "not known; see Ready");
    assert_eq!((said(&away), away.warnings.len()), ("message of DatabaseUnreachable".to_owned(), 0));
    let summary = away.summary.clone().unwrap();
    assert_eq!((summary.in_sync, summary.conflicts), (None, Some(1)));

    // Without checks, the findings stay, but not statements about the current state.
    let suspended = next(Some(&first), &Observation::suspended(), &input(1, 120)).status;
    assert_eq!((suspended.warnings.clone(), suspended.conflicts.len()), (vec![warning("unknown_variable")], 1));
    assert_eq!(said(&suspended), Observation::suspended().message);
    assert_eq!(of(&suspended, "InSync"), "not known; see Ready");
    assert_eq!(suspended.summary.unwrap().in_sync, first.summary.unwrap().in_sync);
}

#[test]
fn five_thousand_providers_stay_within_the_limits() {
    let mut seen = observed(Reason::Conflict, true, &[]);
    let name = |number: usize| format!("provider-{number:04}");
    let state = |number: usize| if number.is_multiple_of(50) { ProviderState::Conflict } else { ProviderState::InSync };
    let long = "x".repeat(1024);
    seen.database = DatabaseView::Found {
        providers: (0..5000).map(|number| provider(&name(number), state(number))).collect(),
        conflicts: (0..100).map(|number| conflict(&name(number * 50), "base_url", &long)).collect(),
        records: Vec::new(),
    };
    seen.desired = Some(5000);
    let warning = WarningStatus { message: "w".repeat(1024), ..WarningStatus::default() };
    seen.warnings = vec![warning; 500];
    let StatusUpdate { status, events, .. } = next(None, &seen, &input(1, 0));
    assert_eq!((status.providers.len(), status.conflicts.len(), status.warnings.len()), (256, 64, 32));
    assert!(status.providers[..100].iter().all(|provider| provider.state == ProviderState::Conflict));
    let summary = status.summary.as_ref().unwrap();
    assert_eq!((summary.in_sync.as_deref(), summary.conflicts), (Some("4900/5000"), Some(100)));
    assert!(serde_json::to_string(&status).unwrap().len() < 512 * 1024);
    assert_eq!(events.len(), 64);
    assert!(events.iter().all(|event| event.note.len() <= 1024));
    // Conflicts beyond the list's limit are not resolved.
    let DatabaseView::Found { conflicts, .. } = &mut seen.database else { panic!() };
    conflicts.insert(0, conflict("aaa", "base_url", "new"));
    let again = next(Some(&status), &seen, &input(1, 60)).events;
    assert_eq!(again.iter().map(|event| event.reason).collect::<Vec<_>>(), [EventReason::ConflictDetected]);
}

#[test]
fn a_note_is_cut_on_a_character_boundary() {
    for letter in ["é", "日", "🦀"] {
        for pad in 0..4 {
            let mut long = conflict("openai", "base_url", "e");
            long.sentence = "x".repeat(pad) + &letter.repeat(1000);
            let told = next(None, &observed(Reason::Conflict, true, &[long]), &input(1, 0)).events;
            assert!(told[0].note.len() <= 1024 && told[0].note.len() > 1015, "{}", told[0].note.len());
            assert!(told[0].note.ends_with("…; the next start of Deployment coder would be stopped"));
        }
    }
}

#[test]
fn duplicate_names_are_reported_once() {
    let twice = [conflict("a", "type", "x"), conflict("a", "type", "y")];
    let mut seen = observed(Reason::Conflict, true, &twice);
    if let DatabaseView::Found { providers, .. } = &mut seen.database {
        providers.push(provider("a", ProviderState::InSync));
    }
    let next = next(None, &seen, &input(1, 0));
    assert_eq!((next.status.providers.len(), next.status.conflicts.len(), next.events.len()), (1, 1, 1));
}
