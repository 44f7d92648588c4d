//! The rows with our names and their keys, in one statement.
//!
//! A backend that was just started looks up in its catalogs whatever a statement names, and that is most of what the read
//! costs. So it joins, and nothing else: no sort, no aggregate, no cast but the enum's. What they would do is done here.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use secrecy::zeroize::Zeroize;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};
use uuid::Uuid;

use super::{Request, apply_settings};
use crate::plan::{StoredProvider, Unreadable};
use crate::provider::BedrockSettings;
use crate::store::Error;
use crate::store::connect::Session;
use crate::store::dbcrypt::Keyring;
use crate::store::failpoint::{Step, step};

/// What a deleted row held is nobody's business.
const PROVIDER: &str = "
  select p.name, p.id, p.type::text, p.deleted, p.updated_at, p.base_url,
         case when not p.deleted then p.settings end,
         case when not p.deleted then p.settings_key_id end";
const KEY: &str = ",
         k.id, k.created_at, k.api_key, k.api_key_key_id";
const SHOWN: &str = ", p.enabled, coalesce(p.display_name, p.name)";
const FROM: &str = "
    from ai_providers p";
const JOIN: &str = "
         left join ai_provider_keys k on k.provider_id = p.id and not p.deleted";
const WHERE: &str = "
   where p.name = any($1)";
const LIVE: &str = "
   where not p.deleted";

pub async fn read(session: &Session, request: &Request<'_>) -> Result<BTreeMap<String, StoredProvider>, Error> {
    let (key, join) = if request.with_keys { (KEY, JOIN) } else { ("", "") };
    let sql = [PROVIDER, key, FROM, join, WHERE].concat();
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&request.names, Type::TEXT_ARRAY)];
    let rows = step(Step::Rows, session.client.query_typed(&sql, &parameters)).await;
    let rows = rows.map_err(|error| session.error(&error))?;
    collect(&rows, request).map_err(|error| session.error(&error))
}

/// A live provider with what is not compared: what Coder holds and no variable can say.
pub struct Live {
    pub name: String,
    pub row: StoredProvider,
    pub enabled: bool,
    pub display_name: String,
}

/// All live providers, in name order, for `export`.
pub async fn read_live(session: &Session, request: &Request<'_>) -> Result<Vec<Live>, Error> {
    let sql = [PROVIDER, KEY, SHOWN, FROM, JOIN, LIVE].concat();
    let begin = format!("begin read only; set local statement_timeout = '{}ms'", request.statement_timeout_ms);
    let (begun, set, rows, done) = tokio::join!(
        step(Step::ReadBegin, session.client.batch_execute(&begin)),
        apply_settings(session),
        step(Step::Rows, session.client.query_typed(&sql, &[])),
        step(Step::ReadEnd, session.client.batch_execute("commit")),
    );
    begun.map_err(|error| session.error(&error))?;
    set?;
    let rows = rows.map_err(|error| session.error(&error))?;
    done.map_err(|error| session.error(&error))?;
    let live = |(name, found): (&str, Found<'_>)| {
        let (enabled, display_name) = (found.row.try_get(12)?, found.row.try_get(13)?);
        Ok(Live { name: name.to_owned(), row: stored(found, request)?, enabled, display_name })
    };
    let found = found(&rows, request).map_err(|error| session.error(&error))?;
    found.into_iter().map(live).collect::<Result<_, _>>().map_err(|error| session.error(&error))
}

/// A row of `ai_providers` as it is stored, with its keys.
struct Found<'a> {
    id: Uuid,
    deleted: bool,
    updated_at: Time,
    row: &'a Row,
    keys: Vec<Key>,
}

struct Key {
    created_at: Time,
    id: Uuid,
    text: String,
    key_id: Option<String>,
}

fn collect(rows: &[Row], request: &Request<'_>) -> Result<BTreeMap<String, StoredProvider>, tokio_postgres::Error> {
    let found = found(rows, request)?;
    found.into_iter().map(|(name, found)| Ok((name.to_owned(), stored(found, request)?))).collect()
}

/// Of each name the live row, or else the one that was deleted last.
fn found<'a>(rows: &'a [Row], request: &Request<'_>) -> Result<BTreeMap<&'a str, Found<'a>>, tokio_postgres::Error> {
    let mut found: BTreeMap<&str, Found<'a>> = BTreeMap::new();
    for row in rows {
        let (name, id) = (row.try_get(0)?, row.try_get(1)?);
        if found.get(name).is_none_or(|other| other.id != id) {
            let (deleted, updated_at) = (row.try_get(3)?, row.try_get(4)?);
            let rank = (deleted, Reverse(updated_at));
            if found.get(name).is_some_and(|other| (other.deleted, Reverse(other.updated_at)) <= rank) {
                continue;
            }
            found.insert(name, Found { id, deleted, updated_at, row, keys: Vec::new() });
        }
        // Without keys the join leaves one row, with nothing in its place.
        let key_id: Option<Uuid> = if request.with_keys { row.try_get(8)? } else { None };
        if let (Some(found), Some(id)) = (found.get_mut(name), key_id) {
            let (created_at, text, key_id) = (row.try_get(9)?, row.try_get(10)?, row.try_get(11)?);
            found.keys.push(Key { created_at, id, text, key_id });
        }
    }
    Ok(found)
}

fn stored(found: Found<'_>, request: &Request<'_>) -> Result<StoredProvider, tokio_postgres::Error> {
    let Found { id, deleted, updated_at, row, mut keys } = found;
    let settings: Option<String> = row.try_get(6)?;
    let settings_key: Option<&str> = row.try_get(7)?;
    // Coder's order.
    keys.sort_unstable_by_key(|key| (key.created_at, key.id));
    let open_key = |mut key: Key| {
        let opened = open(&key.text, key.key_id.as_deref(), request.keyring);
        key.text.zeroize();
        opened
    };
    Ok(StoredProvider {
        id,
        kind: row.try_get(2)?,
        deleted,
        base_url: row.try_get(5)?,
        settings: decode_settings(settings.as_deref(), settings_key, request.keyring),
        keys: request.with_keys.then(|| keys.into_iter().map(open_key).collect()),
        updated_at: updated_at.to_string(),
    })
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

/// A `timestamptz` as the server sends it: microseconds since 2000. Shown as RFC 3339 in UTC, in seconds; what that cannot
/// say (before 1970, after 9999, infinity) as nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Time(i64);

impl<'a> FromSql<'a> for Time {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        i64::from_sql(kind, raw).map(Time)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNIX_TO_2000: i64 = 946_684_800;
        const YEAR_10000: u64 = 253_402_300_800;
        let seconds = u64::try_from(self.0.div_euclid(1_000_000) + UNIX_TO_2000);
        match seconds.ok().filter(|seconds| *seconds < YEAR_10000) {
            Some(seconds) => {
                humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).fmt(f)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_server_as_text() {
        for (microseconds, text) in [
            (0, "2000-01-01T00:00:00Z"),
            (-1, "1999-12-31T23:59:59Z"),
            (848_481_120_999_999, "2026-11-20T09:12:00Z"),
            (-946_684_800_000_000, "1970-01-01T00:00:00Z"),
            (-946_684_800_000_001, ""),
            (252_455_615_999_999_999, "9999-12-31T23:59:59Z"),
            (252_455_616_000_000_000, ""),
            (i64::MAX, ""),
            (i64::MIN, ""),
        ] {
            assert_eq!(Time(microseconds).to_string(), text, "{microseconds}");
        }
    }
}
