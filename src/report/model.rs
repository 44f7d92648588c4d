//! A finished run in a form that may be shown.

use std::borrow::Cow;

use uuid::Uuid;

use super::environment_source::EnvironmentSource;

use crate::env::UnknownProvider;
use crate::plan::{Conflict, CredentialSides, Plan, State};
use crate::problem::{Code, Findings, Outcome, Problem};
use crate::provider::{DesiredProvider, MAX_KEYS, VariableName, redact};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Seed,
    Diff,
    Resolve,
    Export,
}

impl Command {
    /// Whether its findings stop a start, unless `--block-on` says otherwise.
    pub fn guards_a_start(self) -> bool {
        matches!(self, Command::Seed | Command::Diff)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Command::Seed => "seed",
            Command::Diff => "diff",
            Command::Resolve => "resolve",
            Command::Export => "export",
        }
    }
}

const START_ANYWAY: &str = "AI_PROVIDER_SEED_BLOCK_ON=none";
const START_ANYWAY_FLAG: &str = "--block-on=none in place of the flag that is given, which beats its variable";

/// One desired provider in a form that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub name: String,
    pub kind: String,
    pub state: State,
    pub id: Option<Uuid>,
    /// The hash of each side's canonical record, if requested.
    pub environment_hash: Option<String>,
    pub database_hash: Option<String>,
    /// The external id of the role that this run wrote into the row. The trust policy in AWS needs it, and it is not
    /// secret.
    pub external_id: Option<String>,
    /// Fingerprints of both sides' credentials, if requested.
    pub credential_sides: Option<CredentialSides>,
    /// The credentials in the environment: `2 keys`, `access key`, `no credentials`.
    pub credentials: Cow<'static, str>,
    /// The credentials are unknown here, so the conflict id of the start is unknown too.
    pub credentials_unknown: bool,
    /// The common pattern of its variables: `CODER_AIBRIDGE_PROVIDER_0_*`.
    pub pattern: VariableName,
}

/// The result of a run against a database, as plain values.
pub struct RunResult {
    /// The last plan, if any.
    pub plan: Option<Plan>,
    /// The problems of the error that ended the run; empty after a success.
    pub problems: Vec<Problem>,
    pub written: bool,
    pub commit_unknown: bool,
    pub database: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub command: Command,
    pub outcome: Outcome,
    /// Whether the run stops the start.
    pub blocked: bool,
    pub written: bool,
    /// The answer to a commit was lost: the rows may exist or not.
    pub commit_unknown: bool,
    /// The number of providers in the environment.
    pub desired: usize,
    pub providers: Vec<Provider>,
    /// Providers that cannot be compared, because too many of their values are unknown.
    pub unknown_providers: Vec<UnknownProvider>,
    pub conflicts: Vec<Conflict>,
    /// Live rows that no variable describes, redacted.
    pub undescribed: Vec<String>,
    /// The differences that this run resolved, or a start would resolve, by writing the environment's values.
    pub updates: Vec<Conflict>,
    pub findings: Findings,
    /// `--block-on` was given as a flag, which overrides its variable.
    pub block_on_is_flag: bool,
    /// Options without which `resolve` would compute other conflict ids: `--compare-credentials=ignore`.
    pub resolve_options: Vec<String>,
    /// `database coder at db.coder.svc:5432`, once one was reached.
    pub database: Option<String>,
    /// `--from`: the workload that the environment belongs to.
    pub source: Option<EnvironmentSource>,
}

impl Report {
    /// The report of a run that read no database.
    pub fn new(command: Command, findings: impl Into<Findings>) -> Report {
        let mut report = Report {
            command,
            outcome: Outcome::Ok,
            blocked: false,
            written: false,
            commit_unknown: false,
            desired: 0,
            providers: Vec::new(),
            unknown_providers: Vec::new(),
            conflicts: Vec::new(),
            undescribed: Vec::new(),
            updates: Vec::new(),
            findings: findings.into(),
            block_on_is_flag: false,
            resolve_options: Vec::new(),
            database: None,
            source: None,
        };
        report.conclude();
        report
    }

    /// The report of a run for `desired` providers, with the environment's `warnings`.
    pub fn of_run(command: Command, desired: &[DesiredProvider], warnings: Vec<Problem>, result: RunResult) -> Report {
        let RunResult { plan, problems, written, commit_unknown, database } = result;
        let mut plan = plan.unwrap_or_default();
        if !problems.is_empty() {
            // The error replaces the plan's own problems.
            plan.findings.problems.clear();
            plan.insert = None;
            plan.update.updates.clear();
        }
        let report = Report::new(command, Findings { problems, warnings }).with_plan(desired, plan);
        Report { written, commit_unknown, database, desired: desired.len(), ..report }
    }

    pub fn with_plan(mut self, desired: &[DesiredProvider], plan: Plan) -> Report {
        self.providers.reserve_exact(plan.entries.len());
        self.providers
            .extend(plan.entries.iter().filter_map(|entry| Some(provider(desired.get(entry.desired)?, entry))));
        self.conflicts = plan.conflicts;
        self.undescribed = plan.undescribed;
        self.updates = plan.update.conflicts;
        self.findings.extend(plan.findings);
        self.conclude();
        if self.command == Command::Diff
            && self.outcome == Outcome::Ok
            && (plan.insert.is_some() || !plan.update.updates.is_empty())
        {
            self.outcome = Outcome::Changes;
        }
        self
    }

    /// The outcome is the first that applies in the order internal, invalid, unavailable, unusable, locked, conflict.
    pub(super) fn conclude(&mut self) {
        use Outcome::{Internal, Invalid, Locked, Unavailable, Unusable};
        let of_problems = [Internal, Invalid, Unavailable, Unusable, Locked]
            .into_iter()
            .find(|outcome| self.findings.problems.iter().any(|problem| outcome_of(problem) == *outcome));
        let moved = self.findings.problems.iter().any(|problem| outcome_of(problem) == Outcome::Conflict);
        // Remaining conflicts of other providers are shown, but are not part of the request.
        let blocks = |conflict: &Conflict| conflict.blocking && self.command != Command::Resolve;
        let conflict = (moved || self.conflicts.iter().any(blocks)).then_some(Outcome::Conflict);
        self.outcome = of_problems.or(conflict).unwrap_or(Outcome::Ok);
    }

    /// For `diff` of a database that Coder has not set up yet: the first start after Coder's migrations inserts the
    /// missing providers. (A start now, and the controller, have no table to insert into.)
    #[must_use]
    pub fn with_pending_as_changes(mut self) -> Report {
        let is_pending = self.has_warning(Code::SchemaPending) && self.count(State::Missing) > 0;
        if self.command == Command::Diff && self.outcome == Outcome::Ok && is_pending {
            self.outcome = Outcome::Changes;
        }
        self
    }

    pub fn count(&self, state: State) -> usize {
        self.providers.iter().filter(|provider| provider.state == state).count()
    }

    /// `--from` found no environment, so the report says nothing about a start.
    pub fn has_no_workload(&self) -> bool {
        self.findings.problems.iter().any(|problem| Code::NO_WORKLOAD.contains(&problem.code))
    }

    /// The option that lets a start pass with this outcome. Only `seed` can stop a start, and no option lets a bug pass.
    pub fn start_anyway(&self) -> Option<&'static str> {
        let stops = self.command == Command::Seed
            && self.blocked
            && self.outcome != Outcome::Internal
            && !self.has_no_workload();
        let how = if self.block_on_is_flag { START_ANYWAY_FLAG } else { START_ANYWAY };
        stops.then_some(how)
    }

    pub fn has_warning(&self, code: Code) -> bool {
        self.findings.warnings.iter().any(|warning| warning.code == code)
    }

    /// The word whose page explains most about this run: the code that all problems share, else the outcome.
    pub fn explained_by(&self) -> &'static str {
        let Findings { problems, warnings } = &self.findings;
        match self.outcome {
            Outcome::Ok | Outcome::Changes if !self.conflicts.is_empty() => Outcome::Conflict.as_str(),
            Outcome::Ok | Outcome::Changes => {
                warnings.first().map_or(self.outcome.as_str(), |warning| warning.code.as_str())
            }
            outcome => match &problems[..] {
                [first, rest @ ..] if rest.iter().all(|problem| problem.code == first.code) => first.code.as_str(),
                _ => outcome.as_str(),
            },
        }
    }

    /// The conflict ids, each once, in the order of the providers.
    pub fn conflict_ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self.conflicts.iter().map(|conflict| conflict.id.as_str()).collect();
        ids.dedup();
        ids
    }

    pub fn exit_code(&self) -> u8 {
        match self.outcome {
            Outcome::Ok | Outcome::Changes => self.outcome.exit_code(),
            stopped if self.blocked => stopped.exit_code(),
            _ => 0,
        }
    }
}

/// A code for warnings only stops nothing; among the problems it is a bug in this program.
fn outcome_of(problem: &Problem) -> Outcome {
    match problem.code.outcome() {
        Outcome::Ok => Outcome::Internal,
        outcome => outcome,
    }
}

/// The fact that the author of a role's trust policy needs.
pub fn external_id_fact(id: &str) -> String {
    format!("external id {id}, which the trust policy of its role needs (sts:ExternalId)")
}

fn provider(desired: &DesiredProvider, entry: &crate::plan::Entry) -> Provider {
    Provider {
        name: desired.label(),
        kind: redact::kind(desired.canonical().kind, Some(&desired.origins.kind)).text,
        state: entry.state,
        id: entry.id,
        environment_hash: entry.environment_hash.clone(),
        database_hash: entry.database_hash.clone(),
        external_id: entry.external_id.as_deref().and_then(redact::external_id).map(str::to_owned),
        credential_sides: entry.credentials.clone(),
        credentials: credentials(desired),
        credentials_unknown: desired.credentials_unknown,
        pattern: desired.origins.pattern.clone(),
    }
}

/// For the numbers of keys that Coder allows: a report may have hundreds of lines.
const KEYS: [&str; 1 + MAX_KEYS] = ["no keys", "1 key", "2 keys", "3 keys", "4 keys", "5 keys"];

fn credentials(desired: &DesiredProvider) -> Cow<'static, str> {
    let has_access_key = |settings: &crate::provider::BedrockSettings| settings.access_key.is_some();
    match (&desired.bedrock, desired.keys.len()) {
        _ if desired.credentials_unknown => "credentials unknown".into(),
        (Some(settings), _) if has_access_key(settings) => "access key".into(),
        (Some(_), _) => "no access key".into(),
        (None, number) => match KEYS.get(number) {
            Some(known) => Cow::Borrowed(known),
            None => redact::count(number, "key").into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_of_keys_has_the_words_of_any_count() {
        for (number, words) in KEYS.iter().enumerate().skip(1) {
            assert_eq!(*words, redact::count(number, "key"));
        }
    }
}
