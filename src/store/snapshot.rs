//! Reading: one flight, one snapshot. Enums are cast to text and parameters are texts, so that the client asks for no types,
//! names no statement and works through PgBouncer in transaction mode.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::connect::Session;
use super::dbcrypt::Keyring;
use super::error::{Error, Retry};
use super::schema;
use crate::plan::{Snapshot, StoredProvider, Unreadable};
use crate::problem::Code;
use crate::provider::BedrockSettings;

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
        client.batch_execute(&begin),
        apply_settings(session),
        rows(session, request),
        schema::read_if(session, request.keyring, depth),
        client.batch_execute("commit"),
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
    let (rows, schema) = tokio::join!(rows(session, request), schema::read_if(session, request.keyring, depth));
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
    session.client.query_typed(sql, &parameters).await.map(|_| ()).map_err(|error| session.error(&error))
}

/// Of each name the live row, or else the one that was deleted last. What a deleted row held is nobody's business.
const ROWS: &str = "
  select distinct on (p.name)
         p.name, p.id::text, p.type::text, p.deleted, p.base_url,
         case when not p.deleted then p.settings end,
         case when not p.deleted then p.settings_key_id end,
         to_char(p.updated_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
const KEYS: &str = ",
         (select array_agg(k.api_key order by k.created_at, k.id) from ai_provider_keys k
           where k.provider_id = p.id and not p.deleted),
         (select array_agg(k.api_key_key_id order by k.created_at, k.id) from ai_provider_keys k
           where k.provider_id = p.id and not p.deleted)";
const FROM: &str = "
    from ai_providers p
   where p.name = any($1)
   order by p.name, p.deleted, p.updated_at desc";
/// Beside what decides, for `export`: what Coder holds and no variable can say.
const LIVE: &str = ", p.enabled, coalesce(p.display_name, p.name)
    from ai_providers p
   where not p.deleted
   order by p.name";

/// A live provider with what is not compared.
pub struct Live {
    pub name: String,
    pub row: StoredProvider,
    pub enabled: bool,
    pub display_name: String,
}

/// All live providers, in name order.
pub async fn read_live(session: &Session, request: &Request<'_>) -> Result<Vec<Live>, Error> {
    let sql = [ROWS, KEYS, LIVE].concat();
    let begin = format!("begin read only; set local statement_timeout = '{}ms'", request.statement_timeout_ms);
    let (begun, set, rows, done) = tokio::join!(
        session.client.batch_execute(&begin),
        apply_settings(session),
        session.client.query_typed(&sql, &[]),
        session.client.batch_execute("commit"),
    );
    begun.map_err(|error| session.error(&error))?;
    set?;
    let rows = rows.map_err(|error| session.error(&error))?;
    done.map_err(|error| session.error(&error))?;
    let live = |row: &Row| {
        let (name, provider) = stored(row, request)?;
        Ok(Live { name, row: provider, enabled: row.try_get(10)?, display_name: row.try_get(11)? })
    };
    rows.iter().map(live).collect::<Result<_, _>>().map_err(|error| session.error(&error))
}

async fn rows(session: &Session, request: &Request<'_>) -> Result<BTreeMap<String, StoredProvider>, Error> {
    let sql = [ROWS, if request.with_keys { KEYS } else { "" }, FROM].concat();
    let rows = session.client.query_typed(&sql, &[(&request.names, Type::TEXT_ARRAY)]).await;
    let rows = rows.map_err(|error| session.error(&error))?;
    rows.iter().map(|row| stored(row, request).map_err(|error| session.error(&error))).collect()
}

fn stored(row: &Row, request: &Request<'_>) -> Result<(String, StoredProvider), tokio_postgres::Error> {
    let keyring = request.keyring;
    let settings: Option<String> = row.try_get(5)?;
    let settings_key: Option<String> = row.try_get(6)?;
    let keys = if request.with_keys { Some(keys(row, keyring)?) } else { None };
    let id: String = row.try_get(1)?;
    let provider = StoredProvider {
        id: Uuid::parse_str(&id).unwrap_or_default(),
        kind: row.try_get(2)?,
        deleted: row.try_get(3)?,
        base_url: row.try_get(4)?,
        settings: decode_settings(settings.as_deref(), settings_key.as_deref(), keyring),
        keys,
        updated_at: row.try_get(7)?,
    };
    Ok((row.try_get(0)?, provider))
}

fn keys(row: &Row, keyring: &Keyring) -> Result<Vec<Result<SecretString, Unreadable>>, tokio_postgres::Error> {
    let texts: Vec<String> = row.try_get::<_, Option<_>>(8)?.unwrap_or_default();
    let key_ids: Vec<Option<String>> = row.try_get::<_, Option<_>>(9)?.unwrap_or_default();
    Ok(texts.into_iter().zip(key_ids).map(|(text, id)| open(&text, id.as_deref(), keyring)).collect())
}

fn decode_settings(
    text: Option<&str>,
    key: Option<&str>,
    keyring: &Keyring,
) -> Result<Option<BedrockSettings>, Unreadable> {
    use secrecy::ExposeSecret;
    let plain = text.map(|text| open(text, key, keyring)).transpose()?;
    BedrockSettings::decode(plain.as_ref().map(ExposeSecret::expose_secret)).map_err(Unreadable::Settings)
}

/// Coder: without a key id the value is plain.
fn open(stored: &str, key: Option<&str>, keyring: &Keyring) -> Result<SecretString, Unreadable> {
    let Some(digest) = key.filter(|digest| !digest.is_empty()) else { return Ok(stored.into()) };
    if keyring.is_empty() {
        return Err(Unreadable::KeyRequired);
    }
    keyring.decrypt(digest, stored).ok_or_else(|| {
        let digest = digest.to_owned();
        let given = keyring.digests().any(|given| given == digest);
        if given { Unreadable::Damaged { digest } } else { Unreadable::KeyUnknown { digest } }
    })
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
        session.client.batch_execute("begin read only"),
        apply_settings(session),
        schema::relations(session),
        session.client.batch_execute("commit"),
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
