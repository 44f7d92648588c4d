//! Common parts of all transactions: the server's limits, and the single round trip of a read.

use std::time::Duration;

use super::connect::Session;
use super::error::Error;
use super::failpoint::{Step, step};

/// Makes row-level security an error, since the table would otherwise seem to have fewer rows.
pub const ALL_ROWS: &str = "set local row_security = off";

/// The server cancels a statement after this time. The client waits a second longer, so that the server can report the
/// reason.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(9);

/// The time to wait for a table that another session has locked (for example a migration): less than any other limit, so
/// that the error names the lock.
pub const TABLE_LOCK_TIMEOUT: Duration = Duration::from_secs(7);

/// Begins a read.
pub fn begin_read_only() -> String {
    format!(
        "begin read only; {ALL_ROWS}; set local statement_timeout = '{}ms'; set local lock_timeout = '{}ms'",
        STATEMENT_TIMEOUT.as_millis(),
        TABLE_LOCK_TIMEOUT.as_millis()
    )
}

/// `begin read only`, `statements` and `commit`, sent in one round trip.
pub async fn read_only<T>(session: &Session, statements: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let begin = begin_read_only();
    let (begun, read, done) = tokio::join!(
        step(Step::ReadBegin, session.execute(&begin)),
        statements,
        step(Step::ReadEnd, session.execute("commit")),
    );
    begun?;
    let read = read?;
    done?;
    Ok(read)
}

/// Ends a transaction without writes.
pub async fn rollback(session: &Session) {
    // If this fails, the connection ends soon, and the transaction with it.
    let _ = step(Step::Rollback, session.execute("rollback")).await;
}
