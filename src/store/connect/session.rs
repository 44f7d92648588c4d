//! An open connection and the facts that its server reported.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use futures::TryStreamExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Connection, Row};

use super::SessionIntent;
use super::bounds::Bounds;
use super::hearing::Hearing;
use super::meter::Meter;
use crate::problem::Problem;
use crate::store::error::{Endpoint, Error};
use crate::store::failpoint::{Step, step};
use crate::store::url::{Host, TargetSession};

/// A parameter of a statement. Most are texts, for which the client does not look up types.
pub type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Dropping it ends the connection at once; [`Session::close`] ends it as the protocol requires.
#[derive(Debug)]
pub struct Session {
    client: Client,
    pub endpoint: Endpoint,
    pub host: Host,
    /// The major version, if the server reports it.
    pub server_version: Option<u32>,
    /// Postgres 14 and newer report this at start-up; a pooler may hide it.
    pub in_hot_standby: Option<bool>,
    /// `default_transaction_read_only`, reported in the same way.
    pub read_only: Option<bool>,
    /// The server process of the session, as the server reports it. A pooler reports another number.
    pub backend: Option<i32>,
    /// Warnings of this session that the run should report in any case.
    pub warnings: Vec<Problem>,
    bounds: Bounds,
    meter: Meter,
    task: Task,
}

/// A server that is not a standby but refuses writes.
pub(super) const READ_ONLY: &str = "it is read-only";

/// Drives the connection; ends with it.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The properties of a session.
pub(super) struct Of {
    pub endpoint: Endpoint,
    pub host: Host,
    pub bounds: Bounds,
    pub meter: Meter,
    pub backend: Option<i32>,
    /// The receiver of notifications; without one they are dropped.
    pub hearing: Option<Hearing>,
}

impl Session {
    pub(super) fn new<S, T>(client: Client, mut connection: Connection<S, T>, of: Of) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let reported = |name: &str| connection.parameter(name);
        let is_on = |name: &str| reported(name).map(|value| value == "on");
        let server_version = reported("server_version").and_then(major_version);
        let (in_hot_standby, read_only) = (is_on("in_hot_standby"), is_on("default_transaction_read_only"));
        let Of { endpoint, host, bounds, meter, backend, hearing } = of;
        // The task's error is lost with it. A caller that waits for an answer gets one, and the meter's verdict stays.
        let task = Task(tokio::spawn(async move {
            let Some(hearing) = hearing else {
                let _ = connection.await;
                return;
            };
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(notification) = message {
                    hearing.hear(notification.channel(), notification.payload(), notification.process_id());
                }
            }
        }));
        let warnings = Vec::new();
        Session {
            client,
            endpoint,
            host,
            server_version,
            in_hot_standby,
            read_only,
            backend,
            warnings,
            bounds,
            meter,
            task,
        }
    }

    /// One or more statements without parameters; their results are dropped.
    pub async fn execute(&self, sql: &str) -> Result<(), Error> {
        let _under_way = self.meter.statement();
        self.client.batch_execute(sql).await.map_err(|error| self.error(&error))
    }

    /// One statement. `each` receives its rows as they arrive, so that only the kept rows stay in memory.
    pub async fn query(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        mut each: impl FnMut(&Row) -> Result<(), tokio_postgres::Error>,
    ) -> Result<(), Error> {
        let _under_way = self.meter.statement();
        let answer = async {
            let parameters = parameters.iter().map(|(value, kind)| (*value, kind.clone()));
            let mut rows = pin!(self.client.query_typed_raw(sql, parameters).await?);
            while let Some(row) = rows.try_next().await? {
                each(&row).inspect_err(|_| self.meter.refuse_rows())?;
            }
            Ok(())
        };
        answer.await.map_err(|error| self.error(&error))
    }

    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Translates an error of a statement. If the meter ended the session, the driver only knows that the connection is
    /// gone.
    fn error(&self, error: &tokio_postgres::Error) -> Error {
        match self.meter.excess() {
            Some(excess) => excess.error(&self.bounds, &self.endpoint),
            None => Error::statement(error, &self.endpoint),
        }
    }

    /// Whether a write is known to be impossible.
    pub fn is_read_only(&self) -> bool {
        self.in_hot_standby == Some(true) || self.read_only == Some(true)
    }

    /// For a command whose report has no warnings.
    pub fn log_warnings(&self) {
        for Problem { code, message, .. } in &self.warnings {
            tracing::warn!(code = code.as_str(), "{message}");
        }
    }

    /// Ends the connection as the protocol requires, so that the server does not log a lost client.
    pub async fn close(self) {
        let Session { client, mut task, .. } = self;
        drop(client);
        // The server answers by closing; if it does not, the session is dropped anyway.
        let _ = tokio::time::timeout(Duration::from_millis(500), &mut task.0).await;
    }

    /// Asks the server if it did not report the answer and the answer matters: for `target_session_attrs`, or for a write
    /// with several hosts. With a single host the write itself shows it, without another round trip for every run.
    pub(super) async fn find_out(
        &mut self,
        target: TargetSession,
        intent: SessionIntent,
        hosts: usize,
    ) -> Result<(), Error> {
        let choice = intent == SessionIntent::ReadWrite && hosts > 1;
        let needs_standby = (choice || target != TargetSession::Any) && self.in_hot_standby.is_none();
        let needs_read_only = (choice || matches!(target, TargetSession::ReadWrite | TargetSession::ReadOnly))
            && self.read_only.is_none();
        if !needs_standby && !needs_read_only {
            return Ok(());
        }
        let query = "select pg_catalog.pg_is_in_recovery() as standby,
                            pg_catalog.current_setting('default_transaction_read_only') = 'on' as read_only";
        let mut found = (None, None);
        let answer = self.query(query, &[], |row| {
            found = (row.try_get("standby")?, row.try_get("read_only")?);
            Ok(())
        });
        step(Step::Probe, answer).await?;
        (self.in_hot_standby, self.read_only) = found;
        Ok(())
    }

    /// Why this server is not suitable.
    pub(super) fn unfit(&self, target: TargetSession, intent: SessionIntent) -> Option<&'static str> {
        let standby = self.in_hot_standby == Some(true);
        let read_only = standby || self.read_only == Some(true);
        match target {
            TargetSession::ReadWrite if standby => return Some("it is a standby"),
            TargetSession::ReadWrite if read_only => return Some(READ_ONLY),
            TargetSession::ReadOnly if !read_only => return Some("it is not read-only"),
            TargetSession::Primary if standby => return Some("it is a standby"),
            TargetSession::Standby | TargetSession::PreferStandby if !standby => return Some("it is not a standby"),
            _ => {}
        }
        match intent {
            SessionIntent::ReadWrite if standby => Some("it is a standby"),
            SessionIntent::ReadWrite if read_only => Some(READ_ONLY),
            SessionIntent::ReadWrite | SessionIntent::Any => None,
        }
    }
}

/// `15.4 (Debian 15.4-1)`, `17beta1`.
fn major_version(text: &str) -> Option<u32> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_version_is_read_from_the_servers_text() {
        assert_eq!(major_version("15.4 (Debian 15.4-1.pgdg120+1)"), Some(15));
        assert_eq!(major_version("18beta1"), Some(18));
        assert_eq!(major_version("x"), None);
    }
}
