//! Rows to change: the result of a decision, or of `--take-environment`.

mod keys;

use uuid::Uuid;

use crate::options::TakeEnvironment;
use crate::plan::conflict::Conflict;
use crate::plan::snapshot::StoredProvider;
use crate::problem::Findings;
use crate::provider::{BedrockSettings, EXTERNAL_ID, Field};
pub use keys::{KeyChange, key_change};

/// One row to change. No `Debug`: it holds the values to write.
#[derive(Clone)]
pub struct Update {
    pub row: Uuid,
    pub name: String,
    /// Empty for a row that is restored.
    pub fields: Vec<Field>,
    pub restore: bool,
    /// The option that asked for it; `None`: a decision did.
    pub take: Option<TakeEnvironment>,
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
    pub(in crate::plan) fn new(row: &StoredProvider, name: &str) -> Update {
        Update {
            row: row.id,
            name: name.to_owned(),
            fields: Vec::new(),
            restore: false,
            take: None,
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

    pub(in crate::plan) fn has_secrets(&self) -> bool {
        self.settings.is_some() || self.keys.as_ref().is_some_and(|keys| !keys.added.is_empty())
    }
}

/// The updates, or the problems that prevent them: with a problem nothing is done.
#[derive(Clone, Default)]
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

    /// Of the role that the row gets or keeps where its role is written.
    pub fn external_id(&self, row: Uuid) -> Option<String> {
        let update = self.updates.iter().find(|update| update.row == row)?;
        let settings = update.settings.as_ref().filter(|_| update.fields.contains(&Field::BedrockRoleArn))?;
        Some(settings.text(EXTERNAL_ID)).filter(|id| !id.is_empty()).map(str::to_owned)
    }

    /// Those that are changed.
    pub fn rows(&self) -> Vec<Uuid> {
        self.updates.iter().map(|update| update.row).collect()
    }

    pub fn replaces_keys(&self) -> bool {
        self.updates.iter().any(|update| update.keys.is_some())
    }

    pub fn forgets_models(&self) -> bool {
        self.updates.iter().any(|update| update.forgets_models)
    }

    /// Whether it is the same decision on the same sides, so that the shown change is the one to make.
    pub fn is_same(&self, other: &Resolution) -> bool {
        self.conflicts == other.conflicts && self.rows() == other.rows()
    }
}

impl std::fmt::Debug for Resolution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolution")
            .field("selected", &self.selected)
            .field("conflicts", &self.conflicts)
            .finish_non_exhaustive()
    }
}
