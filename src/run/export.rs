//! The use case `export`: all live providers, read once.

use std::time::Duration;

use super::retry::{self, Attempt, Limits, ROUND_TRIP_TIMEOUT, within};
use crate::store::Error;
use crate::store::connect::{Connector, Session, SessionIntent};
use crate::store::dbcrypt::Keyring;
use crate::store::schema::{self, MissingSchema};
use crate::store::snapshot::{Live, read_live};

pub struct ExportRun<'a> {
    pub keyring: &'a Keyring,
    pub wait: Duration,
}

impl ExportRun<'_> {
    /// Always ends within wait + 30 s.
    pub async fn run(&self, connector: &Connector) -> Result<Vec<Live>, Error> {
        let mut read = Read { keyring: self.keyring };
        retry::run(&mut read, connector, &Limits::of_read(self.wait), SessionIntent::Any).await
    }
}

struct Read<'a> {
    keyring: &'a Keyring,
}

impl Attempt for Read<'_> {
    type Output = Vec<Live>;

    async fn attempt(&mut self, session: &Session) -> Result<Vec<Live>, Error> {
        session.log_warnings();
        match within(ROUND_TRIP_TIMEOUT, session, read_live(session, self.keyring)).await {
            Err(error) if error.is_undefined_table() => Err(missing(session).await?),
            live => live,
        }
    }
}

async fn missing(session: &Session) -> Result<Error, Error> {
    Ok(match within(ROUND_TRIP_TIMEOUT, session, schema::classify_missing(session)).await? {
        MissingSchema::Pending { what } => {
            schema::missing(session, what, "start Coder, which creates the tables; there is nothing to export")
        }
        MissingSchema::Wrong(error) => error,
    })
}
