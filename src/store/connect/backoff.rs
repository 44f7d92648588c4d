//! The duration and the frequency of retries.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::error::{Error, Retry};

const BASE: Duration = Duration::from_millis(250);
const CAP: Duration = Duration::from_secs(5);
/// With less time left, another try is pointless.
const TOO_LATE: Duration = Duration::from_millis(50);
const LOG_EVERY: Duration = Duration::from_secs(10);
const MOST_AGAIN: u32 = 3;

/// Picks a duration from zero to the given one.
pub type Jitter = fn(Duration) -> Duration;

/// Uniform; "full jitter".
pub fn full_jitter(most: Duration) -> Duration {
    most.mul_f64(fastrand::f64())
}

/// Pauses that grow and are spread, so that many pods do not connect at the same time.
#[derive(Clone, Debug)]
pub struct Backoff {
    ceiling: Duration,
    jitter: Jitter,
}

impl Backoff {
    pub fn new(jitter: Jitter) -> Self {
        Backoff { ceiling: BASE, jitter }
    }

    /// The pause before the next try; `None` if it is too late for one. The last pauses are shortened, so that a try
    /// happens close to the deadline.
    pub fn next(&mut self, now: Instant, deadline: Instant) -> Option<Duration> {
        let left = deadline.checked_duration_since(now).filter(|left| *left >= TOO_LATE)?;
        let pause = (self.jitter)(self.ceiling).min(self.ceiling);
        self.ceiling = (self.ceiling * 2).min(CAP);
        Some(if pause >= left { left / 2 } else { pause })
    }
}

/// The retries of a whole run, for connecting, reading and writing together.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    started: Instant,
    deadline: Instant,
    backoff: Backoff,
    attempts: u32,
    again: u32,
    logged: Option<Instant>,
    /// The last error of a try that had its full time.
    last: Option<Error>,
}

impl RetryBudget {
    /// `wait`: the time for retries while the database is unusable; zero means one try.
    pub fn new(wait: Duration, jitter: Jitter) -> Self {
        let started = Instant::now();
        RetryBudget {
            started,
            deadline: started + wait,
            backoff: Backoff::new(jitter),
            attempts: 0,
            again: 0,
            logged: None,
            last: None,
        }
    }

    /// The time at which `--wait` ends.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Allows at least this much time from now on.
    pub fn extend(&mut self, time: Duration) {
        self.deadline = self.deadline.max(Instant::now() + time);
    }

    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Counts a failed attempt. `Some`: sleep this long and try again; `None`: give up. It logs the first retry and then
    /// one every ten seconds.
    pub fn after(&mut self, error: &Error) -> Option<Duration> {
        let now = Instant::now();
        self.attempts += 1;
        let pause = match error.retry {
            Retry::No => None,
            Retry::Wait => self.backoff.next(now, self.deadline),
            Retry::Again if self.again < MOST_AGAIN => {
                self.again += 1;
                Some((self.backoff.jitter)(BASE))
            }
            Retry::Again => None,
        };
        if !error.is_no_answer() {
            self.last = Some(error.clone());
        }
        if pause.is_some() && self.logged.is_none_or(|at| now - at >= LOG_EVERY) {
            self.logged = Some(now);
            let left = self.deadline.saturating_duration_since(now).as_secs();
            tracing::warn!(
                code = error.code.as_str(),
                attempt = self.attempts,
                left_seconds = left,
                "{error}; retrying"
            );
        }
        pause
    }

    /// The last error, with the number and duration of the tries.
    pub fn exhausted(&self, error: Error) -> Error {
        if self.attempts <= 1 || error.retry == Retry::No {
            return error;
        }
        // The deadline cuts the last try short; the errors of earlier tries are more informative.
        let error = self.last.clone().filter(|_| error.is_no_answer()).unwrap_or(error);
        let waited = self.started.elapsed().as_secs_f64();
        error.after(&format!("tried {} times in {waited:.0} s", self.attempts))
    }
}
