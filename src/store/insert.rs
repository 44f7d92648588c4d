//! Inserts the missing rows: all rows and the commit in one round trip, under the lock. All rows or none.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::audit::{AuditRows, NEW_KEY_DIFF, NO_FIELDS};
use super::columns::{Audit, Column, EMPTY, Parameters, audit_diff, boolean, names};
use super::connect::Session;
use super::dbcrypt::Keyring;
use super::error::Error;
use super::external_id::with_external_id;
use super::failpoint::{Step, step};
use super::keys::{self, NewKey};
use super::seal::{Sealed, seal};
use crate::plan::Insert;
use crate::plan::insert::ICON;
use crate::provider::{DesiredProvider, EXTERNAL_ID, Field, redact};

/// The ids of this run's rows. They stay the same over attempts: rows with these ids show that a commit whose answer was
/// lost took effect.
#[derive(Default)]
pub struct Ids {
    rows: BTreeMap<String, Uuid>,
    /// The external ids of the last attempt that wrote them.
    external: BTreeMap<String, String>,
}

impl Ids {
    pub fn of(&mut self, name: &str) -> Uuid {
        *self.rows.entry(name.to_owned()).or_insert_with(Uuid::new_v4)
    }

    /// The external id of the role in the new row of this name.
    pub fn external_id(&self, name: &str) -> Option<String> {
        self.external.get(name).cloned()
    }

    pub fn made(&self, id: &Uuid) -> bool {
        self.rows.values().any(|made| made == id)
    }
}

/// Inserts, notifies and commits in one round trip. An error of the insert turns the commit into a rollback.
pub async fn insert_and_commit(
    session: &Session,
    desired: &[DesiredProvider],
    new: &Insert,
    keyring: &Keyring,
    ids: &mut Ids,
) -> Result<(), Error> {
    let (inserted, committed) =
        tokio::join!(insert(session, desired, new, keyring, ids), step(Step::Commit, session.execute("commit")),);
    // An error in answer to the insert is certain: the commit after it is a rollback.
    inserted.map_err(|mut error| {
        error.connection_lost &= error.sqlstate.is_none();
        error
    })?;
    committed
}

/// Inserts and notifies; nothing is committed yet.
pub async fn insert(
    session: &Session,
    desired: &[DesiredProvider],
    insert: &Insert,
    keyring: &Keyring,
    ids: &mut Ids,
) -> Result<(), Error> {
    let rows = rows(desired, insert, keyring, ids).ok_or_else(|| Error::cannot_encrypt(&session.endpoint))?;
    let mut parameters = Parameters::default();
    let sql = statement(insert, &rows, &mut parameters);
    let values = parameters.typed();
    step(Step::Insert, session.query(&sql, &values, |_| Ok(()))).await
}

/// A row of `ai_providers`.
struct NewProvider {
    id: String,
    kind: &'static str,
    name: String,
    display_name: String,
    /// The display name in the form that the audit log may contain.
    shown_display_name: String,
    enabled: bool,
    icon: String,
    /// The icon in the form that the audit log may contain.
    shown_icon: String,
    base_url: String,
    /// The URL in the form that the audit log may contain.
    shown_url: String,
    settings: Option<Sealed>,
    /// For the audit log.
    diff: String,
}

impl NewProvider {
    fn settings_key_id(&self) -> Option<&str> {
        self.settings.as_ref()?.key_id.as_deref()
    }
}

/// The only list of the columns of an insert.
static COLUMNS: [Column<NewProvider>; 9] = [
    Column {
        name: "id",
        cast: "uuid",
        value: |row| Some(&row.id),
        audit: Audit::Shown { old: EMPTY, new: |row| json!(row.id) },
    },
    Column {
        name: "type",
        cast: "ai_provider_type",
        value: |row| Some(row.kind),
        audit: Audit::Shown { old: EMPTY, new: |row| json!(row.kind) },
    },
    Column {
        name: "name",
        cast: "text",
        value: |row| Some(&row.name),
        audit: Audit::Shown { old: EMPTY, new: |row| json!(row.name) },
    },
    Column {
        name: "display_name",
        cast: "text",
        value: |row| Some(&row.display_name),
        audit: Audit::Shown { old: Json::Null, new: |row| json!(row.shown_display_name) },
    },
    Column {
        name: "enabled",
        cast: "boolean",
        value: |row| Some(boolean(row.enabled)),
        audit: Audit::Shown { old: Json::Bool(false), new: |row| Json::Bool(row.enabled) },
    },
    Column {
        name: "base_url",
        cast: "text",
        value: |row| Some(&row.base_url),
        audit: Audit::Shown { old: EMPTY, new: |row| json!(row.shown_url) },
    },
    Column {
        name: "settings",
        cast: "text",
        value: |row| row.settings.as_ref().map(|sealed| &*sealed.text),
        audit: Audit::Secret,
    },
    Column {
        name: "settings_key_id",
        cast: "text",
        value: NewProvider::settings_key_id,
        // Coder's own table of audited fields leaves it out.
        audit: Audit::None,
    },
    Column {
        name: ICON,
        cast: "text",
        value: |row| Some(&row.icon),
        audit: Audit::Shown { old: EMPTY, new: |row| json!(row.shown_icon) },
    },
];

static DIFF: Column<NewProvider> =
    Column { name: "diff", cast: "jsonb", value: |row| Some(&row.diff), audit: Audit::None };

/// The icon is included only if it has no default.
fn columns(insert: &Insert) -> Vec<&'static Column<NewProvider>> {
    COLUMNS.iter().filter(|column| insert.icon || column.name != ICON).collect()
}

struct NewRows {
    providers: Vec<NewProvider>,
    keys: Vec<NewKey>,
}

/// `None`: a value cannot be encrypted.
fn rows(desired: &[DesiredProvider], insert: &Insert, keyring: &Keyring, ids: &mut Ids) -> Option<NewRows> {
    let digest = insert.encrypt_with.as_deref();
    let columns = columns(insert);
    let mut rows = NewRows { providers: Vec::new(), keys: Vec::new() };
    for provider in insert.providers.iter().filter_map(|at| desired.get(*at)) {
        let id = ids.of(&provider.name).to_string();
        let settings = match &provider.bedrock {
            None => None,
            Some(settings) => {
                let settings = with_external_id(settings)?;
                if !settings.text(EXTERNAL_ID).is_empty() {
                    ids.external.insert(provider.name.clone(), settings.text(EXTERNAL_ID).to_owned());
                }
                Some(seal(&settings.encode(), keyring, digest)?)
            }
        };
        for key in &provider.keys {
            rows.keys.push(NewKey::new(&id, key, keyring, digest)?);
        }
        let mut row = NewProvider {
            id,
            kind: provider.stored_type(insert.bedrock_label),
            name: provider.name.clone(),
            display_name: provider.text(Field::DisplayName).to_owned(),
            shown_display_name: provider.shown(Field::DisplayName),
            enabled: provider.text(Field::Enabled) == "true",
            icon: provider.text(Field::Icon).to_owned(),
            shown_icon: provider.shown(Field::Icon),
            base_url: provider.base_url.clone(),
            shown_url: redact::base_url(&provider.base_url, Some(&provider.origins.base_url)).text,
            settings,
            diff: String::new(),
        };
        row.diff = audit_diff(&columns, &row);
        rows.providers.push(row);
    }
    Some(rows)
}

/// One statement for any number of rows. Its parts see one clock, and foreign keys are checked at its end.
fn statement<'a>(insert: &Insert, rows: &'a NewRows, parameters: &mut Parameters<'a>) -> String {
    let columns = columns(insert);
    let all = names(&columns);
    let given: Vec<_> = columns.into_iter().chain(insert.audit.then_some(&DIFF)).collect();
    let with_keys = !rows.keys.is_empty();
    let mut parts = vec![
        parameters.given("given", &given, &rows.providers, ""),
        format!("new_providers as (insert into ai_providers ({all}) select {all} from given returning 1)"),
    ];
    if with_keys {
        parts.push(keys::insert(&rows.keys, parameters));
    }
    if insert.audit {
        parts.push(provider_audits());
        if with_keys {
            parts.push(key_audits());
        }
    }
    let counts = [
        ("new_providers", rows.providers.len(), true),
        ("new_keys", rows.keys.len(), with_keys),
        ("new_provider_audits", rows.providers.len(), insert.audit),
        ("new_key_audits", rows.keys.len(), insert.audit && with_keys),
    ];
    let counts = counts.into_iter().filter(|(.., inserted)| *inserted);
    let counts: Vec<String> =
        counts.map(|(part, number, _)| format!("(select count(*) from {part}) = {number}")).collect();
    // Coder's daemons refetch their providers on the notification, which the server delivers with the commit. A trigger
    // or a rule may drop a row without an error; then the division by zero raises one, and nothing is written.
    format!(
        "with {} select pg_notify('ai_providers_changed', ''), 1 / ({})::int",
        parts.join(",\n"),
        counts.join(" and ")
    )
}

fn provider_audits() -> String {
    let rows = AuditRows {
        part: "new_provider_audits",
        from: "given",
        resource_type: "ai_provider",
        action: "create",
        id: "id",
        target: "name",
        diff: "diff",
        additional_fields: NO_FIELDS,
    };
    rows.statement()
}

fn key_audits() -> String {
    let rows = AuditRows {
        part: "new_key_audits",
        from: "given_keys",
        resource_type: "ai_provider_key",
        action: "create",
        id: "id",
        target: "id::text",
        diff: NEW_KEY_DIFF,
        additional_fields: NO_FIELDS,
    };
    rows.statement()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::insert::PROVIDER_COLUMNS;

    /// The plan checks the grants for its own list.
    #[test]
    fn columns_are_those_that_the_plan_checks() {
        let all: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!(all, [&PROVIDER_COLUMNS[..], &[ICON]].concat());
    }
}
