//! The use case `resolve`: read, decide, and only if rows must change: lock, read again, decide again, write, commit. It
//! compares the shown change with the state under the lock and writes nothing if either side has changed.

use std::time::Duration;

use super::lost_commit::took_effect;
use super::may_commit::{self, MayCommit};
use super::retry::{self, Limits, ROUND_TRIP_TIMEOUT, within, within_lock_timeout};
use crate::options::resolve::{Action, Request};
use crate::options::{Compare, TakeEnvironment};
use crate::plan::resolve::{Resolution, resolve};
use crate::plan::{Plan, PlanOptions, Snapshot, VariableEdit, plan, take_database};
use crate::problem::{Code, Problem};
use crate::provider::DesiredProvider;
use crate::store::Error;
use crate::store::connect::{Connector, Session, SessionIntent};
use crate::store::dbcrypt::Keyring;
use crate::store::lock::lock_and_read;
use crate::store::schema::{self, MissingSchema};
use crate::store::snapshot::{self, ReadRequest, ReadScope};
use crate::store::transaction::rollback;
use crate::store::update;

pub struct ResolveRun<'a> {
    pub desired: &'a [DesiredProvider],
    pub keyring: &'a Keyring,
    pub plan: PlanOptions,
    pub request: &'a Request,
    pub wait: Duration,
    pub lock_timeout: Duration,
    /// Report the change or its obstacles without writing.
    pub dry_run: bool,
    /// The change that the operator confirmed.
    pub shown: Option<&'a Resolution>,
    /// Asked after the read under the lock; a refusal prevents the write.
    pub may_commit: MayCommit<'a>,
}

#[derive(Default)]
pub struct ResolveOutcome {
    /// The content of the database at the end, as far as it could be read.
    pub plan: Option<Plan>,
    /// The changes that were made or would be made.
    pub resolution: Option<Resolution>,
    /// With `--take database`: the changes to make to the environment.
    pub edits: Vec<VariableEdit>,
    pub error: Option<Error>,
    pub written: bool,
    /// The answer to a commit was lost, and its outcome could not be determined.
    pub commit_unknown: bool,
    pub database: Option<String>,
}

impl ResolveRun<'_> {
    /// Always ends within wait + lock timeout + 30 s.
    pub async fn run(&self, connector: &Connector) -> ResolveOutcome {
        let mut attempts = ResolveAttempts { run: self, unanswered: None, outcome: ResolveOutcome::default() };
        let limits = Limits::of_write(self.wait, self.lock_timeout);
        let intent = if self.dry_run { SessionIntent::Any } else { SessionIntent::ReadWrite };
        let result = retry::run(&mut attempts, connector, &limits, intent).await;
        ResolveOutcome { error: result.err(), ..attempts.outcome }
    }

    fn replan(&self, snapshot: &Snapshot, outcome: &mut ResolveOutcome) {
        // A decision names its fields itself.
        let options = PlanOptions { take: TakeEnvironment::None, ..self.plan };
        let mut plan = plan(self.desired, snapshot, &options);
        // Missing rows are not part of a decision, nor are obstacles to their insert, which belong to no provider.
        plan.insert = None;
        plan.findings.problems.retain(|problem| problem.provider.is_some());
        plan.findings.warnings.retain(|warning| warning.provider.is_some());
        let resolution = resolve(&plan, self.desired, snapshot, self.request, &self.plan);
        if self.request.action == Action::TakeDatabase {
            outcome.edits = take_database(&resolution.conflicts, self.desired, snapshot);
        }
        outcome.resolution = Some(resolution);
        plan.findings.problems.clear();
        outcome.plan = Some(plan);
    }
}

struct ResolveAttempts<'a> {
    run: &'a ResolveRun<'a>,
    /// This run's transaction whose commit was not answered.
    unanswered: Option<String>,
    outcome: ResolveOutcome,
}

impl retry::Attempt for ResolveAttempts<'_> {
    type Output = ();

    async fn attempt(&mut self, session: &Session) -> Result<(), Error> {
        self.outcome.database = Some(session.endpoint.to_string());
        session.log_warnings();
        let mut attempt = ResolveAttempt { run: self.run, session, unanswered: &mut self.unanswered };
        attempt.run(&mut self.outcome).await
    }

    fn commit_unknown(&self) -> bool {
        self.outcome.commit_unknown
    }
}

struct ResolveAttempt<'a> {
    run: &'a ResolveRun<'a>,
    session: &'a Session,
    unanswered: &'a mut Option<String>,
}

impl ResolveAttempt<'_> {
    async fn run(&mut self, outcome: &mut ResolveOutcome) -> Result<(), Error> {
        if let Some(transaction) = self.unanswered.clone() {
            if took_effect(self.session, &transaction).await? {
                outcome.written = true;
                outcome.commit_unknown = false;
                return self.look_again(outcome).await;
            }
            *self.unanswered = None;
            outcome.commit_unknown = false;
        }
        if !self.check(outcome).await? || self.run.dry_run {
            return Ok(());
        }
        self.write(outcome).await
    }

    /// Reads without a lock. Returns whether there is something to write and no obstacle.
    async fn check(&self, outcome: &mut ResolveOutcome) -> Result<bool, Error> {
        let request = self.request();
        for encryption in [false, true] {
            let read = snapshot::read(self.session, &request, ReadScope::Schema { encryption });
            let snapshot = match within(ROUND_TRIP_TIMEOUT, self.session, read).await {
                Err(error) if error.is_undefined_table() => return Err(self.missing_schema().await?),
                snapshot => snapshot?,
            };
            self.run.replan(&snapshot, outcome);
            if !outcome.resolution.as_ref().is_some_and(Resolution::has_secrets) {
                break;
            }
        }
        let Some(resolution) = outcome.resolution.as_mut().filter(|resolution| !resolution.updates.is_empty()) else {
            return Ok(false);
        };
        if self.run.shown.is_some_and(|shown| !shown.is_same(resolution)) {
            resolution.findings.problems.push(moved());
        }
        if resolution.findings.problems.is_empty() {
            let lacking =
                within(ROUND_TRIP_TIMEOUT, self.session, update::lacking_grants(self.session, resolution)).await?;
            resolution.findings.problems.extend(lacking);
        }
        Ok(resolution.findings.problems.is_empty())
    }

    async fn write(&mut self, outcome: &mut ResolveOutcome) -> Result<(), Error> {
        let run = self.run;
        let encryption = outcome.resolution.as_ref().is_some_and(Resolution::has_secrets);
        let request = self.request();
        let rows = outcome.resolution.as_ref().map(Resolution::rows).unwrap_or_default();
        let scope = ReadScope::Schema { encryption };
        let locked = lock_and_read(self.session, &request, scope, run.lock_timeout, &rows);
        let snapshot = within_lock_timeout(run.lock_timeout, self.session, locked).await?;
        let before = outcome.resolution.take();
        run.replan(&snapshot, outcome);
        let Some(resolution) = outcome.resolution.as_mut() else { return Ok(()) };
        // If no update is left, another session has made the same change.
        let left = !resolution.updates.is_empty();
        if left && !before.is_some_and(|before| before.is_same(resolution)) && resolution.findings.problems.is_empty() {
            resolution.findings.problems.push(moved());
        }
        if !resolution.updates.is_empty() && !run.may_commit.says_yes() {
            resolution.findings.problems.push(may_commit::too_late());
        }
        if !resolution.findings.problems.is_empty() || resolution.updates.is_empty() {
            rollback(self.session).await;
            return Ok(());
        }
        // Added here, so that the report can show them.
        update::add_external_ids(self.session, resolution)?;
        let written = update::write(self.session, resolution, run.keyring);
        let transaction = within(ROUND_TRIP_TIMEOUT, self.session, written).await?;
        *self.unanswered = Some(transaction);
        // From here to the answer the outcome is unknown, also if the run is stopped in between.
        outcome.commit_unknown = true;
        let committed = within(ROUND_TRIP_TIMEOUT, self.session, update::commit(self.session)).await;
        outcome.commit_unknown = committed.as_ref().is_err_and(|error| error.connection_lost);
        committed?;
        *self.unanswered = None;
        outcome.written = true;
        self.look_again(outcome).await
    }

    /// Reads the current content of the database; the resolution that was carried out stays unchanged.
    async fn look_again(&self, outcome: &mut ResolveOutcome) -> Result<(), Error> {
        let request = self.request();
        let read = snapshot::read(self.session, &request, ReadScope::Schema { encryption: false });
        // The write has succeeded, and a failure of this read does not change that.
        if let Ok(snapshot) = within(ROUND_TRIP_TIMEOUT, self.session, read).await {
            let done = outcome.resolution.take();
            self.run.replan(&snapshot, outcome);
            outcome.resolution = done;
        }
        if let (Some(plan), Some(done)) = (&mut outcome.plan, &outcome.resolution) {
            for entry in &mut plan.entries {
                entry.external_id = entry.id.and_then(|row| done.external_id(row));
            }
        }
        Ok(())
    }

    async fn missing_schema(&self) -> Result<Error, Error> {
        Ok(match within(ROUND_TRIP_TIMEOUT, self.session, schema::classify_missing(self.session)).await? {
            MissingSchema::Pending { what } => {
                let next = "start Coder, which creates the tables; until then there is nothing to resolve";
                schema::missing(self.session, what, next)
            }
            MissingSchema::Wrong(error) => error,
        })
    }

    fn request(&self) -> ReadRequest<'_> {
        let desired = self.run.desired.iter().map(|provider| provider.name.as_str());
        ReadRequest {
            names: desired.chain(self.run.request.providers.iter().map(String::as_str)).collect(),
            with_keys: self.run.plan.compare_credentials != Compare::Ignore,
            with_icon: self.run.desired.iter().any(DesiredProvider::sets_newer_fields),
            undescribed: false,
            keyring: self.run.keyring,
        }
    }
}

fn moved() -> Problem {
    let message = "a side changed while this ran, so nothing was done; look at the current state";
    Problem::new(Code::ConflictMoved, message)
}
