//! The controller as a process: find the API server, wait for the definition and the lease, work, shut down in order.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kube::Client;
use kube::api::{ListParams, PartialObjectMeta};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch as channel;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::context::Context;
use super::http::Admin;
use super::lease::Election;
use super::metrics::Metrics;
use super::readiness::Readiness;
use super::scope::Scope;
use super::watch::{self, describe};
use crate::kubernetes::client::{ApiErrorKind, call};
use crate::kubernetes::crd::spec::AIProviderSeed;
use crate::kubernetes::kubeconfig::{self, Connection};
use crate::options::controller::ControllerOptions;
use crate::provider::redact;
use crate::report::problem_sentence;

/// The pause between two looks for the definition.
const PAUSE: Duration = Duration::from_secs(3);
const SWEEP: Duration = Duration::from_secs(10);
/// The time for running checks when the process must end: less than a pod's 30 s.
const GRACE: Duration = Duration::from_secs(20);

/// The time for Events that are then being sent.
const LAST_EVENTS: Duration = Duration::from_secs(3);

/// Why the controller ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Requested,
    /// Another replica holds the lease, or the holder is unknown.
    LeaseLost,
    /// The API server has not accepted the credentials for five minutes.
    Unauthorized,
    /// This configuration cannot work; the sentence has the next step.
    CannotStart(String),
    /// A part that must run forever ended.
    Broken(&'static str),
}

pub async fn run(options: ControllerOptions) -> End {
    let Connection { client, namespace: own, .. } = match kubeconfig::connect(&options.server).await {
        Ok(connection) => connection,
        Err(problem) => return End::CannotStart(problem_sentence(&problem)),
    };
    let listener = match Admin::bind(options.listen).await {
        Ok(listener) => listener,
        Err(error) => {
            let message = format!("cannot listen on {}: {}; see --listen", options.listen, error.kind());
            return End::CannotStart(message);
        }
    };
    let stop = match stop_signal() {
        Ok(stop) => stop,
        Err(error) => return End::CannotStart(format!("cannot wait for signals: {}", error.kind())),
    };
    let (readiness, metrics) = (Arc::<Readiness>::default(), Arc::<Metrics>::default());
    let client = heard(client, &own, Arc::clone(&readiness));
    let admin = Admin { readiness: Arc::clone(&readiness), metrics: Arc::clone(&metrics) };
    let admin = tokio::spawn(admin.serve(listener));
    let scopes = scopes(&options, &own);
    scopes.iter().for_each(|scope| readiness.expect(&scope.label()));
    let instance = instance();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        instance,
        allow_writes = options.allow_writes,
        scopes = scopes.iter().map(Scope::label).collect::<Vec<_>>().join(", "),
        "controller starts"
    );
    let most = options.concurrency;
    let context = Context::new(
        client.clone(),
        metrics,
        Arc::clone(&readiness),
        usize::from(most),
        options.allow_writes,
        instance.clone(),
    );
    let context = Arc::new(context.only_to(options.destinations).listening(options.listeners_per_host));
    let lease = Arc::clone(&context.lease);
    let election = options.leader_elect.then(|| Election::new(&client, &own, &options.lease_name, instance, lease));
    let work = Work { scopes, context };
    let end = tokio::select! {
        end = work.run(election, stop) => end,
        _ = admin => End::Broken("the server of probes and metrics"),
        () = readiness.hopeless() => {
            tracing::error!("{}; it has been so for five minutes", ApiErrorKind::Unauthorized.sentence());
            End::Unauthorized
        }
    };
    tracing::info!("controller ends");
    end
}

/// The same client; readiness receives the code of each answer.
fn heard(client: Client, namespace: &str, readiness: Arc<Readiness>) -> Client {
    let service = tower::service_fn(move |request| {
        let (client, readiness) = (client.clone(), Arc::clone(&readiness));
        async move {
            let answer = client.send(request).await?;
            readiness.answered(answer.status().as_u16(), Instant::now());
            Ok::<_, kube::Error>(answer)
        }
    });
    Client::new(service, namespace)
}

fn scopes(options: &ControllerOptions, own: &str) -> Vec<Scope> {
    match (options.all_namespaces, options.namespaces.is_empty()) {
        (true, _) => vec![Scope::All],
        (false, true) => vec![Scope::Namespace(own.to_owned())],
        (false, false) => options.namespaces.iter().cloned().map(Scope::Namespace).collect(),
    }
}

/// The pod's name and a suffix that distinguishes two runs in it.
fn instance() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    let host = host.unwrap_or_else(|| "controller".to_owned());
    format!("{}_{:08x}", redact::truncate_chars(&redact::escape(&host), 100), fastrand::u32(..))
}

/// Turns true when the process must end.
fn stop_signal() -> std::io::Result<channel::Receiver<bool>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (sender, receiver) = channel::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to end");
        sender.send_replace(true);
        // The receivers need the sender to stay.
        std::future::pending::<()>().await;
    });
    Ok(receiver)
}

async fn asked(mut stop: channel::Receiver<bool>) {
    let _ = stop.wait_for(|asked| *asked).await;
}

struct Work {
    scopes: Vec<Scope>,
    context: Arc<Context>,
}

impl Work {
    async fn run(self, election: Option<Election>, stop: channel::Receiver<bool>) -> End {
        let (first, mut listed) = channel::channel(false);
        let (leading, lead) = channel::channel(election.is_none());
        self.context.metrics.leads(election.is_none());
        let Some(mut election) = election else { return self.watch(&first, &lead, stop).await };
        let end = tokio::select! {
            end = self.watch(&first, &lead, stop) => end,
            // The running checks are dropped with the other branch.
            () = async {
                // A controller that cannot list any namespace leaves the lease to others.
                let _ = listed.wait_for(|listed| *listed).await;
                election.win().await;
                leading.send_replace(true);
                self.context.metrics.leads(true);
                election.keep().await;
            } => return End::LeaseLost,
        };
        if *leading.borrow() {
            election.release().await;
        }
        end
    }

    /// Waits until the namespace can be listed. A controller without the lease is also ready, since otherwise no rollout
    /// would finish.
    async fn definition(&self, scope: &Scope) {
        let (label, mut told) = (scope.label(), None);
        loop {
            let api = scope.api::<PartialObjectMeta<AIProviderSeed>>(&self.context.client);
            let answer = call("list", api.list(&ListParams::default().limit(1))).await;
            let Err(error) = answer else { break };
            self.context.metrics.api_error(error.kind);
            let message = describe(error.kind, "AIProviderSeeds", &label);
            self.context.readiness.failed(&label, message.clone());
            if told != Some(error.kind) {
                tracing::warn!("{message}");
                told = Some(error.kind);
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.context.readiness.listed(&label);
    }

    /// Watches each namespace separately, so that one that cannot be listed delays no other. `first` is notified of the
    /// first successful list, and no check starts before `lead` allows it.
    async fn watch(
        &self,
        first: &channel::Sender<bool>,
        lead: &channel::Receiver<bool>,
        stop: channel::Receiver<bool>,
    ) -> End {
        let turns = watch::Turns::default();
        let runs = self.scopes.iter().map(|scope| {
            let (mut lead, stop, turns) = (lead.clone(), stop.clone(), turns.clone());
            async move {
                let begin = async {
                    self.definition(scope).await;
                    first.send_replace(true);
                    let _ = lead.wait_for(|leads| *leads).await;
                };
                tokio::select! {
                    () = begin => {}
                    () = asked(stop.clone()) => return,
                }
                self.context.readiness.expect(&scope.label());
                watch::run(scope.clone(), Arc::clone(&self.context), turns, asked(stop)).await;
            }
        });
        let sweeper = Aborted(tokio::spawn(sweep(Arc::clone(&self.context))));
        let late = async {
            asked(stop.clone()).await;
            self.context.listeners.stop().await;
            self.context.ending.send_replace(true);
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            _ = join_all(runs) => {}
            () = late => tracing::warn!("checks were still running {} s after the signal; abandoning them", GRACE.as_secs()),
        }
        drop(sweeper);
        if *stop.borrow() {
            // The checks may have ended before the listeners.
            self.context.listeners.stop().await;
        }
        self.context.events.finish(LAST_EVENTS).await;
        if *stop.borrow() { End::Requested } else { End::Broken("the watch") }
    }
}

async fn sweep(context: Arc<Context>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        context.pool.close_unused().await;
        context.events.sweep(Instant::now());
    }
}

struct Aborted(JoinHandle<()>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[tokio::test]
    async fn every_answer_of_the_api_server_reaches_readiness() {
        let service = tower::service_fn(|request: hyper::Request<kube::client::Body>| async move {
            let code = request.uri().path().trim_start_matches('/').parse::<u16>().unwrap();
            let answer = hyper::Response::builder().status(code).body(kube::client::Body::empty());
            Ok::<_, Infallible>(answer.unwrap())
        });
        let readiness = Arc::<Readiness>::default();
        readiness.listed("namespace coder");
        let client = heard(Client::new(service, "coder"), "coder", Arc::clone(&readiness));
        assert_eq!(client.default_namespace(), "coder");
        let ask = async |code: u16| {
            let request = hyper::Request::get(format!("/{code}")).body(kube::client::Body::empty());
            assert_eq!(client.send(request.unwrap()).await.unwrap().status().as_u16(), code);
        };
        readiness.answered(401, Instant::now().checked_sub(Duration::from_secs(60)).unwrap());
        ask(401).await;
        assert!(readiness.check().is_err());
        ask(200).await;
        assert_eq!(readiness.check(), Ok(()));
    }
}
