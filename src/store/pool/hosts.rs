//! Hosts that do not answer: one attempt at a time is made at each host, and all waiting callers get its result.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::lock;
use crate::problem::Code;
use crate::store::connect::{Connector, Session, SessionIntent};
use crate::store::error::{Endpoint, Error};
use crate::store::url::ConnectOptions;

/// Older results are dropped.
const KEPT: Duration = Duration::from_secs(600);

/// The hosts of one URL. With several, a session may go to any of them.
type HostsOfUrl = Vec<[u8; 32]>;

#[derive(Default)]
pub struct FailingHosts(Mutex<HashMap<HostsOfUrl, Failing>>);

struct Failing {
    at: Instant,
    error: Error,
    attempt: Arc<tokio::sync::Mutex<()>>,
}

impl FailingHosts {
    /// Opens a session by `deadline`. `asked`: the time since which the caller waits; later results apply to it too.
    pub async fn open(&self, connector: &Connector, asked: Instant, deadline: Instant) -> Result<Session, Error> {
        let options = connector.source().options()?;
        let mut turn = None;
        if let Some(attempt) = self.attempt(&options) {
            turn = timeout_at(deadline, attempt.lock_owned()).await.ok();
            // Without a turn: the caller with the turn has waited as long without a result.
            let since = if turn.is_some() { asked } else { asked.checked_sub(KEPT).unwrap_or(asked) };
            if let Some(error) = self.found_since(since, &options) {
                return Err(error);
            }
            // The host answers again.
            if self.attempt(&options).is_none() {
                turn = None;
            }
        }
        let opened = connector.connect_once(deadline, SessionIntent::Any).await;
        match &opened {
            Err(error) if is_of_host(error) => self.failed(&options, error),
            // A refused name or address tells nothing about the host.
            Err(error) if error.code == Code::DestinationRefused => {}
            _ => drop(lock(&self.0).remove(&options.route().hosts)),
        }
        drop(turn);
        opened
    }

    /// The host does not answer, or no longer answers.
    pub fn failed(&self, options: &ConnectOptions, error: &Error) {
        let mut hosts = lock(&self.0);
        let known = hosts.remove(&options.route().hosts);
        let attempt = known.map(|known| known.attempt).unwrap_or_default();
        let failing = Failing { at: Instant::now(), error: error.clone(), attempt };
        hosts.insert(options.route().hosts, failing);
    }

    /// The result since that time, in terms of the asking caller.
    pub fn found_since(&self, asked: Instant, options: &ConnectOptions) -> Option<Error> {
        let hosts = lock(&self.0);
        let failing = hosts.get(&options.route().hosts).filter(|failing| failing.at >= asked)?;
        let asking = Endpoint::new(options, options.hosts().first()?);
        Some(match options.hosts() {
            [_] => failing.error.of_same_host(&asking),
            _ => failing.error.of_same_hosts(&asking),
        })
    }

    pub fn is_failing(&self, options: &ConnectOptions) -> bool {
        lock(&self.0).contains_key(&options.route().hosts)
    }

    pub fn forget_old(&self) {
        lock(&self.0).retain(|_, failing| failing.at.elapsed() < KEPT || Arc::strong_count(&failing.attempt) > 1);
    }

    fn attempt(&self, options: &ConnectOptions) -> Option<Arc<tokio::sync::Mutex<()>>> {
        lock(&self.0).get(&options.route().hosts).map(|failing| Arc::clone(&failing.attempt))
    }
}

/// The error applies to any database and role: no Postgres answered.
pub fn is_of_host(error: &Error) -> bool {
    error.code == Code::Unreachable && error.sqlstate.is_none()
}
