//! The reasons of the condition Ready, from a watch of the API server.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ai_provider_seed::testing::kubernetes::crd::spec::AIProviderSeed;
use futures::{FutureExt, StreamExt};
use kube::runtime::watcher::{Config, Event, watcher};
use tokio::task::JoinHandle;

use crate::support::{Namespace, block_on};

pub struct Conditions {
    news: Receiver<Seen>,
    now: HashMap<String, (String, Instant)>,
    task: JoinHandle<()>,
}

struct Seen {
    name: String,
    reason: String,
    at: Instant,
}

impl Conditions {
    pub fn of(namespace: &Namespace) -> Conditions {
        let (sender, news) = channel();
        let api = namespace.api::<AIProviderSeed>();
        let watching = async move {
            let mut events = watcher(api, Config::default()).boxed();
            while let Some(event) = events.next().await {
                let Ok(Event::Apply(seed) | Event::InitApply(seed)) = event else { continue };
                let conditions = seed.status.iter().flat_map(|status| &status.conditions);
                let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
                let (name, reason) = (seed.metadata.name.clone(), ready.map(|ready| ready.reason.clone()));
                let seen =
                    Seen { name: name.expect("it has a name"), reason: reason.unwrap_or_default(), at: Instant::now() };
                if sender.send(seen).is_err() {
                    return;
                }
            }
        };
        let task = block_on(std::future::ready(()).map(|()| tokio::spawn(watching)));
        Conditions { news, now: HashMap::new(), task }
    }

    /// Waits until each of these has this reason; returns the time at which the last one did.
    pub fn wait(&mut self, names: &[String], reason: &str, limit: Duration) -> Instant {
        let deadline = Instant::now() + limit;
        let mut others: Vec<&String> = names.iter().collect();
        loop {
            self.take_news();
            others.retain(|name| !self.is(name, reason));
            if others.is_empty() {
                return names.iter().filter_map(|name| Some(self.now.get(name)?.1)).max().expect("there are names");
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(seen) = self.news.recv_timeout(left) else {
                panic!(
                    "{} of {} are not {reason} in time, such as {}: {:?}",
                    others.len(),
                    names.len(),
                    others[0],
                    self.now.get(others[0])
                );
            };
            self.keep(seen);
        }
    }

    /// The number of these that now have another reason.
    pub fn others(&mut self, names: &[String], reason: &str) -> usize {
        self.take_news();
        names.iter().filter(|name| !self.is(name, reason)).count()
    }

    fn is(&self, name: &str, reason: &str) -> bool {
        self.now.get(name).is_some_and(|(now, _)| now == reason)
    }

    fn take_news(&mut self) {
        while let Ok(seen) = self.news.try_recv() {
            self.keep(seen);
        }
    }

    fn keep(&mut self, seen: Seen) {
        let is_new = !self.is(&seen.name, &seen.reason);
        if is_new {
            self.now.insert(seen.name, (seen.reason, seen.at));
        }
    }
}

impl Drop for Conditions {
    fn drop(&mut self) {
        self.task.abort();
    }
}
