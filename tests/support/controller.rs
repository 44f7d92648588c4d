//! The controller as a process beside a real API server and a real Postgres.

use super::kubernetes::{Namespace, eventually};
use super::{Finished, Run, Started, block_on};
use ai_provider_seed::testing::kubernetes::crd::spec::AIProviderSeed;
use ai_provider_seed::testing::kubernetes::crd::status::AIProviderSeedStatus;
use k8s_openapi::api::events::v1::Event;
use kube::api::Api;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

pub struct Controller {
    started: Option<Started>,
    port: u16,
}

impl Controller {
    /// Starts it for the namespace with all permissions, and waits until it is ready.
    pub fn start(namespace: &Namespace) -> Self {
        let controller = Controller::start_as(namespace.kubeconfig(), &[]);
        controller.wait_ready();
        controller
    }

    /// The same, with permission to write to databases.
    pub fn writing(namespace: &Namespace) -> Self {
        let controller = Controller::start_as(namespace.kubeconfig(), &["--allow-writes"]);
        controller.wait_ready();
        controller
    }

    pub fn start_as(kubeconfig: &Path, args: &[&str]) -> Self {
        Controller::start_with(kubeconfig, args, |run| run)
    }

    pub fn start_with(kubeconfig: &Path, args: &[&str], with: impl FnOnce(Run) -> Run) -> Self {
        let port = super::process::free_port();
        let run = Run::new(["controller", "--log-format=json", "--log-level=debug"])
            .arg(format!("--listen=127.0.0.1:{port}"));
        // The servers of the tests are on this machine.
        let run = run.env("AI_PROVIDER_SEED_ALLOW_LOCAL", "true");
        let run = args.iter().fold(run, |run, arg| run.arg(*arg)).env("KUBECONFIG", kubeconfig);
        let run = run.without_termination_log().limit(Duration::from_secs(600));
        Controller { started: Some(with(run).start()), port }
    }

    pub fn wait_ready(&self) {
        eventually("the controller is ready", || (self.get("/readyz")?.0 == 200).then_some(()));
    }

    /// The address of probes and metrics.
    pub fn address(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port)
    }

    /// Its peak memory in KiB, including the pages of its own file.
    pub fn peak_memory(&self) -> usize {
        let id = self.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("read the status of the process");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("there is a peak");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
    }

    pub fn id(&self) -> u32 {
        self.started.as_ref().expect("it runs until now").id()
    }

    pub fn is_running(&mut self) -> bool {
        self.started.as_mut().is_some_and(|started| !started.ended())
    }

    /// Status and body.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }

    /// The sum of all samples whose line begins with this text.
    pub fn metric(&self, start: &str) -> f64 {
        let text = self.get("/metrics").expect("there are metrics").1;
        let samples = text.lines().filter(|line| line.starts_with(start));
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().expect("a number")).sum()
    }

    /// `STOP` freezes it, `CONT` wakes it.
    pub fn signal(&self, name: &str) {
        self.started.as_ref().expect("it runs until now").signal(name);
    }

    /// Ends it and waits.
    pub fn stop(mut self) -> Finished {
        let started = self.started.take().expect("it runs until now");
        started.signal("TERM");
        started.wait()
    }

    pub fn kill(mut self) -> Finished {
        let mut started = self.started.take().expect("it runs until now");
        started.kill();
        started.wait()
    }

    /// Waits for it to end by itself.
    pub fn wait(mut self) -> Finished {
        self.started.take().expect("it runs until now").wait()
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if let Some(started) = &mut self.started {
            started.kill();
        }
    }
}

/// A Deployment whose init container has this environment.
pub fn deployment(name: &str, env: &Value, args: &[&str]) -> Value {
    let args = if args.is_empty() { &["seed"] } else { args };
    let init = json!({"name": "ai-provider-seed", "image": "x", "args": args, "env": env});
    let spec = json!({"containers": [{"name": "coder", "image": "x"}], "initContainers": [init]});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    })
}

pub fn secret(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

/// A Secret that permits writes to its database for this resource.
pub fn writable(by: &str, name: &str, data: Value) -> Value {
    let mut secret = secret(name, data);
    secret["metadata"]["annotations"] = json!({"aiproviders.dev/writable-by": by});
    secret
}

pub fn seed(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "aiproviders.dev/v1alpha1", "kind": "AIProviderSeed", "metadata": {"name": name}, "spec": spec})
}

/// The current resource.
pub fn get(namespace: &Namespace, name: &str) -> AIProviderSeed {
    let api: Api<AIProviderSeed> = namespace.api();
    block_on(api.get(name)).expect("get the resource")
}

/// The status once Ready has this reason, for the current generation.
#[track_caller]
pub fn reason(namespace: &Namespace, name: &str, reason: &str) -> AIProviderSeedStatus {
    let mut last = None;
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        eventually(&format!("{name} is {reason}"), || {
            let seed = get(namespace, name);
            let status = seed.status.unwrap_or_default();
            let current = status.observed_generation == seed.metadata.generation;
            let ready = status.conditions.iter().any(|c| c.type_ == "Ready" && c.reason == reason);
            last = Some(status.clone());
            (ready && current).then_some(status)
        })
    }));
    found.unwrap_or_else(|_| panic!("{name} is not {reason}, but {last:#?}"))
}

/// `type Ready=status reason` of each condition.
pub fn conditions(status: &AIProviderSeedStatus) -> Vec<String> {
    status.conditions.iter().map(|c| format!("{}={} {}", c.type_, c.status, c.reason)).collect()
}

/// All Events, in the order of their time and path.
pub fn events(namespace: &Namespace) -> Vec<Event> {
    let api: Api<Event> = namespace.api();
    let mut events = block_on(api.list(&Default::default())).expect("list events").items;
    events.sort_by_key(|event| {
        let time = event.event_time.as_ref().map(|time| time.0);
        (time, event.regarding.as_ref().and_then(|regarding| regarding.field_path.clone()))
    });
    events
}

/// `reason: note`
pub fn notes(namespace: &Namespace) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    events(namespace).iter().map(|event| format!("{}: {}", text(&event.reason), text(&event.note))).collect()
}

/// Sets the annotation that decides a conflict; an empty value removes it.
pub fn decide(namespace: &Namespace, name: &str, value: &str) {
    let annotation = match value {
        "" => "aiproviders.dev/resolve-".to_owned(),
        value => format!("aiproviders.dev/resolve={value}"),
    };
    namespace.kubectl(&["annotate", "--overwrite", &format!("aps/{name}"), &annotation]).ok();
}

/// The status once it has this condition with this reason.
#[track_caller]
pub fn condition(namespace: &Namespace, name: &str, kind: &str, reason: &str) -> AIProviderSeedStatus {
    let mut last = None;
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        eventually(&format!("{name} has {kind} {reason}"), || {
            last = get(namespace, name).status;
            last.clone().filter(|status| status.conditions.iter().any(|c| c.type_ == kind && c.reason == reason))
        })
    }));
    found.unwrap_or_else(|_| panic!("{name} has not {kind} {reason}, but {last:#?}"))
}

/// The message of a condition.
pub fn message(status: &AIProviderSeedStatus, kind: &str) -> String {
    status.conditions.iter().find(|c| c.type_ == kind).map(|c| c.message.clone()).unwrap_or_default()
}

/// Requests a check and waits until it is done.
pub fn check_now(namespace: &Namespace, name: &str) {
    // The next number for this resource, because kubectl's output is compared with a file.
    let last = get(namespace, name).status.and_then(|status| status.last_handled_reconcile_at);
    let number = last.and_then(|token| token.strip_prefix("token-")?.parse::<u32>().ok()).unwrap_or_default();
    let token = format!("token-{}", number + 1);
    let annotation = format!("aiproviders.dev/reconcile={token}");
    namespace.kubectl(&["annotate", "--overwrite", &format!("aps/{name}"), &annotation]).ok();
    eventually("the token is handled", || {
        let handled = get(namespace, name).status?.last_handled_reconcile_at?;
        (handled == token).then_some(())
    });
}
