//! The sessions of one database's pool: how they are opened, and who holds them.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, RecycleError, RecycleResult};
use tokio::time::Instant;

use super::Wanted;
use super::hosts::FailingHosts;
use crate::problem::Code;
use crate::store::connect::{Connector, Session};
use crate::store::error::{Error, Retry};

/// An open session, the time at which it was opened, and the time at which it was returned.
pub struct Opened {
    session: Arc<Session>,
    at: Instant,
    used: Instant,
}

impl Opened {
    pub fn can_be_lent(&self, age: Duration) -> bool {
        !self.session.is_closed() && self.at.elapsed() < age
    }

    pub fn unused_for(&self) -> Duration {
        self.used.elapsed()
    }

    pub async fn close(self) {
        // Only a session that is not lent.
        if let Some(session) = Arc::into_inner(self.session) {
            session.close().await;
        }
    }
}

/// Opens the sessions of one pool. It stores no connection string, which is a secret: each caller supplies its own for
/// the duration of its call.
pub struct Opener {
    hosts: Arc<FailingHosts>,
    age: Duration,
}

/// The parameters for a session of the current caller.
#[derive(Clone)]
struct Offer {
    connector: Connector,
    asked: Instant,
    deadline: Instant,
}

tokio::task_local! {
    /// The caller's own parameters: the pool opens a session within the future that waits for it, so no session is opened
    /// with another caller's deadline.
    static OFFER: Offer;
}

impl Opener {
    pub fn new(hosts: Arc<FailingHosts>, age: Duration) -> Opener {
        Opener { hosts, age }
    }

    /// Waits on behalf of a caller that requests a session.
    pub async fn for_caller<T>(wanted: Wanted<'_>, waiting: impl Future<Output = T>) -> T {
        let Wanted { connector, asked, deadline } = wanted;
        OFFER.scope(Offer { connector: connector.clone(), asked, deadline }, waiting).await
    }
}

impl Manager for Opener {
    type Type = Opened;
    type Error = Error;

    async fn create(&self) -> Result<Opened, Error> {
        let Ok(Offer { connector, asked, deadline }) = OFFER.try_with(Offer::clone) else {
            let what = "a session was opened for no check";
            return Err(Error::new(Code::Internal, Retry::No, what.to_owned(), what.to_owned(), "please report it"));
        };
        let at = Instant::now();
        let session = self.hosts.open(&connector, asked, deadline).await?;
        Ok(Opened { session: Arc::new(session), at, used: at })
    }

    async fn recycle(&self, opened: &mut Opened, _: &Metrics) -> RecycleResult<Error> {
        match opened.can_be_lent(self.age) {
            true => Ok(()),
            false => Err(RecycleError::message("closed, or too old")),
        }
    }
}

/// A session from the pool. If it is dropped, it leaves the pool and is closed, because its transaction may have been cut
/// off; a session in a known state is returned explicitly.
pub struct Loan {
    session: Arc<Session>,
    object: Option<Object<Opener>>,
}

impl Loan {
    pub(super) fn new(object: Object<Opener>) -> Loan {
        Loan { session: Arc::clone(&object.session), object: Some(object) }
    }

    pub fn give_back(mut self) {
        if let Some(mut object) = self.object.take() {
            object.used = Instant::now();
        }
    }
}

impl Deref for Loan {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}
