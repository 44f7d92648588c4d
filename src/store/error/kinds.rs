//! The errors of a connection, each with its code, its retry and the beginning of its sentence.

use super::{Endpoint, Error, Retry};
use crate::problem::Code;

pub(super) const CHECK_SERVER: &str = "check that the server runs and that host, port and network policies are right";

pub(super) fn unreachable(endpoint: &Endpoint, cause: String, next: impl Into<String>) -> Error {
    Error::new(Code::Unreachable, Retry::Wait, format!("cannot reach {endpoint}: {cause}"), cause, next)
}

pub(super) fn authentication(endpoint: &Endpoint, cause: String, next: impl Into<String>) -> Error {
    Error::new(Code::AuthenticationFailed, Retry::Wait, format!("cannot log in to {endpoint}: {cause}"), cause, next)
}

pub(super) fn tls(endpoint: &Endpoint, cause: String, next: &str) -> Error {
    Error::new(Code::Tls, Retry::No, format!("no TLS connection to {endpoint}: {cause}"), cause, next)
}
