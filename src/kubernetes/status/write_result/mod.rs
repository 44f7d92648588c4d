//! The result of a requested write as a condition and an Event, derived from the result of a run of `resolve` or `seed`.
//! Functions of values.

use super::observation::{DatabaseView, Observation};
use crate::kubernetes::crd::reason::Reason;
use crate::kubernetes::crd::status::ProviderState;
use crate::plan::resolve::{Resolution, Update};
use crate::plan::{Conflict, State};
use crate::problem::{Code, Outcome, Problem, Retry};
use crate::provider::redact::{self, fit_bytes};
use crate::report::{Report, external_id_fact, problem_sentence, value};
use crate::run::resolve;
use crate::words::words;

/// Far below the API server's limit.
const MESSAGE: usize = 4096;

/// The message of Ready in mode Seed without tables.
pub const PENDING: &str =
    "Coder has not created its tables yet; the providers are inserted as soon as it has (spec.mode is Seed)";

/// The condition and the Event of a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Status of the condition.
    pub status: &'static str,
    /// Whether an Event reports it too: it answers a request or needs an operator.
    pub emits_event: bool,
    /// The action of the Event.
    pub action: &'static str,
}

const fn row(status: &'static str, emits_event: bool, action: &'static str) -> Row {
    Row { status, emits_event, action }
}

const EVENT: bool = true;
const NO_EVENT: bool = false;

words! {
    /// The reason of the condition Resolved or Seeded, and of the Event, if any.
    pub enum WriteReason {
        fn row -> Row;
        /// The environment's values were written into the row.
        Resolved = "Resolved" => row("True", EVENT, "Resolve"),
        /// Nothing was written, and the decision is not retried.
        ResolveRefused = "ResolveRefused" => row("False", EVENT, "Resolve"),
        /// Nothing was written, or the outcome is unknown; the decision is retried.
        ResolveFailed = "ResolveFailed" => row("Unknown", EVENT, "Resolve"),
        /// Another step comes first, or the settled conflict has recurred.
        ResolveWaiting = "ResolveWaiting" => row("Unknown", NO_EVENT, "Resolve"),
        /// The missing rows were inserted.
        Seeded = "Seeded" => row("True", EVENT, "Seed"),
        NothingMissing = "NothingMissing" => row("True", NO_EVENT, "Seed"),
        /// Rows are missing, and another step comes first.
        Waiting = "Waiting" => row("False", NO_EVENT, "Seed"),
        SeedFailed = "SeedFailed" => row("False", EVENT, "Seed"),
        WritesNotAllowed = "WritesNotAllowed" => row("False", EVENT, "Seed"),
        /// The Secret with the database's URL does not name this resource.
        WriteNotPermitted = "WriteNotPermitted" => row("False", EVENT, "Seed"),
    }
}

impl WriteReason {
    /// Status of the condition.
    pub fn status(self) -> &'static str {
        self.row().status
    }

    pub fn is_warning(self) -> bool {
        self.status() != "True"
    }

    pub fn emits_event(self) -> bool {
        self.row().emits_event
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteResult {
    pub reason: WriteReason,
    pub message: String,
}

impl WriteResult {
    pub fn new(reason: WriteReason, message: impl Into<String>) -> WriteResult {
        WriteResult { reason, message: fit_bytes("", &message.into(), "", MESSAGE) }
    }
}

/// The change of a condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConditionUpdate {
    /// It stays unchanged.
    #[default]
    Keep,
    /// It is removed: there is no request.
    Remove,
    Set(WriteResult),
}

/// The result of a run of `resolve` for one conflict. `None`: the conflict does not exist, and
/// [`super::resolve_annotation::conflict_not_found`] describes the current state.
pub fn resolved(id: &str, ended: &resolve::ResolveOutcome) -> Option<WriteResult> {
    if ended.written {
        let resolution = ended.resolution.as_ref();
        let conflicts = resolution.map(|resolution| &resolution.conflicts[..]).unwrap_or_default();
        let made = resolution.into_iter().flat_map(external_ids);
        let done = std::iter::once(changes(conflicts)).chain(made).collect::<Vec<_>>().join("; ");
        let tail = format!("; Coder was notified (conflict {id})");
        return Some(WriteResult::new(
            WriteReason::Resolved,
            fit_bytes("took the environment: ", &done, &tail, MESSAGE),
        ));
    }
    if ended.commit_unknown {
        let message =
            "the connection broke during the commit, and the outcome could not be determined; the next check shows it";
        return Some(WriteResult::new(WriteReason::ResolveFailed, message));
    }
    if let Some(error) = &ended.error {
        let is_temporary =
            error.retry != Retry::No || matches!(error.code.outcome(), Outcome::Unavailable | Outcome::Locked);
        return Some(not_written(
            &error.clone().into_problems(),
            if is_temporary { Next::Retry } else { Next::Refuse },
        ));
    }
    let problems =
        ended.resolution.as_ref().map(|resolution: &Resolution| &resolution.findings.problems[..]).unwrap_or_default();
    if problems.is_empty() || problems.iter().any(|problem| problem.code == Code::ConflictMoved) {
        return None;
    }
    let is_temporary = problems.iter().all(|problem| matches!(problem.code, Code::ReadOnly | Code::LockTimeout));
    Some(not_written(problems, if is_temporary { Next::Retry } else { Next::Refuse }))
}

/// The next step after a run that wrote nothing.
enum Next {
    Retry,
    Refuse,
}

fn not_written(problems: &[Problem], next: Next) -> WriteResult {
    let message = format!("nothing was written: {}", sentences(problems));
    match next {
        Next::Retry => WriteResult::new(WriteReason::ResolveFailed, message + "; retrying"),
        Next::Refuse => WriteResult::new(WriteReason::ResolveRefused, message),
    }
}

/// `openai base_url from A to B, api_keys from 1 key (…) to 2 keys (…)`
fn changes(conflicts: &[Conflict]) -> String {
    let field = |c: &Conflict| {
        format!("{} from {} to {}", c.field.as_str(), value(c.field, &c.database), value(c.field, &c.environment))
    };
    let of_provider = |conflicts: &[Conflict]| {
        let fields: Vec<String> = conflicts.iter().map(field).collect();
        format!("{} {}", conflicts.first().map(|c| c.provider.as_str()).unwrap_or_default(), fields.join(", "))
    };
    conflicts.chunk_by(|a, b| a.provider == b.provider).map(of_provider).collect::<Vec<_>>().join("; ")
}

fn external_ids(resolution: &Resolution) -> impl Iterator<Item = String> {
    let of = |update: &Update| {
        let id = resolution.external_id(update.row)?;
        Some(of_role(&redact::provider(&update.name), redact::external_id(&id)?))
    };
    resolution.updates.iter().filter_map(of)
}

fn of_role(provider: &str, external_id: &str) -> String {
    format!("{provider} has the {}", external_id_fact(external_id))
}

/// The result of a run of `seed`. `None`: it wrote nothing without an error, so that the next read shows the state.
pub fn seeded(report: &Report) -> Option<WriteResult> {
    if report.written {
        let created = report.providers.iter().filter(|provider| provider.state == State::Created);
        let names: Vec<&str> = created.map(|provider| provider.name.as_str()).collect();
        let inserted = (!names.is_empty()).then(|| format!("inserted {}", names.join(", ")));
        let updated =
            (!report.updates.is_empty()).then(|| format!("took the environment: {}", changes(&report.updates)));
        let of_roles = report.providers.iter().filter_map(|it| Some(of_role(&it.name, it.external_id.as_deref()?)));
        let done = inserted.into_iter().chain(updated).chain(of_roles).collect::<Vec<_>>().join("; ");
        let message = fit_bytes("", &done, "; Coder was notified", MESSAGE);
        return Some(WriteResult::new(WriteReason::Seeded, message));
    }
    if report.commit_unknown {
        let message =
            "the connection broke during the commit, and the outcome could not be determined; the next check shows it";
        return Some(WriteResult::new(WriteReason::SeedFailed, message));
    }
    if report.findings.problems.is_empty() {
        return None;
    }
    let message = format!("nothing was written: {}; retrying", sentences(&report.findings.problems));
    Some(WriteResult::new(WriteReason::SeedFailed, message))
}

/// The condition of a resource in mode Seed, after `result` or without one. `before`: the current reason.
pub fn mode_seed(
    allow_writes: bool,
    result: Option<WriteResult>,
    observation: &Observation,
    before: Option<&str>,
) -> ConditionUpdate {
    if !allow_writes {
        let message = "spec.mode is Seed, but this controller runs without --allow-writes, so it inserts nothing; set \
                       allowWrites in its chart, or spec.mode to Observe";
        return ConditionUpdate::Set(WriteResult::new(WriteReason::WritesNotAllowed, message));
    }
    if let Some(result) = result {
        return ConditionUpdate::Set(result);
    }
    let DatabaseView::Found { providers, .. } = &observation.database else { return ConditionUpdate::Keep };
    let waiting = |why: &str| ConditionUpdate::Set(WriteResult::new(WriteReason::Waiting, why));
    let missing = providers.iter().any(|provider| provider.state == ProviderState::Missing);
    match observation.reason {
        Reason::SchemaPending => {
            waiting("Coder has not created its tables yet; missing providers are inserted afterwards")
        }
        Reason::Conflict if missing => {
            waiting("nothing is inserted while environment and database disagree; see Ready, and resolve the conflict")
        }
        _ if missing => waiting("another problem comes first; see Ready"),
        // The message about inserted rows stays.
        _ if before == Some(WriteReason::Seeded.as_str()) => ConditionUpdate::Keep,
        _ => ConditionUpdate::Set(WriteResult::new(
            WriteReason::NothingMissing,
            "every provider of the environment is in the database, or skipped for a reason shown in status.providers",
        )),
    }
}

fn sentences(problems: &[Problem]) -> String {
    problems.iter().map(problem_sentence).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
