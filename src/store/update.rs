//! Changes existing rows, for `resolve` and `--take-environment`: one statement in a transaction that holds the locks,
//! and the outcome of a commit whose answer was lost. All or nothing.

use serde_json::{Value as Json, json};
use tokio_postgres::types::Type;

use super::audit::{AuditRows, NEW_KEY_DIFF, NO_FIELDS, OLD_KEY_DIFF};
use super::columns::{Audit, Column, Parameters, boolean};
use super::connect::{Parameter, Session};
use super::dbcrypt::Keyring;
use super::error::{Error, Retry};
use super::external_id::with_external_id;
use super::failpoint::{Step, step};
use super::keys::{self, NewKey, OldKey};
use super::seal::{Sealed, seal};
use super::transaction::read_only;
use crate::plan::resolve::{Resolution, Update};
use crate::problem::{Code, Problem};
use crate::provider::{Field, redact};

/// The privileges that the resolution needs and this role lacks, with the grant for each.
pub async fn lacking_grants(session: &Session, resolution: &Resolution) -> Result<Vec<Problem>, Error> {
    let mut needed = vec![("update", "ai_providers")];
    if resolution.replaces_keys() {
        needed.extend([("insert", "ai_provider_keys"), ("delete", "ai_provider_keys")]);
    }
    if resolution.forgets_models() {
        // A deletion by id reads the id.
        needed.extend(["select", "delete"].map(|privilege| (privilege, "ai_provider_bedrock_resolved_models")));
    }
    if resolution.audit {
        needed.push(("insert", "audit_logs"));
    }
    let (privileges, tables): (Vec<&str>, Vec<&str>) = needed.into_iter().unzip();
    let sql = "select privilege, relation from unnest($1, $2) with ordinality as needed (privilege, relation, at)
                where not (case privilege when 'delete' then has_table_privilege(to_regclass(relation), privilege)
                                          else has_any_column_privilege(to_regclass(relation), privilege) end)
                order by at";
    let parameters: [Parameter<'_>; 2] = [(&privileges, Type::TEXT_ARRAY), (&tables, Type::TEXT_ARRAY)];
    let role = &session.endpoint.role;
    let taken = resolution.updates.iter().any(|update| update.take.is_some());
    let meant = if taken { "ai_provider_sync" } else { "ai_provider_resolve" };
    let mut problems = Vec::new();
    let lacking = session.query(sql, &parameters, |row| {
        let (privilege, table): (&str, &str) = (row.try_get("privilege")?, row.try_get("relation")?);
        let or = if table == "audit_logs" { ", or turn audit rows off with --audit=off" } else { "" };
        let message = format!(
            "role {role} may not {privilege} {table}; connect as one that may ({meant} of \
             deploy/postgres/role.sql), or run: grant {privilege} on {table} to {}{or}",
            redact::identifier(role)
        );
        problems.push(Problem::new(Code::PermissionDenied, message));
        Ok(())
    });
    read_only(session, step(Step::Grants, lacking)).await?;
    Ok(problems)
}

/// Changes the rows and returns the transaction's number, for [`transaction_status`]. Nothing is committed yet.
pub async fn write(session: &Session, resolution: &Resolution, keyring: &Keyring) -> Result<String, Error> {
    let rows = rows(resolution, keyring).ok_or_else(|| Error::cannot_encrypt(&session.endpoint))?;
    let mut parameters = Parameters::default();
    let sql = statement(resolution, &rows, &mut parameters);
    let values = parameters.typed();
    let (mut counts, mut transaction) = ([String::new(), String::new(), String::new()], String::new());
    let answer = session.query(&sql, &values, |row| {
        counts = [row.try_get("changed")?, row.try_get("had")?, row.try_get("removed")?];
        transaction = row.try_get("transaction")?;
        Ok(())
    });
    step(Step::Change, answer).await?;
    let had: usize = resolution.updates.iter().filter_map(|update| Some(update.keys.as_ref()?.had())).sum();
    if counts == [resolution.updates.len(), had, rows.old_keys.len()].map(|number| number.to_string()) {
        return Ok(transaction);
    }
    // A key was added or removed without a change of its provider's row.
    Err(rows_changed(session))
}

/// The rows have changed since the read: read again.
pub fn rows_changed(session: &Session) -> Error {
    let error = Error::of_database(Code::ServerError, &session.endpoint, "the rows changed meanwhile", "run it again");
    error.with_retry(Retry::Again)
}

/// The server ignores `work`; in its log the word distinguishes this commit from those of the reads.
pub async fn commit(session: &Session) -> Result<(), Error> {
    step(Step::CommitChange, session.execute("commit work")).await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    Committed,
    /// Rolled back, or so long ago that the server has forgotten it.
    Aborted,
    InProgress,
}

/// The outcome of a transaction whose commit was not answered.
pub async fn transaction_status(session: &Session, transaction: &str) -> Result<TransactionStatus, Error> {
    let parameters: [Parameter<'_>; 1] = [(&transaction, Type::TEXT)];
    let mut status: Option<String> = None;
    let answer = session.query("select txid_status($1::bigint) as status", &parameters, |row| {
        status = row.try_get("status")?;
        Ok(())
    });
    step(Step::TransactionStatus, answer).await?;
    Ok(match status.as_deref() {
        Some("committed") => TransactionStatus::Committed,
        Some("in progress") => TransactionStatus::InProgress,
        _ => TransactionStatus::Aborted,
    })
}

/// A changed row of `ai_providers`. A column without a value keeps its value.
struct ChangedProvider {
    id: String,
    name: String,
    kind: Option<String>,
    base_url: Option<String>,
    display_name: Option<String>,
    icon: Option<String>,
    enabled: Option<String>,
    forgets_models: bool,
    settings: Option<Sealed>,
    replaces_keys: bool,
    restored: bool,
    /// For the audit log.
    diff: String,
    additional_fields: String,
}

static COLUMNS: [Column<ChangedProvider>; 15] = [
    Column { name: "id", cast: "uuid", value: |row| Some(&row.id), audit: Audit::None },
    Column { name: "name", cast: "text", value: |row| Some(&row.name), audit: Audit::None },
    Column { name: "type", cast: "ai_provider_type", value: |row| row.kind.as_deref(), audit: Audit::None },
    Column { name: "base_url", cast: "text", value: |row| row.base_url.as_deref(), audit: Audit::None },
    Column { name: "display_name", cast: "text", value: |row| row.display_name.as_deref(), audit: Audit::None },
    Column { name: "icon", cast: "text", value: |row| row.icon.as_deref(), audit: Audit::None },
    Column { name: "enabled", cast: "boolean", value: |row| row.enabled.as_deref(), audit: Audit::None },
    Column {
        name: "forgets_models",
        cast: "boolean",
        value: |row| Some(boolean(row.forgets_models)),
        audit: Audit::None,
    },
    Column {
        name: "with_settings",
        cast: "boolean",
        value: |row| Some(boolean(row.settings.is_some())),
        audit: Audit::None,
    },
    Column {
        name: "settings",
        cast: "text",
        value: |row| row.settings.as_ref().map(|sealed| &*sealed.text),
        audit: Audit::None,
    },
    Column {
        name: "settings_key_id",
        cast: "text",
        value: |row| row.settings.as_ref()?.key_id.as_deref(),
        audit: Audit::None,
    },
    Column { name: "with_keys", cast: "boolean", value: |row| Some(boolean(row.replaces_keys)), audit: Audit::None },
    Column { name: "restored", cast: "boolean", value: |row| Some(boolean(row.restored)), audit: Audit::None },
    Column { name: "diff", cast: "jsonb", value: |row| Some(&row.diff), audit: Audit::None },
    Column { name: "additional_fields", cast: "jsonb", value: |row| Some(&row.additional_fields), audit: Audit::None },
];

struct ChangedRows {
    providers: Vec<ChangedProvider>,
    keys: Vec<NewKey>,
    old_keys: Vec<OldKey>,
}

/// Adds external ids to the rows that get a role and have none yet.
pub fn add_external_ids(session: &Session, resolution: &mut Resolution) -> Result<(), Error> {
    for update in resolution.updates.iter_mut().filter(|update| update.fields.contains(&Field::BedrockRoleArn)) {
        if let Some(settings) = &mut update.settings {
            let complete = with_external_id(settings).ok_or_else(|| Error::cannot_encrypt(&session.endpoint))?;
            *settings = complete.into_owned();
        }
    }
    Ok(())
}

/// `None`: a value cannot be encrypted.
fn rows(resolution: &Resolution, keyring: &Keyring) -> Option<ChangedRows> {
    let digest = resolution.encrypt_with.as_deref();
    let mut rows = ChangedRows { providers: Vec::new(), keys: Vec::new(), old_keys: Vec::new() };
    for update in &resolution.updates {
        let id = update.row.to_string();
        let settings = match &update.settings {
            None => None,
            Some(settings) if update.fields.contains(&Field::BedrockRoleArn) => {
                Some(seal(&with_external_id(settings)?.encode(), keyring, digest)?)
            }
            Some(settings) => Some(seal(&settings.encode(), keyring, digest)?),
        };
        let (new, old) = (rows.keys.len(), rows.old_keys.len());
        for key in update.keys.iter().flat_map(|change| &change.added) {
            rows.keys.push(NewKey::new(&id, key, keyring, digest)?);
        }
        let removed = update.keys.iter().flat_map(|change| &change.removed);
        rows.old_keys.extend(removed.map(|key| OldKey { id: key.to_string(), provider_id: id.clone() }));
        let additional_fields = additional_fields(update, &rows.keys[new..], &rows.old_keys[old..]);
        rows.providers.push(ChangedProvider {
            id,
            name: update.name.clone(),
            kind: update.text(Field::Type).map(str::to_owned),
            base_url: update.text(Field::BaseUrl).map(str::to_owned),
            display_name: update.text(Field::DisplayName).map(str::to_owned),
            icon: update.text(Field::Icon).map(str::to_owned),
            enabled: update.text(Field::Enabled).map(str::to_owned),
            forgets_models: update.forgets_models,
            settings,
            replaces_keys: update.keys.is_some(),
            restored: update.restore,
            diff: diff(update),
            additional_fields,
        });
    }
    Some(rows)
}

/// The audit log entry of a row: old and new value of each column, without any secret.
fn diff(update: &Update) -> String {
    let shown = update.audit.iter().map(|(column, old, new)| {
        let value = |text: &str| match (*column, text) {
            ("deleted" | "enabled", "true" | "false") => json!(text == "true"),
            _ => json!(text),
        };
        (*column, json!({"old": value(old), "new": value(new), "secret": false}))
    });
    let secret = update.settings.iter().map(|_| ("settings", json!({"old": "", "new": "", "secret": true})));
    shown.chain(secret).map(|(column, entry)| (column.to_owned(), entry)).collect::<Json>().to_string()
}

/// The details of Coder's own entry about the keys of a provider, and the author.
fn additional_fields(update: &Update, added: &[NewKey], removed: &[OldKey]) -> String {
    let mut fields = json!({"by": env!("CARGO_PKG_NAME")});
    if let Some(take) = update.take {
        fields["take"] = take.as_str().into();
    }
    if let Some(change) = &update.keys {
        fields["added"] = added.iter().map(|key| json!({"id": key.id})).collect();
        fields["removed"] = removed.iter().map(|key| json!({"id": key.id})).collect();
        fields["kept"] = json!(change.kept);
    }
    fields.to_string()
}

/// Only if a row gets a new icon, since not every schema has the column.
const NEW_ICON: &str = "icon = coalesce(g.icon, p.icon),";
const FORGOTTEN: &str = "forgotten as (
           delete from ai_provider_bedrock_resolved_models m using given g
            where m.provider_id = g.id and g.forgets_models
           returning 1)";
const CHANGED: &str = "changed as (
           update ai_providers p
              set type = coalesce(g.type, p.type),
                  base_url = coalesce(g.base_url, p.base_url),
                  display_name = coalesce(g.display_name, p.display_name), {icon}
                  settings = case when g.with_settings then g.settings else p.settings end,
                  settings_key_id = case when g.with_settings then g.settings_key_id else p.settings_key_id end,
                  deleted = p.deleted and not g.restored,
                  enabled = coalesce(g.enabled, p.enabled or g.restored),
                  updated_at = clock_timestamp()
             from given g
            where p.id = g.id and p.deleted = g.restored
           returning p.id)";
/// For providers whose keys change: the number of key rows when the statement began.
const HAD: &str =
    "(select count(*)::text from ai_provider_keys k join given g on k.provider_id = g.id and g.with_keys)";

/// One statement for any number of rows. It returns the changed rows, the previous keys, the removed keys and the
/// transaction's number.
fn statement<'a>(resolution: &Resolution, rows: &'a ChangedRows, parameters: &mut Parameters<'a>) -> String {
    let columns: Vec<&Column<ChangedProvider>> = COLUMNS.iter().collect();
    let mut parts = vec![parameters.given("given", &columns, &rows.providers, "")];
    let icon = if rows.providers.iter().any(|row| row.icon.is_some()) { NEW_ICON } else { "" };
    parts.push(CHANGED.replace("{icon}", icon));
    if resolution.forgets_models() {
        parts.push(FORGOTTEN.to_owned());
    }
    let had = if resolution.replaces_keys() { HAD } else { "'0'" };
    let mut removed = "'0'";
    if !rows.old_keys.is_empty() {
        removed = "(select count(*)::text from old_keys)";
        parts.push(keys::delete(&rows.old_keys, parameters));
    }
    if !rows.keys.is_empty() {
        parts.push(keys::insert(&rows.keys, parameters));
    }
    if resolution.audit {
        parts.push(provider_audits());
        if !rows.old_keys.is_empty() {
            parts.push(key_audits("old_key_audits", "old_keys", "delete", OLD_KEY_DIFF));
        }
        if !rows.keys.is_empty() {
            parts.push(key_audits("new_key_audits", "given_keys", "create", NEW_KEY_DIFF));
        }
    }
    format!(
        "with {} select (select count(*)::text from changed) as changed, {had} as had, {removed} as removed,
                txid_current()::text as transaction, pg_notify('ai_providers_changed', '')::text",
        parts.join(",\n")
    )
}

fn provider_audits() -> String {
    let rows = AuditRows {
        part: "changed_audits",
        from: "given",
        resource_type: "ai_provider",
        action: "write",
        id: "id",
        target: "name",
        diff: "diff",
        additional_fields: "additional_fields",
    };
    rows.statement()
}

fn key_audits(part: &str, from: &str, action: &str, diff: &str) -> String {
    let resource_type = "ai_provider_key";
    AuditRows { part, from, resource_type, action, id: "id", target: "id::text", diff, additional_fields: NO_FIELDS }
        .statement()
}
