//! The content of the database as values. `store` reads it, the plan judges it.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use uuid::Uuid;

use super::time::Time;
use crate::provider::{BedrockSettings, Canonical, DesiredProvider, Field, Place, ProviderType, SettingsError};

#[derive(Clone, Default)]
pub struct Snapshot {
    /// By name: the live row, else the row that was deleted last.
    pub rows: Rows,
    /// Labels, columns, privileges, encryption: read only if a plan needs them.
    pub schema: Option<Schema>,
    /// The beginnings of the names of live rows that were not requested, in order, up to the listing limit and one more.
    /// Empty if they were not requested.
    pub undescribed: Vec<String>,
}

/// Rows in name order, each name once. A list, since nothing is added to it and hundreds of rows would have to move into a
/// tree.
#[derive(Clone, Default)]
pub struct Rows(Vec<(String, StoredProvider)>);

impl Rows {
    /// `rows` are in name order.
    pub fn sorted(rows: Vec<(String, StoredProvider)>) -> Rows {
        Rows(rows)
    }

    pub fn get(&self, name: &str) -> Option<&StoredProvider> {
        let at = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some(&self.0[at].1)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, (String, StoredProvider)> {
        self.0.iter()
    }
}

/// In any order.
#[cfg(test)]
impl FromIterator<(String, StoredProvider)> for Rows {
    fn from_iter<T: IntoIterator<Item = (String, StoredProvider)>>(rows: T) -> Rows {
        Rows(BTreeMap::from_iter(rows).into_iter().collect())
    }
}

#[cfg(test)]
impl<const N: usize> From<[(String, StoredProvider); N]> for Rows {
    fn from(rows: [(String, StoredProvider); N]) -> Rows {
        rows.into_iter().collect()
    }
}

#[derive(Clone)]
pub struct StoredProvider {
    pub id: Uuid,
    /// The label of the row's `type`, which this version may not know.
    pub kind: String,
    pub deleted: bool,
    pub base_url: String,
    /// The texts of the columns of optional fields, without NULL, empty and unread ones, and without a text that only
    /// says the default (see [`Field::absent`]).
    pub columns: BTreeMap<Field, String>,
    /// The column `icon` was read, so its Coder knows the newer fields. `false`: the column is missing or was not
    /// requested.
    pub has_icon: bool,
    pub settings: Result<Option<BedrockSettings>, Unreadable>,
    /// In Coder's order (`created_at, id`). `None`: not requested.
    pub keys: Option<Vec<StoredKey>>,
    pub updated_at: Time,
}

/// A row of `ai_provider_keys`.
#[derive(Clone)]
pub struct StoredKey {
    pub created_at: Time,
    pub id: Uuid,
    pub secret: Result<SecretString, Unreadable>,
}

impl StoredProvider {
    /// Whether this program does not know the kind or version of its settings.
    pub fn has_opaque_settings(&self) -> bool {
        matches!(&self.settings, Err(Unreadable::Settings(error)) if error.is_opaque())
    }

    /// Coder 2.34.3 to 2.37 changes its type to `bedrock` at the start (a backfill).
    pub fn is_of_old_type(&self) -> bool {
        matches!(self.settings, Ok(Some(_))) && self.kind == ProviderType::Anthropic.as_str()
    }

    /// The settings to compare with the environment. Opaque settings are not compared, so the environment's settings take
    /// their place.
    pub fn compared_settings<'a>(
        &'a self,
        desired: &'a DesiredProvider,
    ) -> Result<Option<&'a BedrockSettings>, &'a Unreadable> {
        if self.has_opaque_settings() {
            return Ok(desired.bedrock.as_ref());
        }
        self.settings.as_ref().map(Option::as_ref)
    }

    /// The text of an optional field.
    pub fn text<'a>(&'a self, field: Field, name: &'a str, settings: Option<&'a BedrockSettings>) -> &'a str {
        let stored = match field.place() {
            Place::Settings(key) => settings.map(|settings| settings.text(key)),
            Place::Column(_) => self.columns.get(&field).map(String::as_str),
            Place::Credentials => None,
        };
        stored.filter(|text| !text.is_empty()).unwrap_or_else(|| field.absent(name))
    }

    pub fn canonical<'a>(&'a self, bedrock: Option<&'a BedrockSettings>) -> Canonical<'a> {
        Canonical::new(&self.kind, &self.base_url, bedrock)
    }
}

/// Why a stored value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is encrypted and no key was given.
    KeyRequired,
    /// It is encrypted, and none of the given keys has its digest.
    KeyUnknown {
        digest: String,
    },
    /// A given key has its digest but does not open it.
    Damaged {
        digest: String,
    },
    Settings(SettingsError),
}

/// The parts of the live schema on which an insert depends.
#[derive(Clone, Default)]
pub struct Schema {
    /// The labels of the enum behind `ai_providers.type`.
    pub labels: BTreeSet<String>,
    pub providers: Table,
    pub keys: Table,
    /// Other schemas that also have a table `ai_providers`.
    pub elsewhere: Vec<String>,
    /// `None`: there is no table of that name.
    pub audit: Option<AuditTable>,
    /// `None`: not read, because no missing row needs encryption. `Err`: this role may not read `dbcrypt_keys`.
    pub encryption: Option<Result<Encryption, ()>>,
    /// The connected role, for messages that name a grant.
    pub role: String,
    /// There is a table for the model ids that Coder has resolved.
    pub resolved_models: bool,
    /// The server or the session is read-only.
    pub read_only: bool,
}

#[derive(Clone, Default)]
pub struct Table {
    pub columns: BTreeMap<String, Column>,
}

#[derive(Clone, Copy, Default)]
pub struct Column {
    /// NOT NULL without a default.
    pub required: bool,
    /// This role may insert into it.
    pub insertable: bool,
}

#[derive(Clone, Default)]
pub struct AuditTable {
    pub table: Table,
    /// Whether `resource_type` has the label `ai_provider`.
    pub provider_label: bool,
    /// Whether it has the label `ai_provider_key`.
    pub key_label: bool,
}

impl AuditTable {
    /// Audit rows are written if Coder knows both kinds of resource.
    pub fn has_labels(&self) -> bool {
        self.provider_label && self.key_label
    }
}

/// The rows of `dbcrypt_keys`, compared with the given keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encryption {
    /// Digests of the keys in use.
    pub active: BTreeSet<String>,
    pub revoked: BTreeSet<String>,
    /// The digests of the given keys, in order, that are active here and open the row's test value.
    pub usable: Vec<String>,
    /// The digest of the first given key: Coder encrypts with it as soon as it has registered it.
    pub first_given: Option<String>,
}
