//! The result of a check in terms of the status: from a stopped check, a refused environment or a finished report.

mod view;

use super::last_agreed;
use crate::kubernetes::crd::reason::{CheckStopped, Reason};
use crate::kubernetes::crd::spec::RESOLVE_ANNOTATION;
use crate::kubernetes::crd::status::{
    AgreementStatus, DatabaseWatchStatus, MAX_VARIABLES, ProviderState, ProviderStatus, WarningStatus,
};
use crate::kubernetes::workload::template::Workload;
use crate::options::BlockOn;
use crate::options::WorkloadKind;
use crate::plan::{Conflict, State};
use crate::problem::{Code, Findings, Outcome, Problem, Retry};
use crate::provider::redact;
use crate::provider::redact::{count, fit_bytes};
use crate::report::{Provider, Report, advice, conflict_facts, conflict_sentence, good, problem_sentence};

pub use view::{DatabaseView, ObservedConflict};
use view::{found, record};

/// Far below the API server's limit, and enough for a reader.
const MESSAGE: usize = 4096;
const WARNING: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    pub reason: Reason,
    /// For a conflict: whether it stops the start.
    pub blocked: bool,
    pub message: String,
    pub database: DatabaseView,
    /// The number of providers in the environment, if it could be read.
    pub desired: Option<usize>,
    /// Whether a seed would insert rows.
    pub would_insert: bool,
    /// The ids of credential differences that the controller may write by itself: in rows that still hold the values of
    /// the last agreement.
    pub carries: Vec<String>,
    pub warnings: Vec<WarningStatus>,
    /// Live rows that no variable describes.
    pub undescribed: Vec<String>,
    pub workload: Option<EventSubject>,
    /// How changes are noticed until the next check; `None` if the database is unknown.
    pub database_watch: Option<DatabaseWatchStatus>,
}

/// The workload, for Events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSubject {
    pub kind: WorkloadKind,
    pub name: String,
    pub uid: Option<String>,
}

impl EventSubject {
    pub fn label(&self) -> String {
        format!("{} {}", self.kind.as_str(), self.name)
    }
}

impl From<&Workload> for EventSubject {
    fn from(workload: &Workload) -> Self {
        EventSubject { kind: workload.kind, name: workload.name.clone(), uid: workload.uid.clone() }
    }
}

/// The subject of a report, and the status's knowledge about it.
pub struct ReportSubject<'a> {
    pub workload: &'a Workload,
    pub container: &'a str,
    /// The values on which both sides last agreed.
    pub agreements: &'a [AgreementStatus],
    /// The resource's name, if the controller carries out decisions by annotation.
    pub decided_by: Option<&'a str>,
}

impl ReportSubject<'_> {
    /// `Deployment coder, container ai-provider-seed`: the source of a value in the pod template itself.
    fn pod_template(&self) -> String {
        format!("{}, container {}", self.workload.label(), redact::name(self.container))
    }

    /// The next step for these conflicts. The annotation is named only if it has an effect.
    fn advice(&self, conflicts: &[Conflict], report: &Report) -> String {
        let advice = advice(conflicts, None, &report.resolve_options);
        let mut decidable = conflicts.iter().filter(|conflict| !conflict.would_clear_credentials());
        let (Some(name), Some(first)) = (self.decided_by, decidable.next()) else { return advice };
        let (id, is_one) = (&first.id, decidable.all(|other| other.id == first.id));
        let next = if is_one { "" } else { ", and so on with the next id of status.conflicts" };
        format!(
            "{advice}; or let the controller take the environment: kubectl annotate --overwrite aps/{name} \
             {RESOLVE_ANNOTATION}={id}:environment{next}"
        )
    }
}

impl Observation {
    fn new(reason: Reason, message: impl Into<String>, database: DatabaseView) -> Self {
        let message = fit_bytes("", &message.into(), "", MESSAGE);
        Observation {
            reason,
            blocked: false,
            message,
            database,
            desired: None,
            would_insert: false,
            carries: Vec::new(),
            warnings: Vec::new(),
            undescribed: Vec::new(),
            workload: None,
            database_watch: None,
        }
    }

    pub fn progressing() -> Self {
        Observation::new(Reason::Progressing, "the first check is in progress", DatabaseView::Unread)
    }

    pub fn suspended() -> Self {
        let message = "checks are suspended; set spec.suspend to false to resume";
        Observation::new(Reason::Suspended, message, DatabaseView::NotLooked)
    }

    pub fn stopped(stop: CheckStopped) -> Self {
        Observation::new(stop.reason, stop.message, DatabaseView::Unread)
    }

    pub fn refused(refused: &Findings) -> Self {
        let mut observed = problems(&refused.problems);
        observed.warnings = warnings(&refused.warnings);
        observed
    }

    /// From a report of `diff`. `retry`: whether the error that ended the read may be temporary.
    pub fn report(report: &Report, retry: Retry, block_on: &BlockOn, of: &ReportSubject<'_>) -> Self {
        let mut observed = match report.outcome {
            Outcome::Ok | Outcome::Changes => agreed(report, of),
            Outcome::Conflict => conflict(report, block_on.blocks(Outcome::Conflict), of),
            Outcome::Invalid => problems(&report.findings.problems),
            Outcome::Unavailable | Outcome::Locked if retry != Retry::No => Observation::new(
                Reason::DatabaseUnreachable,
                sentences(&report.findings.problems),
                DatabaseView::Unread,
            ),
            Outcome::Unavailable | Outcome::Unusable | Outcome::Locked | Outcome::OutputFailed | Outcome::Internal => {
                Observation::new(Reason::DatabaseUnusable, sentences(&report.findings.problems), DatabaseView::Unread)
            }
        };
        observed.warnings = warnings(&report.findings.warnings);
        observed.undescribed.clone_from(&report.undescribed);
        observed.would_insert = report.outcome == Outcome::Changes && report.count(State::Missing) > 0;
        observed.carries = carries(report, of);
        observed
    }

    /// The resource requests a write that its database does not permit.
    #[must_use]
    pub fn not_permitted(self, why: &str) -> Self {
        Observation { reason: Reason::WriteNotPermitted, message: format!("{}; {why}", self.message), ..self }
    }

    #[must_use]
    pub fn with_database_watch(self, database_watch: Option<DatabaseWatchStatus>) -> Self {
        Observation { database_watch, ..self }
    }

    #[must_use]
    pub fn with_desired(self, desired: usize) -> Self {
        Observation { desired: Some(desired), ..self }
    }

    #[must_use]
    pub fn with_workload(self, workload: &Workload) -> Self {
        Observation { workload: Some(EventSubject::from(workload)), ..self }
    }
}

fn sentences(problems: &[Problem]) -> String {
    problems.iter().map(problem_sentence).collect::<Vec<_>>().join("; ")
}

/// A conclusion from an unknown value may be false, so only the unknown values are reported.
fn problems(problems: &[Problem]) -> Observation {
    if problems.iter().any(|problem| problem.code == Code::ObjectsTooMany) {
        return Observation::new(Reason::EnvironmentUnknown, sentences(problems), DatabaseView::Unread);
    }
    let unknown: Vec<Problem> = problems.iter().filter(|p| p.code == Code::EnvironmentUnknown).cloned().collect();
    if unknown.is_empty() {
        return Observation::new(Reason::InvalidEnvironment, sentences(problems), DatabaseView::Unread);
    }
    let next =
        "; give the value as text, or through a Secret or ConfigMap (for the database: spec.database.urlSecretRef)";
    let message = fit_bytes("", &sentences(&unknown), next, MESSAGE);
    Observation::new(Reason::EnvironmentUnknown, message, DatabaseView::Unread)
}

fn agreed(report: &Report, of: &ReportSubject<'_>) -> Observation {
    let warning = |code| report.findings.warnings.iter().find(|warning: &&Problem| warning.code == code);
    let differing = || report.conflicts.iter().map(conflict_sentence).collect::<Vec<_>>().join("; ");
    let (reason, message) = if let Some(pending) = warning(Code::SchemaPending) {
        (Reason::SchemaPending, pending.message.clone())
    } else if report.providers.is_empty() {
        let message = warning(Code::NothingDesired).map(|warning| warning.message.clone());
        (Reason::NothingDesired, message.unwrap_or_else(|| "no provider variable is set".to_owned()))
    } else if report.count(State::WouldUpdate) > 0 {
        (Reason::WouldUpdate, would_update(report))
    } else if report.count(State::Missing) > 0 {
        // The obstacle to an insert at the next start.
        let not_now = warning(Code::EncryptionPending).map(problem_sentence);
        (Reason::WouldSeed, [Some(good(report)), not_now].into_iter().flatten().collect::<Vec<_>>().join("; "))
    } else if let Some(pending) = warning(Code::RotationPending) {
        (Reason::RotationPending, problem_sentence(pending))
    } else if report.count(State::CredentialsDiffer) + report.count(State::SettingsDiffer) > 0 {
        let of_settings = report.count(State::CredentialsDiffer) == 0;
        let reason = if of_settings { Reason::SettingsDiffer } else { Reason::CredentialsDiffer };
        let next = format!(", which does not stop the start. {}", of.advice(&report.conflicts, report));
        (reason, fit_bytes("", &differing(), &next, MESSAGE))
    } else {
        (Reason::InSync, good(report))
    };
    Observation::new(reason, message, found(report, of))
}

fn conflict(report: &Report, blocked: bool, of: &ReportSubject<'_>) -> Observation {
    let blocking: Vec<Conflict> = report.conflicts.iter().filter(|conflict| conflict.blocking).cloned().collect();
    let database = found(report, of);
    let sentences = database.conflicts().iter().map(|conflict| conflict.sentence.clone());
    let told: Vec<(&Conflict, String)> = report.conflicts.iter().zip(sentences).collect();
    let facts = conflict_facts(&told);
    let next = of.advice(&blocking, report);
    let (head, tail) = if blocked {
        (format!("the next start of {} would be stopped: ", of.workload.label()), format!(". {next}"))
    } else {
        ("environment and database disagree: ".to_owned(), format!(", which does not stop the start. {next}"))
    };
    let observed = Observation::new(Reason::Conflict, fit_bytes(&head, &facts.join("; "), &tail, MESSAGE), database);
    Observation { blocked, ..observed }
}

fn would_update(report: &Report) -> String {
    let facts = report.updates.iter().map(conflict_sentence).collect::<Vec<_>>().join("; ");
    let next = format!(". {}", advice(&report.updates, None, &report.resolve_options));
    fit_bytes(&format!("{}: ", good(report)), &facts, &next, MESSAGE)
}

fn carries(report: &Report, of: &ReportSubject<'_>) -> Vec<String> {
    let may = |provider: &&Provider| {
        provider.state == State::WouldUpdate
            && record(provider).is_some_and(|record| last_agreed::may_carry(of.agreements, &record))
    };
    let labels: Vec<&str> = report.providers.iter().filter(may).map(|provider| provider.name.as_str()).collect();
    let of_credentials = report.updates.iter().filter(|update| update.field.is_credential());
    let mut ids: Vec<String> = of_credentials
        .filter(|update| labels.contains(&update.provider.as_str()))
        .map(|update| update.id.clone())
        .collect();
    ids.dedup();
    ids
}

fn warnings(problems: &[Problem]) -> Vec<WarningStatus> {
    let warning = |problem: &Problem| WarningStatus {
        code: problem.code.as_str().to_owned(),
        provider: problem.provider.as_deref().map(redact::provider),
        variables: problem.variables.iter().take(MAX_VARIABLES).map(|name| redact::name(name)).collect(),
        message: fit_bytes("", &problem.message, "", WARNING),
    };
    problems.iter().map(warning).collect()
}

/// `3 of 5 providers in sync`
pub fn in_sync(providers: &[ProviderStatus], desired: usize) -> String {
    let agreeing = providers.iter().filter(|provider| provider.state == ProviderState::InSync).count();
    format!("{agreeing} of {} in sync", count(desired, "provider"))
}
