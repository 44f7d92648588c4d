//! The use case `resolve`: read, decide, and only if rows are to be changed: lock, read again, decide again, write, commit.
//! What was shown before is held against what is there under the lock; if either side moved, nothing happens.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use crate::plan::resolve::{Action, Request, Resolution, resolve};
use crate::plan::{Line, lines};
use crate::plan::{Plan, PlanOptions, Snapshot, plan};
use crate::problem::{Code, Problem};
use crate::provider::DesiredProvider;
use crate::store::connect::{Connector, Patience, Session, Want, full_jitter};
use crate::store::dbcrypt::Keyring;
use crate::store::snapshot::{self, Absence, Depth};
use crate::store::{Error, insert};
use crate::store::{update as rows, update::Fate};

const FLIGHT: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(30);
/// How long to look for what became of a commit whose answer was lost, even if `--wait` is over.
const AFTER_LOST_COMMIT: Duration = Duration::from_secs(15);
const ASK_AGAIN: Duration = Duration::from_millis(200);

pub struct Run<'a> {
    pub desired: &'a [DesiredProvider],
    pub keyring: &'a Keyring,
    pub plan: PlanOptions,
    pub request: &'a Request,
    pub wait: Duration,
    pub lock_timeout: Duration,
    /// Say what would be done, and what stands against it; write nothing.
    pub dry_run: bool,
    /// What was shown to the person who said yes.
    pub shown: Option<&'a Resolution>,
}

#[derive(Default)]
pub struct Ended {
    /// What is there at the end, as far as it could be read.
    pub plan: Option<Plan>,
    /// What was, or would be, done.
    pub resolution: Option<Resolution>,
    /// With `--take database`: what to change in the environment.
    pub lines: Vec<Line>,
    pub error: Option<Error>,
    pub written: bool,
    /// The answer to a commit was lost, and nobody could be asked what became of it.
    pub unknown: bool,
    pub database: Option<String>,
}

impl Run<'_> {
    /// Always ends by wait + lock timeout + 30 s.
    pub async fn run(&self, connector: &Connector) -> Ended {
        let mut ended = Ended::default();
        let deadline = Instant::now() + self.wait + self.lock_timeout + GRACE;
        match timeout_at(deadline, self.attempts(connector, &mut ended)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => ended.error = Some(error),
            Err(_) => {
                let message =
                    "the time limit of the whole run (wait + lock timeout + 30 s) is over; look at the server's load";
                ended.error = Some(Problem::new(Code::Unreachable, message).into());
            }
        }
        ended
    }

    async fn attempts(&self, connector: &Connector, ended: &mut Ended) -> Result<(), Error> {
        let mut patience = Patience::new(self.wait, full_jitter);
        // A transaction of ours whose commit was not answered.
        let mut open = None;
        let mut extended = false;
        let want = if self.dry_run { Want::Any } else { Want::ReadWrite };
        loop {
            let session = connector.wait_and_connect(&mut patience, want).await?;
            ended.database = Some(session.endpoint.to_string());
            let mut attempt = Attempt { run: self, session: &session, open: &mut open };
            match attempt.run(ended).await {
                Ok(()) => {
                    session.close().await;
                    return Ok(());
                }
                Err(error) => {
                    if ended.unknown && !extended {
                        extended = true;
                        patience.extend(AFTER_LOST_COMMIT);
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

    fn judge(&self, snapshot: &Snapshot, ended: &mut Ended) {
        let mut plan = plan(self.desired, snapshot, &self.plan);
        // What is missing is none of our business, nor what stands against its insert; that belongs to no provider.
        plan.insert = None;
        plan.findings.problems.retain(|problem| problem.provider.is_some());
        plan.findings.warnings.retain(|warning| warning.provider.is_some());
        let resolution = resolve(&plan, self.desired, snapshot, self.request, &self.plan);
        if self.request.action == Action::TakeDatabase {
            ended.lines = lines(&resolution.conflicts, self.desired, snapshot);
        }
        ended.resolution = Some(resolution);
        plan.findings.problems.clear();
        ended.plan = Some(plan);
    }
}

struct Attempt<'a> {
    run: &'a Run<'a>,
    session: &'a Session,
    open: &'a mut Option<String>,
}

impl Attempt<'_> {
    async fn run(&mut self, ended: &mut Ended) -> Result<(), Error> {
        if let Some(transaction) = self.open.clone() {
            if self.fate(&transaction).await? == Fate::Committed {
                ended.written = true;
                ended.unknown = false;
                return self.look_again(ended).await;
            }
            *self.open = None;
            ended.unknown = false;
        }
        if !self.check(ended).await? || self.run.dry_run {
            return Ok(());
        }
        self.write(ended).await
    }

    /// Reads without a lock. Is there something to write, and nothing against it?
    async fn check(&self, ended: &mut Ended) -> Result<bool, Error> {
        let request = self.request();
        for encryption in [false, true] {
            let read = snapshot::read(self.session, &request, Depth::Schema { encryption });
            let snapshot = match within(FLIGHT, self.session, read).await {
                Err(error) if error.is_undefined_table() => return Err(self.absent().await?),
                snapshot => snapshot?,
            };
            self.run.judge(&snapshot, ended);
            if !ended.resolution.as_ref().is_some_and(Resolution::has_secrets) {
                break;
            }
        }
        let Some(resolution) = ended.resolution.as_mut().filter(|resolution| !resolution.updates.is_empty()) else {
            return Ok(false);
        };
        if self.run.shown.is_some_and(|shown| !shown.is_same(resolution)) {
            resolution.findings.problems.push(moved());
        }
        if resolution.findings.problems.is_empty() {
            let lacking = within(FLIGHT, self.session, rows::lacking_grants(self.session, resolution)).await?;
            resolution.findings.problems.extend(lacking);
        }
        Ok(resolution.findings.problems.is_empty())
    }

    async fn write(&mut self, ended: &mut Ended) -> Result<(), Error> {
        let run = self.run;
        let encryption = ended.resolution.as_ref().is_some_and(Resolution::has_secrets);
        let request = self.request();
        let locked = insert::lock_and_read(self.session, &request, Depth::Schema { encryption }, run.lock_timeout);
        let schema = match within(run.lock_timeout + FLIGHT / 2, self.session, locked).await {
            Err(error) if error.code == Code::LockTimeout => return Err(self.with_holder(error).await),
            snapshot => snapshot?.schema,
        };
        let rows_locked = rows::lock_rows_and_read(self.session, &request);
        let mut snapshot = within(run.lock_timeout + FLIGHT / 2, self.session, rows_locked).await?;
        snapshot.schema = schema;
        let before = ended.resolution.take();
        run.judge(&snapshot, ended);
        let Some(resolution) = ended.resolution.as_mut() else { return Ok(()) };
        // Nothing left: somebody else was quicker, and that is what was wanted.
        let left = !resolution.updates.is_empty();
        if left && !before.is_some_and(|before| before.is_same(resolution)) && resolution.findings.problems.is_empty() {
            resolution.findings.problems.push(moved());
        }
        if !resolution.findings.problems.is_empty() || resolution.updates.is_empty() {
            insert::rollback(self.session).await;
            return Ok(());
        }
        let written = rows::write(self.session, resolution, run.keyring);
        let transaction = within(FLIGHT, self.session, written).await?;
        *self.open = Some(transaction);
        // From here until there is an answer nobody knows, also if we are stopped in between.
        ended.unknown = true;
        let committed = within(FLIGHT, self.session, rows::commit(self.session)).await;
        ended.unknown = committed.as_ref().is_err_and(|error| error.connection_lost);
        committed?;
        *self.open = None;
        ended.written = true;
        self.look_again(ended).await
    }

    /// What is there now; the decision that was carried out stays as it was.
    async fn look_again(&self, ended: &mut Ended) -> Result<(), Error> {
        let request = self.request();
        let read = snapshot::read(self.session, &request, Depth::Schema { encryption: false });
        // It is written: that this read fails is no reason to say otherwise.
        if let Ok(snapshot) = within(FLIGHT, self.session, read).await {
            let done = ended.resolution.take();
            self.run.judge(&snapshot, ended);
            ended.resolution = done;
        }
        Ok(())
    }

    async fn fate(&self, transaction: &str) -> Result<Fate, Error> {
        loop {
            let fate = within(FLIGHT, self.session, rows::fate(self.session, transaction)).await?;
            if fate != Fate::InProgress {
                return Ok(fate);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    async fn absent(&self) -> Result<Error, Error> {
        Ok(match within(FLIGHT, self.session, snapshot::classify_absence(self.session)).await? {
            Absence::Pending { what } => {
                let next = "start Coder, which creates the tables; there is nothing to settle before";
                snapshot::schema_missing(self.session, what, next)
            }
            Absence::Wrong(error) => error,
        })
    }

    fn request(&self) -> snapshot::Request<'_> {
        let desired = self.run.desired.iter().map(|provider| provider.name.as_str());
        snapshot::Request {
            names: desired.chain(self.run.request.providers.iter().map(String::as_str)).collect(),
            with_keys: self.run.plan.compare_credentials != crate::plan::CompareCredentials::Ignore,
            keyring: self.run.keyring,
            statement_timeout_ms: FLIGHT.as_millis(),
        }
    }

    async fn with_holder(&self, error: Error) -> Error {
        match timeout(FLIGHT / 5, insert::holder(self.session)).await {
            Ok(Some(holder)) => error.after(&format!("held by {holder}")),
            _ => error,
        }
    }
}

fn moved() -> Problem {
    let message = "a side changed while this ran, so nothing was done; look at what is there now";
    Problem::new(Code::ConflictMoved, message)
}

async fn within<T>(
    limit: Duration,
    session: &Session,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(Error::timed_out(&session.endpoint)))
}
