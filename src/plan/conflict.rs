//! Differences as data. A conflict contains only names and values that are safe to show.

use serde::Serialize;

use crate::env::is_legacy;
use crate::provider::redact::Redacted;
use crate::provider::{Field, Origin, Presence};

/// One side of a conflict in a form that may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FieldValue {
    Text(Redacted),
    Credentials {
        count: usize,
        /// HMAC-SHA-256 keyed with the row's id, 8 hex characters: enough to distinguish keys, and only the holder of a
        /// candidate key can confirm it.
        fingerprints: Vec<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Belongs to the provider: all its fields share it. It changes when either side does, and is always shown and
    /// matched in full.
    pub id: String,
    pub provider: String,
    pub field: Field,
    pub blocking: bool,
    pub environment: FieldValue,
    pub origin: Origin,
    pub database: FieldValue,
    /// The row's last change: RFC 3339, UTC.
    pub updated_at: String,
}

impl Conflict {
    /// Both sides look the same, because they differ only in a part that is hidden.
    pub fn differs_only_in_redacted_part(&self) -> bool {
        match (&self.environment, &self.database) {
            (FieldValue::Text(environment), FieldValue::Text(database)) => environment.text == database.text,
            (environment, database) => environment == database,
        }
    }

    /// An unset variable means Coder's default: two of the legacy variables have one.
    pub fn falls_back_to_default(&self) -> bool {
        let variable = &self.origin.variable.to_string();
        let has_default = ["OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"].iter().any(|end| variable.ends_with(end));
        self.origin.presence == Presence::Default || (has_default && is_legacy(variable))
    }

    /// Taking the environment would empty a value of the database.
    pub fn would_replace_by_nothing(&self) -> bool {
        match &self.environment {
            FieldValue::Text(text) => text.text.is_empty(),
            FieldValue::Credentials { count, .. } => *count == 0,
        }
    }

    /// Taking the environment would remove stored credentials.
    pub fn would_clear_credentials(&self) -> bool {
        let none = matches!(self.environment, FieldValue::Credentials { count: 0, .. });
        none && matches!(self.database, FieldValue::Credentials { count, .. } if count > 0)
    }
}
