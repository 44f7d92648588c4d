//! The live schema: labels, columns, privileges, encryption; and what to make of a database without our tables.

use secrecy::zeroize::Zeroize;
use tokio_postgres::Row;

use super::connect::Session;
use super::dbcrypt::Keyring;
use super::error::{Endpoint, Error, Retry};
use super::failpoint::{Step, step};
use super::snapshot::{Absence, Depth};
use crate::plan::{AuditTable, Column, Encryption, Schema};
use crate::problem::Code;
use crate::provider::redact;

// What must be written because nothing else fills it. `icon` counts even where it may be NULL: Coder writes `''`.
const SCHEMA: &str = "
  select 'column', c.relname::text, a.attname::text,
         (a.attnotnull or a.attname = 'icon') and not a.atthasdef and a.attidentity = '',
         has_column_privilege(a.attrelid, a.attnum, 'insert')
    from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
   where a.attrelid in (to_regclass('ai_providers'), to_regclass('ai_provider_keys'), to_regclass('audit_logs'))
     and a.attnum > 0 and not a.attisdropped
  union all
  select 'label', c.relname::text, e.enumlabel::text, false, false
    from pg_catalog.pg_enum e join pg_catalog.pg_attribute a on a.atttypid = e.enumtypid
         join pg_catalog.pg_class c on c.oid = a.attrelid
   where a.attrelid = to_regclass('ai_providers') and a.attname = 'type'
      or a.attrelid = to_regclass('audit_logs') and a.attname = 'resource_type'
  union all
  select 'server', '', '',
         pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on', false";

const ENCRYPTION: &str = "select active_key_digest, revoked_key_digest, test from dbcrypt_keys";

pub async fn read_if(session: &Session, keyring: &Keyring, depth: Depth) -> Result<Option<Schema>, Error> {
    let Depth::Schema { encryption } = depth else { return Ok(None) };
    // Encryption last: where it may not be read, the transaction is aborted, and the rest is there already.
    let (rows, encryption) = tokio::join!(step(Step::Schema, session.client.query_typed(SCHEMA, &[])), async {
        if encryption { Some(step(Step::Encryption, session.client.query_typed(ENCRYPTION, &[])).await) } else { None }
    });
    let rows = rows.map_err(|error| session.error(&error))?;
    let mut schema = Schema { role: session.endpoint.role.clone(), ..Schema::default() };
    for row in &rows {
        add(&mut schema, row).map_err(|error| session.error(&error))?;
    }
    schema.encryption = match encryption.map(|result| result.map_err(|error| session.error(&error))) {
        None => None,
        Some(Ok(rows)) => Some(Ok(state(&rows, keyring).map_err(|error| session.error(&error))?)),
        Some(Err(error)) if error.code == Code::PermissionDenied => Some(Err(())),
        Some(Err(error)) => return Err(error),
    };
    Ok(Some(schema))
}

fn add(schema: &mut Schema, row: &Row) -> Result<(), tokio_postgres::Error> {
    let (what, table, name): (&str, &str, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let (first, second): (bool, bool) = (row.try_get(3)?, row.try_get(4)?);
    let column = Column { required: first, insertable: second };
    let audit = &mut schema.audit;
    match (what, table) {
        ("column", "ai_providers") => _ = schema.providers.columns.insert(name.to_owned(), column),
        ("column", "ai_provider_keys") => _ = schema.keys.columns.insert(name.to_owned(), column),
        ("column", _) => _ = audit.get_or_insert_default().table.columns.insert(name.to_owned(), column),
        ("label", "ai_providers") => _ = schema.labels.insert(name.to_owned()),
        ("label", _) => audit.get_or_insert_default().note_label(name),
        _ => schema.read_only = first,
    }
    Ok(())
}

impl AuditTable {
    fn note_label(&mut self, label: &str) {
        match label {
            "ai_provider" => self.provider_label = true,
            "ai_provider_key" => self.key_label = true,
            _ => {}
        }
    }
}

fn state(rows: &[Row], keyring: &Keyring) -> Result<Encryption, tokio_postgres::Error> {
    let mut encryption = Encryption { first_given: keyring.first_digest().map(str::to_owned), ..Encryption::default() };
    let mut opened = Vec::new();
    for row in rows {
        let (active, revoked): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        let mut test: String = row.try_get(2)?;
        encryption.revoked.extend(revoked.filter(|digest| !digest.is_empty()));
        if let Some(digest) = active.filter(|digest| !digest.is_empty()) {
            if keyring.opens(&digest, &test) {
                opened.push(digest.clone());
            }
            encryption.active.insert(digest);
        }
        test.zeroize();
    }
    encryption.usable =
        keyring.digests().filter(|given| opened.iter().any(|o| o == given)).map(str::to_owned).collect();
    Ok(encryption)
}

/// A relation that somebody made: not the system's, not an extension's.
pub struct Relation {
    schema: String,
    name: String,
    may_use_schema: bool,
    /// Found by its bare name.
    visible: bool,
}

const RELATIONS: &str = "
  select n.nspname::text, c.relname::text, has_schema_privilege(n.oid, 'usage'), pg_table_is_visible(c.oid)
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p', 'v', 'm', 'f')
     and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
     and not exists (select from pg_catalog.pg_depend d
                      where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
   order by c.relname in ('ai_providers', 'ai_provider_keys', 'schema_migrations') desc, 1, 2
   limit 50";

pub async fn relations(session: &Session) -> Result<Vec<Relation>, Error> {
    let rows = step(Step::Relations, session.client.query_typed(RELATIONS, &[])).await;
    let rows = rows.map_err(|error| session.error(&error))?;
    let relation = |row: &Row| {
        let (schema, name) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Relation { schema, name, may_use_schema: row.try_get(2)?, visible: row.try_get(3)? })
    };
    rows.iter().map(relation).collect::<Result<_, _>>().map_err(|error| session.error(&error))
}

pub fn judge(relations: &[Relation], endpoint: &Endpoint) -> Absence {
    let all = |name: &'static str| relations.iter().filter(move |relation| relation.name == name);
    let wrong = |code, what: &str, next: &str| Absence::Wrong(error(code, endpoint, what, next));
    if all("ai_providers").any(|table| table.visible) {
        let what = "there is no table ai_provider_keys, but ai_providers is there";
        return wrong(Code::SchemaUnsupported, what, "let Coder finish its migrations, or look into its log");
    }
    if let Some(table) = all("ai_providers").next() {
        let schema = redact::name(&table.schema);
        if !table.may_use_schema {
            let what = format!("role {} may not use schema {schema}, where ai_providers is", endpoint.role);
            let (schema, role) = (redact::identifier(&table.schema), redact::identifier(&endpoint.role));
            let next = format!("run: grant usage on schema {schema} to {role} (all grants: deploy/postgres/role.sql)");
            return wrong(Code::PermissionDenied, &what, &next);
        }
        let what = format!("ai_providers is in schema {schema}, which is not in the search_path");
        return wrong(Code::SchemaMissing, &what, &format!("add search_path={schema} to the URL's parameters"));
    }
    if relations.is_empty() {
        return Absence::Pending { what: "the database is empty" };
    }
    if all("schema_migrations").next().is_some() {
        return Absence::Pending { what: "this Coder database has no table ai_providers yet" };
    }
    let what = "there is no table ai_providers, and the tables that are there are not Coder's";
    wrong(Code::SchemaMissing, what, "check the database name in the URL")
}

pub fn error(code: Code, endpoint: &Endpoint, what: &str, next: &str) -> Error {
    Error::new(code, Retry::No, format!("{endpoint}: {what}"), what.to_owned(), next)
}
