//! A refusal before the session is ready. The server, or a pooler in front of it, may accept the session a moment later,
//! so any SQLSTATE is retried. Class 28 is about the login, the rest about reaching the database.

use tokio_postgres::error::DbError;

use super::kinds::unreachable;
use super::opening::Opening;
use super::server::{ROLES, described, session, with_state};
use super::{Endpoint, Error, login, pooler};
use crate::provider::redact;

pub(super) fn refused(db: &DbError, of: &Opening<'_>) -> Error {
    let state = db.code().code();
    let error = login::failed(db, of.endpoint, Some(of))
        .or_else(|| parameter(db, of))
        .or_else(|| session(db, of.endpoint))
        .unwrap_or_else(|| other(db, of.endpoint));
    with_state(error, state)
}

fn other(db: &DbError, endpoint: &Endpoint) -> Error {
    if let Some((cause, next)) = pooler::hint(db.message()) {
        return unreachable(endpoint, cause.to_owned(), next);
    }
    let Endpoint { role, database, .. } = endpoint;
    match db.code().code() {
        "42501" => {
            let (name, to) = (redact::identifier(database), redact::identifier(role));
            let next = format!("run: grant connect on database {name} to {to} ({ROLES})");
            unreachable(endpoint, format!("role {role} may not connect to it"), next)
        }
        "55000" => unreachable(
            endpoint,
            format!("database {database} takes no connections"),
            "check its datallowconn in pg_database, or the name in the URL",
        ),
        state => unreachable(
            endpoint,
            format!("the server refuses the session with {}", described(state)),
            "look at the log of the server, or of the pooler before it, at this time",
        ),
    }
}

/// A run-time parameter of the URL that the server refuses. The message contains its name in every language.
fn parameter(db: &DbError, of: &Opening<'_>) -> Option<Error> {
    let state = db.code().code();
    let why = match state {
        "42704" | "42602" => "the server does not know it",
        "22023" | "22P02" => "its value is not valid",
        "55P02" => "it cannot be set by a client",
        "42501" => "the role may not set it",
        "42601" => "it is not written as -c name=value",
        "08P01" | "0A000" => "the server, or the pooler before it, does not take it",
        _ => return None,
    };
    let mut words = db.message().split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.');
    let named = words.find_map(|word| of.parameters.iter().find(|name| name.eq_ignore_ascii_case(word)));
    // These codes have many other causes, so the message must contain the name.
    let certain = !matches!(state, "42501" | "08P01" | "0A000");
    let names = match named {
        Some(name) => name.clone(),
        None if certain && !of.parameters.is_empty() => of.parameters.join(" or "),
        None => return None,
    };
    let cause = format!("parameter {names} is refused: {why}");
    let next = match named {
        Some(name) if state == "08P01" && name != "options" => {
            let role = redact::identifier(&of.endpoint.role);
            format!("remove it from the URL, and run: alter role {role} set {name} = …")
        }
        _ => "correct it in the URL or PGOPTIONS, or remove it: as Coder does, we send every unknown parameter to the server"
            .to_owned(),
    };
    Some(unreachable(of.endpoint, cause, next))
}
