//! Changing rows that are there, for `resolve`: rows locked and read again, changed with one statement, and what became of a
//! commit whose answer was lost. All or nothing.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::connect::Session;
use super::dbcrypt::Keyring;
use super::error::{Error, Retry};
use super::failpoint::{Step, step};
use super::snapshot::{ReadRequest, ReadScope, read_locked};
use super::transaction::read_only;
use crate::plan::Snapshot;
use crate::plan::resolve::{Resolution, Update};
use crate::problem::{Code, Problem};
use crate::provider::redact;

/// Within the transaction that holds the advisory lock: the rows are locked too, since Coder's API does not take that lock,
/// and then read again. A new key needs a lock on its provider's row, so none can come in between either.
pub async fn lock_rows_and_read(session: &Session, request: &ReadRequest<'_>) -> Result<Snapshot, Error> {
    let sql = "select from ai_providers where name = any($1) order by id for update";
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&request.names, Type::TEXT_ARRAY)];
    let (locked, snapshot) = tokio::join!(
        step(Step::LockRows, session.client.query_typed(sql, &parameters)),
        read_locked(session, request, ReadScope::Rows)
    );
    locked.map_err(|error| session.error(&error))?;
    snapshot
}

/// What this role may not do of what the resolution needs, with the grant for it.
pub async fn lacking_grants(session: &Session, resolution: &Resolution) -> Result<Vec<Problem>, Error> {
    let mut needed = vec![("update", "ai_providers")];
    if resolution.replaces_keys() {
        needed.extend([("insert", "ai_provider_keys"), ("delete", "ai_provider_keys")]);
    }
    if resolution.audit {
        needed.push(("insert", "audit_logs"));
    }
    let (privileges, tables): (Vec<&str>, Vec<&str>) = needed.into_iter().unzip();
    let sql = "select privilege, relation from unnest($1, $2) with ordinality as needed (privilege, relation, at)
                where not (case privilege when 'delete' then has_table_privilege(to_regclass(relation), privilege)
                                          else has_any_column_privilege(to_regclass(relation), privilege) end)
                order by at";
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&privileges, Type::TEXT_ARRAY), (&tables, Type::TEXT_ARRAY)];
    let rows = read_only(session, async {
        let rows = step(Step::Grants, session.client.query_typed(sql, &parameters)).await;
        rows.map_err(|error| session.error(&error))
    });
    let rows = rows.await?;
    let role = &session.endpoint.role;
    let problem = |row: &tokio_postgres::Row| {
        let (privilege, table): (&str, &str) = (row.try_get("privilege")?, row.try_get("relation")?);
        let or = if table == "audit_logs" { ", or turn audit rows off with --audit=off" } else { "" };
        let message = format!(
            "role {role} may not {privilege} {table}; connect as one that may (ai_provider_resolve of \
             deploy/postgres/role.sql), or run: grant {privilege} on {table} to {}{or}",
            redact::identifier(role)
        );
        Ok(Problem::new(Code::PermissionDenied, message))
    };
    rows.iter().map(problem).collect::<Result<_, _>>().map_err(|error| session.error(&error))
}

/// Changes the rows and returns the transaction's number, by which [`transaction_status`] finds out about it. Nothing is committed yet.
pub async fn write(session: &Session, resolution: &Resolution, keyring: &Keyring) -> Result<String, Error> {
    let rows = Rows::new(resolution, keyring).ok_or_else(|| {
        Error::of_database(Code::Internal, &session.endpoint, "a value could not be encrypted", "please report it")
    })?;
    let sql = statement(resolution);
    let answer = step(Step::Change, session.client.query_typed(&sql, &rows.parameters())).await;
    let answer = answer.map_err(|error| session.error(&error))?;
    let text = |at: usize| answer.first().and_then(|row| row.try_get::<_, String>(at).ok()).unwrap_or_default();
    let deleted: usize = resolution.updates.iter().filter_map(|update| Some(update.keys.as_ref()?.1)).sum();
    if (text(0), text(1)) == (resolution.updates.len().to_string(), deleted.to_string()) {
        return Ok(text(2));
    }
    // Somebody removed a key without touching its provider: look again what there is now.
    let error = Error::of_database(Code::ServerError, &session.endpoint, "the rows changed meanwhile", "run it again");
    Err(error.with_retry(Retry::Again))
}

/// `work` is noise to the server; in its log it tells this commit from those of the reads.
pub async fn commit(session: &Session) -> Result<(), Error> {
    let done = step(Step::CommitChange, session.client.batch_execute("commit work")).await;
    done.map_err(|error| session.error(&error))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    Committed,
    /// Rolled back, or so long ago that the server has forgotten it.
    Aborted,
    InProgress,
}

/// What became of a transaction whose commit was not answered.
pub async fn transaction_status(session: &Session, transaction: &str) -> Result<TransactionStatus, Error> {
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&transaction, Type::TEXT)];
    let rows =
        step(Step::Fate, session.client.query_typed("select txid_status($1::bigint) as status", &parameters)).await;
    let rows = rows.map_err(|error| session.error(&error))?;
    Ok(match rows.first().and_then(|row| row.try_get::<_, Option<String>>("status").ok()).flatten().as_deref() {
        Some("committed") => TransactionStatus::Committed,
        Some("in progress") => TransactionStatus::InProgress,
        _ => TransactionStatus::Aborted,
    })
}

/// The columns of all rows, as arrays. A `t` or `f` says whether a column is written at all.
#[derive(Default)]
struct Rows {
    ids: Vec<String>,
    names: Vec<String>,
    types: Vec<Option<String>>,
    base_urls: Vec<Option<String>>,
    with_settings: Vec<&'static str>,
    settings: Vec<Option<String>>,
    settings_key_ids: Vec<Option<String>>,
    with_keys: Vec<&'static str>,
    restored: Vec<&'static str>,
    diffs: Vec<String>,
    key_ids: Vec<String>,
    key_provider_ids: Vec<String>,
    api_keys: Vec<String>,
    api_key_key_ids: Vec<Option<String>>,
}

impl Rows {
    fn new(resolution: &Resolution, keyring: &Keyring) -> Option<Rows> {
        let mut rows = Rows::default();
        let digest = resolution.encrypt_with.as_deref();
        let seal = |plain: &SecretString| match digest {
            None => Some((plain.expose_secret().to_owned(), None)),
            Some(digest) => keyring.encrypt(digest, plain).map(|sealed| (sealed, Some(digest.to_owned()))),
        };
        for update in &resolution.updates {
            let id = update.row.to_string();
            let (settings, settings_key_id) = match &update.settings {
                None => (None, None),
                Some(settings) => seal(settings).map(|(text, key)| (Some(text), key))?,
            };
            for key in update.keys.iter().flat_map(|(keys, _)| keys) {
                let (api_key, key_id) = seal(key)?;
                rows.key_ids.push(Uuid::new_v4().to_string());
                rows.key_provider_ids.push(id.clone());
                rows.api_keys.push(api_key);
                rows.api_key_key_ids.push(key_id);
            }
            let flag = |is: bool| if is { "t" } else { "f" };
            rows.ids.push(id);
            rows.names.push(update.name.clone());
            rows.types.push(update.kind.clone());
            rows.base_urls.push(update.base_url.clone());
            rows.with_settings.push(flag(update.settings.is_some()));
            rows.settings.push(settings);
            rows.settings_key_ids.push(settings_key_id);
            rows.with_keys.push(flag(update.keys.is_some()));
            rows.restored.push(flag(update.restore));
            rows.diffs.push(diff(update));
        }
        Some(rows)
    }

    fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        let all: [&(dyn ToSql + Sync); 14] = [
            &self.ids,
            &self.names,
            &self.types,
            &self.base_urls,
            &self.with_settings,
            &self.settings,
            &self.settings_key_ids,
            &self.with_keys,
            &self.restored,
            &self.diffs,
            &self.key_ids,
            &self.key_provider_ids,
            &self.api_keys,
            &self.api_key_key_ids,
        ];
        all.into_iter().map(|values| (values, Type::TEXT_ARRAY)).collect()
    }
}

/// What the audit log says of a row: old and new value of each column, nothing of a secret one.
fn diff(update: &Update) -> String {
    let mut fields = Map::new();
    for (column, old, new) in &update.audit {
        let (old, new) = match *column {
            "deleted" | "enabled" => (json!(old == "true"), json!(new == "true")),
            _ => (json!(old), json!(new)),
        };
        fields.insert((*column).to_owned(), json!({"old": old, "new": new, "secret": false}));
    }
    let secret = [("settings", update.settings.is_some()), ("api_keys", update.keys.is_some())];
    for (column, _) in secret.into_iter().filter(|(_, written)| *written) {
        fields.insert(column.to_owned(), json!({"old": "", "new": "", "secret": true}));
    }
    Value::Object(fields).to_string()
}

/// One statement, however many rows. The answer: rows changed, keys removed, number of the transaction.
fn statement(resolution: &Resolution) -> String {
    let given = "given as (
           select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             as t (id, name, type, base_url, with_settings, settings, settings_key_id, with_keys, restored, diff)),
         given_keys as (
           select *, statement_timestamp() + at * interval '1 microsecond' as created_at
             from unnest($11, $12, $13, $14) with ordinality as t (id, provider_id, api_key, api_key_key_id, at))";
    let changed = "changed as (
           update ai_providers p
              set type = coalesce(g.type::ai_provider_type, p.type),
                  base_url = coalesce(g.base_url, p.base_url),
                  settings = case when g.with_settings = 't' then g.settings else p.settings end,
                  settings_key_id = case when g.with_settings = 't' then g.settings_key_id else p.settings_key_id end,
                  deleted = p.deleted and g.restored = 'f',
                  enabled = p.enabled or g.restored = 't',
                  updated_at = now()
             from given g
            where p.id = g.id::uuid and p.deleted = (g.restored = 't')
           returning p.id)";
    let mut parts = vec![given.to_owned(), changed.to_owned()];
    let mut removed = "'0'";
    if resolution.replaces_keys() {
        removed = "(select count(*)::text from old_keys)";
        parts.push(
            "old_keys as (
               delete from ai_provider_keys k using given g
                where k.provider_id = g.id::uuid and g.with_keys = 't'
               returning k.id, k.provider_id),
             new_keys as (
               insert into ai_provider_keys (id, provider_id, api_key, api_key_key_id, created_at, updated_at)
               select id::uuid, provider_id::uuid, api_key, api_key_key_id, created_at, created_at from given_keys)"
                .to_owned(),
        );
    }
    if resolution.audit {
        parts.push(audit("changed_audits", "given", "ai_provider", "write", "id::uuid", "name", "diff::jsonb"));
        if resolution.replaces_keys() {
            let (old, new) = (key_diff("provider_id::text", "''"), key_diff("''", "provider_id"));
            parts.push(audit("old_key_audits", "old_keys", "ai_provider_key", "delete", "id", "id::text", &old));
            parts.push(audit("new_key_audits", "given_keys", "ai_provider_key", "create", "id::uuid", "id", &new));
        }
    }
    format!(
        "with {} select (select count(*)::text from changed), {removed}, txid_current()::text,
                pg_notify('ai_providers_changed', '')::text",
        parts.join(",\n")
    )
}

fn audit(part: &str, from: &str, resource: &str, action: &str, id: &str, target: &str, diff: &str) -> String {
    let nobody = Uuid::nil();
    format!(
        "{part} as (
           insert into audit_logs (id, \"time\", user_id, organization_id, resource_type, resource_id, resource_target,
                                   action, diff, status_code, additional_fields, request_id, resource_icon)
           select gen_random_uuid(), statement_timestamp(), '{nobody}', '{nobody}', '{resource}', {id}, {target},
                  '{action}', {diff}, 0, '{{}}', '{nobody}', ''
             from {from})"
    )
}

fn key_diff(old_provider: &str, new_provider: &str) -> String {
    format!(
        "jsonb_build_object('provider_id', jsonb_build_object('old', {old_provider}, 'new', {new_provider}, 'secret', false),
                            'api_key', jsonb_build_object('old', '', 'new', '', 'secret', true))"
    )
}
