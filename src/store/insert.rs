//! Inserting what is missing: all rows and the commit in one round trip, under the lock. All rows or none.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::connect::Session;
use super::dbcrypt::Keyring;
use super::error::Error;
use super::failpoint::{Step, step};
use crate::plan::Insert;
use crate::problem::Code;
use crate::provider::{DesiredProvider, redact};

/// The ids of the rows that this run makes. Kept over attempts: found in the database, they tell that a commit whose answer
/// was lost did take effect.
#[derive(Default)]
pub struct Ids(BTreeMap<String, Uuid>);

impl Ids {
    pub fn of(&mut self, name: &str) -> Uuid {
        *self.0.entry(name.to_owned()).or_insert_with(Uuid::new_v4)
    }

    pub fn made(&self, id: &Uuid) -> bool {
        self.0.values().any(|made| made == id)
    }
}

/// Inserts, notifies and commits in one flight. An error of the insert turns the commit into a rollback.
pub async fn insert_and_commit(
    session: &Session,
    desired: &[DesiredProvider],
    insert: &Insert,
    keyring: &Keyring,
    ids: &mut Ids,
) -> Result<(), Error> {
    let rows = Rows::new(desired, insert, keyring, ids).ok_or_else(|| cannot_encrypt(session))?;
    let parameters = rows.parameters();
    let sql = statement(insert, rows.has_keys());
    let (inserted, committed) = tokio::join!(
        step(Step::Insert, session.client.query_typed(&sql, &parameters)),
        step(Step::Commit, session.client.batch_execute("commit")),
    );
    // An answer to the insert that is an error is certain: the commit behind it is a rollback.
    inserted.map_err(|error| {
        let mut error = session.error(&error);
        error.connection_lost &= error.sqlstate.is_none();
        error
    })?;
    committed.map_err(|error| session.error(&error))
}

fn cannot_encrypt(session: &Session) -> Error {
    Error::of_database(Code::Internal, &session.endpoint, "a value could not be encrypted", "please report it")
}

/// The columns of all rows, as arrays.
#[derive(Default)]
struct Rows {
    ids: Vec<String>,
    types: Vec<&'static str>,
    names: Vec<String>,
    display_names: Vec<String>,
    base_urls: Vec<String>,
    settings: Vec<Option<String>>,
    settings_key_ids: Vec<Option<String>>,
    /// What the audit log may hold of a URL.
    shown_urls: Vec<String>,
    key_ids: Vec<String>,
    key_provider_ids: Vec<String>,
    api_keys: Vec<String>,
    api_key_key_ids: Vec<Option<String>>,
}

impl Rows {
    fn new(desired: &[DesiredProvider], insert: &Insert, keyring: &Keyring, ids: &mut Ids) -> Option<Rows> {
        let mut rows = Rows::default();
        let digest = insert.encrypt_with.as_deref();
        // Coder leaves blank values plain.
        let seal = |plain: &SecretString| match digest.filter(|_| !plain.expose_secret().trim().is_empty()) {
            None => Some((plain.expose_secret().to_owned(), None)),
            Some(digest) => keyring.encrypt(digest, plain).map(|sealed| (sealed, Some(digest.to_owned()))),
        };
        for provider in insert.providers.iter().filter_map(|at| desired.get(*at)) {
            let id = ids.of(&provider.name).to_string();
            let settings = provider.bedrock.as_ref().map(|settings| seal(&settings.encode()));
            let (settings, settings_key_id) = match settings {
                None => (None, None),
                Some(sealed) => sealed.map(|(text, key)| (Some(text), key))?,
            };
            for key in &provider.keys {
                let (api_key, key_id) = seal(key)?;
                rows.key_ids.push(Uuid::new_v4().to_string());
                rows.key_provider_ids.push(id.clone());
                rows.api_keys.push(api_key);
                rows.api_key_key_ids.push(key_id);
            }
            rows.ids.push(id);
            rows.types.push(provider.stored_type(insert.bedrock_label));
            rows.names.push(provider.name.clone());
            rows.display_names.push(provider.display_name(insert.bedrock_label).to_owned());
            rows.base_urls.push(provider.base_url.clone());
            rows.settings.push(settings);
            rows.settings_key_ids.push(settings_key_id);
            rows.shown_urls.push(redact::base_url(&provider.base_url, Some(&provider.origins.base_url)).text);
        }
        Some(rows)
    }

    fn has_keys(&self) -> bool {
        !self.key_ids.is_empty()
    }

    fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        let providers: [&(dyn ToSql + Sync); 8] = [
            &self.ids,
            &self.types,
            &self.names,
            &self.display_names,
            &self.base_urls,
            &self.settings,
            &self.settings_key_ids,
            &self.shown_urls,
        ];
        let keys: [&(dyn ToSql + Sync); 4] =
            [&self.key_ids, &self.key_provider_ids, &self.api_keys, &self.api_key_key_ids];
        let keys = keys.into_iter().filter(|_| self.has_keys());
        providers.into_iter().chain(keys).map(|values| (values, Type::TEXT_ARRAY)).collect()
    }
}

/// One statement for everything, however many rows. Its parts see one clock, and foreign keys are checked at its end.
fn statement(insert: &Insert, with_keys: bool) -> String {
    let (icon_column, icon_value) = if insert.icon { (", icon", ", ''") } else { ("", "") };
    let mut parts = vec![
        "given as (
           select * from unnest($1, $2, $3, $4, $5, $6, $7, $8)
             as t (id, type, name, display_name, base_url, settings, settings_key_id, shown_url))"
            .to_owned(),
        format!(
            "new_providers as (
               insert into ai_providers
                      (id, type, name, display_name, enabled, base_url, settings, settings_key_id{icon_column})
               select id::uuid, type::ai_provider_type, name, display_name, true, base_url, settings,
                      settings_key_id{icon_value}
                 from given returning 1)"
        ),
    ];
    if with_keys {
        // One microsecond apart, so that Coder, which reads them by time, keeps the order of the environment.
        parts.push(
            "given_keys as (
               select *, statement_timestamp() + at * interval '1 microsecond' as created_at
                 from unnest($9, $10, $11, $12) with ordinality
                   as t (id, provider_id, api_key, api_key_key_id, at)),
             new_keys as (
               insert into ai_provider_keys (id, provider_id, api_key, api_key_key_id, created_at, updated_at)
               select id::uuid, provider_id::uuid, api_key, api_key_key_id, created_at, created_at from given_keys
               returning 1)"
                .to_owned(),
        );
    }
    if insert.audit {
        parts.push(audit("new_provider_audits", "given", "ai_provider", "name", &provider_diff(insert.icon)));
        if with_keys {
            parts.push(audit("new_key_audits", "given_keys", "ai_provider_key", "id", KEY_DIFF));
        }
    }
    // Coder's daemons refetch their providers on the notification; the server delivers it with the commit. A trigger or a rule
    // may swallow a row without an error: then the division by zero is one, and nothing is written.
    let counts = [("new_providers", 1), ("new_keys", 9), ("new_provider_audits", 1), ("new_key_audits", 9)].map(
        |(part, given)| {
            let inserted = parts.iter().any(|text| text.contains(&format!("{part} as (")));
            if inserted { format!("(select count(*) from {part}) = cardinality(${given})") } else { "true".to_owned() }
        },
    );
    format!(
        "with {} select pg_notify('ai_providers_changed', ''), 1 / ({})::int",
        parts.join(",\n"),
        counts.join(" and ")
    )
}

fn audit(part: &str, from: &str, resource: &str, target: &str, diff: &str) -> String {
    let nobody = Uuid::nil();
    format!(
        "{part} as (
           insert into audit_logs (id, \"time\", user_id, organization_id, resource_type, resource_id, resource_target,
                                   action, diff, status_code, additional_fields, request_id, resource_icon)
           select gen_random_uuid(), statement_timestamp(), '{nobody}', '{nobody}', '{resource}', id::uuid, {target},
                  'create', {diff}, 0, '{{}}', '{nobody}', ''
             from {from} returning 1)"
    )
}

/// Every inserted column; what is or may be secret holds nothing, not even masked.
fn provider_diff(icon: bool) -> String {
    let plain = |column: &str, old: &str, new: &str| {
        format!("'{column}', jsonb_build_object('old', {old}, 'new', {new}, 'secret', false)")
    };
    let mut fields = vec![
        plain("id", "''", "id"),
        plain("type", "''", "type"),
        plain("name", "''", "name"),
        plain("display_name", "null", "display_name"),
        plain("enabled", "false", "true"),
        plain("base_url", "''", "shown_url"),
        "'settings', jsonb_build_object('old', '', 'new', '', 'secret', true)".to_owned(),
        plain("settings_key_id", "null", "settings_key_id"),
    ];
    if icon {
        fields.push(plain("icon", "''", "''"));
    }
    format!("jsonb_build_object({})", fields.join(", "))
}

/// Put together as text: there may be thousands, and `jsonb_build_object` takes twice as long. `id` and `provider_id` are texts
/// of UUIDs that we made.
const KEY_DIFF: &str = r#"('{"id":{"old":"","new":"' || id || '","secret":false},
    "provider_id":{"old":"","new":"' || provider_id || '","secret":false},
    "api_key":{"old":"","new":"","secret":true},
    "api_key_key_id":{"old":null,"new":' || coalesce(to_json(api_key_key_id)::text, 'null') || ',"secret":false},
    "created_at":{"old":null,"new":' || to_json(created_at)::text || ',"secret":false},
    "updated_at":{"old":null,"new":' || to_json(created_at)::text || ',"secret":false}}')::jsonb"#;
