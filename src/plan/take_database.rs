//! `--take database`: the changes to the environment, made from the shown conflict, so they cannot contain a key.

use super::conflict::{Conflict, FieldValue};
use super::description::{Descriptions, secret_of};
use super::edit::{Edit, VariableEdit};
use super::snapshot::Snapshot;
use crate::env::is_legacy;
use crate::provider::{DesiredProvider, Field, ProviderType};

/// The edits for all conflicts, in order.
pub fn take_database(conflicts: &[Conflict], desired: &[DesiredProvider], snapshot: &Snapshot) -> Vec<VariableEdit> {
    let mut edits: Vec<VariableEdit> = Vec::new();
    let mut descriptions = Descriptions::new(desired, snapshot);
    for of_provider in conflicts.chunk_by(|a, b| a.provider == b.provider) {
        let found: Vec<VariableEdit> = of_provider.iter().flat_map(of_conflict).collect();
        // A description of the whole provider includes all its other edits.
        edits.extend(match found.iter().find(|found| found.edit == Edit::Redescribe) {
            None => found,
            Some(whole) => descriptions.describe(&whole.provider).unwrap_or_else(|| vec![whole.clone()]),
        });
    }
    edits
}

fn of_conflict(conflict: &Conflict) -> Vec<VariableEdit> {
    let variable = &conflict.origin.variable.to_string();
    let edit_of = |variable: &str, edit| VariableEdit {
        provider: conflict.provider.clone(),
        variable: variable.to_owned(),
        edit,
    };
    let one = |edit| vec![edit_of(variable, edit)];
    let legacy = is_legacy(variable);
    match (conflict.field, &conflict.database) {
        (Field::Type, FieldValue::Text(kind)) => match kind.exact().filter(|kind| !legacy && is_enough(conflict, kind))
        {
            None => one(Edit::Redescribe),
            Some(kind) => {
                let mut edits = one(Edit::Set { value: kind.to_owned() });
                // Without NAME, the type is the name.
                if matches!(&conflict.environment, FieldValue::Text(text) if text.text == conflict.provider)
                    && let Some(start) = variable.strip_suffix("TYPE")
                {
                    edits.push(edit_of(&format!("{start}NAME"), Edit::Set { value: conflict.provider.clone() }));
                }
                edits
            }
        },
        (_, FieldValue::Text(text)) => one(match text.exact().filter(|_| !conflict.differs_only_in_redacted_part()) {
            None => Edit::SetSecret,
            // If the variable is unset, Coder's default applies.
            Some("") if conflict.falls_back_to_default() => Edit::Set { value: String::new() },
            Some("") => Edit::Unset,
            Some(value) => Edit::Set { value: value.to_owned() },
        }),
        // Each of the legacy variables holds one key.
        (Field::ApiKeys, FieldValue::Credentials { count, .. }) if legacy && *count != 1 => one(Edit::Redescribe),
        (Field::BedrockCredentials, FieldValue::Credentials { count, .. }) => {
            let edit = if *count == 0 { Edit::Unset } else { Edit::SetSecret };
            vec![edit_of(variable, edit.clone()), edit_of(&secret_of(variable), edit)]
        }
        (_, FieldValue::Credentials { count: 0, .. }) => one(Edit::Unset),
        (_, FieldValue::Credentials { count, .. }) => match variable.strip_suffix("_KEY").filter(|_| *count > 1) {
            Some(start) => {
                vec![edit_of(variable, Edit::Unset), edit_of(&format!("{start}_KEYS"), Edit::SetSecret)]
            }
            None => one(Edit::SetSecret),
        },
    }
}

/// Both types are known and take keys, so only TYPE has to change.
fn is_enough(conflict: &Conflict, kind: &str) -> bool {
    let takes_keys =
        |text: &str| ProviderType::ALL.into_iter().any(|known| known.as_str() == text && known.allows_keys());
    matches!(&conflict.environment, FieldValue::Text(text) if takes_keys(&text.text)) && takes_keys(kind)
}
