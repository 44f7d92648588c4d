//! The resources of a cluster for the commands of a user: list, annotate, wait for the controller's answer.

use std::time::Duration;

use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::client::{ApiError, ApiErrorKind, call, call_by};
use super::crd::spec::{AIProviderSeed, RECONCILE_ANNOTATION, RESOLVE_ANNOTATION};
use super::failure;
use super::kubeconfig;
use super::status::shown::{self, Answer};
use crate::env::nearest;
use crate::options::resolve::Action;
use crate::options::resources::{DecideRequest, ResourceOptions};
use crate::problem::{Code, Problem};
use crate::provider::redact;

/// The pause between two reads.
const PAUSE: Duration = Duration::from_millis(500);
/// The most names or ids that a message lists.
const LISTED: usize = 12;

pub struct Resources {
    client: Client,
    /// `None`: all namespaces.
    namespace: Option<String>,
    /// The options that lead another command to the same API server.
    server: Vec<String>,
    wait: Duration,
}

/// The result of a wait.
enum Waited {
    Over(AIProviderSeed),
    /// The resource at the last read.
    TimedOut(AIProviderSeed),
}

impl Resources {
    pub async fn open(options: &ResourceOptions) -> Result<Resources, Problem> {
        let (client, own) = kubeconfig::connect(&options.server).await?;
        let namespace = (!options.all_namespaces).then(|| options.namespace.clone().unwrap_or(own));
        Ok(Resources { client, namespace, server: options.server.as_options(), wait: options.wait })
    }

    fn api(&self) -> Api<AIProviderSeed> {
        match &self.namespace {
            None => Api::all(self.client.clone()),
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
        }
    }

    /// ` in namespace coder`
    fn place(&self) -> String {
        self.namespace
            .as_ref()
            .map_or(" in all namespaces".to_owned(), |name| format!(" in namespace {}", redact::name(name)))
    }

    /// kubectl's options for the same place: `--context mine --namespace coder`
    fn flags(&self) -> String {
        let place = self
            .namespace
            .as_ref()
            .map_or("--all-namespaces".to_owned(), |name| format!("--namespace {}", redact::name(name)));
        self.server.iter().cloned().chain([place]).collect::<Vec<_>>().join(" ")
    }

    fn failed(&self, error: &ApiError) -> Problem {
        if error.kind == ApiErrorKind::NotFound {
            let message = format!(
                "cannot {}: the cluster does not know AIProviderSeed; install its definition \
                 (ai-provider-seed crd | kubectl apply --server-side -f -)",
                error.call
            );
            return Problem::new(Code::ClusterUnreachable, message);
        }
        failure::problem(error, "", &format!("kubectl get aiproviderseeds {}", self.flags()))
    }

    /// By namespace and name.
    pub async fn list(&self) -> Result<Vec<AIProviderSeed>, Problem> {
        let name = format!("list AIProviderSeeds{}", self.place());
        let found = call(&name, self.api().list(&ListParams::default())).await;
        let mut found = found.map_err(|error| self.failed(&error))?.items;
        found.sort_by(|a, b| (&a.metadata.namespace, &a.metadata.name).cmp(&(&b.metadata.namespace, &b.metadata.name)));
        Ok(found)
    }

    pub async fn get(&self, name: &str) -> Result<AIProviderSeed, Problem> {
        let found = call(&self.call("get", name), self.api().get(name)).await;
        match found {
            Err(error) if error.kind == ApiErrorKind::NotFound => Err(self.unknown(name).await),
            found => found.map_err(|error| self.failed(&error)),
        }
    }

    fn call(&self, verb: &str, name: &str) -> String {
        format!("{verb} AIProviderSeed {name}{}", self.place())
    }

    /// No resource has this name; lists the existing names, if permitted.
    async fn unknown(&self, name: &str) -> Problem {
        let found = match self.list().await {
            Ok(found) => found,
            Err(problem) if problem.code == Code::ClusterUnreachable => return problem,
            Err(_) => Vec::new(),
        };
        let names: Vec<&str> = found.iter().filter_map(|resource| resource.metadata.name.as_deref()).collect();
        let next = match (nearest(name, names.iter().copied()), &names[..]) {
            (Some(meant), _) => format!("did you mean {meant}?"),
            (None, []) => "there is none; say where it is with --namespace or --context".to_owned(),
            (None, _) => format!("it has {}", listed(names.iter().map(|name| redact::name(name)))),
        };
        let message = format!("AIProviderSeed {} does not exist{}; {next}", redact::name(name), self.place());
        Problem::new(Code::InvalidOption, message).variable("NAME")
    }

    /// `None` removes the annotation.
    async fn annotate(&self, name: &str, annotation: &str, value: Option<&str>) -> Result<AIProviderSeed, Problem> {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: value}}}));
        let params = PatchParams { field_manager: Some("ai-provider-seed".to_owned()), ..PatchParams::default() };
        let patched = call(&self.call("patch", name), self.api().patch(name, &params, &patch)).await;
        patched.map_err(|error| self.failed(&error))
    }

    /// Reads until the wait or the time is over. Temporary errors do not end it.
    async fn until(
        &self,
        first: AIProviderSeed,
        mut is_over: impl FnMut(&AIProviderSeed) -> bool,
    ) -> Result<Waited, Problem> {
        let deadline = Instant::now() + self.wait;
        let name = first.metadata.name.clone().unwrap_or_default();
        let mut last = first;
        while !is_over(&last) {
            if Instant::now() >= deadline {
                return Ok(Waited::TimedOut(last));
            }
            sleep_until((Instant::now() + PAUSE).min(deadline)).await;
            match call_by(deadline + PAUSE, &self.call("get", &name), self.api().get(&name)).await {
                Ok(found) => last = found,
                Err(error) if is_temporary(error.kind) => {}
                Err(error) if error.kind == ApiErrorKind::NotFound => return Err(self.unknown(&name).await),
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(Waited::Over(last))
    }

    /// Requests a check and waits for it.
    pub async fn check(&self, name: &str) -> Result<AIProviderSeed, Problem> {
        let token = token();
        let asked = self.annotate(name, RECONCILE_ANNOTATION, Some(&token));
        let asked = match asked.await {
            Err(problem) if problem.code == Code::ClusterUnreachable => {
                // A patch of a missing object fails like one without the definition.
                self.get(name).await?;
                return Err(problem);
            }
            asked => asked?,
        };
        let is_over = |resource: &AIProviderSeed| {
            resource.status.as_ref().and_then(|status| status.last_handled_reconcile_at.as_ref()) == Some(&token)
        };
        match self.until(asked, is_over).await? {
            Waited::Over(resource) => Ok(resource),
            Waited::TimedOut(_) => Err(self.silent("checked it", "")),
        }
    }

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
        let handled = before.status.as_ref().and_then(|status| status.last_handled_resolve.as_ref()) == Some(&token);
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
        if handled {
            // The controller drops the handled value once the annotation is gone; then the same value is a new decision.
            let removed = self.annotate(name, RESOLVE_ANNOTATION, None).await?;
            let forgotten = |resource: &AIProviderSeed| {
                resource.status.as_ref().and_then(|status| status.last_handled_resolve.as_ref()) != Some(&token)
            };
            if let Waited::TimedOut(_) = self.until(removed, forgotten).await? {
                return Err(self.silent("cleared the earlier decision", "; then run this again"));
            }
        }
        let annotated = self.annotate(name, RESOLVE_ANNOTATION, Some(&token)).await?;
        let mut told = None;
        let waited = self.until(annotated, |resource| match shown::answer(resource.status.as_ref(), &token) {
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
            Answer::Waiting(Some(message)) if timed_out => Err(self.still_waiting(name, &message)),
            Answer::Waiting(_) => Err(self.silent("carried the decision out or refused it", &self.withdraw(name))),
        }
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

    /// `what`: the step that no controller has taken.
    fn silent(&self, what: &str, next: &str) -> Problem {
        let place = self.place();
        let message = format!(
            "no controller has {what} within {}: check that one runs and watches{} (kubectl get pods {}--all-namespaces \
             --selector app.kubernetes.io/name=ai-provider-seed; its log says what it does), or give it more time with --wait{next}",
            humantime::format_duration(self.wait),
            place.trim_start_matches(" in"),
            self.server.iter().map(|option| format!("{option} ")).collect::<String>(),
        );
        Problem::new(Code::ControllerSilent, message)
    }
}

fn is_temporary(kind: ApiErrorKind) -> bool {
    matches!(
        kind,
        ApiErrorKind::Unavailable | ApiErrorKind::TooManyRequests | ApiErrorKind::TimedOut | ApiErrorKind::Unreachable
    )
}

/// A value that was never used before.
fn token() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}", since.as_micros())
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

/// `a, b and 3 others`
fn listed(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    let more = names.len().saturating_sub(LISTED);
    let more = if more == 0 { String::new() } else { format!(" and {}", redact::count(more, "other")) };
    format!("{}{more}", names[..names.len().min(LISTED)].join(", "))
}
