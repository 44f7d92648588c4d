//! Describes a failed call of the API server for the commands of a user.

use super::client::{ApiError, ApiErrorKind};
use crate::problem::{Code, Problem};

/// `otherwise`: the alternative if it is forbidden. `kubectl`: the command that has to work first.
pub fn problem(error: &ApiError, otherwise: &str, kubectl: &str) -> Problem {
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
    let what = match error.kind {
        ApiErrorKind::Unreachable => "the API server cannot be reached",
        ApiErrorKind::Tls => "the certificate of the API server is not accepted",
        ApiErrorKind::TimedOut => "the API server does not answer in time",
        ApiErrorKind::TooManyRequests | ApiErrorKind::Unavailable => "the API server is not available now",
        ApiErrorKind::Plugin => "the credential plugin of the kubeconfig failed",
        _ => "the login failed, or the answer could not be interpreted",
    };
    Problem::new(Code::ClusterUnreachable, format!("cannot {call}: {what}; check that {kubectl} works"))
}
