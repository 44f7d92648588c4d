//! Turns a plan and an operator's decision into updates: a function of values. Only these updates change an existing row,
//! and they change exactly the fields of the named conflict.

mod select;

pub use select::unknown_name;

pub use super::update::{Resolution, Update};

use self::select::select;
use super::conflict::Conflict;
use super::insert::{Encrypt, encrypt_with};
use super::snapshot::{AuditTable, Schema, Snapshot, StoredProvider};
use super::types::{Plan, PlanOptions};
use super::update::key_change;
use crate::options::Compare;
use crate::options::resolve::{Action, Request};
use crate::problem::{Code, Problem};
use crate::provider::{BedrockSettings, DesiredProvider, ENCRYPTION_KEYS_VARIABLE, Field, Place, ProviderType, redact};

pub fn resolve(
    plan: &Plan,
    desired: &[DesiredProvider],
    snapshot: &Snapshot,
    request: &Request,
    options: &PlanOptions,
) -> Resolution {
    let mut resolution = match request.action {
        Action::Restore => restore(snapshot, request),
        _ => settle(plan, desired, snapshot, request, options),
    };
    if !resolution.findings.problems.is_empty() {
        resolution.updates.clear();
    }
    if let Some(schema) = &snapshot.schema {
        prepare(&mut resolution, schema, options);
    }
    resolution
}

fn settle(
    plan: &Plan,
    desired: &[DesiredProvider],
    snapshot: &Snapshot,
    request: &Request,
    options: &PlanOptions,
) -> Resolution {
    let mut resolution = select(plan, desired, request);
    if !resolution.findings.problems.is_empty() || request.action == Action::TakeDatabase {
        return resolution;
    }
    for of_provider in resolution.conflicts.chunk_by(|a, b| a.provider == b.provider) {
        let found = desired.iter().find(|provider| provider.label() == of_provider[0].provider);
        let Some((provider, row)) = found.and_then(|p| snapshot.rows.get(&p.name).map(|row| (p, row))) else {
            continue;
        };
        match update(of_provider, provider, row, snapshot.schema.as_ref(), options) {
            Ok(update) => resolution.updates.push(update),
            Err(message) => {
                let problem = Problem::new(Code::CannotResolve, message).provider(provider.label());
                let keys = of_provider.iter().all(Conflict::would_clear_credentials);
                let origin = if keys { &of_provider[0].origin } else { &provider.origins.kind };
                resolution.findings.problems.push(problem.variable(&origin.variable));
            }
        }
    }
    if resolution.findings.problems.is_empty() {
        let all = std::mem::take(&mut resolution.conflicts);
        (resolution.kept, resolution.conflicts) = all.into_iter().partition(Conflict::would_clear_credentials);
    }
    resolution
}

/// The updates for `--take-environment`, in the form of a decision.
pub(super) fn take(
    conflicts: &[Conflict],
    provider: &DesiredProvider,
    row: &StoredProvider,
    schema: Option<&Schema>,
    options: &PlanOptions,
) -> Result<Update, String> {
    let update = update(conflicts, provider, row, schema, options)?;
    Ok(Update { take: Some(options.take), ..update })
}

/// Updates exactly the fields that differ, but never removes stored credentials. `Err`: the reason and the way out.
fn update(
    conflicts: &[Conflict],
    provider: &DesiredProvider,
    row: &StoredProvider,
    schema: Option<&Schema>,
    options: &PlanOptions,
) -> Result<Update, String> {
    let stored = row.compared_settings(provider).ok().flatten();
    let taken = conflicts.iter().filter(|conflict| !conflict.would_clear_credentials()).map(|conflict| conflict.field);
    let fields: Vec<Field> = taken.collect();
    if fields.is_empty() && (provider.bedrock.is_some() || stored.is_none()) {
        return Err("the environment sets no credentials, and resolve never removes those of the row; set them in \
                    the environment, or delete them in Coder; if only the database may hold them, choose \
                    --compare-credentials=ignore"
            .to_owned());
    }
    let has = |field: Field| fields.contains(&field);
    let of_bedrock = |field: Field| matches!(field.place(), Place::Settings(_)) || field == Field::BedrockCredentials;
    let mut update = Update { fields: fields.clone(), ..Update::new(row, &provider.name) };
    let bedrock_label = schema.is_some_and(|schema| schema.labels.contains(ProviderType::Bedrock.as_str()));
    if has(Field::Type) && row.has_opaque_settings() {
        return Err("the row holds settings that this version does not know, and with another type they may be lost; \
                    upgrade ai-provider-seed, or give the provider another NAME in the environment"
            .to_owned());
    }
    if has(Field::Type) {
        may_change_type(provider, row, stored, options)?;
    }
    let (environment, database) = (provider.canonical(), row.canonical(stored));
    for ((field, new), (_, old)) in environment.texts().into_iter().zip(database.texts()) {
        let Some(column) = field.column().filter(|_| has(field)) else { continue };
        // The label of a type depends on the schema.
        let of_type = (provider.stored_type(bedrock_label), row.kind.as_str());
        let (new, old) = if field == Field::Type { of_type } else { (new, old) };
        let shown = |text| field.redact(text, provider.origin(field)).text;
        update.audit.push((column, shown(old), shown(new)));
        update.texts.push((field, new.to_owned()));
    }
    for (field, set) in &provider.optional {
        let Some(column) = field.column().filter(|_| has(*field)) else { continue };
        let shown = |text| field.redact(text, Some(&set.origin)).text;
        update.audit.push((column, shown(row.text(*field, &provider.name, stored)), shown(&set.text)));
        update.texts.push((*field, set.text.clone()));
    }
    if conflicts.iter().any(|conflict| of_bedrock(conflict.field)) {
        let Some(wanted) = &provider.bedrock else {
            return Err("the row holds Bedrock settings, and without them they would be lost; delete the provider in \
                        Coder and create it again, or give it another NAME in the environment"
                .to_owned());
        };
        if fields.iter().copied().any(of_bedrock) {
            update.settings = Some(merged(provider, wanted, stored, &fields));
            update.forgets_models = fields.iter().copied().any(Field::resolves_models);
        }
    } else if has(Field::Type)
        && let (Some(wanted), None) = (&provider.bedrock, stored)
    {
        update.settings = Some(wanted.clone());
    }
    if update.settings.as_ref().is_some_and(BedrockSettings::are_too_large) {
        return Err(
            "with the environment's values the row's settings would be too large to be read again; delete the \
                    provider in Coder and create it again, or give it another NAME in the environment"
                .to_owned(),
        );
    }
    if has(Field::ApiKeys) {
        update.keys = Some(key_change(&provider.keys, row));
    }
    Ok(update)
}

/// Model ids that Coder resolved by region and role and stores with the settings.
const RESOLVED: [&str; 2] = ["resolved_model", "resolved_small_fast_model"];

/// The stored settings with the differing fields from the environment; fields that are not compared and unknown keys
/// stay.
fn merged(
    provider: &DesiredProvider,
    wanted: &BedrockSettings,
    stored: Option<&BedrockSettings>,
    fields: &[Field],
) -> BedrockSettings {
    let Some(stored) = stored else { return wanted.clone() };
    let mut settings = stored.clone();
    for field in fields {
        if let Some(key) = field.settings_key() {
            let set = provider.optional.get(field).map(|set| set.text.as_str());
            settings.set(key, field.in_settings(set.unwrap_or_else(|| wanted.text(key))));
        }
    }
    if fields.iter().copied().any(Field::resolves_models) {
        RESOLVED.iter().for_each(|key| settings.set(key, ""));
    }
    if fields.contains(&Field::BedrockCredentials) {
        settings.access_key.clone_from(&wanted.access_key);
        settings.access_key_secret.clone_from(&wanted.access_key_secret);
    }
    settings
}

/// Coder never changes a type. Here a change is allowed only if nothing is lost and no key goes to another vendor's
/// endpoint unseen: the environment's keys replace the stored ones, and Bedrock settings are never dropped.
fn may_change_type(
    provider: &DesiredProvider,
    row: &StoredProvider,
    stored: Option<&BedrockSettings>,
    options: &PlanOptions,
) -> Result<(), String> {
    let out =
        "delete the provider in Coder and create it with the new type, or give it another NAME in the environment";
    if stored.is_some() && provider.bedrock.is_none() {
        return Err(format!("with the new type the row's Bedrock settings would be lost; {out}"));
    }
    let compared = options.compare_credentials != Compare::Ignore;
    let readable = row.keys.as_ref().is_some_and(|keys| keys.iter().all(|key| key.secret.is_ok()));
    if !compared || !readable {
        return Err(format!(
            "the row's keys were not compared, and a new type with the old keys would send them to another vendor; \
             use --compare-credentials=warn, or {out}"
        ));
    }
    let takes_keys = provider.kind.allows_keys() && provider.bedrock.is_none();
    if takes_keys && provider.keys.is_empty() && row.keys.as_ref().is_some_and(|keys| !keys.is_empty()) {
        return Err(format!(
            "the environment sets no keys, and the new type with the old ones would send them to another vendor; \
             set the keys in the environment, or {out}"
        ));
    }
    if !takes_keys && row.keys.as_ref().is_some_and(|keys| !keys.is_empty()) {
        return Err(format!("the new type takes no keys, and the row's would be lost; {out}"));
    }
    Ok(())
}

fn restore(snapshot: &Snapshot, request: &Request) -> Resolution {
    let mut resolution = Resolution::default();
    for (at, name) in request.providers.iter().enumerate() {
        let refused = |message: String| Problem::new(Code::CannotResolve, message);
        match snapshot.rows.get(name) {
            None => resolution.findings.problems.push(refused(format!(
                "there was never a provider of the {} name that was given; check the spelling",
                redact::ordinal(at + 1)
            ))),
            // The row is live, as requested.
            Some(row) if !row.deleted => {}
            Some(row) => {
                let audit = [("deleted", "true", "false"), ("enabled", "false", "true")];
                resolution.updates.push(Update {
                    restore: true,
                    audit: audit.map(|(column, old, new)| (column, old.to_owned(), new.to_owned())).into(),
                    ..Update::new(row, name)
                });
            }
        }
        resolution.selected.push(name.clone());
    }
    resolution
}

/// Decides how the updates are written in this database, or adds the problems that prevent them.
fn prepare(resolution: &mut Resolution, schema: &Schema, options: &PlanOptions) {
    for update in &mut resolution.updates {
        update.forgets_models &= schema.resolved_models;
    }
    resolution.audit = options.audit && schema.audit.as_ref().is_some_and(AuditTable::has_labels);
    if resolution.updates.is_empty() {
        return;
    }
    if schema.read_only {
        let message = "the server is read only (a standby, or default_transaction_read_only); connect to the primary";
        resolution.findings.problems.push(Problem::new(Code::ReadOnly, message));
    }
    if !resolution.has_secrets() || schema.encryption.is_none() {
        return;
    }
    match encrypt_with(schema, options, "a secret must be written", &mut resolution.findings.problems) {
        Encrypt::Plain | Encrypt::NotNow => {}
        Encrypt::With(digest) => resolution.encrypt_with = Some(digest),
        Encrypt::Pending => {
            let message = "keys are given, but Coder has not registered one in this database yet; start Coder once with \
                           them, or unset them if Coder has none";
            let problem = Problem::new(Code::UnknownEncryptionKey, message);
            resolution.findings.problems.push(problem.variable(ENCRYPTION_KEYS_VARIABLE));
        }
    }
}
