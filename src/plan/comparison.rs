//! Both sides of one provider, field by field: the compared values, the differences, and the conflict id.

use std::collections::BTreeMap;

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::conflict::{Conflict, FieldValue};
use super::snapshot::{StoredKey, StoredProvider};
use super::types::{CredentialSides, PlanOptions};
use crate::options::Compare;
use crate::provider::{BedrockSettings, Canonical, Class, DesiredProvider, Field, Origin, ProviderType, hex};

/// Both sides of one provider, to be compared.
pub struct Comparison<'a> {
    pub desired: &'a DesiredProvider,
    pub row: &'a StoredProvider,
    pub settings: Option<&'a BedrockSettings>,
    /// All of them are readable. `None`: not compared.
    pub keys: Option<&'a [StoredKey]>,
    pub options: &'a PlanOptions,
}

/// A compared field. No `Debug`: the sides are the values themselves.
struct ComparedField<'a> {
    field: Field,
    origin: &'a Origin,
    environment: Side<'a>,
    database: Side<'a>,
}

enum Side<'a> {
    Text(&'a str),
    /// The order does not matter, the number does.
    Keys(Keys<'a>),
    /// Access key and its secret; exchanging them is a difference. `None`: no Bedrock settings at all, which differs from
    /// settings without credentials.
    Pair(Option<[Option<&'a SecretString>; 2]>),
}

#[derive(Clone, Copy)]
enum Keys<'a> {
    Given(&'a [SecretString]),
    Stored(&'a [StoredKey]),
}

impl<'a> Keys<'a> {
    fn texts(self) -> impl Iterator<Item = &'a str> {
        let (given, stored): (&[SecretString], &[StoredKey]) = match self {
            Keys::Given(keys) => (keys, &[]),
            Keys::Stored(keys) => (&[], keys),
        };
        given.iter().chain(stored.iter().flat_map(|key| &key.secret)).map(ExposeSecret::expose_secret)
    }
}

impl Comparison<'_> {
    pub fn database(&self) -> Canonical<'_> {
        self.row.canonical(self.settings)
    }

    pub fn conflicts(&self) -> Vec<Conflict> {
        let mut agree = true;
        self.visit(&mut |field| agree &= field.environment == field.database);
        if agree {
            return Vec::new();
        }
        let compared = self.compared();
        let id = id(&self.desired.name, &self.row.id, &compared);
        let differing = compared.iter().filter(|field| field.environment != field.database);
        differing.map(|field| self.conflict(field, id.clone())).collect()
    }

    /// `None`: some credentials were not compared.
    pub fn credential_sides(&self) -> Option<CredentialSides> {
        let credentials: Vec<ComparedField> =
            self.compared().into_iter().filter(|compared| compared.field.is_credential()).collect();
        let of = |side: &dyn Fn(&ComparedField) -> Vec<String>| credentials.iter().flat_map(side).collect();
        let is_whole = self.keys.is_some() && !self.row.has_opaque_settings();
        (is_whole && !credentials.is_empty()).then(|| CredentialSides {
            environment: of(&|compared| compared.environment.remembered(&self.row.id)),
            database: of(&|compared| compared.database.remembered(&self.row.id)),
        })
    }

    /// The label of the type alone, which the comparison ignores: `anthropic` with Bedrock settings counts as `bedrock`.
    pub fn old_type(&self) -> Conflict {
        let field = ComparedField {
            field: Field::Type,
            origin: &self.desired.origins.kind,
            environment: Side::Text(ProviderType::Bedrock.as_str()),
            database: Side::Text(&self.row.kind),
        };
        let id = id(&self.desired.name, &self.row.id, &self.compared());
        Conflict { blocking: false, ..self.conflict(&field, id) }
    }

    fn compared(&self) -> Vec<ComparedField<'_>> {
        let mut compared = Vec::with_capacity(Field::ALL.len());
        self.visit(&mut |field| compared.push(field));
        compared
    }

    /// Calls `each` for every compared field. Most providers agree, so their fields are not collected.
    fn visit<'a>(&'a self, each: &mut dyn FnMut(ComparedField<'a>)) {
        let desired = self.desired;
        let origins = &desired.origins;
        for ((field, environment), (_, database)) in
            desired.canonical().texts().into_iter().zip(self.database().texts())
        {
            let Some(origin) = desired.origin(field) else { continue };
            let (environment, database) = (Side::Text(environment), Side::Text(database));
            each(ComparedField { field, origin, environment, database });
        }
        if self.options.compare_settings != Compare::Ignore {
            let known = desired.optional.iter().filter(|(field, _)| self.row.has_icon || !field.is_newer());
            known.for_each(|(field, set)| {
                each(ComparedField {
                    field: *field,
                    origin: &set.origin,
                    environment: Side::Text(&set.text),
                    database: Side::Text(self.row.text(*field, &desired.name, self.settings)),
                });
            });
        }
        if self.options.compare_credentials == Compare::Ignore {
            return;
        }
        if let Some(keys) = self.keys {
            each(ComparedField {
                field: Field::ApiKeys,
                origin: &origins.keys,
                environment: Side::Keys(Keys::Given(&desired.keys)),
                database: Side::Keys(Keys::Stored(keys)),
            });
        }
        each(ComparedField {
            field: Field::BedrockCredentials,
            origin: &origins.bedrock_credentials,
            environment: Side::pair(desired.bedrock.as_ref()),
            database: Side::pair(self.settings),
        });
    }

    fn conflict(&self, compared: &ComparedField, id: String) -> Conflict {
        let ComparedField { field, origin, environment, database } = compared;
        let shown = |side: &Side| side.shown(*field, origin, &self.row.id);
        Conflict {
            id,
            provider: self.desired.label(),
            field: *field,
            blocking: match field.class() {
                Class::Canonical => true,
                Class::Credential => self.options.compare_credentials == Compare::Fail,
                Class::Optional => self.options.compare_settings == Compare::Fail,
            },
            environment: shown(environment),
            origin: (*origin).clone(),
            database: shown(database),
            updated_at: self.row.updated_at.to_string(),
        }
    }
}

impl<'a> Side<'a> {
    fn pair(settings: Option<&'a BedrockSettings>) -> Side<'a> {
        Side::Pair(settings.map(|settings| [settings.access_key.as_ref(), settings.access_key_secret.as_ref()]))
    }

    /// A value from a Kubernetes Secret also hides the database's value, which is or was the same secret.
    fn shown(&self, field: Field, origin: &Origin, row: &Uuid) -> FieldValue {
        let short = |secret: &str| fingerprint(row, secret);
        let mut fingerprints: Vec<String> = match self {
            Side::Text(text) => return FieldValue::Text(field.redact(text, Some(origin))),
            Side::Keys(keys) => keys.texts().map(short).collect(),
            Side::Pair(pair) => pair_texts(*pair).iter().flatten().flatten().copied().map(short).collect(),
        };
        if matches!(self, Side::Keys(_)) {
            fingerprints.sort();
        }
        FieldValue::Credentials { count: fingerprints.len(), fingerprints }
    }

    /// 16 digits for each credential; a missing half of a pair is empty.
    fn remembered(&self, row: &Uuid) -> Vec<String> {
        let short = |secret: &str| hmac(row, secret).chars().take(16).collect::<String>();
        let mut parts: Vec<String> = match self {
            Side::Text(_) => Vec::new(),
            Side::Keys(keys) => keys.texts().map(short).collect(),
            Side::Pair(pair) => {
                pair_texts(*pair).iter().flatten().map(|half| half.map(short).unwrap_or_default()).collect()
            }
        };
        if matches!(self, Side::Keys(_)) {
            parts.sort();
        }
        parts
    }

    /// The input of the id. For each credential: its whole HMAC, after its length.
    fn id_bytes(&self, row: &Uuid) -> Vec<u8> {
        let whole = |secret: &str| hmac(row, secret);
        let mut parts: Vec<String> = match self {
            Side::Text(text) => return text.as_bytes().to_vec(),
            Side::Keys(keys) => keys.texts().map(whole).collect(),
            Side::Pair(pair) => {
                pair_texts(*pair).iter().flatten().map(|half| half.map(whole).unwrap_or_default()).collect()
            }
        };
        if matches!(self, Side::Keys(_)) {
            parts.sort();
        }
        parts.iter().flat_map(|part| behind_length(part.as_bytes())).collect()
    }
}

impl PartialEq for Side<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Side::Text(text), Side::Text(other)) => text == other,
            (Side::Keys(keys), Side::Keys(others)) => same_keys(*keys, *others),
            (Side::Pair(pair), Side::Pair(other)) => pair_texts(*pair) == pair_texts(*other),
            _ => false,
        }
    }
}

fn pair_texts(pair: Option<[Option<&SecretString>; 2]>) -> Option<[Option<&str>; 2]> {
    pair.map(|pair| pair.map(|half| half.map(ExposeSecret::expose_secret)))
}

fn same_keys(keys: Keys<'_>, others: Keys<'_>) -> bool {
    if keys.texts().eq(others.texts()) {
        return true;
    }
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    keys.texts().for_each(|key| *counts.entry(key).or_default() += 1);
    others.texts().for_each(|key| *counts.entry(key).or_default() -= 1);
    counts.values().all(|count| *count == 0)
}

/// Hashes provider, row and, in the order of their names, every compared field with both sides. Each text follows its
/// length, so that different inputs give different bytes. docs/conflicts.md describes the algorithm and has an example.
fn id(provider: &str, row: &Uuid, compared: &[ComparedField]) -> String {
    let mut compared: Vec<&ComparedField> = compared.iter().collect();
    compared.sort_by_key(|field| field.field.as_str());
    let mut hash = Sha256::new();
    hash.update(behind_length(provider.as_bytes()));
    hash.update(behind_length(row.to_string().as_bytes()));
    for ComparedField { field, environment, database, .. } in compared {
        hash.update(behind_length(field.as_str().as_bytes()));
        hash.update(behind_length(&environment.id_bytes(row)));
        hash.update(behind_length(&database.id_bytes(row)));
    }
    BASE32_NOPAD.encode(&hash.finalize()[..20]).to_ascii_lowercase()
}

/// The length in bytes as 8 bytes, the highest first, then the bytes.
fn behind_length(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_be_bytes(), bytes].concat()
}

/// `printf %s KEY | openssl dgst -sha256 -hmac ROW_ID`
fn hmac(row: &Uuid, secret: &str) -> String {
    let key = row.to_string();
    // HMAC accepts keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(secret.as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// The first 8 characters of the HMAC: enough to distinguish keys, and only the holder of a candidate key can confirm it.
pub fn fingerprint(row: &Uuid, secret: &str) -> String {
    hmac(row, secret).chars().take(8).collect()
}
