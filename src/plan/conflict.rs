//! What differs, as data. A conflict holds names and values that are safe to show, and nothing else.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::snapshot::StoredProvider;
use crate::env::is_legacy;
use crate::options::CompareCredentials;
use crate::provider::redact::Redacted;
use crate::provider::{BedrockSettings, Canonical, DesiredProvider, Field, Origin, Presence, hex};

/// One side of a conflict, as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FieldValue {
    Text(Redacted),
    Credentials {
        count: usize,
        /// HMAC-SHA-256 keyed with the row's id, 8 hex characters: enough to tell keys apart, and only someone who already
        /// holds a candidate can confirm it.
        fingerprints: Vec<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Belongs to the provider: all its fields share it. Changes when either side does.
    pub id: String,
    pub provider: String,
    pub field: Field,
    pub blocking: bool,
    pub environment: FieldValue,
    pub origin: Origin,
    pub database: FieldValue,
    /// When the row was last changed: RFC 3339, UTC.
    pub updated_at: String,
}

impl Conflict {
    /// Both sides look the same, because they differ only in what may not be shown.
    pub fn differs_only_in_redacted_part(&self) -> bool {
        match (&self.environment, &self.database) {
            (FieldValue::Text(environment), FieldValue::Text(database)) => environment.text == database.text,
            (environment, database) => environment == database,
        }
    }

    /// Without the variable Coder's default applies: two of the legacy variables have one.
    pub fn falls_back_to_default(&self) -> bool {
        let variable = &self.origin.variable;
        let has_default = ["OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"].iter().any(|end| variable.ends_with(end));
        self.origin.presence == Presence::Default || (has_default && is_legacy(variable))
    }

    /// Taking the environment would put nothing in the place of stored credentials.
    pub fn would_clear_credentials(&self) -> bool {
        let none = matches!(self.environment, FieldValue::Credentials { count: 0, .. });
        none && matches!(self.database, FieldValue::Credentials { count, .. } if count > 0)
    }
}

/// Both sides of one provider, to be compared.
pub struct Comparison<'a> {
    pub desired: &'a DesiredProvider,
    pub row: &'a StoredProvider,
    pub settings: Option<&'a BedrockSettings>,
    /// `None`: not compared.
    pub keys: Option<Vec<&'a SecretString>>,
    pub compare_credentials: CompareCredentials,
}

impl Comparison<'_> {
    pub fn environment(&self) -> Canonical<'_> {
        self.desired.canonical()
    }

    pub fn database(&self) -> Canonical<'_> {
        self.row.canonical(self.settings)
    }

    pub fn conflicts(&self) -> Vec<Conflict> {
        let (environment, database) = (self.environment(), self.database());
        let origins = &self.desired.origins;
        let mut found = Vec::new();
        for ((field, environment), (_, database)) in environment.texts().into_iter().zip(database.texts()) {
            if environment != database {
                let origin = origins.of(field);
                let environment = FieldValue::Text(field.redact(environment, Some(origin)));
                found.push((field, environment, origin, FieldValue::Text(field.redact(database, None))));
            }
        }
        if self.compares_credentials() {
            if self.keys_differ() {
                let (environment, database) = self.key_fingerprints();
                found.push((Field::ApiKeys, credentials(environment), &origins.keys, credentials(database)));
            }
            if self.bedrock_credentials_differ() {
                let (environment, database) = self.bedrock_fingerprints();
                let origin = &origins.bedrock_credentials;
                found.push((Field::BedrockCredentials, credentials(environment), origin, credentials(database)));
            }
        }
        if found.is_empty() {
            return Vec::new();
        }
        let id = self.id();
        let conflict = |(field, environment, origin, database): (Field, FieldValue, &Origin, FieldValue)| Conflict {
            id: id.clone(),
            provider: self.desired.label(),
            field,
            blocking: self.compare_credentials == CompareCredentials::Fail || !field.is_credential(),
            environment,
            origin: origin.clone(),
            database,
            updated_at: self.row.updated_at.clone(),
        };
        found.into_iter().map(conflict).collect()
    }

    fn compares_credentials(&self) -> bool {
        self.compare_credentials != CompareCredentials::Ignore
    }

    /// Order does not matter, number does.
    fn keys_differ(&self) -> bool {
        let Some(stored) = &self.keys else { return false };
        if self.desired.keys.iter().map(ExposeSecret::expose_secret).eq(stored.iter().map(|key| key.expose_secret())) {
            return false;
        }
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        self.desired.keys.iter().for_each(|key| *counts.entry(key.expose_secret()).or_default() += 1);
        stored.iter().for_each(|key| *counts.entry(key.expose_secret()).or_default() -= 1);
        counts.values().any(|count| *count != 0)
    }

    /// Bedrock settings without credentials differ from no settings at all.
    fn bedrock_credentials_differ(&self) -> bool {
        let text =
            |value: &Option<SecretString>| value.as_ref().map(|v| v.expose_secret().to_owned()).unwrap_or_default();
        let pair = |settings: &BedrockSettings| (text(&settings.access_key), text(&settings.access_key_secret));
        self.desired.bedrock.as_ref().map(pair) != self.settings.map(pair)
    }

    fn key_fingerprints(&self) -> (Vec<String>, Vec<String>) {
        let mut environment: Vec<_> = self.desired.keys.iter().map(|key| self.fingerprint(key)).collect();
        let mut database: Vec<_> = self.keys.iter().flatten().map(|key| self.fingerprint(key)).collect();
        environment.sort();
        database.sort();
        (environment, database)
    }

    /// Access key before secret: exchanged is different.
    fn bedrock_fingerprints(&self) -> (Vec<String>, Vec<String>) {
        let of = |settings: Option<&BedrockSettings>| {
            let values = settings.into_iter().flat_map(|s| [&s.access_key, &s.access_key_secret]);
            values.flatten().map(|value| self.fingerprint(value)).collect()
        };
        (of(self.desired.bedrock.as_ref()), of(self.settings))
    }

    fn fingerprint(&self, secret: &SecretString) -> String {
        fingerprint(&self.row.id, secret.expose_secret())
    }

    /// Over provider, row, both canonical hashes and both fingerprint lists, each behind its length so that no two inputs
    /// run together to the same bytes.
    fn id(&self) -> String {
        let (mut environment, mut database) = (Vec::new(), Vec::new());
        if self.compares_credentials() {
            let (keys, bedrock) = (self.key_fingerprints(), self.bedrock_fingerprints());
            environment = [keys.0, vec!["bedrock".to_owned()], bedrock.0].concat();
            database = [keys.1, vec!["bedrock".to_owned()], bedrock.1].concat();
        }
        let mut hash = Sha256::new();
        let head =
            [self.desired.name.clone(), self.row.id.to_string(), self.environment().hash(), self.database().hash()];
        for list in [&head[..], &environment, &database] {
            hash.update((list.len() as u64).to_be_bytes());
            for text in list {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text);
            }
        }
        hex(&hash.finalize())[..12].to_owned()
    }
}

/// `printf %s KEY | openssl dgst -sha256 -hmac ROW_ID`, the first 8 characters.
pub fn fingerprint(row: &Uuid, secret: &str) -> String {
    let key = row.to_string();
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(secret.as_bytes());
    hex(&mac.finalize().into_bytes())[..8].to_owned()
}

fn credentials(fingerprints: Vec<String>) -> FieldValue {
    FieldValue::Credentials { count: fingerprints.len(), fingerprints }
}
