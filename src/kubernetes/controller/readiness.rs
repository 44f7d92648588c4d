//! Is the controller ready, and if not, why: the definition is there and each namespace was listed once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub struct Readiness(Mutex<State>);

#[derive(Default)]
struct State {
    /// Per namespace (or all of them), why it cannot be watched; `None`: it can.
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

    /// What a write of a status showed of the definition; says so when it changes.
    pub fn definition(&self, lost: Option<&str>) {
        let mut state = self.lock();
        if state.lost.as_deref() == lost {
            return;
        }
        match lost {
            Some(field) => tracing::error!(
                "the CustomResourceDefinition is older than this controller: it does not know {field}; \
                 apply the output of ai-provider-seed crd"
            ),
            None => tracing::info!("the CustomResourceDefinition is current again"),
        }
        state.lost = lost.map(str::to_owned);
    }

    /// `Err`: why not.
    pub fn check(&self) -> Result<(), String> {
        let state = self.lock();
        let mut reasons: Vec<String> = Vec::new();
        if state.scopes.is_empty() {
            reasons.push("starting".to_owned());
        }
        reasons.extend(state.scopes.iter().filter_map(|(scope, why)| Some(format!("{scope}: {}", why.as_ref()?))));
        reasons.extend(state.lost.iter().map(|field| format!("the CustomResourceDefinition is older: no {field}")));
        if reasons.is_empty() { Ok(()) } else { Err(reasons.join("\n")) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
