//! Reads the database: one round trip, one snapshot. Enums are cast to text and parameters are texts, so that the client
//! looks up no types, names no statement, and works through PgBouncer in transaction mode.

mod rows;
mod undescribed;

#[cfg(feature = "bench")]
pub use rows::statement_of_a_seed;
pub use rows::{Live, ReadRequest};

use super::connect::Session;
use super::dbcrypt::Keyring;
use super::error::Error;
use super::schema;
use super::transaction::read_only;
use crate::plan::Snapshot;

/// The data to read beside the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadScope {
    /// Only the rows: enough if none is missing.
    Rows,
    /// Also labels, columns and privileges, and the encryption state if a missing row needs it.
    Schema { encryption: bool },
}

/// A separate transaction, in one round trip.
pub async fn read(session: &Session, request: &ReadRequest<'_>, scope: ReadScope) -> Result<Snapshot, Error> {
    read_only(session, read_locked(session, request, scope)).await
}

/// The same within a transaction that holds the lock; each statement sees all earlier commits.
pub fn read_locked(
    session: &Session,
    request: &ReadRequest<'_>,
    scope: ReadScope,
) -> impl Future<Output = Result<Snapshot, Error>> {
    // Boxed: the work is large, and each of the futures around it would have space for it.
    Box::pin(async move {
        let schema = async {
            match scope {
                ReadScope::Rows => Ok(None),
                ReadScope::Schema { encryption } => {
                    schema::read(session, encryption.then_some(request.keyring)).await.map(Some)
                }
            }
        };
        let (rows, undescribed, schema) =
            tokio::join!(rows::read(session, request), undescribed::read(session, request), schema);
        Ok(Snapshot { rows: rows?, schema: schema?, undescribed: undescribed? })
    })
}

/// All live providers, in name order, for `export`: the same statement in the same kind of transaction.
pub async fn read_live(session: &Session, keyring: &Keyring) -> Result<Vec<Live>, Error> {
    read_only(session, rows::read_live(session, keyring)).await
}
