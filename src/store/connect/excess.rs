//! The violation that ended a session, and its error.

use super::bounds::Bounds;
use crate::problem::Code;
use crate::store::error::{Endpoint, Error, Retry};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    Login,
    Answer,
    Message,
    Unasked,
    /// A column has a type that the driver does not know and would look up, type within type; or a row cannot be read.
    OtherType,
    /// The first bytes are those of a web server.
    Http,
    /// The first bytes are not a Postgres message.
    NotPostgres,
}

const IS_IT_CODERS: &str = "check that this is Coder's database, and for a proxy in between";

impl Excess {
    pub(super) fn error(self, bounds: &Bounds, endpoint: &Endpoint) -> Error {
        let reached = |cause: String, next: &str| {
            let summary = format!("cannot reach {endpoint}: {cause}");
            Error::new(Code::Unreachable, Retry::Wait, summary, cause, next)
        };
        let used = |code, cause: String, next: &str| {
            let mut error = Error::of_database(code, endpoint, &cause, next);
            error.connection_lost = true;
            error
        };
        let too_large =
            "find the large values in ai_providers and ai_provider_keys, or check that this is Coder's database";
        match self {
            Excess::Http => reached(
                "a web server answers there, and no Postgres server".to_owned(),
                "check the port: that of Postgres is 5432 by default",
            ),
            Excess::NotPostgres => Error::not_postgres(endpoint),
            Excess::Login => {
                reached(format!("it sends more than {} before the session is ready", size(bounds.login)), IS_IT_CODERS)
            }
            Excess::Answer => used(
                Code::ServerError,
                format!("it sent more than {} in answer to one read", size(bounds.answer)),
                too_large,
            ),
            Excess::Message => used(
                Code::ServerError,
                format!("it sent a row or an error of more than {}", size(bounds.message)),
                too_large,
            ),
            Excess::Unasked => used(
                Code::ServerError,
                format!("it sent more than {} of notices and parameters that nothing asked for", size(bounds.unasked)),
                IS_IT_CODERS,
            ),
            Excess::OtherType => Error::other_type(endpoint),
        }
    }
}

/// The limits are whole MiB, or whole KiB below one MiB.
fn size(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}
