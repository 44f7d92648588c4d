//! The only loop around database work of a command: a session, an attempt, a pause, until an attempt succeeds, the retry
//! budget is spent, or the run's deadline passes.

#[cfg(test)]
mod tests;

use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, timeout, timeout_at};

use crate::problem::{Code, Problem};
use crate::store::connect::{Connector, Jitter, RetryBudget, Session, SessionIntent, full_jitter};
use crate::store::transaction::STATEMENT_TIMEOUT;
use crate::store::{Error, lock};

/// The limit for one round trip: a read, or a write with its commit, on a server that answers.
pub const ROUND_TRIP_TIMEOUT: Duration = Duration::from_secs(10);
// With equal limits it would be random which of the two errors is reported.
const _: () = assert!(STATEMENT_TIMEOUT.as_millis() < ROUND_TRIP_TIMEOUT.as_millis());

/// The time of a whole run beyond its waiting.
const GRACE: Duration = Duration::from_secs(30);
/// The time to determine the outcome of a commit whose answer was lost, even after `--wait`.
const AFTER_LOST_COMMIT: Duration = Duration::from_secs(15);
/// Time for the server to name the session that holds the lock.
const HOLDER_TIMEOUT: Duration = Duration::from_secs(2);

/// The time limits of a run.
pub struct Limits {
    /// The time for retries while the database is unusable; zero means one attempt.
    wait: Duration,
    total: Duration,
    /// The terms of `total`, for the message.
    terms: &'static str,
    jitter: Jitter,
}

impl Limits {
    /// For a run that waits for no lock: wait + 30 s.
    pub fn of_read(wait: Duration) -> Limits {
        Limits { wait, total: wait + GRACE, terms: "wait + 30 s", jitter: full_jitter }
    }

    /// For a run that may wait for the lock: wait + lock timeout + 30 s.
    pub fn of_write(wait: Duration, lock_timeout: Duration) -> Limits {
        Limits { wait, total: wait + lock_timeout + GRACE, terms: "wait + lock timeout + 30 s", jitter: full_jitter }
    }

    /// A run always ends within this time.
    pub fn total(&self) -> Duration {
        self.total
    }
}

/// The work of a run with one session. After an error that allows a retry it is called again, with another session.
pub trait Attempt {
    type Output;

    async fn attempt(&mut self, session: &Session) -> Result<Self::Output, Error>;

    /// A commit was sent but not answered: the next attempt can determine whether it took effect.
    fn commit_unknown(&self) -> bool {
        false
    }
}

/// Always ends within `limits`. At the deadline it returns the error of the last attempt, if there was one, since that
/// explains more than the time limit.
pub async fn run<A: Attempt>(
    attempt: &mut A,
    connector: &Connector,
    limits: &Limits,
    intent: SessionIntent,
) -> Result<A::Output, Error> {
    let mut last = None;
    let work = Box::pin(attempts(attempt, connector, limits, intent, &mut last));
    match timeout_at(Instant::now() + limits.total, work).await {
        Ok(result) => result,
        Err(_) => {
            let over = format!("the time limit of the whole run ({}) is over", limits.terms);
            let unknown = || Problem::new(Code::Unreachable, format!("{over}; look at the server's load")).into();
            Err(last.map_or_else(unknown, |error: Error| error.after(&over)))
        }
    }
}

async fn attempts<A: Attempt>(
    attempt: &mut A,
    connector: &Connector,
    limits: &Limits,
    mut intent: SessionIntent,
    last: &mut Option<Error>,
) -> Result<A::Output, Error> {
    let mut budget = RetryBudget::new(limits.wait, limits.jitter);
    let mut extended = false;
    loop {
        let started = Instant::now();
        let session = connector.wait_and_connect(&mut budget, intent).await?;
        tracing::debug!(took_us = took(started), "connected to {}", session.endpoint);
        let error = match attempt.attempt(&session).await {
            Ok(output) => {
                session.close().await;
                return Ok(output);
            }
            Err(error) => error,
        };
        // The session ends before the pause: it would take a slot of the server, and may hold a transaction open.
        drop(session);
        *last = Some(error.clone());
        if attempt.commit_unknown() && !extended {
            extended = true;
            budget.extend(AFTER_LOST_COMMIT);
        }
        // A missing row needs a writable server; another host may be one, so it is tried without a pause.
        if error.code == Code::ReadOnly && intent == SessionIntent::Any {
            intent = SessionIntent::ReadWrite;
            if connector.has_several_hosts() {
                continue;
            }
        }
        match budget.after(&error) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(budget.exhausted(error)),
        }
    }
}

/// Microseconds for the log.
pub fn took(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Runs `work` on `session` with a time limit for the server's answer.
pub fn within<T>(
    limit: Duration,
    session: &Session,
    work: impl Future<Output = Result<T, Error>>,
) -> impl Future<Output = Result<T, Error>> {
    // An `async fn` would have space for `work` twice: as its argument, and while it waits.
    timeout(limit, work).map(|ended| ended.unwrap_or_else(|_| Err(Error::timed_out(&session.endpoint))))
}

/// Runs `work`, which waits for the lock at most `lock_timeout`. An error about the lock names its holder.
pub async fn within_lock_timeout<T>(
    lock_timeout: Duration,
    session: &Session,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let error = match within(lock_timeout + ROUND_TRIP_TIMEOUT / 2, session, work).await {
        Err(error) if error.code == Code::LockTimeout => error,
        result => return result,
    };
    match timeout(HOLDER_TIMEOUT, lock::holder(session)).await {
        Ok(Some(holder)) => Err(error.after(&format!("held by {holder}"))),
        _ => Err(error),
    }
}
