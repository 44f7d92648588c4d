//! What one database's pool holds, how it comes there, and who has it meanwhile.

use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, RecycleError, RecycleResult};
use tokio::time::Instant;

use super::hosts::FailingHosts;
use super::{Wanted, lock};
use crate::problem::Code;
use crate::store::connect::{Connector, Session};
use crate::store::error::{Error, Retry};

/// An open session, since when it is open, and when it was given back.
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
        // Of one that is not lent.
        if let Some(session) = Arc::into_inner(self.session) {
            session.close().await;
        }
    }
}

/// Opens the sessions of one pool. It keeps no connection string, which is a secret: each caller brings its own, and takes it
/// away again.
pub struct Opener {
    hosts: Arc<FailingHosts>,
    offers: Mutex<Vec<(Connector, Instant, Instant)>>,
    age: Duration,
}

impl Opener {
    pub fn new(hosts: Arc<FailingHosts>, age: Duration) -> Opener {
        Opener { hosts, offers: Mutex::default(), age }
    }

    /// A caller that asks for a session brings what one would be opened with, as long as the answer lives. All offers of one pool are
    /// the same but for their times.
    pub fn offer(&self, wanted: Wanted<'_>) -> Offer<'_> {
        lock(&self.offers).push((wanted.connector.clone(), wanted.asked, wanted.deadline));
        Offer(self)
    }

    pub fn is_asked(&self) -> bool {
        !lock(&self.offers).is_empty()
    }
}

pub struct Offer<'a>(&'a Opener);

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        lock(&self.0.offers).pop();
    }
}

impl Manager for Opener {
    type Type = Opened;
    type Error = Error;

    async fn create(&self) -> Result<Opened, Error> {
        let offer = lock(&self.offers).last().cloned();
        let Some((connector, asked, deadline)) = offer else {
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

/// A session from the pool. Dropped, it leaves the pool and is closed, because its transaction may have been cut off in the
/// middle; one that is still good is given back.
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
