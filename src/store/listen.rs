//! A session that waits for Coder's announcements of a change. LISTEN is session state, so it is sent only if the session
//! is known to have its own server process: behind a transaction pooler it would stay on a session that others use.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::connect::{CODERS_CHANNEL, Connector, Heard, Hearing, OWN_CHANNEL, Session, SessionIntent, Writers};
use super::error::Error;

/// For each statement of a listener.
const ANSWER: Duration = Duration::from_secs(5);

/// Dropping it ends its session; [`Listener::close`] ends the session as the protocol requires.
pub struct Listener {
    session: Session,
    pub heard: watch::Receiver<Heard>,
}

/// Why this server cannot be listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoListener {
    /// The answering process does not serve only this session.
    Pooler,
    /// A standby never sends notifications.
    Standby,
    /// The server refuses the session, does not answer, or refuses a statement.
    Failed,
}

/// Opens a separate session and listens, by `deadline`. `sender`: see [`prove`]. `writers`: identify this process's own
/// announcements.
pub async fn listen(
    connector: Connector,
    sender: Arc<str>,
    writers: Writers,
    deadline: Instant,
) -> Result<Listener, NoListener> {
    let (hearing, heard) = Hearing::new(sender, writers);
    let opened = connector.hearing(hearing).connect_once(deadline, SessionIntent::Any).await;
    let session = opened.map_err(|error| failed(&error))?;
    let listener = Listener { session, heard };
    match timeout_at(deadline, listener.begin()).await {
        Ok(Ok(())) => Ok(listener),
        Ok(Err(refused)) => {
            listener.close().await;
            Err(refused)
        }
        Err(_) => Err(NoListener::Failed),
    }
}

fn failed(error: &Error) -> NoListener {
    tracing::debug!(code = error.code.as_str(), "cannot listen: {error}");
    NoListener::Failed
}

/// Sends the proof of this number; each listener in this database receives it after all earlier announcements.
pub async fn prove(session: &Session, sender: &str, number: u64) -> Result<(), Error> {
    session.execute(&format!("select pg_catalog.pg_notify('{OWN_CHANNEL}', '{sender}-{number}')")).await
}

/// Whether the server is now a standby; `false` without an answer.
pub async fn is_standby(session: &Session) -> bool {
    let mut standby = false;
    let asked = session.query("select pg_catalog.pg_is_in_recovery() as standby", &[], |row| {
        standby = row.try_get("standby")?;
        Ok(())
    });
    matches!(timeout(ANSWER, asked).await, Ok(Ok(()))) && standby
}

impl Listener {
    async fn begin(&self) -> Result<(), NoListener> {
        let mut found = None;
        let query = "select pg_catalog.pg_backend_pid() as backend, pg_catalog.pg_is_in_recovery() as standby";
        let asked = self.session.query(query, &[], |row| {
            found = Some((row.try_get::<_, i32>("backend")?, row.try_get::<_, bool>("standby")?));
            Ok(())
        });
        asked.await.map_err(|error| failed(&error))?;
        let (backend, standby) = found.ok_or(NoListener::Failed)?;
        if self.session.backend != Some(backend) {
            return Err(NoListener::Pooler);
        }
        if standby {
            return Err(NoListener::Standby);
        }
        let listen = format!("listen {CODERS_CHANNEL}; listen {OWN_CHANNEL}");
        self.session.execute(&listen).await.map_err(|error| failed(&error))
    }

    /// Whether the server still answers.
    pub async fn answers(&self) -> bool {
        matches!(timeout(ANSWER, self.session.execute("select 1")).await, Ok(Ok(())))
    }

    pub async fn close(self) {
        self.session.close().await;
    }
}
