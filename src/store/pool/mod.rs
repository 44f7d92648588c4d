//! Sessions that checks of the same database share, at most for a minute: a role that lost its rights, a rotated password or an
//! expired certificate shows when a session is opened, and only then.

mod loan;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool::managed::{self, PoolError};
use tokio::time::{Instant, timeout_at};

pub use loan::Loan;

use super::connect::Connector;
use super::error::{Error, Retry};
use crate::problem::Code;
use loan::Opener;

/// At once, to one database as one role.
const SESSIONS_OF_DATABASE: usize = 2;
/// How long an unused session stays open.
const IDLE: Duration = Duration::from_secs(30);
/// An older session serves no check.
const AGE: Duration = Duration::from_secs(60);

type OfOne = managed::Pool<Opener>;

/// One pool for each set of connection options; most are used once in five minutes, and then nothing stays of them.
pub struct Pool {
    pools: Mutex<HashMap<[u8; 32], OfOne>>,
    age: Duration,
}

impl Default for Pool {
    fn default() -> Self {
        Pool::lending_for(AGE)
    }
}

impl Pool {
    /// Lends no session that was opened longer ago than this.
    pub fn lending_for(age: Duration) -> Pool {
        Pool { pools: Mutex::default(), age }
    }

    /// An open session to the connector's database, by `deadline`.
    pub async fn take(&self, connector: &Connector, deadline: Instant) -> Result<Loan, Error> {
        let options = connector.source().options()?;
        let pool = self.of_one(options.fingerprint())?;
        let busy = || {
            let summary = format!("{} is still in use by other checks", options.describe());
            Error::new(Code::Unreachable, Retry::Wait, summary.clone(), summary, "wait for the next check")
        };
        let _offered = pool.manager().offer(connector, deadline);
        match timeout_at(deadline, pool.get()).await {
            Ok(Ok(object)) => Ok(Loan::new(object)),
            Ok(Err(PoolError::Backend(error))) => Err(error),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    fn of_one(&self, fingerprint: [u8; 32]) -> Result<OfOne, Error> {
        let mut pools = lock(&self.pools);
        if let Some(pool) = pools.get(&fingerprint) {
            return Ok(pool.clone());
        }
        let built = managed::Pool::builder(Opener::new(self.age)).max_size(SESSIONS_OF_DATABASE).build();
        let pool = built.map_err(|_| {
            let what = "the pool of sessions could not be made";
            Error::new(Code::Internal, Retry::No, what.to_owned(), what.to_owned(), "please report it")
        })?;
        pools.insert(fingerprint, pool.clone());
        Ok(pool)
    }

    /// Closes sessions that were not used for a while, or are too old to be lent.
    pub async fn close_unused(&self) {
        let mut unused = Vec::new();
        lock(&self.pools).retain(|_, pool| {
            let swept = pool.retain(|opened, metrics| opened.can_be_lent(self.age) && metrics.last_used() < IDLE);
            unused.extend(swept.removed);
            pool.status().size > 0 || pool.manager().is_asked()
        });
        for opened in unused {
            opened.close().await;
        }
    }
}

/// Nothing that is held under these locks can be left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
