//! Translates the driver's errors: those of a statement, and those of opening a session.

use std::error::Error as StdError;
use std::io;

use super::kinds::{CHECK_SERVER, authentication, tls, unreachable};
use super::opening::Opening;
use super::{Endpoint, Error, Retry, before_ready, server};
use crate::options::AuthMethod;
use crate::problem::Code;
use crate::provider::redact;
use crate::store::tls::{Explained, explain};

pub(super) fn statement(error: &tokio_postgres::Error, endpoint: &Endpoint) -> Error {
    if let Some(db) = error.as_db_error() {
        return server::refused(db, endpoint);
    }
    let text = error.to_string();
    let fail = |code, cause: &str, next: &str| {
        Error::new(code, Retry::No, format!("{endpoint}: {cause}"), cause.to_owned(), next)
    };
    // tokio-postgres distinguishes its kinds of errors only by their texts.
    if ["error deserializing", "invalid column", "query returned an unexpected"].iter().any(|it| text.starts_with(it)) {
        return other_type(endpoint);
    }
    if ["error serializing", "error encoding", "expected "].iter().any(|it| text.starts_with(it)) {
        return fail(Code::Internal, "a statement could not be sent", "please report this");
    }
    if is_garbled(&text) {
        return lost(endpoint, "its answer is not that of a Postgres server");
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

pub(super) fn connecting(error: &tokio_postgres::Error, of: &Opening<'_>) -> Error {
    let endpoint = of.endpoint;
    if let Some(db) = error.as_db_error() {
        return before_ready::refused(db, of);
    }
    if let Some(method) = of.refused {
        let allowed = of.require_auth.map_or_else(String::new, ToString::to_string);
        let next = "use that in pg_hba.conf, or change --require-auth or PGREQUIREAUTH";
        return authentication(endpoint, format!("{}; require-auth allows {allowed}", asked(method)), next);
    }
    if let Some(Explained { cause, next }) = explain(error, of.host, of.roots) {
        return tls(endpoint, cause, next);
    }
    let text = error.to_string();
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    if source == "server does not support TLS" {
        let next = "set ssl=on in the server, or add sslmode=disable (or prefer) to the URL if the way to it is safe";
        let cause =
            "the server does not offer TLS, and sslmode asks for it (where it is not given it is require, as in Coder)";
        return tls(endpoint, cause.to_owned(), next);
    }
    if source == "password missing" {
        let next = "write it into the URL, or set PGPASSWORD or --database-password-file \
                    (password files, ~/.pgpass or of PGPASSFILE, are not read)";
        return authentication(endpoint, "it asks for a password and none is given".to_owned(), next);
    }
    if text == "authentication error" {
        let (cause, next) = of_authentication(&source);
        let cause = match of.asked {
            Some(method) if source.contains("unsupported") => format!("{}, which is not supported", asked(method)),
            _ => cause.to_owned(),
        };
        return authentication(endpoint, cause, next);
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
    if is_garbled(&text) {
        return not_postgres(endpoint);
    }
    unreachable(endpoint, io.unwrap_or_else(|| "the server closed the connection".to_owned()), CHECK_SERVER)
}

/// The driver could not parse an answer.
fn is_garbled(text: &str) -> bool {
    ["unexpected message", "error parsing"].iter().any(|it| text.starts_with(it))
}

pub(super) fn not_postgres(endpoint: &Endpoint) -> Error {
    let cause = "the answer is not from a Postgres server".to_owned();
    unreachable(endpoint, cause, "check the port, and for a proxy in between")
}

pub(super) fn other_type(endpoint: &Endpoint) -> Error {
    let next = "use a release of ai-provider-seed that knows this version of Coder";
    Error::of_database(Code::SchemaUnsupported, endpoint, "a column has another type than expected", next)
}

pub(super) fn dialing(error: &io::Error, endpoint: &Endpoint) -> Error {
    let cause = io_words(error);
    let next = if cause.starts_with(UNRESOLVED) { "check the host name and the cluster's DNS" } else { CHECK_SERVER };
    unreachable(endpoint, cause, next)
}

fn asked(method: AuthMethod) -> &'static str {
    match method {
        AuthMethod::Password => "it asks for the password in clear (password)",
        AuthMethod::Md5 => "it asks for the password as md5",
        AuthMethod::Gss => "it asks for GSSAPI (gss)",
        AuthMethod::Sspi => "it asks for SSPI (sspi)",
        AuthMethod::ScramSha256 => "it asks for the password by scram-sha-256",
        AuthMethod::OAuth => "it asks for an OAuth token (oauth)",
        AuthMethod::None => "it did not ask for a password (none)",
    }
}

/// Why the driver ended the authentication; it is recognized by the driver's text.
fn of_authentication(source: &str) -> (&'static str, &'static str) {
    if source.contains("channel binding") {
        ("the server did not use channel binding", "remove channel_binding=require, or check for a proxy in between")
    } else if source.contains("unsupported") {
        ("it asks for an unsupported authentication method", "use scram-sha-256, md5, password or cert in pg_hba.conf")
    } else if source.contains("iteration count") {
        (
            "its password hash takes too many SCRAM iterations (more than 100000)",
            "set scram_iterations in the server to at most 100000 and the role's password again; \
             if you did not raise it, check that this is the right server",
        )
    } else {
        ("it could not prove that it knows the password", "check that this is the right server")
    }
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

/// Texts of the operating system contain no secret.
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
