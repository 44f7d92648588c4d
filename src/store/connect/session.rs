//! An open connection and what its server said about itself.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::SessionIntent;
use crate::store::error::{Endpoint, Error};
use crate::store::failpoint::{Step, step};
use crate::store::url::{Host, TargetSession};

/// Dropping it ends the connection at once; [`Session::close`] ends it in the way of the protocol.
#[derive(Debug)]
pub struct Session {
    pub client: Client,
    pub endpoint: Endpoint,
    pub host: Host,
    /// The major version, as far as the server tells.
    pub server_version: Option<u32>,
    /// Postgres 14 and newer tell it at start-up; a pooler in between may hide it.
    pub in_hot_standby: Option<bool>,
    /// `default_transaction_read_only`, reported like the above.
    pub read_only: Option<bool>,
    /// To be set in each transaction: [`super::super::url::ConnectOptions::settings`].
    pub settings: Vec<(String, String)>,
    pub(super) task: Task,
}

/// Drives the connection; ends with it.
#[derive(Debug)]
pub(super) struct Task(pub JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Session {
    /// What an error of a statement means.
    pub fn error(&self, error: &tokio_postgres::Error) -> Error {
        Error::statement(error, &self.endpoint)
    }

    /// Whether a write is known to be impossible.
    pub fn is_read_only(&self) -> bool {
        self.in_hot_standby == Some(true) || self.read_only == Some(true)
    }

    /// Ends the connection in the way of the protocol, so that the server does not log a lost client.
    pub async fn close(self) {
        let Session { client, mut task, .. } = self;
        drop(client);
        // The server answers by closing; one that does not is left alone.
        let _ = tokio::time::timeout(Duration::from_millis(500), &mut task.0).await;
    }

    /// Asks, where the server did not report the answer and it matters: for `target_session_attrs`, or to write where there is a choice of
    /// hosts. On an only host a write will show it, without a round trip for everybody else.
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
        let query =
            "select pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only')";
        let answer = step(Step::Probe, self.client.simple_query(query)).await;
        for message in answer.map_err(|error| self.error(&error))? {
            if let SimpleQueryMessage::Row(row) = message {
                self.in_hot_standby = row.try_get(0).ok().flatten().map(|value| value == "t");
                self.read_only = row.try_get(1).ok().flatten().map(|value| value == "on");
            }
        }
        Ok(())
    }

    /// Why this server is not the one that is wanted.
    pub(super) fn unfit(&self, target: TargetSession, intent: SessionIntent) -> Option<&'static str> {
        let standby = self.in_hot_standby == Some(true);
        let read_only = standby || self.read_only == Some(true);
        match target {
            TargetSession::ReadWrite if standby => return Some("it is a standby"),
            TargetSession::ReadWrite if read_only => return Some("it is read-only"),
            TargetSession::ReadOnly if !read_only => return Some("it is not read-only"),
            TargetSession::Primary if standby => return Some("it is a standby"),
            TargetSession::Standby | TargetSession::PreferStandby if !standby => return Some("it is not a standby"),
            _ => {}
        }
        match intent {
            SessionIntent::ReadWrite if standby => Some("it is a standby"),
            SessionIntent::ReadWrite if read_only => Some("it is read-only"),
            SessionIntent::ReadWrite | SessionIntent::Any => None,
        }
    }
}
