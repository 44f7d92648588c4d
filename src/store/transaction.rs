//! What every transaction has in common: the server's limits, and the single round trip of a read.

use std::time::Duration;

use super::connect::Session;
use super::error::Error;
use super::failpoint::{Step, step};

/// Under row-level security an error, instead of a table that seems to have fewer rows than it has.
pub const ALL_ROWS: &str = "set local row_security = off";

/// The server gives up on a statement after this time. The client waits a second longer, so that the server can say why.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(9);

/// How long to wait for a table that another session has locked (a migration, say): less than any other limit, so that the
/// error says what the statement waited for.
pub const TABLE_LOCK_TIMEOUT: Duration = Duration::from_secs(7);

/// `begin read only`, `statements` and `commit`, sent in one round trip.
pub async fn read_only<T>(session: &Session, statements: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let begin = format!(
        "begin read only; {ALL_ROWS}; set local statement_timeout = '{}ms'; set local lock_timeout = '{}ms'",
        STATEMENT_TIMEOUT.as_millis(),
        TABLE_LOCK_TIMEOUT.as_millis()
    );
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

/// Ends a transaction in which nothing was written.
pub async fn rollback(session: &Session) {
    // If this fails the connection ends soon, and the transaction with it.
    let _ = step(Step::Rollback, session.execute("rollback")).await;
}
