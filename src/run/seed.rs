//! The use case: snapshot, plan, and only if something is missing: lock, snapshot, plan, apply, commit. `diff` is the same
//! without the second half.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use crate::options::IfSchemaMissing;
use crate::plan::{Access, Plan, PlanOptions, Snapshot, State, plan};
use crate::problem::{Code, Findings, Problem};
use crate::provider::DesiredProvider;
use crate::report::{self, Report};
use crate::store::connect::{Connector, Patience, Session, Want, full_jitter};
use crate::store::dbcrypt::Keyring;
use crate::store::error::Endpoint;
use crate::store::insert::{self, Ids};
use crate::store::snapshot::{self, Absence, Depth, Request};
use crate::store::{Error, Retry};

/// One read, or one write with its commit, on a server that answers.
const FLIGHT: Duration = Duration::from_secs(10);
/// The server gives up before we do, and so says why.
const SERVERS_LIMIT: Duration = Duration::from_secs(9);
/// How much longer than wait and lock timeout together a whole run may take.
const GRACE: Duration = Duration::from_secs(30);
/// How long to look for what became of a commit whose answer was lost, even if `--wait` is over.
const AFTER_LOST_COMMIT: Duration = Duration::from_secs(15);

/// By when a run always ends, whatever happens.
pub fn limit(wait: Duration, lock_timeout: Duration) -> Duration {
    wait + lock_timeout + GRACE
}

pub struct Run<'a> {
    pub desired: &'a [DesiredProvider],
    pub keyring: &'a Keyring,
    pub plan: PlanOptions,
    pub wait: Duration,
    pub lock_timeout: Duration,
    pub if_schema_missing: IfSchemaMissing,
}

/// What a run came to: the last plan, if there was one, and what ended it, if it was no success.
#[derive(Default)]
pub struct Ended {
    pub plan: Option<Plan>,
    pub error: Option<Error>,
    pub written: bool,
    /// The answer to a commit was lost, and nobody could be asked what became of it.
    pub unknown: bool,
    pub database: Option<String>,
}

impl Ended {
    /// What a run came to, for `desired` providers and the environment's `warnings`.
    pub fn report(self, command: report::Command, desired: &[DesiredProvider], warnings: Vec<Problem>) -> Report {
        let problems = self.error.map(Error::into_problems).unwrap_or_default();
        let plan = self.plan.map(|plan| match problems.is_empty() {
            true => plan,
            // The error took the place of what the plan had against it.
            false => Plan { insert: None, findings: Findings { problems: Vec::new(), ..plan.findings }, ..plan },
        });
        let mut report =
            Report::new(command, Findings { problems, warnings }).with_plan(desired, plan.unwrap_or_default());
        report.written = self.written;
        report.unknown = self.unknown;
        report.desired = desired.len();
        report.database = self.database;
        report
    }
}

impl Run<'_> {
    /// Always ends by wait + lock timeout + 30 s.
    pub async fn run(&self, connector: &Connector) -> Ended {
        let mut ended = Ended::default();
        let deadline = Instant::now() + limit(self.wait, self.lock_timeout);
        match timeout_at(deadline, self.attempts(connector, &mut ended)).await {
            Ok(Ok(())) => ended.error = None,
            Ok(Err(error)) => ended.error = Some(error),
            Err(_) => {
                let over = "the time limit of the whole run (wait + lock timeout + 30 s) is over";
                let unknown = || Problem::new(Code::Unreachable, format!("{over}; look at the server's load")).into();
                // What went wrong before tells more than the clock.
                ended.error = Some(ended.error.take().map_or_else(unknown, |error| error.after(over)));
            }
        }
        ended
    }

    /// One look on an open session, for whoever keeps sessions: neither waiting nor a second try, and nothing is written. The
    /// plan's access must be [`Access::Read`].
    pub async fn observe(&self, session: &Session) -> Ended {
        let mut ended = Ended { database: Some(session.endpoint.to_string()), ..Ended::default() };
        let mut ids = Ids::default();
        let mut attempt = Attempt { run: self, session, ids: &mut ids };
        ended.error = attempt.run(&mut ended).await.err();
        ended
    }

    async fn attempts(&self, connector: &Connector, ended: &mut Ended) -> Result<(), Error> {
        let mut patience = Patience::new(self.wait, full_jitter);
        let mut ids = Ids::default();
        let mut want = Want::Any;
        let mut extended = false;
        loop {
            let session = connector.wait_and_connect(&mut patience, want).await?;
            ended.database = Some(session.endpoint.to_string());
            let mut attempt = Attempt { run: self, session: &session, ids: &mut ids };
            match attempt.run(ended).await {
                Ok(()) => {
                    session.close().await;
                    return Ok(());
                }
                Err(error) => {
                    ended.error = Some(error.clone());
                    if ended.unknown && !extended {
                        extended = true;
                        patience.extend(AFTER_LOST_COMMIT);
                    }
                    // A row that is missing needs a server that takes writes; another host may be one, and is asked at once.
                    let first = error.code == Code::ReadOnly && want == Want::Any;
                    if error.code == Code::ReadOnly {
                        want = Want::ReadWrite;
                    }
                    if first && connector.has_several_hosts() {
                        continue;
                    }
                    drop(session);
                    match patience.after(&error) {
                        Some(pause) => tokio::time::sleep(pause).await,
                        None => return Err(patience.exhausted(error)),
                    }
                }
            }
        }
    }

    fn plan(&self, snapshot: &Snapshot, ids: &Ids) -> (Plan, bool) {
        let mut plan = plan(self.desired, snapshot, &self.plan);
        let mut ours = false;
        for entry in &mut plan.entries {
            // Only after a commit whose answer was lost: what we find there is what we made.
            if entry.id.is_some_and(|id| ids.made(&id)) && entry.state != State::Deleted {
                ours = true;
                if entry.state == State::InSync {
                    entry.state = State::Created;
                }
            }
        }
        (plan, ours)
    }

    fn needs_encryption(&self, plan: &Plan) -> bool {
        plan.missing().any(|at| self.desired[at].has_secrets())
    }

    /// Nothing is known of the database yet: every provider is missing, and nothing will be written.
    fn pending(&self, what: &str, endpoint: &Endpoint) -> Plan {
        let mut pending = plan(self.desired, &Snapshot::default(), &self.plan);
        let message = format!(
            "{endpoint}: {what}; Coder creates the tables when it starts, and the next start of this pod inserts the \
             providers. If that is not Coder's database, correct the URL"
        );
        // Which types it will know is decided when Coder has migrated.
        pending.findings.warnings = std::mem::take(&mut pending.findings.problems);
        pending.findings.warnings.push(Problem::new(Code::SchemaPending, message));
        pending
    }
}

struct Attempt<'a> {
    run: &'a Run<'a>,
    session: &'a Session,
    ids: &'a mut Ids,
}

impl Attempt<'_> {
    async fn run(&mut self, ended: &mut Ended) -> Result<(), Error> {
        let first = match self.read(Depth::Rows).await {
            Err(error) if error.is_undefined_table() => return self.absent(ended).await,
            snapshot => snapshot?,
        };
        self.judge(&first, ended);
        let Some(light) = ended.plan.as_ref().filter(|plan| plan.needs_schema) else {
            self.note_read_only(ended);
            return Ok(());
        };
        // Types that the database may not know are looked up first: where they are unsupported, there is nothing to lock for.
        let certain = light.missing().any(|at| self.run.desired[at].kind.in_every_schema());
        if !(certain && self.may_write(light)) {
            self.read_schema(ended).await?;
        }
        match &ended.plan {
            Some(plan) if self.may_write(plan) && (plan.needs_schema || plan.insert.is_some()) => {
                self.write(ended).await
            }
            Some(plan) => only_read_only(plan, self.session).map_or(Ok(()), Err),
            None => Ok(()),
        }
    }

    fn may_write(&self, plan: &Plan) -> bool {
        self.run.plan.access == Access::Write && !plan.blocks() && plan.missing().next().is_some()
    }

    /// The plan with labels, columns, privileges and encryption, without a lock.
    async fn read_schema(&mut self, ended: &mut Ended) -> Result<(), Error> {
        for _ in 0..2 {
            let encryption = ended.plan.as_ref().is_some_and(|plan| self.run.needs_encryption(plan));
            let snapshot = self.read(Depth::Schema { encryption }).await?;
            self.judge(&snapshot, ended);
            if !ended.plan.as_ref().is_some_and(|plan| plan.needs_schema) {
                break;
            }
        }
        Ok(())
    }

    async fn write(&mut self, ended: &mut Ended) -> Result<(), Error> {
        let run = self.run;
        let mut encryption = ended.plan.as_ref().is_some_and(|plan| run.needs_encryption(plan));
        let request = self.request();
        let depth = Depth::Schema { encryption };
        let locked = insert::lock_and_read(self.session, &request, depth, run.lock_timeout);
        let locked = within(run.lock_timeout + FLIGHT / 2, self.session, locked).await;
        let mut snapshot = match locked {
            Err(error) if error.code == Code::LockTimeout => return Err(self.with_holder(error).await),
            snapshot => snapshot?,
        };
        self.judge(&snapshot, ended);
        // Somebody removed a row in between, and now a provider with secrets is missing that was not.
        if !encryption && ended.plan.as_ref().is_some_and(|plan| plan.needs_schema) {
            encryption = true;
            let again = snapshot::read_locked(self.session, &request, Depth::Schema { encryption });
            snapshot = within(FLIGHT, self.session, again).await?;
            self.judge(&snapshot, ended);
        }
        let Some(plan) = &mut ended.plan else { return Ok(()) };
        let Some(insert) = plan.insert.take() else {
            insert::rollback(self.session).await;
            return only_read_only(plan, self.session).map_or(Ok(()), Err);
        };
        // We hold the lock: an earlier commit of ours whose answer was lost is over, and it did not take effect. From here
        // until there is an answer nobody knows, also if we are stopped in between.
        ended.unknown = true;
        let inserted = insert::insert_and_commit(self.session, run.desired, &insert, run.keyring, self.ids);
        let inserted = within(FLIGHT, self.session, inserted).await;
        ended.unknown = inserted.as_ref().is_err_and(|error| error.connection_lost);
        inserted?;
        ended.written = true;
        for entry in plan.entries.iter_mut().filter(|entry| insert.providers.contains(&entry.desired)) {
            entry.state = State::Created;
            entry.id = Some(self.ids.of(&run.desired[entry.desired].name));
            entry.database_hash = Some(entry.environment_hash.clone());
        }
        Ok(())
    }

    fn judge(&self, snapshot: &Snapshot, ended: &mut Ended) {
        // Read under the lock, or found: only then is it certain that the lost commit did not, or did, take effect.
        let (plan, ours) = self.run.plan(snapshot, self.ids);
        ended.unknown &= !ours;
        ended.plan = Some(plan);
        ended.written |= ours;
    }

    /// Nothing is missing, so it does not matter; but the next change of the environment would find out.
    fn note_read_only(&self, ended: &mut Ended) {
        let Some(plan) = ended.plan.as_mut() else { return };
        if self.run.plan.access == Access::Write && self.session.is_read_only() {
            let message = format!(
                "{} is read only; nothing is missing now, but nothing could be inserted",
                self.session.endpoint
            );
            plan.findings.warnings.push(Problem::new(Code::CannotInsert, message));
        }
    }

    async fn absent(&self, ended: &mut Ended) -> Result<(), Error> {
        let absence = within(FLIGHT, self.session, snapshot::classify_absence(self.session)).await?;
        let next = "start Coder, which creates the tables";
        match (absence, self.run.if_schema_missing) {
            (Absence::Pending { what }, IfSchemaMissing::Auto) => {
                ended.plan = Some(self.run.pending(what, &self.session.endpoint));
                Ok(())
            }
            (Absence::Pending { what }, IfSchemaMissing::Fail) => {
                Err(snapshot::schema_missing(self.session, what, next))
            }
            (Absence::Pending { what }, IfSchemaMissing::Wait) => {
                Err(snapshot::schema_missing(self.session, what, next).with_retry(Retry::Wait))
            }
            (Absence::Wrong(error), IfSchemaMissing::Wait) => Err(error.with_retry(Retry::Wait)),
            (Absence::Wrong(error), _) => Err(error),
        }
    }

    async fn read(&self, depth: Depth) -> Result<Snapshot, Error> {
        within(FLIGHT, self.session, snapshot::read(self.session, &self.request(), depth)).await
    }

    fn request(&self) -> Request<'_> {
        Request {
            names: self.run.desired.iter().map(|provider| provider.name.as_str()).collect(),
            with_keys: self.run.plan.compare_credentials != crate::plan::CompareCredentials::Ignore,
            keyring: self.run.keyring,
            statement_timeout_ms: SERVERS_LIMIT.as_millis(),
        }
    }

    async fn with_holder(&self, error: Error) -> Error {
        match timeout(FLIGHT / 5, insert::holder(self.session)).await {
            Ok(Some(holder)) => error.after(&format!("held by {holder}")),
            _ => error,
        }
    }
}

async fn within<T>(
    limit: Duration,
    session: &Session,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(Error::timed_out(&session.endpoint)))
}

/// Everything but the server fits: another host, or the same one after a fail-over, may do.
fn only_read_only(plan: &Plan, session: &Session) -> Option<Error> {
    let conflict = plan.conflicts.iter().any(|conflict| conflict.blocking);
    let read_only = !plan.findings.problems.is_empty()
        && plan.findings.problems.iter().all(|problem| problem.code == Code::ReadOnly);
    (read_only && !conflict).then(|| snapshot::read_only(session))
}
