//! SQLSTATEs and failed connections, and what they mean for a seed.

use std::error::Error as StdError;
use std::io;

use tokio_postgres::error::DbError;

use super::{Endpoint, Error, Retry, conditions};
use crate::problem::Code;
use crate::provider::redact;
use crate::store::tls::{Explained, explain};

/// Where every grant is that a role needs.
const ROLES: &str = "all grants: deploy/postgres/role.sql";

pub(super) const CHECK_SERVER: &str = "check that the server runs and that host, port and network policies are right";
const CHECK_DATABASE_LOG: &str = "look into the server's log at this time";

/// A conflict on one of these means that another seeder, or Coder's API, was quicker.
const OUR_CONSTRAINTS: [&str; 4] =
    ["ai_providers_name_unique", "ai_providers_pkey", "ai_provider_keys_pkey", "audit_logs_pkey"];

pub(super) fn statement(error: &tokio_postgres::Error, endpoint: &Endpoint) -> Error {
    if let Some(db) = error.as_db_error() {
        return server(db, endpoint);
    }
    let text = error.to_string();
    let fail = |code, cause: &str, next: &str| {
        Error::new(code, Retry::No, format!("{endpoint}: {cause}"), cause.to_owned(), next)
    };
    // tokio-postgres tells its kinds apart only in words.
    if ["error deserializing", "invalid column", "query returned an unexpected"].iter().any(|it| text.starts_with(it)) {
        let cause = "a column has another type than expected";
        return fail(
            Code::SchemaUnsupported,
            cause,
            "use a release of ai-provider-seed that knows this version of Coder",
        );
    }
    if ["error serializing", "error encoding", "expected "].iter().any(|it| text.starts_with(it)) {
        return fail(Code::Internal, "a statement could not be sent", "please report this");
    }
    if let Some(explained) = explain(error, &endpoint.host, "sslrootcert") {
        return lost(endpoint, &explained.cause);
    }
    lost(endpoint, &io_cause(error).unwrap_or_else(|| "the server closed it".to_owned()))
}

fn lost(endpoint: &Endpoint, cause: &str) -> Error {
    let summary = format!("the connection to {endpoint} was lost: {cause}");
    let mut error = Error::new(Code::Unreachable, Retry::Wait, summary, cause.to_owned(), CHECK_SERVER);
    error.connection_lost = true;
    error
}

pub(super) fn connecting(error: &tokio_postgres::Error, endpoint: &Endpoint, host: &str, roots: &str) -> Error {
    if let Some(db) = error.as_db_error() {
        return if db.code().code() == "42501" { may_not_connect(endpoint) } else { server(db, endpoint) };
    }
    if let Some(Explained { cause, next }) = explain(error, host, roots) {
        return tls(endpoint, cause, next);
    }
    let text = error.to_string();
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    if source == "server does not support TLS" {
        let next = "set ssl=on in the server, or sslmode=prefer or disable if the way to it is safe";
        return tls(endpoint, "the server does not offer TLS, and sslmode asks for it".to_owned(), next);
    }
    if source == "password missing" {
        let next = "write it into the URL, or set PGPASSWORD or --database-password-file (~/.pgpass is not read)";
        return authentication(endpoint, "it asks for a password and none is given".to_owned(), next);
    }
    if text == "authentication error" {
        let (cause, next) = if source.contains("channel binding") {
            (
                "the server did not use channel binding",
                "remove channel_binding=require, or check for a proxy in between",
            )
        } else if source.contains("unsupported") {
            (
                "it asks for an unsupported authentication method",
                "use scram-sha-256, md5, password or cert in pg_hba.conf",
            )
        } else {
            ("it could not prove that it knows the password", "check that this is the right server")
        };
        return authentication(endpoint, cause.to_owned(), next);
    }
    let io = io_cause(error);
    if text == "error performing TLS handshake" {
        return match io {
            Some(cause) if cause != INVALID => {
                unreachable(endpoint, format!("{cause} during the TLS handshake"), CHECK_SERVER)
            }
            _ => tls(
                endpoint,
                "its host name cannot be used for TLS".to_owned(),
                "connect by a DNS name or an IP address",
            ),
        };
    }
    let talks = ["unexpected message", "error parsing"].iter().any(|it| text.starts_with(it));
    if talks {
        let next = "check the port, and for a proxy in between";
        return unreachable(endpoint, "the answer is not from a Postgres server".to_owned(), next);
    }
    unreachable(endpoint, io.unwrap_or_else(|| "the server closed the connection".to_owned()), CHECK_SERVER)
}

pub(super) fn dialing(error: &io::Error, endpoint: &Endpoint) -> Error {
    let cause = io_words(error);
    let next = if cause.starts_with(UNRESOLVED) { "check the host name and the cluster's DNS" } else { CHECK_SERVER };
    unreachable(endpoint, cause, next)
}

fn may_not_connect(endpoint: &Endpoint) -> Error {
    let (role, database) = (redact::identifier(&endpoint.role), redact::identifier(&endpoint.database));
    let cause = format!("role {} may not connect to it", endpoint.role);
    let next = format!("run: grant connect on database {database} to {role} ({ROLES})");
    let mut error = Error::new(Code::PermissionDenied, Retry::No, format!("{endpoint}: {cause}"), cause, next);
    error.sqlstate = Some("42501".to_owned());
    error
}

fn unreachable(endpoint: &Endpoint, cause: String, next: &str) -> Error {
    Error::new(Code::Unreachable, Retry::Wait, format!("cannot reach {endpoint}: {cause}"), cause, next)
}

fn authentication(endpoint: &Endpoint, cause: String, next: &str) -> Error {
    Error::new(Code::AuthenticationFailed, Retry::Wait, format!("cannot log in to {endpoint}: {cause}"), cause, next)
}

fn tls(endpoint: &Endpoint, cause: String, next: &str) -> Error {
    Error::new(Code::Tls, Retry::No, format!("no TLS connection to {endpoint}: {cause}"), cause, next)
}

const UNRESOLVED: &str = "its name cannot be resolved";
const INVALID: &str = "invalid input";

fn io_cause(error: &tokio_postgres::Error) -> Option<String> {
    let mut current: Option<&(dyn StdError + 'static)> = Some(error);
    loop {
        match current?.downcast_ref::<io::Error>() {
            Some(found) => return Some(io_words(found)),
            None => current = current?.source(),
        }
    }
}

/// The words of the operating system hold no secret.
fn io_words(io: &io::Error) -> String {
    let known = match io.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            "connection reset"
        }
        io::ErrorKind::UnexpectedEof => "the server closed the connection",
        io::ErrorKind::TimedOut => "no answer in time",
        io::ErrorKind::HostUnreachable => "no route to the host",
        io::ErrorKind::NetworkUnreachable => "no route to its network",
        io::ErrorKind::NotFound => "there is no such socket",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::InvalidInput if io.raw_os_error().is_none() => INVALID,
        _ => {
            let text = io.to_string();
            return match text.strip_prefix("failed to lookup address information: ") {
                Some(reason) => format!("{UNRESOLVED} ({})", redact::name(reason)),
                None => redact::name(&text),
            };
        }
    };
    known.to_owned()
}

/// What the server itself said.
fn server(db: &DbError, endpoint: &Endpoint) -> Error {
    let state = db.code().code();
    let table = db.table().and_then(conditions::known_table).or_else(|| conditions::known_table_in(db.message()));
    // A trigger may give any name as one; only those of the tables that we write are passed on.
    let ours = |name: &&str| ["ai_provider", "audit_logs", "dbcrypt"].iter().any(|table| name.contains(table));
    let constraint = db.constraint().and_then(redact::plain_identifier).filter(ours);
    let on = table.map_or_else(String::new, |table| format!(" {table}"));
    let mut error = Refusal { state, constraint, message: db.message(), endpoint, table, on }.classify();
    error.sqlstate = Some(state.to_owned());
    error.connection_lost |=
        state.starts_with("08") || matches!(state, "57P01" | "57P02" | "57P03" | "57P05" | "25P03");
    error
}

/// What a server said, without its words.
struct Refusal<'a> {
    state: &'a str,
    constraint: Option<&'a str>,
    message: &'a str,
    endpoint: &'a Endpoint,
    table: Option<&'a str>,
    /// The table with a space before it, if it is known.
    on: String,
}

impl Refusal<'_> {
    fn classify(&self) -> Error {
        self.of_session().or_else(|| self.of_schema()).unwrap_or_else(|| self.of_statement())
    }

    fn fail(&self, code: Code, retry: Retry, cause: &str, next: &str) -> Error {
        Error::new(code, retry, format!("{}: {cause}", self.endpoint), cause.to_owned(), next)
    }

    /// The server, its database or the login.
    fn of_session(&self) -> Option<Error> {
        let Refusal { state, message, endpoint, .. } = *self;
        let Endpoint { database, role, .. } = endpoint;
        Some(match state {
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
                format!("there is no database {database}"),
                "create it, or correct the name in the URL",
            ),
            "28P01" => authentication(
                endpoint,
                format!("the password of role {role} was refused"),
                "check the password, or whether a rotation is in progress",
            ),
            "28000" => refused_role(message, endpoint),
            // PgBouncer has this one for everything; its words are not translated.
            "08P01" if message.contains("authentication failed") || message.contains("no such user") => authentication(
                endpoint,
                format!("the proxy refused role {role} or its password"),
                "check the password, and the role in the proxy's user list",
            ),
            "08P01" if message.contains("no such database") => unreachable(
                endpoint,
                format!("the proxy knows no database {database}"),
                "add it to the proxy, or correct the name in the URL",
            ),
            _ if state.starts_with("08") => {
                unreachable(endpoint, "the server reports a broken connection".to_owned(), CHECK_SERVER)
            }
            _ => return None,
        })
    }

    /// Privileges, tables and columns.
    fn of_schema(&self) -> Option<Error> {
        let Refusal { message, table, on, .. } = self;
        let role = &self.endpoint.role;
        Some(match self.state {
            "25006" => self.fail(Code::ReadOnly, Retry::Wait, "it is read-only (a standby?)", "connect to the primary"),
            "42501" if message.contains("row-level security") => self.fail(
                Code::PermissionDenied,
                Retry::No,
                &format!("row-level security{on} hides rows from role {role}"),
                &format!("use the owner of the table, or run: alter role {} bypassrls", redact::identifier(role)),
            ),
            "22012" => self.fail(
                Code::ServerError,
                Retry::No,
                "a trigger or a rule swallowed rows that were inserted",
                "look at the triggers of ai_providers, ai_provider_keys and audit_logs",
            ),
            // What may be inserted is looked up before, so a table's name means a read.
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
                &match conditions::known_column_in(message) {
                    Some(column) => format!("there is no column {column}"),
                    None => format!("table{on} lacks a column that is needed"),
                },
                "use a release of ai-provider-seed that knows this version of Coder",
            ),
            _ => return None,
        })
    }

    /// Locks, lost races, and everything else.
    fn of_statement(&self) -> Error {
        let Refusal { state, constraint, on, .. } = self;
        match *state {
            // Of a table; an error about the lock for seeding gets its own code where the lock is taken.
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
                let name = conditions::name(state).map_or_else(String::new, |name| format!(" {name}"));
                let constraint = constraint.map_or_else(String::new, |name| format!(", constraint {name}"));
                let cause =
                    format!("the server reports SQLSTATE {}{name}{constraint}{}", redact::name(state), place(on));
                self.fail(Code::ServerError, Retry::No, &cause, conditions::advice(state).unwrap_or(CHECK_DATABASE_LOG))
            }
        }
    }
}

fn place(on: &str) -> String {
    if on.is_empty() { String::new() } else { format!(", table{on}") }
}

/// 28000 says many things; which, is only in the words.
fn refused_role(message: &str, endpoint: &Endpoint) -> Error {
    let Endpoint { database, role, .. } = endpoint;
    if message.contains("pg_hba.conf") {
        // "SSL off", later "no encryption".
        let how =
            if message.contains("no encryption") || message.contains("SSL off") { "without TLS" } else { "with TLS" };
        let next = "add an entry to pg_hba.conf, or use the sslmode that it asks for";
        let cause = format!("pg_hba.conf does not let role {role} into database {database} from here {how}");
        return authentication(endpoint, cause, next);
    }
    if message.contains("certificate") {
        let next = "give one in sslcert and sslkey that is signed by the server's ssl_ca_file and issued for the role";
        return authentication(endpoint, "the server asks for a valid client certificate".to_owned(), next);
    }
    let next = "check that the role exists and may log in";
    authentication(endpoint, format!("role {role} was refused"), next)
}
