//! `--take-environment`: the differences of an existing row that a start resolves, and the values that it writes.

use super::conflict::Conflict;
use super::insert::{Encrypt, encrypt_with};
use super::resolve::take;
use super::snapshot::{AuditTable, Encryption, Schema, StoredProvider};
use super::types::{Access, Plan, PlanOptions, State};
use super::update::Resolution;
use super::{Snapshot, about};
use crate::options::TakeEnvironment;
use crate::problem::{Code, Problem};
use crate::provider::{BedrockSettings, Class, DesiredProvider, ENCRYPTION_KEYS_VARIABLE, Field, Place, ProviderType};

/// Both sides of one provider and their differences.
pub struct Differences<'a> {
    pub desired: &'a DesiredProvider,
    pub row: &'a StoredProvider,
    pub settings: Option<&'a BedrockSettings>,
    /// The stored keys were read and compared.
    pub keys_compared: bool,
    pub conflicts: &'a [Conflict],
    pub take: TakeEnvironment,
}

impl Differences<'_> {
    /// The differences that the option covers and that no limit excludes.
    pub fn may_be_taken(&self) -> Vec<bool> {
        let credentials_taken =
            self.conflicts.iter().filter(|conflict| conflict.field.is_credential()).all(|c| self.is_within_limits(c));
        let own_credentials = self.keys_compared && credentials_taken && self.environment_has_credentials();
        let may = |conflict: &Conflict| {
            let is_endpoint = matches!(conflict.field, Field::BaseUrl | Field::BedrockRegion);
            self.is_within_limits(conflict) && (!is_endpoint || own_credentials)
        };
        self.conflicts.iter().map(may).collect()
    }

    /// The only type change that is taken is the one of Coder's own backfill: only the label of the row changes.
    pub fn changes_old_type(&self, schema: Option<&Schema>) -> bool {
        let has_no_keys = matches!(&self.row.keys, Some(keys) if keys.is_empty());
        let knows_label = schema.is_none_or(|schema| schema.labels.contains(ProviderType::Bedrock.as_str()));
        self.take == TakeEnvironment::All && self.desired.bedrock.is_some() && has_no_keys && knows_label
    }

    fn is_within_limits(&self, conflict: &Conflict) -> bool {
        let field = conflict.field;
        self.covers(field)
            && field != Field::Type
            && !conflict.would_replace_by_nothing()
            && !self.desired.suspicious.contains(&field)
            && !self.would_enable(conflict)
            && (!is_of_settings(field) || self.has_settings_on_both_sides())
    }

    /// The operator who disabled the provider in Coder had a reason, and enabling it would use its keys again.
    fn would_enable(&self, conflict: &Conflict) -> bool {
        conflict.field == Field::Enabled && self.desired.text(Field::Enabled) == "true"
    }

    fn covers(&self, field: Field) -> bool {
        match self.take {
            TakeEnvironment::None => false,
            TakeEnvironment::Credentials => field.class() == Class::Credential,
            TakeEnvironment::All => true,
        }
    }

    /// Settings of an unknown kind are never written, and the kind of settings never changes.
    fn has_settings_on_both_sides(&self) -> bool {
        self.desired.bedrock.is_some() && self.settings.is_some() && !self.row.has_opaque_settings()
    }

    /// If the environment changes a row's endpoint, the row must not keep credentials that are not the environment's:
    /// Coder would send them to a host that the environment chose.
    fn environment_has_credentials(&self) -> bool {
        match &self.desired.bedrock {
            Some(settings) => settings.access_key.is_some() && settings.access_key_secret.is_some(),
            None => !self.desired.keys.is_empty(),
        }
    }
}

fn is_of_settings(field: Field) -> bool {
    matches!(field.place(), Place::Settings(_)) || field == Field::BedrockCredentials
}

/// Fills `plan.update`, whose conflicts are those that may be taken, with the writes for this database or the problems
/// that prevent them.
pub fn decide(plan: &mut Plan, desired: &[DesiredProvider], snapshot: &Snapshot, options: &PlanOptions) {
    let schema = snapshot.schema.as_ref();
    for of_provider in std::mem::take(&mut plan.update.conflicts).chunk_by(|a, b| a.provider == b.provider) {
        let found = desired.iter().find(|provider| provider.label() == of_provider[0].provider);
        let Some((provider, row)) = found.and_then(|p| snapshot.rows.get(&p.name).map(|row| (p, row))) else {
            continue;
        };
        plan.update.conflicts.extend_from_slice(of_provider);
        match take(of_provider, provider, row, schema, options) {
            Ok(update) => plan.update.updates.push(update),
            // The limits leave no update that can be refused; if one is refused, its difference is reported like any
            // other.
            Err(message) => {
                plan.findings.warnings.push(about(provider, Code::SettingsNotUnderstood, message));
                leave(plan, desired, &provider.name);
            }
        }
    }
    if plan.update.updates.is_empty() {
        return;
    }
    let Some(schema) = schema.filter(|schema| !plan.update.has_secrets() || schema.encryption.is_some()) else {
        plan.needs_schema = true;
        return;
    };
    plan.update.updates.iter_mut().for_each(|update| update.forgets_models &= schema.resolved_models);
    plan.update.audit = options.audit && schema.audit.as_ref().is_some_and(AuditTable::has_labels);
    leave_while_rotating(plan, desired, schema);
    encrypt(plan, desired, schema, options);
    if schema.read_only && options.access == Access::Write && !plan.update.updates.is_empty() {
        let message = "the server is read only (a standby, or default_transaction_read_only); connect to the primary, \
                       or add target_session_attrs=read-write and the other hosts to the URL";
        plan.findings.problems.push(Problem::new(Code::ReadOnly, message));
    }
}

/// Coder's key rotation reads all settings, then writes them row by row, and so would silently revert a write in between.
fn leave_while_rotating(plan: &mut Plan, desired: &[DesiredProvider], schema: &Schema) {
    let is_rotating = matches!(&schema.encryption, Some(Ok(Encryption { active, .. })) if active.len() > 1);
    let with_settings = plan.update.updates.iter().filter(|update| update.settings.is_some());
    let names: Vec<String> = with_settings.filter(|_| is_rotating).map(|update| update.name.clone()).collect();
    for name in names {
        leave(plan, desired, &name);
        let Some(provider) = desired.iter().find(|provider| provider.name == name) else { continue };
        let message = "Coder's encryption keys are being rotated (dbcrypt_keys has several active ones), and its settings are \
                       not written meanwhile; the next start tries again, so end the rotation with coder server dbcrypt rotate";
        plan.findings.warnings.push(about(provider, Code::RotationPending, message));
    }
}

fn encrypt(plan: &mut Plan, desired: &[DesiredProvider], schema: &Schema, options: &PlanOptions) {
    if !plan.update.has_secrets() {
        return;
    }
    match encrypt_with(schema, options, "a secret must be written", &mut plan.findings.problems) {
        Encrypt::Plain | Encrypt::NotNow => {}
        Encrypt::With(digest) => plan.update.encrypt_with = Some(digest),
        Encrypt::Pending => {
            let with_secrets = plan.update.updates.iter().filter(|update| update.has_secrets());
            let names: Vec<String> = with_secrets.map(|update| update.name.clone()).collect();
            names.iter().for_each(|name| leave(plan, desired, name));
            let message = "keys are given, but Coder has not registered one in this database yet, so no secret is written; \
                           Coder registers it when it starts, and the next start of this pod tries again";
            let warning = Problem::new(Code::EncryptionPending, message).variable(ENCRYPTION_KEYS_VARIABLE);
            plan.findings.warnings.push(warning);
        }
    }
}

impl Plan {
    /// Takes only the differences with these ids; the others are reported.
    pub fn take_only(&mut self, desired: &[DesiredProvider], ids: &[String]) {
        let others = self.update.conflicts.iter().filter(|conflict| !ids.contains(&conflict.id));
        let labels: Vec<&str> = others.map(|conflict| conflict.provider.as_str()).collect();
        let named = desired.iter().filter(|provider| labels.contains(&provider.label().as_str()));
        let names: Vec<String> = named.map(|provider| provider.name.clone()).collect();
        names.iter().for_each(|name| leave(self, desired, name));
    }
}

/// The provider's differences are reported, do not stop the start, and are not taken.
fn leave(plan: &mut Plan, desired: &[DesiredProvider], name: &str) {
    let Some(at) = desired.iter().position(|provider| provider.name == name) else { return };
    let label = desired[at].label();
    let Resolution { conflicts, updates, .. } = &mut plan.update;
    updates.retain(|update| update.name != name);
    let (left, others): (Vec<Conflict>, Vec<Conflict>) =
        std::mem::take(conflicts).into_iter().partition(|conflict| conflict.provider == label);
    *conflicts = others;
    let credentials = left.iter().any(|conflict| conflict.field.is_credential());
    plan.conflicts.extend(left.into_iter().map(|conflict| Conflict { blocking: false, ..conflict }));
    plan.conflicts.sort_by_key(|conflict| desired.iter().position(|provider| provider.label() == conflict.provider));
    let state = if credentials { State::CredentialsDiffer } else { State::SettingsDiffer };
    plan.entries.iter_mut().filter(|entry| entry.desired == at).for_each(|entry| entry.state = state);
}
