//! The live schema: labels, columns, privileges, encryption; and the classification of a database without Coder's tables.

use tokio_postgres::Row;

use super::connect::Session;
use super::dbcrypt::Keyring;
use super::error::{Endpoint, Error, Retry};
use super::failpoint::{Step, step};
use super::transaction::read_only;
use crate::plan::{AuditTable, Column, Encryption, Schema};
use crate::problem::Code;
use crate::provider::redact;

// `required`: must be written because it has no default (`icon` counts even if it may be NULL: Coder writes `''`). In the
// row of the server: whether it is read-only.
const SCHEMA: &str = "
  select 'column' as kind, c.relname::text as relation, a.attname::text as name,
         (a.attnotnull or a.attname = 'icon') and not a.atthasdef and a.attidentity = '' as required,
         has_column_privilege(a.attrelid, a.attnum, 'insert') as insertable
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
  select 'elsewhere', c.relname::text, n.nspname::text, false, false
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relname = 'ai_providers' and c.relkind in ('r', 'p') and c.oid <> to_regclass('ai_providers')
     and n.nspname !~ '^pg_'
  union all
  select 'resolved models', '', '', false, false where to_regclass('ai_provider_bedrock_resolved_models') is not null
  union all
  select 'server', '', '',
         pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on', false";

const ENCRYPTION: &str = "select active_key_digest, revoked_key_digest, test from dbcrypt_keys";

/// Also reads the encryption state if a keyring is given to compare it with.
pub async fn read(session: &Session, keyring: Option<&Keyring>) -> Result<Schema, Error> {
    let mut schema = Schema { role: session.endpoint.role.clone(), ..Schema::default() };
    let mut state = keyring.map(State::new);
    // Encryption comes last: without the right to read it the transaction is aborted, after the other answers.
    let (read, encryption) =
        tokio::join!(step(Step::Schema, session.query(SCHEMA, &[], |row| add(&mut schema, row))), async {
            let state = state.as_mut()?;
            Some(step(Step::Encryption, session.query(ENCRYPTION, &[], |row| state.add(row))).await)
        });
    read?;
    schema.encryption = match encryption {
        None => None,
        Some(Ok(())) => state.map(|state| Ok(state.finish())),
        Some(Err(error)) if error.code == Code::PermissionDenied => Some(Err(())),
        Some(Err(error)) => return Err(error),
    };
    Ok(schema)
}

fn add(schema: &mut Schema, row: &Row) -> Result<(), tokio_postgres::Error> {
    let (kind, relation, name): (&str, &str, &str) =
        (row.try_get("kind")?, row.try_get("relation")?, row.try_get("name")?);
    let column = Column { required: row.try_get("required")?, insertable: row.try_get("insertable")? };
    let audit = &mut schema.audit;
    match (kind, relation) {
        ("column", "ai_providers") => _ = schema.providers.columns.insert(name.to_owned(), column),
        ("column", "ai_provider_keys") => _ = schema.keys.columns.insert(name.to_owned(), column),
        ("column", _) => _ = audit.get_or_insert_default().table.columns.insert(name.to_owned(), column),
        ("label", "ai_providers") => _ = schema.labels.insert(name.to_owned()),
        ("elsewhere", _) => schema.elsewhere.push(name.to_owned()),
        ("resolved models", _) => schema.resolved_models = true,
        ("label", _) => audit.get_or_insert_default().note_label(name),
        _ => schema.read_only = column.required,
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

/// The encryption keys of the database, compared with the given keys.
struct State<'a> {
    keyring: &'a Keyring,
    encryption: Encryption,
    opened: Vec<String>,
}

impl<'a> State<'a> {
    fn new(keyring: &'a Keyring) -> Self {
        let first_given = keyring.first_digest().map(str::to_owned);
        State { keyring, encryption: Encryption { first_given, ..Encryption::default() }, opened: Vec::new() }
    }

    fn add(&mut self, row: &Row) -> Result<(), tokio_postgres::Error> {
        let (active, revoked): (Option<String>, Option<String>) =
            (row.try_get("active_key_digest")?, row.try_get("revoked_key_digest")?);
        let test: &str = row.try_get("test")?;
        self.encryption.revoked.extend(revoked.filter(|digest| !digest.is_empty()));
        if let Some(digest) = active.filter(|digest| !digest.is_empty()) {
            if self.keyring.opens(&digest, test) {
                self.opened.push(digest.clone());
            }
            self.encryption.active.insert(digest);
        }
        Ok(())
    }

    fn finish(self) -> Encryption {
        let State { keyring, mut encryption, opened } = self;
        encryption.usable =
            keyring.digests().filter(|given| opened.iter().any(|o| o == given)).map(str::to_owned).collect();
        encryption
    }
}

/// A relation that belongs neither to the system nor to an extension.
struct Relation {
    schema: String,
    name: String,
    may_use_schema: bool,
    /// Found without a schema name.
    visible: bool,
}

const RELATIONS: &str = "
  select n.nspname::text as schema, c.relname::text as name, has_schema_privilege(n.oid, 'usage') as may_use_schema,
         pg_table_is_visible(c.oid) as visible
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p', 'v', 'm', 'f')
     and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
     and not exists (select from pg_catalog.pg_depend d
                      where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
   order by c.relname in ('ai_providers', 'ai_provider_keys', 'schema_migrations') desc, 1, 2
   limit 50";

async fn relations(session: &Session) -> Result<Vec<Relation>, Error> {
    let mut relations = Vec::new();
    let found = session.query(RELATIONS, &[], |row| {
        let (schema, name) = (row.try_get("schema")?, row.try_get("name")?);
        let (may_use_schema, visible) = (row.try_get("may_use_schema")?, row.try_get("visible")?);
        relations.push(Relation { schema, name, may_use_schema, visible });
        Ok(())
    });
    step(Step::Relations, found).await?;
    Ok(relations)
}

/// The kinds of databases without the table `ai_providers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissingSchema {
    /// An empty database, or one of an older Coder without the tables: Coder will create them when it starts.
    Pending { what: &'static str },
    /// Any other fault.
    Wrong(Error),
}

/// After "relation does not exist": the kind of this database.
pub async fn classify_missing(session: &Session) -> Result<MissingSchema, Error> {
    let relations = read_only(session, relations(session)).await?;
    Ok(classify(&relations, &session.endpoint))
}

fn classify(relations: &[Relation], endpoint: &Endpoint) -> MissingSchema {
    let all = |name: &'static str| relations.iter().filter(move |relation| relation.name == name);
    let wrong = |code, what: &str, next: &str| MissingSchema::Wrong(Error::of_database(code, endpoint, what, next));
    if all("ai_providers").any(|table| table.visible) {
        let what = "there is no table ai_provider_keys beside ai_providers";
        return wrong(Code::SchemaUnsupported, what, "let Coder finish its migrations, or look at its log");
    }
    if let Some(table) = all("ai_providers").next() {
        let schema = redact::name(&table.schema);
        if !table.may_use_schema {
            let what = format!("role {} may not use schema {schema}, where ai_providers is", endpoint.role);
            let (schema, role) = (redact::identifier(&table.schema), redact::identifier(&endpoint.role));
            let next = format!("run: grant usage on schema {schema} to {role} (all grants: deploy/postgres/role.sql)");
            return wrong(Code::PermissionDenied, &what, &next);
        }
        let others: Vec<String> = all("ai_providers").skip(1).map(|table| redact::name(&table.schema)).collect();
        if !others.is_empty() {
            let what = format!(
                "ai_providers is in several schemas ({schema}, {}), none in the search_path",
                others.join(", ")
            );
            let next = "add search_path= with Coder's own schema to the URL's parameters";
            return wrong(Code::SchemaMissing, &what, next);
        }
        let what = format!("ai_providers is in schema {schema}, which is not in the search_path");
        return wrong(Code::SchemaMissing, &what, &format!("add search_path={schema} to the URL's parameters"));
    }
    if relations.is_empty() {
        return MissingSchema::Pending { what: "the database is empty" };
    }
    if all("schema_migrations").next().is_some() {
        return MissingSchema::Pending { what: "this Coder database has no table ai_providers yet" };
    }
    let what = "there is no table ai_providers, and the existing tables are not Coder's";
    wrong(Code::SchemaMissing, what, "check the database name in the URL")
}

/// The table is missing, and a retry will not help.
pub fn missing(session: &Session, what: &str, next: &str) -> Error {
    Error::of_database(Code::SchemaMissing, &session.endpoint, what, next)
}

/// Rows are missing, and this server refuses writes; another one, or this one after a fail-over, may accept them. Not if
/// a default of this role or database is the reason.
pub async fn server_is_read_only(session: &Session) -> Error {
    let what = "rows are missing, and the server is read only";
    if let Some(default) = session.read_only_default().await {
        let what = format!("{what}: {}", default.cause);
        return Error::of_database(Code::ReadOnly, &session.endpoint, &what, &default.next);
    }
    let next = "connect to the primary, or name all servers and target_session_attrs=read-write in the URL";
    Error::of_database(Code::ReadOnly, &session.endpoint, what, next).with_retry(Retry::Wait)
}
