//! What the database holds, as values. `store` reads it, the plan judges it.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use uuid::Uuid;

use crate::provider::{BedrockSettings, Canonical, DesiredProvider, Field, Place, ProviderType, SettingsError};

#[derive(Clone, Default)]
pub struct Snapshot {
    /// By name: the live row, else the one that was deleted last.
    pub rows: BTreeMap<String, StoredProvider>,
    /// Labels, columns, privileges, encryption: read only when a plan needs them.
    pub schema: Option<Schema>,
    /// The beginnings of the names of live rows that were not asked for, in order, as far as they are listed and one more.
    /// Empty where it was not asked for.
    pub undescribed: Vec<String>,
}

#[derive(Clone)]
pub struct StoredProvider {
    pub id: Uuid,
    /// The label of the row's `type`, possibly an unknown one.
    pub kind: String,
    pub deleted: bool,
    pub base_url: String,
    /// The texts of the columns of optional fields, without NULL, empty and unread ones.
    pub columns: BTreeMap<Field, String>,
    /// The column `icon` was read, so its Coder knows the newer fields. `false`: there is none, or it was not asked for.
    pub has_icon: bool,
    pub settings: Result<Option<BedrockSettings>, Unreadable>,
    /// In Coder's order (`created_at, id`). `None`: not asked for.
    pub keys: Option<Vec<Result<SecretString, Unreadable>>>,
    /// The ids of their rows, in the same order.
    pub key_ids: Vec<Uuid>,
    /// RFC 3339, UTC, seconds.
    pub updated_at: String,
}

impl StoredProvider {
    /// Its settings are of a kind or version that this program does not know.
    pub fn has_opaque_settings(&self) -> bool {
        matches!(&self.settings, Err(Unreadable::Settings(error)) if error.is_opaque())
    }

    /// Coder's backfill changes its type to `bedrock`, at the start of 2.34.3 to 2.37.
    pub fn is_of_old_type(&self) -> bool {
        matches!(self.settings, Ok(Some(_))) && self.kind == ProviderType::Anthropic.as_str()
    }

    /// The settings that the provider of the environment is compared with. Opaque ones are not compared, so they count as
    /// those of the environment.
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
    /// It is encrypted, keys were given, none has its digest.
    KeyUnknown {
        digest: String,
    },
    /// A given key has its digest and does not open it.
    Damaged {
        digest: String,
    },
    Settings(SettingsError),
}

/// The live schema as far as an insert depends on it.
#[derive(Clone, Default)]
pub struct Schema {
    /// The labels of the enum behind `ai_providers.type`.
    pub labels: BTreeSet<String>,
    pub providers: Table,
    pub keys: Table,
    /// Other schemas that have a table `ai_providers` too.
    pub elsewhere: Vec<String>,
    /// `None`: no table of that name.
    pub audit: Option<AuditTable>,
    /// `None`: not read, because nothing that is missing needs encryption. `Err`: this role may not read `dbcrypt_keys`.
    pub encryption: Option<Result<Encryption, ()>>,
    /// Who is connected, for messages that name a grant.
    pub role: String,
    /// There is a table with what Coder resolved of models.
    pub resolved_models: bool,
    /// The connection's server or session takes no writes.
    pub read_only: bool,
}

#[derive(Clone, Default)]
pub struct Table {
    pub columns: BTreeMap<String, Column>,
}

#[derive(Clone, Copy, Default)]
pub struct Column {
    /// NOT NULL and nothing fills it by itself.
    pub required: bool,
    /// This role may insert into it.
    pub insertable: bool,
}

#[derive(Clone, Default)]
pub struct AuditTable {
    pub table: Table,
    /// Does `resource_type` have the label `ai_provider`?
    pub provider_label: bool,
    /// And `ai_provider_key`?
    pub key_label: bool,
}

impl AuditTable {
    /// Audit rows are written where Coder knows both kinds of resource.
    pub fn has_labels(&self) -> bool {
        self.provider_label && self.key_label
    }
}

/// The rows of `dbcrypt_keys`, compared with the given keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encryption {
    /// Digests of the keys that are in use.
    pub active: BTreeSet<String>,
    pub revoked: BTreeSet<String>,
    /// Of the given keys, in their order, the digests that are active here and open the row's test value.
    pub usable: Vec<String>,
    /// The digest of the first given key: Coder encrypts with it once it has registered it.
    pub first_given: Option<String>,
}
