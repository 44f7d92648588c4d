//! Changes to existing rows: the result of a decision, or of `--take-environment`.

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
    /// Empty for a restored row.
    pub fields: Vec<Field>,
    pub restore: bool,
    /// The option that caused it; `None`: a decision did.
    pub take: Option<TakeEnvironment>,
    /// New texts of columns.
    pub texts: Vec<(Field, String)>,
    pub settings: Option<BedrockSettings>,
    /// The rows with resolved model ids are deleted from their table.
    pub forgets_models: bool,
    /// `None`: the keys stay as they are.
    pub keys: Option<KeyChange>,
    /// Column, old and new value in the form that the audit log may contain.
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

    /// The new text of a column; `None`: the column stays as it is.
    pub fn text(&self, field: Field) -> Option<&str> {
        self.texts.iter().find(|(changed, _)| *changed == field).map(|(_, text)| text.as_str())
    }

    pub(in crate::plan) fn has_secrets(&self) -> bool {
        self.settings.is_some() || self.keys.as_ref().is_some_and(|keys| !keys.added.is_empty())
    }
}

/// The updates, or the problems that prevent them: with a problem, none is made.
#[derive(Clone, Default)]
pub struct Resolution {
    /// The names of the affected providers.
    pub selected: Vec<String>,
    /// Their conflicts in the current state.
    pub conflicts: Vec<Conflict>,
    /// Stored credentials without a counterpart in the environment: they stay.
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

    /// The external id that the row gets or keeps when its role is written.
    pub fn external_id(&self, row: Uuid) -> Option<String> {
        let update = self.updates.iter().find(|update| update.row == row)?;
        let settings = update.settings.as_ref().filter(|_| update.fields.contains(&Field::BedrockRoleArn))?;
        Some(settings.text(EXTERNAL_ID)).filter(|id| !id.is_empty()).map(str::to_owned)
    }

    /// The ids of the changed rows.
    pub fn rows(&self) -> Vec<Uuid> {
        self.updates.iter().map(|update| update.row).collect()
    }

    pub fn replaces_keys(&self) -> bool {
        self.updates.iter().any(|update| update.keys.is_some())
    }

    pub fn forgets_models(&self) -> bool {
        self.updates.iter().any(|update| update.forgets_models)
    }

    /// Whether this is the same decision on the same sides, so that the shown change is the one to make.
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
