//! The use case `export`: all live providers, read once, tried again as every command does.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use crate::problem::{Code, Problem};
use crate::store::Error;
use crate::store::connect::{Connector, Patience, Session, Want, full_jitter};
use crate::store::dbcrypt::Keyring;
use crate::store::snapshot::{self, Absence, Live, Request, read_live};

const FLIGHT: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(30);

pub struct Run<'a> {
    pub keyring: &'a Keyring,
    pub wait: Duration,
}

/// Ends by wait + 30 s.
pub async fn read(run: &Run<'_>, connector: &Connector) -> Result<Vec<Live>, Error> {
    let deadline = Instant::now() + run.wait + GRACE;
    timeout_at(deadline, attempts(run, connector)).await.unwrap_or_else(|_| {
        let message = "the time limit of the whole run (wait + 30 s) is over; look at the server's load";
        Err(Problem::new(Code::Unreachable, message).into())
    })
}

async fn attempts(run: &Run<'_>, connector: &Connector) -> Result<Vec<Live>, Error> {
    let mut patience = Patience::new(run.wait, full_jitter);
    loop {
        let session = connector.wait_and_connect(&mut patience, Want::Any).await?;
        match once(run, &session).await {
            Ok(live) => {
                session.close().await;
                return Ok(live);
            }
            Err(error) => match patience.after(&error) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(patience.exhausted(error)),
            },
        }
    }
}

async fn once(run: &Run<'_>, session: &Session) -> Result<Vec<Live>, Error> {
    let timed_out = || Err(Error::timed_out(&session.endpoint));
    let request =
        Request { names: Vec::new(), with_keys: true, keyring: run.keyring, statement_timeout_ms: FLIGHT.as_millis() };
    match timeout(FLIGHT, read_live(session, &request)).await.unwrap_or_else(|_| timed_out()) {
        Err(error) if error.is_undefined_table() => Err(
            match timeout(FLIGHT, snapshot::classify_absence(session))
                .await
                .unwrap_or_else(|_| Err(Error::timed_out(&session.endpoint)))?
            {
                Absence::Pending { what } => snapshot::schema_missing(
                    session,
                    what,
                    "start Coder, which creates the tables; there is nothing to export",
                ),
                Absence::Wrong(error) => error,
            },
        ),
        live => live,
    }
}
