//! The use case `seed`: read, plan, and only if there is something to write: lock, read, plan, insert and update, commit.
//! `diff` is the same without the second half.

mod write;

use std::time::Duration;

use tokio::time::Instant;

use super::lost_commit::took_effect;
use super::may_commit::MayCommit;
use super::retry::{self, Limits, ROUND_TRIP_TIMEOUT, took, within};
use crate::options::IfSchemaMissing;
use crate::plan::resolve::Resolution;
use crate::plan::{Access, Plan, PlanOptions, Snapshot, State, plan};
use crate::problem::{Code, Problem};
use crate::provider::DesiredProvider;
use crate::store::connect::{Connector, Session, SessionIntent};
use crate::store::dbcrypt::Keyring;
use crate::store::error::Endpoint;
use crate::store::insert::Ids;
use crate::store::schema::{self, MissingSchema};
use crate::store::snapshot::{self, ReadRequest, ReadScope};
use crate::store::{Error, Retry};

/// A run always ends within this time.
pub fn limit(wait: Duration, lock_timeout: Duration) -> Duration {
    Limits::of_write(wait, lock_timeout).total()
}

pub struct SeedRun<'a> {
    pub desired: &'a [DesiredProvider],
    pub keyring: &'a Keyring,
    pub plan: PlanOptions,
    pub wait: Duration,
    pub lock_timeout: Duration,
    pub if_schema_missing: IfSchemaMissing,
    /// Also names live rows that no variable describes.
    pub undescribed: bool,
    /// Among the differences that `plan.take` covers, only those with these ids are taken, and only if the id is
    /// unchanged under the lock. A blocking difference then stops only its own provider and the missing ones. `None`: no
    /// such restriction.
    pub decided: Option<&'a [String]>,
    /// Asked after the read under the lock; a refusal prevents the write.
    pub may_commit: MayCommit<'a>,
}

/// The last plan of a run, if any, and the error that ended the run, if it failed.
#[derive(Default)]
pub struct RunOutcome {
    pub plan: Option<Plan>,
    /// The content of the database that the plan judged.
    pub snapshot: Option<Snapshot>,
    pub error: Option<Error>,
    pub written: bool,
    /// The answer to a commit was lost, and its outcome could not be determined.
    pub commit_unknown: bool,
    pub database: Option<String>,
    /// Warnings of the last session.
    pub warnings: Vec<Problem>,
}

impl SeedRun<'_> {
    /// Always ends within wait + lock timeout + 30 s.
    pub async fn run(&self, connector: &Connector) -> RunOutcome {
        let mut attempts =
            SeedAttempts { run: self, ids: Ids::default(), unanswered: None, outcome: RunOutcome::default() };
        let limits = Limits::of_write(self.wait, self.lock_timeout);
        let result = retry::run(&mut attempts, connector, &limits, SessionIntent::Any).await;
        RunOutcome { error: result.err(), ..attempts.outcome }
    }

    /// One read on an open session, for a caller that keeps sessions: no wait, no retry, no write. The plan's access must
    /// be [`Access::Read`].
    #[cfg(feature = "controller")]
    pub async fn observe(&self, session: &Session) -> RunOutcome {
        let (database, warnings) = (Some(session.endpoint.to_string()), session.warnings.clone());
        let mut outcome = RunOutcome { database, warnings, ..RunOutcome::default() };
        let (mut ids, mut unanswered) = (Ids::default(), None);
        let mut attempt = SeedAttempt { run: self, session, ids: &mut ids, unanswered: &mut unanswered };
        outcome.error = attempt.run(&mut outcome).await.err();
        // The caller runs for long, so nothing is left to the end of the process.
        outcome.snapshot = None;
        outcome
    }

    fn plan(&self, snapshot: &Snapshot, ids: &Ids) -> (Plan, bool) {
        let mut plan = plan(self.desired, snapshot, &self.plan);
        if let Some(ids) = self.decided {
            plan.take_only(self.desired, ids);
        }
        let mut ours = false;
        for entry in &mut plan.entries {
            // Only after a commit whose answer was lost: this run wrote the rows with these ids.
            if entry.id.is_some_and(|id| ids.made(&id)) && entry.state != State::Deleted {
                ours = true;
                if entry.state == State::InSync {
                    entry.state = State::Created;
                    entry.external_id = ids.external_id(&self.desired[entry.desired].name);
                }
            }
        }
        (plan, ours)
    }

    /// Decided differences are written in spite of other providers' conflicts, which would stop a start.
    fn stops(&self, plan: &Plan) -> bool {
        if self.decided.is_some() { !plan.findings.problems.is_empty() } else { plan.blocks() }
    }

    fn needs_encryption(&self, plan: &Plan) -> bool {
        plan.update.has_secrets() || plan.missing().any(|at| self.desired[at].has_secrets())
    }

    /// The database has no tables yet: every provider is missing, and nothing is written.
    fn pending(&self, what: &str, endpoint: &Endpoint) -> Plan {
        let mut pending = plan(self.desired, &Snapshot::default(), &self.plan);
        let message = format!(
            "{endpoint}: {what}; Coder creates the tables when it starts, and the next start of this pod inserts the \
             providers. If that is not Coder's database, correct the URL"
        );
        // Which types Coder knows is decided after its migrations.
        pending.findings.warnings = std::mem::take(&mut pending.findings.problems);
        pending.findings.warnings.push(Problem::new(Code::SchemaPending, message));
        pending
    }
}

struct SeedAttempts<'a> {
    run: &'a SeedRun<'a>,
    ids: Ids,
    unanswered: Option<Unanswered>,
    outcome: RunOutcome,
}

/// A transaction of this run that changed rows and whose commit was not answered.
#[derive(Clone)]
struct Unanswered {
    transaction: String,
    updated: Resolution,
}

impl retry::Attempt for SeedAttempts<'_> {
    type Output = ();

    async fn attempt(&mut self, session: &Session) -> Result<(), Error> {
        self.outcome.database = Some(session.endpoint.to_string());
        self.outcome.warnings.clone_from(&session.warnings);
        // That of an earlier attempt holds keys.
        self.outcome.snapshot = None;
        let (run, ids, unanswered) = (self.run, &mut self.ids, &mut self.unanswered);
        SeedAttempt { run, session, ids, unanswered }.run(&mut self.outcome).await
    }

    fn commit_unknown(&self) -> bool {
        self.outcome.commit_unknown
    }
}

struct SeedAttempt<'a> {
    run: &'a SeedRun<'a>,
    session: &'a Session,
    ids: &'a mut Ids,
    unanswered: &'a mut Option<Unanswered>,
}

impl SeedAttempt<'_> {
    async fn run(&mut self, outcome: &mut RunOutcome) -> Result<(), Error> {
        if let Some(Unanswered { transaction, updated }) = self.unanswered.clone() {
            let took_effect = took_effect(self.session, &transaction).await?;
            *self.unanswered = None;
            outcome.commit_unknown = false;
            if took_effect {
                return self.look_at_written(outcome, updated).await;
            }
        }
        let first = match self.read(ReadScope::Rows).await {
            Err(error) if error.is_undefined_table() => return self.missing_schema(outcome).await,
            snapshot => snapshot?,
        };
        self.replan(first, outcome);
        let Some(light) = outcome.plan.as_ref().filter(|plan| plan.needs_schema) else {
            self.note_read_only(outcome);
            return Ok(());
        };
        // Types that the database may not know are looked up first: unsupported ones need no lock.
        let certain =
            !light.update.updates.is_empty() || light.missing().any(|at| self.run.desired[at].kind.in_every_schema());
        if !(certain && self.may_write(light)) {
            self.read_schema(outcome).await?;
        }
        match &outcome.plan {
            Some(plan) if self.may_write(plan) && (plan.needs_schema || plan.writes()) => {
                let started = Instant::now();
                let written = self.write(outcome).await;
                tracing::debug!(took_us = took(started), failed = written.is_err(), "locked, read again and wrote");
                match written {
                    Err(error) if error.code == Code::PermissionDenied => self.lacking_grants(outcome, error).await,
                    result => result,
                }
            }
            Some(plan) => only_read_only(plan, self.session).await.map_or(Ok(()), Err),
            None => Ok(()),
        }
    }

    fn may_write(&self, plan: &Plan) -> bool {
        let inserts = !plan.blocks() && plan.missing().next().is_some();
        let updates = !self.run.stops(plan) && !plan.update.updates.is_empty();
        self.run.plan.access == Access::Write && (inserts || updates)
    }

    /// The plan with labels, columns, privileges and encryption, without a lock.
    async fn read_schema(&mut self, outcome: &mut RunOutcome) -> Result<(), Error> {
        for _ in 0..2 {
            let encryption = outcome.plan.as_ref().is_some_and(|plan| self.run.needs_encryption(plan));
            let snapshot = self.read(ReadScope::Schema { encryption }).await?;
            self.replan(snapshot, outcome);
            if !outcome.plan.as_ref().is_some_and(|plan| plan.needs_schema) {
                break;
            }
        }
        Ok(())
    }

    fn replan(&self, snapshot: Snapshot, outcome: &mut RunOutcome) {
        // Only rows read under the lock, or found, prove whether the lost commit took effect.
        let (plan, ours) = self.run.plan(&snapshot, self.ids);
        outcome.snapshot = Some(snapshot);
        outcome.commit_unknown &= !ours;
        outcome.plan = Some(plan);
        outcome.written |= ours;
    }

    /// No row is missing, so this does not matter now; the next change of the environment would fail.
    fn note_read_only(&self, outcome: &mut RunOutcome) {
        let Some(plan) = outcome.plan.as_mut() else { return };
        if self.run.plan.access == Access::Write && self.session.is_read_only() {
            let message =
                format!("{} is read only; nothing is missing now, but an insert would fail", self.session.endpoint);
            plan.findings.warnings.push(Problem::new(Code::CannotInsert, message));
        }
    }

    async fn missing_schema(&self, outcome: &mut RunOutcome) -> Result<(), Error> {
        let missing = within(ROUND_TRIP_TIMEOUT, self.session, schema::classify_missing(self.session)).await?;
        let next = "start Coder, which creates the tables";
        match (missing, self.run.if_schema_missing) {
            (MissingSchema::Pending { what }, IfSchemaMissing::Auto) => {
                outcome.plan = Some(self.run.pending(what, &self.session.endpoint));
                Ok(())
            }
            (MissingSchema::Pending { what }, IfSchemaMissing::Fail) => Err(schema::missing(self.session, what, next)),
            (MissingSchema::Pending { what }, IfSchemaMissing::Wait) => {
                Err(schema::missing(self.session, what, next).with_retry(Retry::Wait))
            }
            (MissingSchema::Wrong(error), IfSchemaMissing::Wait) => Err(error.with_retry(Retry::Wait)),
            (MissingSchema::Wrong(error), _) => Err(error),
        }
    }

    async fn read(&self, scope: ReadScope) -> Result<Snapshot, Error> {
        let started = Instant::now();
        let what = if scope == ReadScope::Rows { "rows" } else { "rows, types and columns" };
        let request = self.request();
        let read = snapshot::read(self.session, &request, scope);
        let read = within(ROUND_TRIP_TIMEOUT, self.session, read).await;
        tracing::debug!(took_us = took(started), failed = read.is_err(), "read {what}");
        read
    }

    fn request(&self) -> ReadRequest<'_> {
        ReadRequest {
            names: self.run.desired.iter().map(|provider| provider.name.as_str()).collect(),
            with_keys: self.run.plan.compare_credentials != crate::options::Compare::Ignore,
            with_icon: self.run.desired.iter().any(DesiredProvider::sets_newer_fields),
            undescribed: self.run.undescribed,
            keyring: self.run.keyring,
        }
    }
}

/// Only the server prevents the write: another host, or the same one after a fail-over, may accept it.
async fn only_read_only(plan: &Plan, session: &Session) -> Option<Error> {
    let conflict = plan.conflicts.iter().any(|conflict| conflict.blocking);
    let read_only = !plan.findings.problems.is_empty()
        && plan.findings.problems.iter().all(|problem| problem.code == Code::ReadOnly);
    if read_only && !conflict { Some(schema::server_is_read_only(session).await) } else { None }
}
