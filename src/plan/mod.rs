//! Computes a `Plan` from desired providers, a snapshot of the database and options: a function of values, the only one
//! that decides. `seed` carries the plan out, `diff` prints it, and the controller predicts it.

mod comparison;
mod conflict;
mod description;
mod edit;
mod export;
mod import;
pub(crate) mod insert;
pub mod resolve;
mod snapshot;
mod take;
mod take_database;
mod time;
mod types;
pub mod undescribed;
pub mod update;
pub(crate) mod warnings;

pub use comparison::Comparison;
pub use conflict::{Conflict, FieldValue};
pub use edit::{Edit, VariableEdit};
pub use export::{Export, ExportedProvider, ExportedValue, ExportedVariable, Stored, export};
pub use import::imports;
pub use snapshot::{AuditTable, Column, Encryption, Rows, Schema, Snapshot, StoredKey, StoredProvider, Unreadable};
pub use take_database::take_database;
pub use time::Time;
pub use types::{Access, CredentialSides, Entry, Insert, Plan, PlanOptions, State};

pub use crate::provider::Field;

use crate::env::legacy_name_conflict;
use crate::options::Compare;
use crate::problem::{Code, Problem};
use crate::provider::{DesiredProvider, ENCRYPTION_KEYS_VARIABLE, redact};

pub fn plan(desired: &[DesiredProvider], snapshot: &Snapshot, options: &PlanOptions) -> Plan {
    let mut plan = Plan::default();
    let mut legacy_conflicts = Vec::new();
    plan.entries.reserve_exact(desired.len());
    let mut rows = snapshot.rows.iter().peekable();
    for (at, provider) in desired.iter().enumerate() {
        // Both sides are in name order, so a search is needed only if a row is missing or a name repeats.
        let next = rows.next_if(|(name, _)| *name == provider.name).map(|(_, row)| row);
        let row = next.or_else(|| snapshot.rows.get(&provider.name));
        match knows_type(provider, row, snapshot.schema.as_ref()) {
            Some(true) => {}
            Some(false) => {
                plan.findings.warnings.push(warnings::unsupported(provider));
                plan.entries.push(entry(at, provider, State::Unsupported, options));
                continue;
            }
            None => plan.needs_schema = true,
        }
        match knows_newer(provider, row, snapshot.schema.as_ref()) {
            Some(true) => {}
            Some(false) => {
                plan.findings.warnings.push(warnings::unsupported_fields(provider));
                if provider.newer_fields().any(|field| field.settings_key().is_some()) {
                    plan.entries.push(entry(at, provider, State::Unsupported, options));
                    continue;
                }
            }
            None => plan.needs_schema = true,
        }
        // Providers are in name order, so one with the same name follows directly.
        if let Some(legacy) = desired.get(at + 1).filter(|next| next.name == provider.name) {
            legacy_conflicts.push(legacy_name_conflict(provider, legacy));
        }
        match row {
            None => plan.entries.push(entry(at, provider, State::Missing, options)),
            Some(row) if row.deleted => {
                plan.findings.warnings.push(warnings::deleted(provider));
                plan.entries.push(Entry { id: Some(row.id), ..entry(at, provider, State::Deleted, options) });
            }
            Some(row) => compare(&mut plan, at, provider, row, snapshot.schema.as_ref(), options),
        }
    }
    plan.findings.problems.extend(legacy_conflicts);
    if let Some((listed, warning)) = undescribed::judge(desired, &snapshot.undescribed) {
        plan.undescribed = listed;
        plan.findings.warnings.push(warning);
    }
    take::decide(&mut plan, desired, snapshot, options);
    if plan.missing().next().is_some() {
        insert::decide(&mut plan, desired, snapshot.schema.as_ref(), options);
    }
    plan
}

/// Whether the desired type is a label of this database. A row of that type proves it without a look at the catalog.
fn knows_type(provider: &DesiredProvider, row: Option<&StoredProvider>, schema: Option<&Schema>) -> Option<bool> {
    let label = provider.kind.as_str();
    if provider.kind.in_every_schema() || row.is_some_and(|row| row.kind == label) {
        return Some(true);
    }
    schema.map(|schema| schema.labels.contains(label))
}

/// Whether this database's Coder knows the newer fields that are set. The column `icon` proves it.
fn knows_newer(provider: &DesiredProvider, row: Option<&StoredProvider>, schema: Option<&Schema>) -> Option<bool> {
    if provider.newer_fields().next().is_none() || row.is_some_and(|row| row.has_icon) {
        return Some(true);
    }
    schema.map(|schema| schema.providers.columns.contains_key(insert::ICON))
}

fn compare(
    plan: &mut Plan,
    at: usize,
    provider: &DesiredProvider,
    row: &StoredProvider,
    schema: Option<&Schema>,
    options: &PlanOptions,
) {
    let ignoring = PlanOptions { compare_credentials: Compare::Ignore, ..*options };
    let options = if provider.credentials_unknown { &ignoring } else { options };
    if row.has_opaque_settings() {
        plan.findings.warnings.push(warnings::not_understood(provider));
    }
    let settings = match row.compared_settings(provider) {
        Ok(settings) => settings,
        Err(unreadable) => return plan.findings.problems.push(unreadable_settings(provider, unreadable)),
    };
    let keys = match stored_keys(row, options.compare_credentials) {
        Ok(keys) => keys,
        Err(unreadable) if options.compare_credentials == Compare::Fail => {
            plan.findings.problems.push(unreadable_keys(provider, unreadable));
            None
        }
        Err(_) => {
            let message = "a stored key is encrypted and cannot be read, so the keys were not compared; \
                           set CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS as for Coder";
            plan.findings.warnings.push(about(provider, Code::CredentialsNotCompared, message));
            None
        }
    };
    plan.findings.warnings.extend(warnings::disabled(provider, row, settings));
    let keys_compared = keys.is_some();
    let comparison = Comparison { desired: provider, row, settings, keys, options };
    let mut conflicts = comparison.conflicts();
    let differences = take::Differences {
        desired: provider,
        row,
        settings,
        keys_compared,
        conflicts: &conflicts,
        take: options.take,
    };
    let mut may_be_taken = differences.may_be_taken();
    let stays_blocked = conflicts.iter().zip(&may_be_taken).any(|(conflict, taken)| conflict.blocking && !taken);
    if !stays_blocked && row.is_of_old_type() && differences.changes_old_type(schema) {
        conflicts.push(comparison.old_type());
        may_be_taken.push(true);
    }
    let is_taken = |taken: bool| taken && !stays_blocked;
    let state = match conflicts.iter().map(|conflict| conflict.blocking).max() {
        _ if may_be_taken.iter().any(|taken| is_taken(*taken)) => State::WouldUpdate,
        None => State::InSync,
        Some(false) if conflicts.iter().any(|conflict| conflict.field.is_credential()) => State::CredentialsDiffer,
        Some(false) => State::SettingsDiffer,
        Some(true) => State::Conflict,
    };
    if row.is_of_old_type() && state != State::WouldUpdate {
        plan.findings.warnings.push(warnings::of_old_type(provider));
    }
    let entry = entry(at, provider, state, options);
    let credentials = if options.fingerprints { comparison.credential_sides() } else { None };
    let database = comparison.database();
    let database_hash = match &entry.environment_hash {
        Some(hash) if database == provider.canonical() => Some(hash.clone()),
        hash => hash.is_some().then(|| database.hash()),
    };
    plan.entries.push(Entry { id: Some(row.id), database_hash, credentials, ..entry });
    for (conflict, taken) in conflicts.into_iter().zip(may_be_taken) {
        let list = if is_taken(taken) { &mut plan.update.conflicts } else { &mut plan.conflicts };
        list.push(conflict);
    }
}

/// The stored keys if all are readable, else the first reason why one is not.
fn stored_keys(row: &StoredProvider, compare: Compare) -> Result<Option<&[StoredKey]>, &Unreadable> {
    let keys = row.keys.as_deref().filter(|_| compare != Compare::Ignore);
    match keys.into_iter().flatten().find_map(|key| key.secret.as_ref().err()) {
        Some(unreadable) => Err(unreadable),
        None => Ok(keys),
    }
}

fn entry(desired: usize, provider: &DesiredProvider, state: State, options: &PlanOptions) -> Entry {
    Entry {
        desired,
        state,
        id: None,
        environment_hash: options.hashes.then(|| provider.canonical().hash()),
        database_hash: None,
        external_id: None,
        credentials: None,
    }
}

/// A problem or warning about one provider, with the variable that names it.
fn about(provider: &DesiredProvider, code: Code, message: impl Into<String>) -> Problem {
    let problem = Problem::new(code, message).variable(&provider.origins.name.variable);
    Problem { index: provider.index, provider: Some(provider.label()), ..problem }
}

fn unreadable_settings(provider: &DesiredProvider, unreadable: &Unreadable) -> Problem {
    match unreadable {
        Unreadable::Settings(error) => {
            let message = format!(
                "the stored settings cannot be read: {error}; save the provider once in Coder, or delete and create it there"
            );
            about(provider, Code::StoredSettingsUnreadable, message)
        }
        other => encryption(provider, "the stored settings are", other),
    }
}

fn unreadable_keys(provider: &DesiredProvider, unreadable: &Unreadable) -> Problem {
    encryption(provider, "a stored key is", unreadable)
}

fn encryption(provider: &DesiredProvider, what: &str, unreadable: &Unreadable) -> Problem {
    let variable = ENCRYPTION_KEYS_VARIABLE;
    let (code, message) = match unreadable {
        Unreadable::KeyUnknown { digest } => (
            Code::UnknownEncryptionKey,
            format!(
                "{what} encrypted with key {}, and no given key opens it; give {variable} as for Coder",
                redact::name(digest)
            ),
        ),
        Unreadable::Damaged { digest } => (
            Code::UnknownEncryptionKey,
            format!(
                "{what} encrypted with key {}, but the given key of that digest does not open it: it is damaged; \
                 save the provider again in Coder",
                redact::name(digest)
            ),
        ),
        _ => (Code::EncryptionKeyRequired, format!("{what} encrypted; set {variable} on this container as for Coder")),
    };
    Problem { variables: vec![variable.to_owned()], ..about(provider, code, message) }
}

#[cfg(test)]
mod tests;
