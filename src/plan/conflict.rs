//! What differs, as data. A conflict holds names and values that are safe to show, and nothing else.

use serde::Serialize;

use crate::env::is_legacy;
use crate::provider::redact::Redacted;
use crate::provider::{Field, Origin, Presence};

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
    /// Belongs to the provider: all its fields share it. Changes when either side does. Never shown or taken in part.
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

    /// Taking the environment would put nothing in the place of something.
    pub fn would_replace_by_nothing(&self) -> bool {
        match &self.environment {
            FieldValue::Text(text) => text.text.is_empty(),
            FieldValue::Credentials { count, .. } => *count == 0,
        }
    }

    /// Taking the environment would put nothing in the place of stored credentials.
    pub fn would_clear_credentials(&self) -> bool {
        let none = matches!(self.environment, FieldValue::Credentials { count: 0, .. });
        none && matches!(self.database, FieldValue::Credentials { count, .. } if count > 0)
    }
}
