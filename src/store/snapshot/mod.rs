//! Reading: one flight, one snapshot. Enums are cast to text and parameters are texts, so that the client asks for no types,
//! names no statement and works through PgBouncer in transaction mode.

mod rows;

pub use rows::{Live, read_live};

use std::time::Duration;

use tokio_postgres::types::Type;

use super::connect::Session;
use super::dbcrypt::Keyring;
use super::error::{Error, Retry};
use super::failpoint::{Step, step};
use super::schema;
use crate::plan::Snapshot;
use crate::problem::Code;

/// Under row-level security an error, instead of a table that seems to have fewer rows than it has.
pub const ALL_ROWS: &str = "set local row_security = off";

/// What to read beside the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Only the rows: enough where nothing is missing.
    Rows,
    /// Labels, columns and privileges too, and the encryption state if something that is missing needs it.
    Schema { encryption: bool },
}

/// What is asked for.
pub struct Request<'a> {
    pub names: Vec<&'a str>,
    /// Keys only if they are compared, so that only then their table must be readable.
    pub with_keys: bool,
    pub keyring: &'a Keyring,
    /// The server gives up after this time, whatever becomes of us.
    pub statement_timeout_ms: u128,
}

/// How long to wait for a table that somebody has locked (a migration, say): less than any limit of ours, so that it ends as
/// what it is.
pub const TABLE_LOCK: Duration = Duration::from_secs(7);

/// `begin read only` … `commit` in one round trip.
pub async fn read(session: &Session, request: &Request<'_>, depth: Depth) -> Result<Snapshot, Error> {
    let client = &session.client;
    let begin = format!(
        "begin read only; {ALL_ROWS}; set local statement_timeout = '{}ms'; set local lock_timeout = '{}ms'",
        request.statement_timeout_ms,
        TABLE_LOCK.as_millis()
    );
    let (begun, set, rows, schema, done) = tokio::join!(
        step(Step::ReadBegin, client.batch_execute(&begin)),
        apply_settings(session),
        rows::read(session, request),
        schema::read_if(session, request.keyring, depth),
        step(Step::ReadEnd, client.batch_execute("commit")),
    );
    begun.map_err(|error| session.error(&error))?;
    set?;
    let rows = rows?;
    let schema = schema?;
    done.map_err(|error| session.error(&error))?;
    Ok(Snapshot { rows, schema })
}

/// The same within a transaction that holds the lock; each statement sees what was committed before it.
pub async fn read_locked(session: &Session, request: &Request<'_>, depth: Depth) -> Result<Snapshot, Error> {
    let (rows, schema) = tokio::join!(rows::read(session, request), schema::read_if(session, request.keyring, depth));
    Ok(Snapshot { rows: rows?, schema: schema? })
}

/// Run-time parameters of the URL, for this transaction only: PgBouncer refuses them at start-up.
pub async fn apply_settings(session: &Session) -> Result<(), Error> {
    if session.settings.is_empty() {
        return Ok(());
    }
    let (names, values): (Vec<&str>, Vec<&str>) =
        session.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).unzip();
    let sql =
        "select set_config(name, value, true) from unnest($1, $2) with ordinality as t (name, value, at) order by at";
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&names, Type::TEXT_ARRAY), (&values, Type::TEXT_ARRAY)];
    let set = step(Step::Settings, session.client.query_typed(sql, &parameters)).await;
    set.map(|_| ()).map_err(|error| session.error(&error))
}

/// What stands in the place of a missing relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Nothing is there yet, or a Coder database from before the tables: Coder will create them when it starts.
    Pending { what: &'static str },
    /// Something else is wrong.
    Wrong(Error),
}

/// After "relation does not exist": what kind of database is this?
pub async fn classify_absence(session: &Session) -> Result<Absence, Error> {
    let (begun, set, rows, done) = tokio::join!(
        step(Step::ReadBegin, session.client.batch_execute("begin read only")),
        apply_settings(session),
        schema::relations(session),
        step(Step::ReadEnd, session.client.batch_execute("commit")),
    );
    begun.map_err(|error| session.error(&error))?;
    set?;
    let relations = rows?;
    done.map_err(|error| session.error(&error))?;
    Ok(schema::judge(&relations, &session.endpoint))
}

/// The table is not there, and that will not change by itself.
pub fn schema_missing(session: &Session, what: &str, next: &str) -> Error {
    schema::error(Code::SchemaMissing, &session.endpoint, what, next)
}

/// Rows are missing, and this server takes no writes; another one, or this one after a fail-over, may.
pub fn read_only(session: &Session) -> Error {
    let next = "connect to the primary, or name all servers and target_session_attrs=read-write in the URL";
    let what = "rows are missing, and the server is read only";
    schema::error(Code::ReadOnly, &session.endpoint, what, next).with_retry(Retry::Wait)
}
