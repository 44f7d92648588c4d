//! Sessions that checks of the same database share. A pool of our own and not a library's: what is shared is one connection
//! string among thousands, most are used once in five minutes, and then nothing should stay open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::connect::{Connector, Session, SessionIntent};
use super::error::{Error, Retry};
use crate::problem::Code;

/// At once, to one database as one role.
const MOST: usize = 2;
/// How long an unused session stays open.
const IDLE: Duration = Duration::from_secs(30);

#[derive(Default)]
pub struct Pool {
    slots: Mutex<HashMap<[u8; 32], Arc<Slot>>>,
}

struct Slot {
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<(Session, Instant)>>,
}

/// A session from the pool. Dropped, it is closed; one that is still good is given back.
pub struct PooledSession {
    pub session: Session,
    slot: Arc<Slot>,
    _permit: OwnedSemaphorePermit,
}

impl PooledSession {
    pub fn give_back(self) {
        let PooledSession { session, slot, .. } = self;
        lock(&slot.idle).push((session, Instant::now()));
    }
}

impl Pool {
    /// An open session to the connector's database, by `deadline`.
    pub async fn take(&self, connector: &Connector, deadline: Instant) -> Result<PooledSession, Error> {
        let options = connector.source().options()?;
        let slot = Arc::clone(lock(&self.slots).entry(options.fingerprint()).or_insert_with(|| {
            let permits = Arc::new(Semaphore::new(MOST));
            Arc::new(Slot { permits, idle: Mutex::default() })
        }));
        let busy = || {
            let summary = format!("{} is still in use by other checks", options.describe());
            Error::new(Code::Unreachable, Retry::Wait, summary.clone(), summary, "wait for the next check")
        };
        let permit = match timeout_at(deadline, Arc::clone(&slot.permits).acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) | Err(_) => return Err(busy()),
        };
        let idle = lock(&slot.idle).pop().filter(|(session, _)| !session.is_closed());
        if let Some((session, _)) = idle {
            return Ok(PooledSession { session, slot, _permit: permit });
        }
        let session = connector.connect_once(deadline, SessionIntent::Any).await?;
        Ok(PooledSession { session, slot, _permit: permit })
    }

    /// Closes sessions that were not used for a while.
    pub async fn close_unused(&self) {
        let mut unused = Vec::new();
        lock(&self.slots).retain(|_, slot| {
            let mut idle = lock(&slot.idle);
            unused.extend(idle.extract_if(.., |(_, since)| since.elapsed() >= IDLE));
            !idle.is_empty() || Arc::strong_count(slot) > 1
        });
        for (session, _) in unused {
            session.close().await;
        }
    }
}

/// Nothing that is held under these locks can be left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
