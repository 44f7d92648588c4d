use super::*;
use crate::kubernetes::crd::reason::CheckStopped;
use crate::kubernetes::crd::status::ProviderStatus;
use crate::plan::{Field, FieldValue};
use crate::provider::redact::Redacted;
use crate::provider::{Origin, Presence, Source};
use crate::report::Command;

const ID: &str = "ed7lijh33v6xf3w7ma6zwigoyb5nccs7";

fn conflict(provider: &str, field: Field, environment: &str, database: &str) -> Conflict {
    let origin = Origin { variable: "V".into(), source: Source::Container, presence: Presence::Set };
    Conflict {
        id: ID.to_owned(),
        provider: provider.to_owned(),
        field,
        blocking: true,
        environment: FieldValue::Text(Redacted { text: environment.to_owned(), exact: true }),
        origin,
        database: FieldValue::Text(Redacted { text: database.to_owned(), exact: true }),
        updated_at: String::new(),
    }
}

fn resolution(problems: Vec<Problem>) -> resolve::ResolveOutcome {
    let conflicts = vec![
        conflict("openai", Field::BaseUrl, "https://new/", "https://old/"),
        conflict("openai", Field::BedrockRegion, "eu-central-1", ""),
    ];
    resolve::ResolveOutcome {
        resolution: Some(Resolution { conflicts, findings: problems.into(), ..Resolution::default() }),
        ..resolve::ResolveOutcome::default()
    }
}

fn failed(code: Code) -> resolve::ResolveOutcome {
    resolve::ResolveOutcome {
        error: Some(Problem::new(code, "why; what to do").into()),
        ..resolve::ResolveOutcome::default()
    }
}

#[test]
fn resolve_outcome_has_its_write_result() {
    let said = |ended: &resolve::ResolveOutcome| resolved(ID, ended).map(|result| (result.reason, result.message));
    let written = resolve::ResolveOutcome { written: true, ..resolution(Vec::new()) };
    let message = "took the environment: openai base_url from https://old/ to https://new/, bedrock_region from (empty) to \
                   eu-central-1; Coder was notified (conflict ed7lijh33v6xf3w7ma6zwigoyb5nccs7)";
    assert_eq!(said(&written), Some((WriteReason::Resolved, message.to_owned())));
    // With an unknown outcome the message does not claim that nothing was written.
    let unknown = resolve::ResolveOutcome { commit_unknown: true, ..failed(Code::Unreachable) };
    let (word, message) = said(&unknown).unwrap();
    assert!(word == WriteReason::ResolveFailed && !message.contains("nothing was written"), "{message}");
    for (code, word) in [
        (Code::Unreachable, WriteReason::ResolveFailed),
        (Code::LockTimeout, WriteReason::ResolveFailed),
        (Code::ServerError, WriteReason::ResolveRefused),
        (Code::SchemaMissing, WriteReason::ResolveRefused),
    ] {
        let (found, message) = said(&failed(code)).unwrap();
        assert_eq!(found, word, "{code}");
        assert!(message.starts_with(&format!("nothing was written: why; what to do ({code})")), "{message}");
        assert_eq!(message.ends_with("retrying"), word == WriteReason::ResolveFailed);
    }
    for (code, word) in [
        (Code::PermissionDenied, Some(WriteReason::ResolveRefused)),
        (Code::CannotResolve, Some(WriteReason::ResolveRefused)),
        (Code::ReadOnly, Some(WriteReason::ResolveFailed)),
        (Code::ConflictMoved, None),
    ] {
        let ended = resolution(vec![Problem::new(code, "why")]);
        assert_eq!(said(&ended).map(|(word, _)| word), word, "{code}");
    }
    // Another session has settled it.
    assert_eq!(said(&resolution(Vec::new())), None);
}

#[test]
fn seed_outcome_has_its_write_result() {
    let said = |report: &Report| seeded(report).map(|result| (result.reason, result.message));
    let mut report = Report::new(Command::Seed, Vec::new());
    assert_eq!(said(&report), None);
    report.findings.problems = vec![Problem::new(Code::PermissionDenied, "why")];
    let message = "nothing was written: why (permission_denied); retrying";
    assert_eq!(said(&report), Some((WriteReason::SeedFailed, message.to_owned())));
    report.commit_unknown = true;
    let (word, message) = said(&report).unwrap();
    assert!(word == WriteReason::SeedFailed && !message.contains("nothing was written"), "{message}");
}

#[test]
fn mode_has_its_write_result() {
    let observation = |reason: Reason, states: &[ProviderState]| {
        let providers =
            states.iter().map(|state| ProviderStatus { state: *state, ..ProviderStatus::default() }).collect();
        let database = DatabaseView::Found { providers, conflicts: Vec::new(), records: Vec::new() };
        Observation { database, ..Observation::stopped(CheckStopped::new(reason, "m")) }
    };
    let word =
        |allowed: bool, result: Option<WriteResult>, observation: &Observation, before: Option<&str>| match mode_seed(
            allowed,
            result,
            observation,
            before,
        ) {
            ConditionUpdate::Set(result) => Some(result.reason),
            ConditionUpdate::Keep => None,
            ConditionUpdate::Remove => panic!("the mode is Seed"),
        };
    use ProviderState as P;
    use Reason as R;
    for (reason, states, expected) in [
        (R::InSync, &[P::InSync, P::Deleted, P::Unsupported][..], WriteReason::NothingMissing),
        (R::CredentialsDiffer, &[P::CredentialsDiffer], WriteReason::NothingMissing),
        (R::NothingDesired, &[], WriteReason::NothingMissing),
        (R::WouldSeed, &[P::Missing], WriteReason::Waiting),
        (R::SchemaPending, &[P::Missing], WriteReason::Waiting),
        (R::Conflict, &[P::Conflict, P::Missing], WriteReason::Waiting),
        (R::Conflict, &[P::Conflict], WriteReason::NothingMissing),
    ] {
        let observation = observation(reason, states);
        assert_eq!(word(true, None, &observation, None), Some(expected), "{reason}");
        assert_eq!(word(false, None, &observation, None), Some(WriteReason::WritesNotAllowed), "{reason}");
        let failed = WriteResult::new(WriteReason::SeedFailed, "m");
        assert_eq!(word(true, Some(failed), &observation, None), Some(WriteReason::SeedFailed));
    }
    // The message about inserted rows stays until a row is missing again; a database that was not read changes nothing.
    assert_eq!(word(true, None, &observation(R::InSync, &[P::InSync]), Some("Seeded")), None);
    assert_eq!(word(true, None, &observation(R::WouldSeed, &[P::Missing]), Some("Seeded")), Some(WriteReason::Waiting));
    let unread = Observation::stopped(CheckStopped::new(R::DatabaseUnreachable, "m"));
    assert_eq!(word(true, None, &unread, Some("Seeded")), None);
}

#[test]
fn reasons_are_valid_and_explained_by_the_page() {
    let page = include_str!("../../../../docs/controller.md");
    for reason in Reason::ALL {
        assert!(page.contains(&format!("`{reason}`")), "{reason}");
    }
    for word in WriteReason::ALL {
        assert!(word.as_str().bytes().all(|b| b.is_ascii_alphabetic()));
        let told = if word.emits_event() { "yes" } else { "no" };
        let row = format!("| `{}` | {} | {told} | ", word.as_str(), word.status());
        assert!(page.contains(&row), "{row}");
        assert!(["True", "False", "Unknown"].contains(&word.status()));
    }
}
