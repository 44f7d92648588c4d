//! The resources of a cluster for the commands of a user: list, annotate, wait for the controller's answer.

mod decide;

use std::time::Duration;

use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::client::{ApiError, ApiErrorKind, call, call_by};
use super::crd::spec::{AIProviderSeed, RECONCILE_ANNOTATION};
use super::failure::{self, listed};
use super::kubeconfig::{self, Connection};
use crate::env::nearest;
use crate::options::resources::ResourceOptions;
use crate::problem::{Code, Problem};
use crate::provider::redact;

/// The pause between two reads.
const PAUSE: Duration = Duration::from_millis(500);

pub struct Resources {
    client: Client,
    /// `None`: all namespaces.
    namespace: Option<String>,
    /// Of the API server.
    address: String,
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
        let Connection { client, namespace: own, address } = kubeconfig::connect(&options.server).await?;
        let namespace = (!options.all_namespaces).then(|| options.namespace.clone().unwrap_or(own));
        Ok(Resources { client, namespace, address, server: options.server.as_options(), wait: options.wait })
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
        failure::problem(error, "", &format!("kubectl get aiproviderseeds {}", self.flags()), &self.address)
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
        let patched = self.patch(name, &json!({"annotations": {annotation: value}})).await;
        patched.map_err(|error| self.failed(&error))
    }

    async fn patch(&self, name: &str, metadata: &serde_json::Value) -> Result<AIProviderSeed, ApiError> {
        let patch = Patch::Merge(json!({"metadata": metadata}));
        let params = PatchParams { field_manager: Some("ai-provider-seed".to_owned()), ..PatchParams::default() };
        call(&self.call("patch", name), self.api().patch(name, &params, &patch)).await
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
        match self.until(asked, |resource| was_checked(resource, &token)).await? {
            Waited::Over(resource) => Ok(resource),
            Waited::TimedOut(_) => Err(self.silent("checked it", "")),
        }
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

/// `token`: the value of the annotation that asks for a check.
fn was_checked(resource: &AIProviderSeed, token: &str) -> bool {
    resource.status.as_ref().and_then(|status| status.last_handled_reconcile_at.as_deref()) == Some(token)
}

/// A value that was never used before.
fn token() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}", since.as_micros())
}
