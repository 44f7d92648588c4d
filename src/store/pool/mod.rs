//! Sessions that checks of the same database share for at most a minute: revoked rights, a rotated password or an expired
//! certificate show only when a session is opened. Also the limits for sessions per tenant, host and database.

mod hosts;
mod loan;
mod turns;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool::managed::{self, PoolError};
use futures::future::join_all;
use tokio::time::{Instant, timeout_at};

pub use loan::Loan;
pub use turns::{Claim, Limits, Turn, Turns};

use super::connect::Connector;
use super::error::{Error, Retry};
use super::url::{ConnectOptions, Route};
use crate::problem::Code;
use hosts::FailingHosts;
use loan::{Opened, Opener};

/// Open sessions, in use or not.
pub const SESSIONS: usize = 32;
/// Sessions in use. Each one holds an environment, and the process has a limit for all of them together.
pub const SESSIONS_IN_USE: usize = 16;
/// Sessions to one host.
pub const SESSIONS_OF_HOST: usize = 4;
/// Sessions to one database as one role.
pub const SESSIONS_OF_DATABASE: usize = 2;
/// The time for which an unused session stays open.
const IDLE: Duration = Duration::from_secs(30);
/// An older session serves no check.
const AGE: Duration = Duration::from_secs(60);

/// One pool for each set of connection options; most are used once in five minutes and then dropped.
pub struct Pool {
    pools: Mutex<HashMap<[u8; 32], OfOne>>,
    hosts: Arc<FailingHosts>,
    age: Duration,
    /// The queue for sessions.
    pub turns: Arc<Turns>,
}

#[derive(Clone)]
struct OfOne {
    pool: managed::Pool<Opener>,
    route: Route,
    /// Each caller that requests a session holds a clone.
    asked: Arc<()>,
}

/// A request for a session.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub connector: &'a Connector,
    /// The time since which the caller waits: a host that failed after it is not tried again for this caller.
    pub asked: Instant,
    pub deadline: Instant,
}

impl Default for Pool {
    fn default() -> Self {
        Pool::lending_for(AGE)
    }
}

impl Pool {
    /// Lends no session that was opened longer ago than this.
    pub fn lending_for(age: Duration) -> Pool {
        let limits = Limits { all: SESSIONS_IN_USE, of_host: SESSIONS_OF_HOST, of_database: SESSIONS_OF_DATABASE };
        Pool { pools: Mutex::default(), hosts: Arc::default(), age, turns: Turns::new(limits) }
    }

    /// An open session to the connector's database. The caller has a turn for that route.
    pub async fn take(&self, wanted: Wanted<'_>) -> Result<Loan, Error> {
        let options = wanted.connector.source().options()?;
        if let Some(error) = self.hosts.found_since(wanted.asked, &options) {
            return Err(error);
        }
        let OfOne { pool, route, asked: _asked } = self.of_one(&options)?;
        if pool.status().available == 0 {
            self.make_room(&route).await;
        }
        match timeout_at(wanted.deadline, Opener::for_caller(wanted, pool.get())).await {
            Ok(Ok(object)) => Ok(Loan::new(object)),
            Ok(Err(PoolError::Backend(error))) => Err(error),
            Ok(Err(_)) | Err(_) => Err(busy(&options)),
        }
    }

    /// Whether the host is known not to answer as Postgres.
    pub fn is_failing(&self, connector: &Connector) -> bool {
        connector.source().options().is_ok_and(|options| self.hosts.is_failing(&options))
    }

    /// A session to this host gave no answer: closes its sessions, so that the next caller opens a new connection.
    pub async fn gave_no_answer(&self, connector: &Connector, error: &Error) {
        let Ok(options) = connector.source().options() else { return };
        if !hosts::is_of_host(error) {
            return;
        }
        self.hosts.failed(&options, error);
        let hosts = options.route().hosts;
        self.close(|of_one, _| of_one.route.hosts == hosts).await;
    }

    fn of_one(&self, options: &ConnectOptions) -> Result<OfOne, Error> {
        let mut pools = lock(&self.pools);
        let fingerprint = options.fingerprint();
        if let Some(of_one) = pools.get(&fingerprint) {
            return Ok(of_one.clone());
        }
        let opener = Opener::new(Arc::clone(&self.hosts), self.age);
        let built = managed::Pool::builder(opener).max_size(SESSIONS_OF_DATABASE).build();
        let pool = built.map_err(|_| {
            let what = "the pool of sessions could not be made";
            Error::new(Code::Internal, Retry::No, what.to_owned(), what.to_owned(), "please report it")
        })?;
        let of_one = OfOne { pool, route: options.route(), asked: Arc::default() };
        pools.insert(fingerprint, of_one.clone());
        Ok(of_one)
    }

    /// Before a session is opened: closes unused ones until there is room. Sessions in use are within the limits, since
    /// each has a turn.
    pub async fn make_room(&self, route: &Route) {
        let (in_use, of_hosts, of_database) = self.turns.held(route);
        let mut idle: Vec<Route> = Vec::new();
        for of_one in lock(&self.pools).values() {
            idle.extend(std::iter::repeat_n(of_one.route.clone(), of_one.pool.status().available));
        }
        let mut open = in_use + idle.len();
        let mut at_database = of_database + idle.iter().filter(|its| its.database == route.database).count();
        let mut at_hosts = of_hosts;
        for (host, count) in &mut at_hosts {
            *count += idle.iter().filter(|its| its.hosts.contains(host)).count();
        }
        self.close(|of_one, _| {
            let its = &of_one.route;
            let at_full_host =
                its.hosts.iter().any(|host| at_hosts.get(host).is_some_and(|count| *count > SESSIONS_OF_HOST));
            let at_full_database = its.database == route.database && at_database > SESSIONS_OF_DATABASE;
            if !at_full_host && !at_full_database && open <= SESSIONS {
                return false;
            }
            open -= 1;
            at_database -= usize::from(its.database == route.database);
            for host in &its.hosts {
                at_hosts.entry(*host).and_modify(|count| *count -= 1);
            }
            true
        })
        .await;
    }

    /// Closes sessions that were not used for a while, or are too old to be lent.
    pub async fn close_unused(&self) {
        self.close(|_, opened| !opened.can_be_lent(self.age) || opened.unused_for() >= IDLE).await;
        lock(&self.pools).retain(|_, of_one| of_one.pool.status().size > 0 || Arc::strong_count(&of_one.asked) > 1);
        self.hosts.forget_old();
    }

    /// Closes sessions that are not in use.
    async fn close(&self, mut which: impl FnMut(&OfOne, &Opened) -> bool) {
        let mut closed = Vec::new();
        for of_one in lock(&self.pools).values() {
            closed.extend(of_one.pool.retain(|opened, _| !which(of_one, opened)).removed);
        }
        join_all(closed.into_iter().map(Opened::close)).await;
    }
}

fn busy(options: &ConnectOptions) -> Error {
    let summary = format!("{} is still in use by other checks", options.describe());
    Error::new(Code::Unreachable, Retry::Wait, summary.clone(), summary, "wait for the next check")
}

/// No code under these locks can leave a half-done state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
