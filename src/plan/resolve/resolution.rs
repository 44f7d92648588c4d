//! The updates that a decision comes to.

use uuid::Uuid;

use super::keys::KeyChange;
use crate::plan::conflict::Conflict;
use crate::plan::snapshot::StoredProvider;
use crate::problem::Findings;
use crate::provider::{BedrockSettings, Field};

/// One row to change. No `Debug`: it holds what is to be written.
#[derive(Clone)]
pub struct Update {
    pub row: Uuid,
    pub name: String,
    /// Empty for a row that is restored.
    pub fields: Vec<Field>,
    pub restore: bool,
    /// New texts of columns.
    pub texts: Vec<(Field, String)>,
    pub settings: Option<BedrockSettings>,
    /// What Coder resolved of its models is removed from the table for that.
    pub forgets_models: bool,
    /// `None`: its keys stay as they are.
    pub keys: Option<KeyChange>,
    /// Column, old and new value as the audit log may hold them.
    pub audit: Vec<(&'static str, String, String)>,
}

impl Update {
    pub(super) fn new(row: &StoredProvider, name: &str) -> Update {
        Update {
            row: row.id,
            name: name.to_owned(),
            fields: Vec::new(),
            restore: false,
            texts: Vec::new(),
            settings: None,
            forgets_models: false,
            keys: None,
            audit: Vec::new(),
        }
    }

    /// The new text of a column; `None`: it stays as it is.
    pub fn text(&self, field: Field) -> Option<&str> {
        self.texts.iter().find(|(changed, _)| *changed == field).map(|(_, text)| text.as_str())
    }

    pub(super) fn has_secrets(&self) -> bool {
        self.settings.is_some() || self.keys.as_ref().is_some_and(|keys| !keys.added.is_empty())
    }
}

/// The updates, or the problems that prevent them: with a problem nothing is done.
#[derive(Default)]
pub struct Resolution {
    /// The names of the providers that it is about.
    pub selected: Vec<String>,
    /// Their conflicts, as they are now.
    pub conflicts: Vec<Conflict>,
    /// Stored credentials for which the environment has none: left as they are.
    pub kept: Vec<Conflict>,
    pub updates: Vec<Update>,
    pub findings: Findings,
    /// The digest of the key to encrypt with; `None`: plain.
    pub encrypt_with: Option<String>,
    pub audit: bool,
}

impl Resolution {
    pub fn has_secrets(&self) -> bool {
        self.updates.iter().any(Update::has_secrets)
    }

    pub fn replaces_keys(&self) -> bool {
        self.updates.iter().any(|update| update.keys.is_some())
    }

    pub fn forgets_models(&self) -> bool {
        self.updates.iter().any(|update| update.forgets_models)
    }

    /// The same decision on the same sides: what was shown is what would be done.
    pub fn is_same(&self, other: &Resolution) -> bool {
        let rows = |resolution: &Resolution| resolution.updates.iter().map(|update| update.row).collect::<Vec<_>>();
        self.conflicts == other.conflicts && rows(self) == rows(other)
    }
}
