//! Calls of the API server, each with a time limit; each error names its call.

use std::fmt;
use std::time::Duration;

use kube::core::Status;

use super::connect_failure::{self, is_of_certificate};
use super::credential_plugin::PluginFailed;
use crate::provider::redact;
use crate::words::words;

/// The time limit of one call.
const LIMIT: Duration = Duration::from_secs(15);
/// Characters of a policy's message.
const DENIAL: usize = 500;

words! {
    /// How a call failed; also the label `class` of a metric.
    #[derive(Hash)]
    pub enum ApiErrorKind {
        fn sentence -> &'static str;
        Unauthorized = "unauthorized" =>
            "the API server does not accept the token or certificate (401); renew it in the kubeconfig, or look at the \
             service account",
        Forbidden = "forbidden" => "the API server forbids it (403); grant it in the role of the controller",
        /// A namespace that is being deleted accepts no new object.
        Terminating = "terminating" => "the namespace is being terminated (403); nothing is to be granted",
        NotFound = "not_found" => "it does not exist (404)",
        /// The resource that is being reconciled.
        Gone = "gone" => "it was deleted meanwhile",
        /// The version from which a watch resumes is too old.
        Expired = "expired" => "the API server no longer has the requested version (410); re-listing",
        Conflict = "conflict" => "it was changed at the same time (409); retrying",
        Invalid = "invalid" =>
            "the API server rejects it as invalid (422); install the CustomResourceDefinition of this version",
        TooManyRequests = "too_many_requests" => "the API server is throttling requests (429); retrying",
        /// 5xx
        Unavailable = "unavailable" => "the API server is not available (5xx); retrying",
        TimedOut = "timed_out" => "no answer in time; retrying",
        Unreachable = "unreachable" => "the API server cannot be reached; retrying",
        /// The API server's certificate.
        Tls = "tls" =>
            "the certificate of the API server is not accepted; check the server's name and certificate-authority in \
             the kubeconfig",
        /// The credential plugin, which ran again.
        Plugin = "plugin" =>
            "the credential plugin of the kubeconfig failed; the log names it with its exit code; run it by hand to see why",
        Other = "other" => "the API server's answer could not be interpreted; retrying",
    }
}

impl ApiErrorKind {
    pub fn of(error: &kube::Error) -> ApiErrorKind {
        match error {
            kube::Error::Api(status) if is_of_terminating(status) => ApiErrorKind::Terminating,
            kube::Error::Api(status) => of_code(status.code),
            kube::Error::Service(cause) if cause.is::<PluginFailed>() => ApiErrorKind::Plugin,
            kube::Error::HyperError(_) | kube::Error::Service(_) if is_of_certificate(error) => ApiErrorKind::Tls,
            kube::Error::HyperError(_) | kube::Error::Service(_) => ApiErrorKind::Unreachable,
            _ => ApiErrorKind::Other,
        }
    }
}

/// The same 403 as for a missing grant; only the cause differs.
fn is_of_terminating(status: &Status) -> bool {
    let causes = status.details.as_ref().map(|details| &details.causes[..]).unwrap_or_default();
    status.code == 403 && causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
}

pub fn of_code(code: u16) -> ApiErrorKind {
    match code {
        401 => ApiErrorKind::Unauthorized,
        403 => ApiErrorKind::Forbidden,
        404 => ApiErrorKind::NotFound,
        409 => ApiErrorKind::Conflict,
        410 => ApiErrorKind::Expired,
        400 | 422 => ApiErrorKind::Invalid,
        429 => ApiErrorKind::TooManyRequests,
        500..=599 => ApiErrorKind::Unavailable,
        _ => ApiErrorKind::Other,
    }
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// `get Secret coder-ai in namespace coder`
    pub call: String,
    pub kind: ApiErrorKind,
    /// The pause that the API server requests.
    pub retry_after: Option<Duration>,
    /// The fields that the API server's definition does not know; one of them makes server-side apply refuse the whole
    /// object.
    pub unknown_fields: Vec<String>,
    /// The message of the admission policy or webhook that denied the call, safe to show.
    pub denied: Option<String>,
    /// Why there was no connection, as the rest of a sentence about it.
    pub reason: Option<&'static str>,
}

impl ApiError {
    pub fn new(call: String, kind: ApiErrorKind) -> ApiError {
        ApiError {
            call: redact::in_command(&call),
            kind,
            retry_after: None,
            unknown_fields: Vec::new(),
            denied: None,
            reason: None,
        }
    }

    pub fn timed_out(call: String) -> ApiError {
        ApiError::new(call, ApiErrorKind::TimedOut)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.call, self.kind.sentence())
    }
}

impl std::error::Error for ApiError {}

/// Waits for a call up to the time limit.
pub async fn call<T>(name: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T, ApiError> {
    within(LIMIT, name, call).await
}

/// The same, with a deadline as well.
pub async fn call_by<T>(
    deadline: tokio::time::Instant,
    name: &str,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, ApiError> {
    let left = deadline.saturating_duration_since(tokio::time::Instant::now());
    within(left.min(LIMIT), name, call).await
}

async fn within<T>(limit: Duration, name: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T, ApiError> {
    let failed = |kind| ApiError::new(name.to_owned(), kind);
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            let (retry_after, unknown_fields) = (retry_after(&error), unknown_fields(&error));
            let reason = connect_failure::reason(&error);
            Err(ApiError {
                retry_after,
                unknown_fields,
                denied: denied(&error),
                reason,
                ..failed(ApiErrorKind::of(&error))
            })
        }
        Err(_) => Err(failed(ApiErrorKind::TimedOut)),
    }
}

/// `.status.summary.message`, from lines such as `.status.summary.message: field not declared in schema`.
fn unknown_fields(error: &kube::Error) -> Vec<String> {
    let kube::Error::Api(status) = error else { return Vec::new() };
    let path = |line: &str| {
        let path = line.strip_suffix(": field not declared in schema")?.rsplit(' ').next()?;
        Some(path.to_owned())
    };
    status.message.lines().filter_map(|line| path(line.trim_end())).collect()
}

/// `ValidatingAdmissionPolicy 'x' with binding 'y' denied request: …`, or `admission webhook "x" denied the request: …`.
fn denied(error: &kube::Error) -> Option<String> {
    let kube::Error::Api(status) = error else { return None };
    let (_, said) =
        ["denied request: ", "denied the request: "].iter().find_map(|words| status.message.split_once(words))?;
    Some(redact::truncate_chars(&redact::escape(said.trim()), DENIAL))
}

fn retry_after(error: &kube::Error) -> Option<Duration> {
    let kube::Error::Api(status) = error else { return None };
    let status: &Status = status;
    let seconds = status.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_answer_has_a_sentence_that_names_the_call() {
        let status = |code: u16, retry_after: u32| {
            let status = serde_json::json!({"code": code, "details": {"retryAfterSeconds": retry_after}});
            kube::Error::Api(serde_json::from_value::<Status>(status).unwrap().boxed())
        };
        for (code, kind) in [
            (401, ApiErrorKind::Unauthorized),
            (403, ApiErrorKind::Forbidden),
            (404, ApiErrorKind::NotFound),
            (409, ApiErrorKind::Conflict),
            (410, ApiErrorKind::Expired),
            (422, ApiErrorKind::Invalid),
            (429, ApiErrorKind::TooManyRequests),
            (500, ApiErrorKind::Unavailable),
            (503, ApiErrorKind::Unavailable),
            (418, ApiErrorKind::Other),
        ] {
            let error = call::<()>("get X", async { Err(status(code, 7)) }).await.unwrap_err();
            assert_eq!((error.kind, error.retry_after), (kind, Some(Duration::from_secs(7))));
            assert!(error.to_string().starts_with("cannot get X: "), "{error}");
        }
    }

    /// The API server's answer for an Event in a namespace that is being deleted.
    #[test]
    fn refusal_of_a_terminating_namespace_asks_for_no_grant() {
        let of = |cause: &str| {
            let causes = serde_json::json!([{"reason": cause, "message": "namespace team is being terminated", "field": "metadata.namespace"}]);
            let status = serde_json::json!({"code": 403, "reason": "Forbidden", "details": {"causes": causes},
                "message": "events \"x\" is forbidden: unable to create new content in namespace team because it is being terminated"});
            ApiErrorKind::of(&kube::Error::Api(serde_json::from_value::<Status>(status).unwrap().boxed()))
        };
        assert_eq!(of("NamespaceTerminating"), ApiErrorKind::Terminating);
        assert!(!ApiErrorKind::Terminating.sentence().contains("grant it"));
        assert_eq!(of("Other"), ApiErrorKind::Forbidden);
    }

    #[test]
    fn rejected_certificate_differs_from_unreachable_server() {
        use std::io::{Error, ErrorKind};
        let of = |error: Error| ApiErrorKind::of(&kube::Error::Service(Box::new(error)));
        let certificate = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert_eq!(of(Error::other(Error::new(ErrorKind::InvalidData, certificate))), ApiErrorKind::Tls);
        assert_eq!(of(Error::other(Error::from(ErrorKind::ConnectionRefused))), ApiErrorKind::Unreachable);
    }

    #[tokio::test]
    async fn a_call_without_an_answer_ends() {
        let error = within::<()>(Duration::from_millis(5), "get X", std::future::pending()).await.unwrap_err();
        assert_eq!(error.kind, ApiErrorKind::TimedOut);
    }
}
