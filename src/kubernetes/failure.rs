//! Messages for the commands of a user: a failed call of the API server, and the names that exist instead of a wrong one.

use super::client::{ApiError, ApiErrorKind};
use crate::problem::{Code, Problem};
use crate::provider::redact;

/// The most names or ids that a message lists.
const LISTED: usize = 12;

/// `otherwise`: the alternative if it is forbidden. `kubectl`: the command that has to work first.
pub fn problem(error: &ApiError, otherwise: &str, kubectl: &str, address: &str) -> Problem {
    let call = &error.call;
    if let Some(denied) = &error.denied {
        return Problem::new(Code::ClusterForbidden, format!("cannot {call}: an admission policy denied it: {denied}"));
    }
    let refused = match error.kind {
        ApiErrorKind::Unauthorized => Some(
            "the API server does not accept the token or certificate (401); log in again, or ask an authorized user to run it",
        ),
        ApiErrorKind::Forbidden => {
            Some("the API server forbids it (403); request this permission, or ask a user who has it to run it")
        }
        _ => None,
    };
    if let Some(refused) = refused {
        return Problem::new(Code::ClusterForbidden, format!("cannot {call}: {refused}{otherwise}"));
    }
    let server = format!("the API server {address}");
    let reason = error.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let what = match error.kind {
        ApiErrorKind::Unreachable => format!("{server} cannot be reached{reason}"),
        ApiErrorKind::Tls => format!("the certificate of {server} is not accepted{reason}"),
        ApiErrorKind::TimedOut => format!("{server} does not answer in time"),
        ApiErrorKind::TooManyRequests | ApiErrorKind::Unavailable => format!("{server} is not available now"),
        ApiErrorKind::Plugin => "the credential plugin of the kubeconfig failed".to_owned(),
        _ => format!("the login at {server} failed, or the answer could not be interpreted"),
    };
    Problem::new(Code::ClusterUnreachable, format!("cannot {call}: {what}; check that {kubectl} works"))
}

/// `a, b and 3 others`
pub fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let more = if more == 0 { String::new() } else { format!(" and {}", redact::count(more, "other")) };
    format!("{}{more}", names.take(LISTED).collect::<Vec<_>>().join(", "))
}
