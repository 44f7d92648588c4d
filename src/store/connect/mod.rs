//! Opens connections: hosts in order, TLS, time limits and retries.

mod attempt;
mod backoff;
mod bounds;
#[cfg_attr(not(feature = "controller"), allow(dead_code, reason = "the command line is not restricted"))]
pub mod destinations;
mod excess;
#[cfg_attr(not(feature = "controller"), allow(dead_code, reason = "the command line does not listen"))]
mod hearing;
mod login;
mod meter;
mod read_only;
mod session;
mod source;
#[cfg(test)]
mod tests;
mod transport;

use std::time::Duration;

use tokio::time::Instant;

pub use backoff::{Jitter, RetryBudget, full_jitter};
pub use bounds::Bounds;
#[cfg(feature = "controller")]
pub use hearing::{CODERS_CHANNEL, Heard, OWN_CHANNEL};
pub use hearing::{Hearing, Writers};
pub use session::{Parameter, Session};
pub use source::ConnectionSource;

use super::error::Error;
use super::tls::SystemRoots;
use super::url::TargetSession;
use attempt::Attempt;
use destinations::Destinations;

/// The purpose of the session, in addition to `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionIntent {
    Any,
    /// Skips a server that reports itself as a standby or read-only.
    ReadWrite,
}

/// The limit for one try over all hosts if there is no time to wait.
const ONE_TRY: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub struct Connector {
    source: ConnectionSource,
    system: SystemRoots,
    bounds: Bounds,
    destinations: Destinations,
    hearing: Option<Hearing>,
    writers: Option<Writers>,
}

impl Connector {
    pub fn new(source: ConnectionSource) -> Self {
        let (system, destinations) = (SystemRoots::default(), Destinations::default());
        Connector { source, system, bounds: Bounds::ALONE, destinations, hearing: None, writers: None }
    }

    /// For a process that has several sessions at a time.
    #[must_use]
    pub fn among_others(self) -> Self {
        Connector { bounds: Bounds::AMONG_OTHERS, ..self }
    }

    /// Restricts the connections to these destinations.
    #[must_use]
    pub fn only_to(self, destinations: Destinations) -> Self {
        Connector { destinations, ..self }
    }

    /// For a listening session: the receiver of its notifications.
    #[cfg(feature = "controller")]
    #[must_use]
    pub fn hearing(self, hearing: Hearing) -> Self {
        Connector { bounds: Bounds::LISTENER, hearing: Some(hearing), ..self }
    }

    /// For a session that writes: a listener of the same database can then distinguish its announcements.
    #[cfg(feature = "controller")]
    #[must_use]
    pub fn writing_as(self, writers: Writers) -> Self {
        Connector { writers: Some(writers), ..self }
    }

    pub fn source(&self) -> &ConnectionSource {
        &self.source
    }

    pub fn has_several_hosts(&self) -> bool {
        self.source.options().is_ok_and(|options| options.hosts().len() > 1)
    }

    /// Tries each host once until one is suitable; ends by `deadline`.
    pub async fn connect_once(&self, deadline: Instant, intent: SessionIntent) -> Result<Session, Error> {
        let options = self.source.options()?;
        let attempt = Attempt::new(&options, self)?;
        let session = match options.target {
            // Prefer a standby; without one, any suitable server.
            TargetSession::PreferStandby => match attempt.over_hosts(deadline, TargetSession::Standby, intent).await {
                Ok(session) => Ok(session),
                Err(_) => attempt.over_hosts(deadline, TargetSession::Any, intent).await,
            },
            target => attempt.over_hosts(deadline, target, intent).await,
        }?;
        Ok(session)
    }

    /// Tries until a session is open or the budget is spent. Without time to wait there is one try.
    pub async fn wait_and_connect(&self, budget: &mut RetryBudget, intent: SessionIntent) -> Result<Session, Error> {
        loop {
            let now = Instant::now();
            let deadline = if budget.deadline() > now { budget.deadline() } else { now + ONE_TRY };
            match self.connect_once(deadline, intent).await {
                Ok(session) => return Ok(session),
                Err(error) => match budget.after(&error) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(budget.exhausted(error)),
                },
            }
        }
    }
}
