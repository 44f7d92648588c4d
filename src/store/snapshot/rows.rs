//! Providers and their keys, in one statement: of given names, or all live ones.
//!
//! A backend that was just started looks up in its catalogs every name in a statement, and that is most of what the read
//! costs. So it joins, and nothing else: no sort, no aggregate, no cast but the enum's. What they would do is done here.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use secrecy::zeroize::Zeroize;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};
use uuid::Uuid;

use crate::plan::{StoredProvider, Unreadable};
use crate::provider::BedrockSettings;
use crate::store::Error;
use crate::store::connect::Session;
use crate::store::dbcrypt::Keyring;
use crate::store::failpoint::{Step, step};

/// What is asked for.
pub struct ReadRequest<'a> {
    pub names: Vec<&'a str>,
    /// Keys only if they are compared, so that only then their table must be readable.
    pub with_keys: bool,
    pub keyring: &'a Keyring,
}

/// What a deleted row held is not read.
const PROVIDER: &str = "
  select p.name, p.id, p.type::text as type, p.deleted, p.updated_at, p.base_url,
         case when not p.deleted then p.settings end as settings,
         case when not p.deleted then p.settings_key_id end as settings_key_id";
const KEY: &str = ",
         k.id as key_id, k.created_at as key_created_at, k.api_key, k.api_key_key_id";
/// What is not compared.
const DESCRIPTION: &str = ", p.enabled, coalesce(p.display_name, p.name) as display_name";
const JOIN: &str = "
         left join ai_provider_keys k on k.provider_id = p.id and not p.deleted";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Selection {
    /// The rows of the names in `$1`, deleted ones too.
    Named,
    /// All live rows, with their description.
    Live,
}

fn statement(selection: Selection, with_keys: bool) -> String {
    let (key, join) = if with_keys { (KEY, JOIN) } else { ("", "") };
    let (description, condition) = match selection {
        Selection::Named => ("", "p.name = any($1)"),
        Selection::Live => (DESCRIPTION, "not p.deleted"),
    };
    format!("{PROVIDER}{key}{description}\n    from ai_providers p{join}\n   where {condition}")
}

pub async fn read(session: &Session, request: &ReadRequest<'_>) -> Result<BTreeMap<String, StoredProvider>, Error> {
    let sql = statement(Selection::Named, request.with_keys);
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

/// In name order.
pub async fn read_live(session: &Session, keyring: &Keyring) -> Result<Vec<Live>, Error> {
    let request = ReadRequest { names: Vec::new(), with_keys: true, keyring };
    let sql = statement(Selection::Live, request.with_keys);
    let rows = step(Step::Rows, session.client.query_typed(&sql, &[])).await;
    let rows = rows.map_err(|error| session.error(&error))?;
    let live = |(name, found): (&str, Found<'_>)| {
        let (enabled, display_name) = (found.row.try_get("enabled")?, found.row.try_get("display_name")?);
        Ok(Live { name: name.to_owned(), row: stored(found, &request)?, enabled, display_name })
    };
    let found = found(&rows, &request).map_err(|error| session.error(&error))?;
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

fn collect(rows: &[Row], request: &ReadRequest<'_>) -> Result<BTreeMap<String, StoredProvider>, tokio_postgres::Error> {
    let found = found(rows, request)?;
    found.into_iter().map(|(name, found)| Ok((name.to_owned(), stored(found, request)?))).collect()
}

/// Of each name the live row, or else the one that was deleted last.
fn found<'a>(
    rows: &'a [Row],
    request: &ReadRequest<'_>,
) -> Result<BTreeMap<&'a str, Found<'a>>, tokio_postgres::Error> {
    let mut found: BTreeMap<&str, Found<'a>> = BTreeMap::new();
    for row in rows {
        let (name, id) = (row.try_get("name")?, row.try_get("id")?);
        if found.get(name).is_none_or(|other| other.id != id) {
            let (deleted, updated_at) = (row.try_get("deleted")?, row.try_get("updated_at")?);
            let rank = (deleted, Reverse(updated_at));
            if found.get(name).is_some_and(|other| (other.deleted, Reverse(other.updated_at)) <= rank) {
                continue;
            }
            found.insert(name, Found { id, deleted, updated_at, row, keys: Vec::new() });
        }
        // Without keys the join leaves one row, with nothing in its place.
        let key_id: Option<Uuid> = if request.with_keys { row.try_get("key_id")? } else { None };
        if let (Some(found), Some(id)) = (found.get_mut(name), key_id) {
            let (created_at, text) = (row.try_get("key_created_at")?, row.try_get("api_key")?);
            found.keys.push(Key { created_at, id, text, key_id: row.try_get("api_key_key_id")? });
        }
    }
    Ok(found)
}

fn stored(found: Found<'_>, request: &ReadRequest<'_>) -> Result<StoredProvider, tokio_postgres::Error> {
    let Found { id, deleted, updated_at, row, mut keys } = found;
    let settings: Option<String> = row.try_get("settings")?;
    let settings_key: Option<&str> = row.try_get("settings_key_id")?;
    // Coder's order.
    keys.sort_unstable_by_key(|key| (key.created_at, key.id));
    let open_key = |mut key: Key| {
        let opened = open(&key.text, key.key_id.as_deref(), request.keyring);
        key.text.zeroize();
        opened
    };
    Ok(StoredProvider {
        id,
        kind: row.try_get("type")?,
        deleted,
        base_url: row.try_get("base_url")?,
        settings: decode_settings(settings.as_deref(), settings_key, request.keyring),
        key_ids: keys.iter().map(|key| key.id).collect(),
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
