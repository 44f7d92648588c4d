//! The rows of `ai_provider_keys` that an insert or an update writes.

use secrecy::SecretString;
use uuid::Uuid;

use super::columns::{Audit, Column, Parameters, names};
use super::dbcrypt::Keyring;
use super::seal::{Sealed, seal};

pub struct NewKey {
    pub id: String,
    provider_id: String,
    api_key: Sealed,
}

static COLUMNS: [Column<NewKey>; 4] = [
    Column { name: "id", cast: "uuid", value: |key| Some(key.id.clone()), audit: Audit::None },
    Column { name: "provider_id", cast: "uuid", value: |key| Some(key.provider_id.clone()), audit: Audit::None },
    Column { name: "api_key", cast: "text", value: |key| Some(key.api_key.text.clone()), audit: Audit::None },
    Column { name: "api_key_key_id", cast: "text", value: |key| key.api_key.key_id.clone(), audit: Audit::None },
];
/// Made by the server, one microsecond apart, so that Coder, which reads keys by time, keeps the order of the environment.
const TIMES: [&str; 2] = ["created_at", "updated_at"];

impl NewKey {
    /// `None`: it cannot be encrypted.
    pub fn new(provider_id: &str, key: &SecretString, keyring: &Keyring, digest: Option<&str>) -> Option<NewKey> {
        let api_key = seal(key, keyring, digest)?;
        Some(NewKey { id: Uuid::new_v4().to_string(), provider_id: provider_id.to_owned(), api_key })
    }
}

/// A key row to delete.
pub struct OldKey {
    pub id: String,
    pub provider_id: String,
}

static OLD_COLUMNS: [Column<OldKey>; 2] = [
    Column { name: "id", cast: "uuid", value: |key| Some(key.id.clone()), audit: Audit::None },
    Column { name: "provider_id", cast: "uuid", value: |key| Some(key.provider_id.clone()), audit: Audit::None },
];

/// The parts `given_old_keys` and `old_keys` of the statement: exactly these rows.
pub fn delete(keys: &[OldKey], parameters: &mut Parameters) -> String {
    let columns: Vec<&Column<OldKey>> = OLD_COLUMNS.iter().collect();
    let given = parameters.given("given_old_keys", &columns, keys, "");
    format!(
        "{given},
         old_keys as (
           delete from ai_provider_keys k using given_old_keys g
            where k.id = g.id and k.provider_id = g.provider_id
           returning k.id, k.provider_id)"
    )
}

/// The parts `given_keys` and `new_keys` of the statement.
pub fn insert(keys: &[NewKey], parameters: &mut Parameters) -> String {
    let columns: Vec<&Column<NewKey>> = COLUMNS.iter().collect();
    let times = TIMES.map(|name| format!(", statement_timestamp() + at * interval '1 microsecond' as {name}")).concat();
    let given = parameters.given("given_keys", &columns, keys, &times);
    let all = format!("{}, {}", names(&columns), TIMES.join(", "));
    format!(
        "{given},
         new_keys as (
           insert into ai_provider_keys ({all})
           select {all} from given_keys returning 1)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::insert::KEY_COLUMNS;

    /// The plan asks for grants on its list.
    #[test]
    fn columns_are_those_that_the_plan_checks() {
        let all: Vec<&str> = COLUMNS.iter().map(|column| column.name).chain(TIMES).collect();
        assert_eq!(all, KEY_COLUMNS);
    }
}
