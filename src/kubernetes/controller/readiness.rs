//! Whether the controller is ready, and if not, why: the definition is installed, each namespace was listed once, and the
//! API server accepts the credentials.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::kubernetes::client::ApiErrorKind;

/// After this long with only 401 answers, the controller is not ready.
const UNREADY: Duration = Duration::from_secs(60);
/// After this long with only 401 answers, the process ends: the next one reads its credentials again.
const HOPELESS: Duration = Duration::from_secs(300);

#[derive(Default)]
pub struct Readiness {
    state: Mutex<State>,
    hopeless: Notify,
}

#[derive(Default)]
struct State {
    /// The first and the last 401 since the last answer that proves accepted credentials. A single 401 has no duration: a
    /// watch that failed sends its next request at most 30 s later.
    unauthorized: Option<(Instant, Instant)>,
    /// For each namespace (or all of them), why it cannot be watched; `None`: it can.
    scopes: BTreeMap<String, Option<String>>,
    /// The field that the installed definition does not know.
    lost: Option<String>,
}

impl Readiness {
    pub fn expect(&self, scope: &str) {
        self.lock().scopes.insert(scope.to_owned(), Some("it was not listed yet".to_owned()));
    }

    pub fn listed(&self, scope: &str) {
        self.lock().scopes.insert(scope.to_owned(), None);
    }

    pub fn failed(&self, scope: &str, why: String) {
        self.lock().scopes.insert(scope.to_owned(), Some(why));
    }

    /// The code of an answer of the API server. 5xx proves nothing, since a proxy in front may send it.
    pub fn answered(&self, code: u16, now: Instant) {
        let mut state = self.lock();
        match (code, state.unauthorized) {
            (401, None) => state.unauthorized = Some((now, now)),
            (401, Some((first, _))) => state.unauthorized = Some((first, now)),
            (500.., _) => {}
            _ => state.unauthorized = None,
        }
        if state.unauthorized_for() >= HOPELESS {
            self.hopeless.notify_one();
        }
    }

    /// Returns when the API server has answered only with 401 for five minutes.
    pub async fn hopeless(&self) {
        self.hopeless.notified().await;
    }

    /// The installed definition does not know this field of a status. Logged once, although each status leaves out
    /// another field.
    pub fn lacks(&self, field: &str) {
        let mut state = self.lock();
        if state.lost.is_none() {
            tracing::error!(
                "the CustomResourceDefinition is older than this controller: it does not know {field}; \
                 apply the output of ai-provider-seed crd"
            );
            state.lost = Some(field.to_owned());
        }
    }

    /// The installed CRD accepted a whole status. Only a status with the field proves that the CRD has it now.
    pub fn took(&self, has: impl FnOnce(&str) -> bool) {
        let mut state = self.lock();
        if state.lost.as_deref().is_some_and(has) {
            tracing::info!("the CustomResourceDefinition is current again");
            state.lost = None;
        }
    }

    /// `Err`: why it is not ready.
    pub fn check(&self) -> Result<(), String> {
        let state = self.lock();
        let mut reasons: Vec<String> = Vec::new();
        if state.scopes.is_empty() {
            reasons.push("starting".to_owned());
        }
        reasons.extend(state.scopes.iter().filter_map(|(scope, why)| Some(format!("{scope}: {}", why.as_ref()?))));
        reasons.extend(state.lost.iter().map(|field| format!("the CustomResourceDefinition is older: no {field}")));
        if state.unauthorized_for() >= UNREADY {
            let seconds = state.unauthorized_for().as_secs();
            reasons.push(format!("{} (for {seconds} s)", ApiErrorKind::Unauthorized.sentence()));
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons.join("\n")) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn unauthorized_for(&self) -> Duration {
        self.unauthorized.map_or(Duration::ZERO, |(first, last)| last.duration_since(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn unauthorized_for_a_minute_is_unready_for_five_ends() {
        let (readiness, start) = (Readiness::default(), Instant::now());
        readiness.listed("namespace coder");
        let answered = |code, seconds| readiness.answered(code, start + Duration::from_secs(seconds));
        let ends = || futures::FutureExt::now_or_never(readiness.hopeless()).is_some();
        answered(401, 0);
        answered(401, 59);
        assert_eq!(readiness.check(), Ok(()));
        // A proxy's answer does not end the sequence.
        answered(503, 59);
        answered(401, 60);
        let why = readiness.check().unwrap_err();
        assert!(why.contains("does not accept the token or certificate (401)") && why.ends_with("(for 60 s)"), "{why}");
        answered(401, 299);
        assert!(!ends());
        answered(401, 300);
        assert!(ends());
    }

    #[tokio::test]
    async fn accepted_call_ends_a_row_of_unauthorized() {
        let (readiness, start) = (Readiness::default(), Instant::now());
        readiness.listed("namespace coder");
        let answered = |code, seconds| readiness.answered(code, start + Duration::from_secs(seconds));
        for code in [200, 403, 404, 409, 429] {
            answered(401, 0);
            answered(401, 250);
            assert!(readiness.check().is_err());
            // A refusal also shows that the server knows the client.
            answered(code, 251);
            assert_eq!(readiness.check(), Ok(()), "{code}");
            answered(401, 300);
            answered(401, 301);
            assert_eq!(readiness.check(), Ok(()), "{code}");
            answered(200, 302);
        }
        assert!(futures::FutureExt::now_or_never(readiness.hopeless()).is_none());
    }
}
