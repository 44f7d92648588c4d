//! `decide`: writes a decision into the resource, unless another one is pending, and waits for the result.

use serde_json::json;

use super::{Resources, Waited, was_checked};
use crate::kubernetes::client::ApiErrorKind;
use crate::kubernetes::crd::spec::{AIProviderSeed, RECONCILE_ANNOTATION, RESOLVE_ANNOTATION, annotation};
use crate::kubernetes::failure::listed;
use crate::kubernetes::status::resolve_annotation::{self, Decision, is_handled};
use crate::kubernetes::status::shown::{self, Answer};
use crate::options::resolve::Action;
use crate::options::resources::DecideRequest;
use crate::problem::{Code, Problem};
use crate::provider::redact;

/// The most attempts to write a decision into a resource that changes meanwhile.
const ATTEMPTS: usize = 10;

impl Resources {
    /// Writes the decision and waits for the controller's result. While it waits, `note` receives the controller's
    /// messages.
    pub async fn decide(
        &self,
        name: &str,
        request: &DecideRequest,
        mut note: impl FnMut(&str),
    ) -> Result<String, Problem> {
        let id = &request.id;
        let side = if request.action == Action::TakeEnvironment { "environment" } else { "database" };
        let token = format!("{id}:{side}");
        let before = self.get(name).await?;
        let (known, more) = shown::conflicts(before.status.as_ref());
        let is_known = known.iter().any(|(known, _)| known == id);
        if !is_known && !more {
            return match shown::answer(before.status.as_ref(), &token) {
                Answer::Done(message) => Ok(message),
                _ => Err(unknown_id(name, &known)),
            };
        }
        if let Some(problem) = refused_before(&before, request.action) {
            return Err(problem);
        }
        let mut seen = before;
        if is_handled(seen.status.as_ref(), &token) {
            if let Some(problem) = self.pending(&seen, &token) {
                return Err(problem);
            }
            // The controller drops the handled value once the annotation is gone; then the same value is a new decision.
            let removed = self.annotate(name, RESOLVE_ANNOTATION, None).await?;
            let forgotten = |resource: &AIProviderSeed| !is_handled(resource.status.as_ref(), &token);
            seen = match self.until(removed, forgotten).await? {
                Waited::Over(resource) => resource,
                Waited::TimedOut(_) => {
                    return Err(self.silent("cleared the earlier decision", "; then run this again"));
                }
            };
        }
        let check = super::token();
        let asked = self.ask(seen, &token, &check).await?;
        let mut told = None;
        let waited = self.until(asked, |resource| match shown::answer(resource.status.as_ref(), &token) {
            // The cause that an earlier check found may have been fixed since.
            Answer::NotPermitted(_) => was_checked(resource, &check),
            Answer::Waiting(message) => {
                if let Some(message) = message.filter(|message| told.as_ref() != Some(message)) {
                    note(&message);
                    told = Some(message);
                }
                false
            }
            _ => true,
        });
        let (resource, timed_out) = match waited.await? {
            Waited::Over(resource) => (resource, false),
            Waited::TimedOut(resource) => (resource, true),
        };
        match shown::answer(resource.status.as_ref(), &token) {
            Answer::Done(message) => Ok(message),
            // There is nothing to write then, and the controller reports that.
            Answer::Refused(message, Code::CannotResolve) if request.action == Action::TakeDatabase => Ok(message),
            Answer::Refused(message, code) => Err(Problem::new(code, message)),
            Answer::NotPermitted(message) if !timed_out => {
                Err(Problem::new(Code::CannotResolve, format!("{message}{}", self.withdraw(name))))
            }
            Answer::Waiting(Some(message)) if timed_out => Err(self.still_waiting(name, &message)),
            Answer::Waiting(_) | Answer::NotPermitted(_) => {
                Err(self.silent("carried the decision out or refused it", &self.withdraw(name)))
            }
        }
    }

    /// Writes the decision and requests a check, unless another decision is pending. It changes only the version of the
    /// resource that it has read: two concurrent decisions would otherwise replace each other.
    async fn ask(&self, mut seen: AIProviderSeed, token: &str, check: &str) -> Result<AIProviderSeed, Problem> {
        let name = seen.metadata.name.clone().unwrap_or_default();
        for _ in 0..ATTEMPTS {
            if let Some(problem) = self.pending(&seen, token) {
                return Err(problem);
            }
            let annotations = json!({RESOLVE_ANNOTATION: token, RECONCILE_ANNOTATION: check});
            let version = &seen.metadata.resource_version;
            let metadata = json!({"resourceVersion": version, "annotations": annotations});
            match self.patch(&name, &metadata).await {
                // The status is part of the resource, and its controller writes it often.
                Err(error) if error.kind == ApiErrorKind::Conflict => seen = self.get(&name).await?,
                patched => return patched.map_err(|error| self.failed(&error)),
            }
        }
        let call = self.call("patch", &name);
        Err(Problem::new(
            Code::ClusterUnreachable,
            format!("cannot {call}: it is changed all the time; run this again"),
        ))
    }

    /// Another decision that no controller has handled.
    fn pending(&self, resource: &AIProviderSeed, token: &str) -> Option<Problem> {
        let text = annotation(&resource.metadata, RESOLVE_ANNOTATION)?;
        let status = resource.status.as_ref();
        let (id, side) = match Decision::parse(text) {
            Decision::TakeEnvironment { id } => (id, "environment"),
            Decision::TakeDatabase { id } => (id, "database"),
            // No controller carries it out.
            Decision::Malformed => return None,
        };
        if is_handled(status, &resolve_annotation::token(text)) || text.trim() == token {
            return None;
        }
        let provider = shown::conflicts(status).0.into_iter().find(|(known, _)| *known == id);
        let provider = provider.map(|(_, provider)| format!(" ({})", redact::provider(provider))).unwrap_or_default();
        let name = redact::name(resource.metadata.name.as_deref().unwrap_or_default());
        let message = format!(
            "AIProviderSeed {name} has another decision that is pending, {side} for conflict {id}{provider}, so nothing was \
             requested; wait for its result (kubectl {flags} describe aps/{name}), or withdraw it: kubectl {flags} annotate \
             aps/{name} {RESOLVE_ANNOTATION}-",
            flags = self.flags()
        );
        Some(Problem::new(Code::DecisionPending, message))
    }

    fn withdraw(&self, name: &str) -> String {
        format!(
            "; the annotation stays, and a controller may act on it later: to withdraw it, run kubectl {} annotate aps/{name} \
             {RESOLVE_ANNOTATION}-",
            self.flags()
        )
    }

    fn still_waiting(&self, name: &str, message: &str) -> Problem {
        let code = shown::code_in(message).unwrap_or(Code::ControllerSilent);
        Problem::new(code, format!("{message}{}", self.withdraw(name)))
    }
}

/// A state in which every decision is refused, so that waiting is useless.
fn refused_before(resource: &AIProviderSeed, action: Action) -> Option<Problem> {
    if resource.spec.suspend {
        let message = "spec.suspend is true, so no controller decides; set it to false first";
        return Some(Problem::new(Code::ControllerSilent, message));
    }
    let status = resource.status.as_ref()?;
    let refused = shown::write_not_permitted(status).filter(|_| action == Action::TakeEnvironment)?;
    Some(Problem::new(Code::CannotResolve, format!("nothing was requested: {}", redact::escape(refused))))
}

fn unknown_id(name: &str, known: &[(&str, &str)]) -> Problem {
    let name = redact::name(name);
    let known = match known {
        [] => "its status has no conflict".to_owned(),
        known => {
            let known =
                known.iter().map(|(id, provider)| format!("{} ({})", redact::name(id), redact::provider(provider)));
            format!("its status has {}", listed(known))
        }
    };
    let message = format!(
        "AIProviderSeed {name} has no such conflict, so nothing was decided; {known}: look at it, and name its id; if the one \
         that you saw is newer, run ai-provider-seed check {name} first"
    );
    Problem::new(Code::ConflictMoved, message).variable("--conflict")
}
