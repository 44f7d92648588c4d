//! Decides whether the missing rows can be inserted into this database, and how.

use super::snapshot::{Encryption, Schema, Table};
use super::types::{Access, Insert, Plan, PlanOptions};
use crate::problem::{Code, Problem};
use crate::provider::{DesiredProvider, ENCRYPTION_KEYS_VARIABLE, Field, redact};

/// The columns that an insert writes.
pub const PROVIDER_COLUMNS: [&str; 8] =
    ["id", "type", "name", "display_name", "enabled", "base_url", "settings", "settings_key_id"];
pub const KEY_COLUMNS: [&str; 6] = ["id", "provider_id", "api_key", "api_key_key_id", "created_at", "updated_at"];
pub const AUDIT_COLUMNS: [&str; 13] = [
    "id",
    "time",
    "user_id",
    "organization_id",
    "resource_type",
    "resource_id",
    "resource_target",
    "action",
    "diff",
    "status_code",
    "additional_fields",
    "request_id",
    "resource_icon",
];
/// Newer schemas have this column, with or without a default; it is written only if a variable sets it or it has no
/// default.
pub const ICON: &str = "icon";

/// Rows would go into the first table in the search path, which may be a copy or a leftover.
fn other_tables(schema: &Schema) -> Option<Problem> {
    let names: Vec<String> = schema.elsewhere.iter().map(|name| redact::name(name)).collect();
    let message = format!(
        "schema {} has a table ai_providers too; check that the search_path finds Coder's own, or set search_path= in the \
         URL's parameters",
        names.join(", ")
    );
    (!names.is_empty()).then(|| Problem::new(Code::SchemaUnsupported, message))
}

/// Fills `plan.insert`, or adds the problems that prevent it. Only the needs of these rows can be a problem.
pub fn decide(plan: &mut Plan, desired: &[DesiredProvider], schema: Option<&Schema>, options: &PlanOptions) {
    let Some(schema) = schema else {
        plan.needs_schema = true;
        return;
    };
    let providers: Vec<usize> = plan.missing().collect();
    plan.findings.warnings.extend(other_tables(schema));
    let with_keys = providers.iter().any(|at| !desired[*at].keys.is_empty());
    let with_secrets = providers.iter().any(|at| desired[*at].has_secrets());
    if with_secrets && schema.encryption.is_none() {
        plan.needs_schema = true;
        return;
    }
    let audit = options.audit && schema.audit.as_ref().is_some_and(|audit| audit.has_labels());
    let set = providers.iter().any(|at| desired[*at].optional.contains_key(&Field::Icon));
    let icon = schema.providers.columns.get(ICON).is_some_and(|column| column.required || set);

    let mut obstacles = Obstacles { role: &schema.role, inserts: false, schema: Vec::new(), access: Vec::new() };
    let extra = if icon { &[ICON][..] } else { &[] };
    obstacles.table("ai_providers", &schema.providers, &[&PROVIDER_COLUMNS, extra].concat(), "");
    if with_keys {
        obstacles.table("ai_provider_keys", &schema.keys, &KEY_COLUMNS, "");
    }
    if let Some(table) = schema.audit.as_ref().filter(|_| audit) {
        obstacles.table("audit_logs", &table.table, &AUDIT_COLUMNS, ", or turn audit rows off with --audit=off");
    }
    if schema.read_only {
        let message = "the server is read only (a standby, or default_transaction_read_only); connect to the primary, \
                       or add target_session_attrs=read-write and the other hosts to the URL";
        obstacles.access.push(Problem::new(Code::ReadOnly, message));
    }
    let encrypt_with = if with_secrets {
        encrypt_with(schema, options, "rows are missing", &mut obstacles.schema)
    } else {
        Encrypt::Plain
    };

    plan.findings.problems.append(&mut obstacles.schema);
    match options.access {
        Access::Write => plan.findings.problems.extend(obstacles.of_access()),
        // Another role may have the right, so this is a warning. A role without any INSERT is meant to be a reader.
        Access::Read => {
            let worth_saying = |problem: &Problem| obstacles.inserts || problem.code != Code::PermissionDenied;
            let said = obstacles.access.into_iter().filter(worth_saying);
            plan.findings.warnings.extend(said.map(|problem| Problem { code: Code::CannotInsert, ..problem }));
        }
    }
    let encrypt_with = match encrypt_with {
        Encrypt::Plain => None,
        Encrypt::With(digest) => Some(digest),
        Encrypt::Pending => {
            let message = "keys are given, but Coder has not registered one in this database yet, so nothing is inserted; \
                           Coder registers it when it starts, and the next start of this pod inserts the providers";
            plan.findings
                .warnings
                .push(Problem::new(Code::EncryptionPending, message).variable(ENCRYPTION_KEYS_VARIABLE));
            return;
        }
        Encrypt::NotNow => return,
    };
    if !plan.blocks() {
        let bedrock_label = schema.labels.contains("bedrock");
        plan.insert = Some(Insert { providers, bedrock_label, icon, audit, encrypt_with });
    }
}

/// Problems that prevent an insert: in the schema, or in this role's grants and the server's state.
struct Obstacles<'a> {
    role: &'a str,
    /// The role may insert into at least one of the tables.
    inserts: bool,
    schema: Vec<Problem>,
    access: Vec<Problem>,
}

impl Obstacles<'_> {
    /// A role without any INSERT is meant to be a reader and gets no advice about grants: another role seeds.
    fn of_access(&mut self) -> Vec<Problem> {
        let (grants, mut others): (Vec<Problem>, Vec<Problem>) =
            std::mem::take(&mut self.access).into_iter().partition(|problem| problem.code == Code::PermissionDenied);
        if self.inserts || grants.is_empty() {
            return grants.into_iter().chain(others).collect();
        }
        let message = format!(
            "rows are missing and role {} may only read; connect as the role that seeds (deploy/postgres/role.sql makes \
             one: ai_provider_seed)",
            self.role
        );
        others.insert(0, Problem::new(Code::PermissionDenied, message));
        others
    }

    fn table(&mut self, name: &str, table: &Table, written: &[&str], or: &str) {
        if table.columns.is_empty() {
            let message = format!("there is no table {name}; let Coder finish its migrations, or look at its log{or}");
            return self.schema.push(Problem::new(Code::SchemaUnsupported, message));
        }
        for column in written.iter().filter(|column| !table.columns.contains_key(**column)) {
            let message =
                format!("{name} has no column {column}; this Coder release is not supported by this version{or}");
            self.schema.push(Problem::new(Code::SchemaUnsupported, message));
        }
        for (column, facts) in &table.columns {
            if facts.required && !written.contains(&column.as_str()) {
                let column = redact::name(column);
                let message = format!(
                    "{name}.{column} must have a value and has no default; this version does not know the column: upgrade ai-provider-seed{or}"
                );
                self.schema.push(Problem::new(Code::SchemaUnsupported, message));
            }
        }
        let refused = |column: &&str| table.columns.get(*column).is_some_and(|facts| !facts.insertable);
        if written.iter().any(refused) {
            let message = format!(
                "rows are missing and role {} may not insert into {name}; run: grant insert on {name} to {}{or}",
                self.role,
                redact::identifier(self.role)
            );
            self.access.push(Problem::new(Code::PermissionDenied, message));
        } else {
            self.inserts = true;
        }
    }
}

pub(super) enum Encrypt {
    Plain,
    With(String),
    /// Keys are given, but Coder has registered none of them yet.
    Pending,
    /// A problem prevents it; the problem was added.
    NotNow,
}

/// Coder's key in use decides. This program never writes `dbcrypt_keys`, and an encrypted value needs its key's row (a
/// foreign key). `why`: the reason for the write, such as `rows are missing`.
pub(super) fn encrypt_with(schema: &Schema, options: &PlanOptions, why: &str, obstacles: &mut Vec<Problem>) -> Encrypt {
    let problem = |code, message: String| Problem::new(code, message).variable(ENCRYPTION_KEYS_VARIABLE);
    let Encryption { active, revoked, usable, first_given } = match &schema.encryption {
        Some(Ok(encryption)) => encryption,
        Some(Err(())) => {
            let message = format!(
                "role {} may not read dbcrypt_keys, so it is unknown whether keys must be encrypted; \
                 run: grant select on dbcrypt_keys to {}",
                schema.role,
                redact::identifier(&schema.role)
            );
            obstacles.push(Problem::new(Code::PermissionDenied, message));
            return Encrypt::NotNow;
        }
        None => return Encrypt::NotNow,
    };
    let list = |digests: &std::collections::BTreeSet<String>| {
        digests.iter().map(|digest| redact::name(digest)).collect::<Vec<_>>().join(", ")
    };
    if !options.keys_given {
        if active.is_empty() {
            return Encrypt::Plain;
        }
        let message = format!(
            "this database is encrypted (key {}) and {why}; set {ENCRYPTION_KEYS_VARIABLE} on this container as for Coder",
            list(active)
        );
        obstacles.push(problem(Code::EncryptionKeyRequired, message));
        return Encrypt::NotNow;
    }
    if let Some(first) = first_given.as_ref().filter(|first| revoked.contains(*first)) {
        let message =
            format!("the first key ({}) was revoked in this database; put the key in use first", redact::name(first));
        obstacles.push(problem(Code::EncryptionKeyRevoked, message));
        return Encrypt::NotNow;
    }
    if let Some(digest) = usable.first() {
        return Encrypt::With(digest.clone());
    }
    if !active.is_empty() {
        let message = format!(
            "this database is encrypted with key {}, and no given key is that one; give {ENCRYPTION_KEYS_VARIABLE} as for Coder",
            list(active)
        );
        obstacles.push(problem(Code::UnknownEncryptionKey, message));
        return Encrypt::NotNow;
    }
    Encrypt::Pending
}
