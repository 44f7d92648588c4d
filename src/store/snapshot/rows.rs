//! Providers and their keys, in one statement: of given names, or all live ones.
//!
//! A new server process looks up every name of a statement in its catalogs, which is most of the cost of the read. So the
//! statement only joins: no sort, no aggregate, no cast but those to text. This module does the rest.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use secrecy::SecretString;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use crate::plan::{Rows, StoredKey, StoredProvider, Time, Unreadable};
use crate::provider::{BedrockSettings, Field};
use crate::store::Error;
use crate::store::connect::{Parameter, Session};
use crate::store::dbcrypt::Keyring;
use crate::store::failpoint::{Step, step};

/// The columns to read.
pub struct ReadRequest<'a> {
    pub names: Vec<&'a str>,
    /// Keys are read only if they are compared, so that only then their table must be readable.
    pub with_keys: bool,
    /// The column `icon` is read only if it must prove that a set field is known: not every schema has it.
    pub with_icon: bool,
    /// Also the names of other live rows.
    pub undescribed: bool,
    pub keyring: &'a Keyring,
}

/// The content of a deleted row is not read.
const PROVIDER: &str = "
  select p.name, p.id, p.type::text as type, p.deleted, p.updated_at, p.base_url,
         case when not p.deleted then p.settings end as settings,
         case when not p.deleted then p.settings_key_id end as settings_key_id";

/// The optional fields that have a column.
fn optional_columns(with_icon: bool) -> impl Iterator<Item = (Field, &'static str)> {
    let known = Field::all_optional().filter(move |field| with_icon || *field != Field::Icon);
    known.filter_map(|field| Some((field, field.column()?)))
}

/// Within the brackets `icon` is the column if it exists, else the NULL of [`NO_ICON`].
const ICON: &str = "(select icon from ai_providers i where i.id = p.id)";
const NO_ICON: &str = " cross join (select null::text as icon) no_icon";

const KEY: &str = ",
         k.id as key_id, k.created_at as key_created_at, k.api_key, k.api_key_key_id";
const JOIN: &str = "
         left join ai_provider_keys k on k.provider_id = p.id and not p.deleted";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Selection {
    /// The rows of the names in `$1`, deleted ones too.
    Named,
    /// All live rows.
    Live,
}

fn statement(selection: Selection, request: &ReadRequest<'_>) -> String {
    let ReadRequest { with_keys, with_icon, .. } = *request;
    let optional: String = optional_columns(with_icon)
        .map(|(field, column)| match field {
            Field::Icon => format!(", {ICON} as {column}"),
            _ => format!(", p.{column}::text as {column}"),
        })
        .collect();
    let no_icon = if with_icon { NO_ICON } else { "" };
    let (key, join) = if with_keys { (KEY, JOIN) } else { ("", "") };
    let condition = match selection {
        Selection::Named => "p.name = any($1)",
        Selection::Live => "not p.deleted",
    };
    format!("{PROVIDER}{optional}{key}\n    from ai_providers p{join}{no_icon}\n   where {condition}")
}

/// The statement of a seed without optional fields.
#[cfg(feature = "bench")]
pub fn statement_of_a_seed() -> String {
    let keyring = &Keyring::default();
    let request = ReadRequest { names: Vec::new(), with_keys: true, with_icon: false, undescribed: false, keyring };
    statement(Selection::Named, &request)
}

pub async fn read(session: &Session, request: &ReadRequest<'_>) -> Result<Rows, Error> {
    let sql = statement(Selection::Named, request);
    let parameters: [Parameter<'_>; 1] = [(&request.names, Type::TEXT_ARRAY)];
    let mut names = request.names.clone();
    names.sort_unstable();
    names.dedup();
    let mut slots: Vec<(String, Option<StoredProvider>)> =
        names.into_iter().map(|name| (name.to_owned(), None)).collect();
    let mut places = None;
    let mut last = 0;
    let answer = session.query(&sql, &parameters, |row| {
        let places = places.get_or_insert_with(|| Places::of(row, request));
        let name: &str = row.try_get(places.name)?;
        // A name that was not requested has no slot, and its row is not kept.
        let Some(at) = slot_of(name, &slots, last) else { return Ok(()) };
        last = at;
        take(&mut slots[at].1, name, row, places, request)
    });
    step(Step::Rows, answer).await?;
    // In place: both have the same size.
    Ok(Rows::sorted(slots.into_iter().filter_map(|(name, slot)| Some((name, finished(slot?)))).collect()))
}

/// The slot of a name. Mostly it is the `last` one, which has another key, or the next one, since providers are inserted in
/// name order.
fn slot_of(name: &str, slots: &[(String, Option<StoredProvider>)], last: usize) -> Option<usize> {
    let neighbour = [last, last + 1].into_iter().find(|at| slots.get(*at).is_some_and(|(of, _)| *of == name));
    neighbour.or_else(|| slots.binary_search_by(|(of, _)| of.as_str().cmp(name)).ok())
}

pub struct Live {
    pub name: String,
    pub row: StoredProvider,
}

/// In name order.
pub async fn read_live(session: &Session, keyring: &Keyring) -> Result<Vec<Live>, Error> {
    let request = ReadRequest { names: Vec::new(), with_keys: true, with_icon: true, undescribed: false, keyring };
    let sql = statement(Selection::Live, &request);
    let mut slots: BTreeMap<String, Option<StoredProvider>> = BTreeMap::new();
    let mut places = None;
    let answer = session.query(&sql, &[], |row| {
        let places = places.get_or_insert_with(|| Places::of(row, &request));
        let name: &str = row.try_get(places.name)?;
        take(slots.entry(name.to_owned()).or_default(), name, row, places, &request)
    });
    step(Step::Rows, answer).await?;
    let live = |(name, slot): (String, Option<StoredProvider>)| Some(Live { name, row: finished(slot?) });
    Ok(slots.into_iter().filter_map(live).collect())
}

/// The index of each column in the rows of one answer. A search by name costs more than reading the value, and there is a
/// row for each key.
struct Places {
    name: usize,
    id: usize,
    kind: usize,
    deleted: usize,
    updated_at: usize,
    base_url: usize,
    settings: usize,
    settings_key_id: usize,
    optional: Vec<(Field, usize)>,
    key_id: usize,
    key_created_at: usize,
    api_key: usize,
    api_key_key_id: usize,
}

impl Places {
    /// A column that was not requested gets an index beyond the row.
    fn of(row: &Row, request: &ReadRequest<'_>) -> Places {
        let place =
            |name: &str| row.columns().iter().position(|column| column.name() == name).unwrap_or(row.columns().len());
        Places {
            name: place("name"),
            id: place("id"),
            kind: place("type"),
            deleted: place("deleted"),
            updated_at: place("updated_at"),
            base_url: place("base_url"),
            settings: place("settings"),
            settings_key_id: place("settings_key_id"),
            optional: optional_columns(request.with_icon).map(|(field, column)| (field, place(column))).collect(),
            key_id: place("key_id"),
            key_created_at: place("key_created_at"),
            api_key: place("api_key"),
            api_key_key_id: place("api_key_key_id"),
        }
    }
}

/// Reads one row of the answer, which brings one of its provider's keys. For each name the live row is kept, else the row
/// that was deleted last.
fn take(
    slot: &mut Option<StoredProvider>,
    name: &str,
    row: &Row,
    places: &Places,
    request: &ReadRequest<'_>,
) -> Result<(), tokio_postgres::Error> {
    let id: Uuid = row.try_get(places.id)?;
    if slot.as_ref().is_none_or(|other| other.id != id) {
        if let Some(other) = slot {
            let rank = (row.try_get(places.deleted)?, Reverse(row.try_get(places.updated_at)?));
            if (other.deleted, Reverse(other.updated_at)) <= rank {
                return Ok(());
            }
        }
        *slot = Some(provider(id, name, row, places, request)?);
    }
    // Without keys the join returns one row with NULL in their place.
    if let Some(keys) = slot.as_mut().and_then(|provider| provider.keys.as_mut())
        && let Some(id) = row.try_get(places.key_id)?
    {
        let secret = open(row.try_get(places.api_key)?, row.try_get(places.api_key_key_id)?, request.keyring);
        keys.push(StoredKey { created_at: row.try_get(places.key_created_at)?, id, secret });
    }
    Ok(())
}

/// Still without keys.
fn provider(
    id: Uuid,
    name: &str,
    row: &Row,
    places: &Places,
    request: &ReadRequest<'_>,
) -> Result<StoredProvider, tokio_postgres::Error> {
    let mut columns = BTreeMap::new();
    let mut has_icon = false;
    for (field, place) in &places.optional {
        let text: Option<&str> = row.try_get(*place)?;
        has_icon |= *field == Field::Icon && text.is_some();
        let text = text.filter(|text| !text.is_empty() && *text != field.absent(name));
        columns.extend(text.map(|text| (*field, text.to_owned())));
    }
    let (settings, key) = (row.try_get(places.settings)?, row.try_get(places.settings_key_id)?);
    Ok(StoredProvider {
        id,
        kind: row.try_get(places.kind)?,
        deleted: row.try_get(places.deleted)?,
        base_url: row.try_get(places.base_url)?,
        columns,
        has_icon,
        settings: decode_settings(settings, key, request.keyring),
        // Few providers have more; without a capacity the first key would reserve space for four.
        keys: request.with_keys.then(|| Vec::with_capacity(2)),
        updated_at: row.try_get(places.updated_at)?,
    })
}

/// Sorts the keys, whose order decides which one Coder uses.
fn finished(mut provider: StoredProvider) -> StoredProvider {
    if let Some(keys) = &mut provider.keys {
        keys.sort_unstable_by_key(|key| (key.created_at, key.id));
    }
    provider
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

/// As in Coder, a value without a key id is plain.
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

impl<'a> FromSql<'a> for Time {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        i64::from_sql(kind, raw).map(Time)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }
}
