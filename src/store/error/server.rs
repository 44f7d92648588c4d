//! A server's answer to a statement: the SQLSTATE decides about code and retry. The message, in any language, is only
//! searched for known names.

use tokio_postgres::error::DbError;

use super::kinds::{CHECK_SERVER, unreachable};
use super::{Endpoint, Error, Retry, conditions, login, pooler};
use crate::problem::Code;
use crate::provider::redact;

/// The file with all grants that a role needs.
pub(super) const ROLES: &str = "all grants: deploy/postgres/role.sql";

const CHECK_DATABASE_LOG: &str = "look at the server's log at this time";

/// A violation of one of these means that another seeder, or Coder's API, was faster.
const OUR_CONSTRAINTS: [&str; 4] =
    ["ai_providers_name_unique", "ai_providers_pkey", "ai_provider_keys_pkey", "audit_logs_pkey"];

pub(super) fn refused(db: &DbError, endpoint: &Endpoint) -> Error {
    let state = db.code().code();
    let table = db.table().and_then(conditions::known_table).or_else(|| conditions::known_table_in(db.message()));
    // A trigger may report any name as a constraint; only those of the written tables are passed on.
    let ours = |name: &&str| ["ai_provider", "audit_logs", "dbcrypt"].iter().any(|table| name.contains(table));
    let constraint = db.constraint().and_then(redact::plain_identifier).filter(ours);
    let on = table.map_or_else(String::new, |table| format!(" {table}"));
    let refusal = Refusal { db, state, constraint, endpoint, table, on };
    let of_session = || session(db, endpoint).or_else(|| login::failed(db, endpoint, None));
    let error = of_session().or_else(|| refusal.of_schema()).unwrap_or_else(|| refusal.of_statement());
    with_state(error, state)
}

pub(super) fn with_state(mut error: Error, state: &str) -> Error {
    error.sqlstate = Some(state.to_owned());
    error.connection_lost |=
        state.starts_with("08") || matches!(state, "57P01" | "57P02" | "57P03" | "57P05" | "25P03");
    error
}

/// The state of the server or its connections, with the same meaning before and after a session is open.
pub(super) fn session(db: &DbError, endpoint: &Endpoint) -> Option<Error> {
    Some(match db.code().code() {
        "57P01" | "57P02" => unreachable(endpoint, "the server is shutting down".to_owned(), CHECK_SERVER),
        "57P03" => {
            unreachable(endpoint, "the server is starting up or not ready".to_owned(), "wait for it, or check why")
        }
        "53300" => unreachable(
            endpoint,
            "it has no free connection slot".to_owned(),
            "close idle clients or raise max_connections (or the role's connection limit)",
        ),
        "3D000" => unreachable(
            endpoint,
            format!("there is no database {}", endpoint.database),
            "create it, or correct the name in the URL",
        ),
        state if state.starts_with("08") => {
            let (cause, next) =
                pooler::hint(db.message()).unwrap_or(("the server reports a broken connection", CHECK_SERVER));
            unreachable(endpoint, cause.to_owned(), next)
        }
        _ => return None,
    })
}

/// The refusal of a statement, without the server's text.
struct Refusal<'a> {
    db: &'a DbError,
    state: &'a str,
    constraint: Option<&'a str>,
    endpoint: &'a Endpoint,
    table: Option<&'a str>,
    /// The table with a space before it, if known.
    on: String,
}

impl Refusal<'_> {
    fn fail(&self, code: Code, retry: Retry, cause: &str, next: &str) -> Error {
        Error::new(code, retry, format!("{}: {cause}", self.endpoint), cause.to_owned(), next)
    }

    /// Privileges, tables and columns.
    fn of_schema(&self) -> Option<Error> {
        let Refusal { db, table, on, .. } = self;
        let role = &self.endpoint.role;
        Some(match self.state {
            "25006" => self.fail(Code::ReadOnly, Retry::Wait, "it is read-only (a standby?)", "connect to the primary"),
            "42501" if self.is_row_security() => self.fail(
                Code::PermissionDenied,
                Retry::No,
                &match table {
                    Some(table) => format!("row-level security of {table} hides rows from role {role}"),
                    None => format!("row-level security hides rows from role {role}"),
                },
                &format!(
                    "run: alter role {} bypassrls, or connect as the owner of the table (where it has no force row level \
                     security)",
                    redact::identifier(role)
                ),
            ),
            "22012" => self.fail(
                Code::ServerError,
                Retry::No,
                "a trigger or a rule swallowed rows that were inserted",
                "look at the triggers of ai_providers, ai_provider_keys and audit_logs",
            ),
            // Inserts are checked beforehand, so the name of a table means a read.
            "42501" => match table {
                Some(table) => self.fail(
                    Code::PermissionDenied,
                    Retry::No,
                    &format!("role {role} may not read {table}"),
                    &format!("run: grant select on {table} to {} ({ROLES})", redact::identifier(role)),
                ),
                None => self.fail(
                    Code::PermissionDenied,
                    Retry::No,
                    &format!("role {role} lacks a privilege"),
                    "run deploy/postgres/role.sql; the server's log says which it is",
                ),
            },
            "42P01" => self.fail(
                Code::SchemaMissing,
                Retry::No,
                &format!("there is no table{on}"),
                "check that this is Coder's database",
            ),
            "42703" => self.fail(
                Code::SchemaUnsupported,
                Retry::No,
                &match conditions::known_column_in(db.message()) {
                    Some(column) => format!("there is no column {column}"),
                    None => format!("table{on} lacks a column that is needed"),
                },
                "use a release of ai-provider-seed that knows this version of Coder",
            ),
            _ => return None,
        })
    }

    /// 42501 also means a missing privilege. The place in the server's source that raised the error is the same in every
    /// language.
    fn is_row_security(&self) -> bool {
        matches!(self.db.routine(), Some("check_enable_rls" | "ExecWithCheckOptions"))
            || self.db.message().contains("row-level security")
    }

    /// Locks, lost races, and all other errors.
    fn of_statement(&self) -> Error {
        let Refusal { state, constraint, on, .. } = self;
        match *state {
            // A lock on a table; the lock for seeding gets its own code at the place that takes it.
            "55P03" => self.fail(
                Code::ServerError,
                Retry::Wait,
                "another session holds a lock on a table, as a migration does",
                "see who holds it in pg_locks, or give a longer --wait",
            ),
            "40001" | "40P01" => {
                self.fail(Code::ServerError, Retry::Again, "a conflict with another transaction", "run it again")
            }
            "25P03" | "57P05" => {
                self.fail(Code::ServerError, Retry::Again, "the server ended our idle connection", "run it again")
            }
            "23505" if constraint.is_some_and(|name| OUR_CONSTRAINTS.contains(&name)) => {
                self.fail(Code::ServerError, Retry::Again, "another session inserted the same row", "run it again")
            }
            _ => {
                let constraint = constraint.map_or_else(String::new, |name| format!(", constraint {name}"));
                let cause = format!("the server reports {}{constraint}{}", described(state), place(on));
                self.fail(Code::ServerError, Retry::No, &cause, conditions::advice(state).unwrap_or(CHECK_DATABASE_LOG))
            }
        }
    }
}

/// `SQLSTATE 53100 disk_full`.
pub(super) fn described(state: &str) -> String {
    let name = conditions::name(state).map_or_else(String::new, |name| format!(" {name}"));
    format!("SQLSTATE {}{name}", redact::name(state))
}

fn place(on: &str) -> String {
    if on.is_empty() { String::new() } else { format!(", table{on}") }
}
