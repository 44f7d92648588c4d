//! Publishes Events. kube's `Recorder` is not used: it would merge two conflicts into one Event and needs permission to
//! patch, while these Events are transitions, each created once. A check does not wait for publishing.

mod budget;
mod event;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::budget::Budget;
use super::index::{Key, key_of};
use super::metrics::{EventResult, Metrics};
use crate::kubernetes::client::{ApiError, ApiErrorKind, call};
use crate::kubernetes::status::conditions::{EventReason, PendingEvent};

pub use self::event::{CONTROLLER, Subject};

/// The most attempts to send one Event.
const ATTEMPTS: u32 = 3;
/// The pause between two attempts, unless the API server requests another one, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

pub struct Publisher {
    client: Client,
    metrics: Arc<Metrics>,
    /// The reporting instance.
    instance: String,
    budget: Mutex<Budget<ObjectMeta>>,
    /// The time of the last Event, in microseconds since 1970: no two Events have the same.
    last: AtomicI64,
    /// Events being sent.
    tasks: Mutex<JoinSet<()>>,
    /// Namespaces in which the last Event was lost, with the number of consecutive losses.
    failing: Mutex<HashMap<String, u64>>,
}

impl Publisher {
    pub fn new(client: Client, metrics: Arc<Metrics>, instance: String) -> Self {
        let budget = Mutex::new(Budget::new(Instant::now()));
        let (tasks, failing) = (Mutex::default(), Mutex::default());
        Publisher { client, metrics, instance, budget, last: AtomicI64::default(), tasks, failing }
    }

    /// Sends as many Events as the limits allow, one after another, without making the caller wait. An Event that cannot
    /// be published is lost: the status contains its content.
    pub fn publish(self: &Arc<Self>, now: Instant, of: &Subject, pending: &[PendingEvent]) {
        let resource = key_of(of.meta);
        let may_go = |_: &&PendingEvent| {
            let may_go = lock(&self.budget).take(&resource, now, || identity(of.meta));
            if !may_go {
                self.metrics.event(EventResult::Suppressed);
            }
            may_go
        };
        let events = pending.iter().filter(may_go).map(|pending| self.event(pending, of)).collect();
        self.spawn(events);
    }

    /// Reports for each resource how many Events were suppressed, at most once in 5 minutes. Call it regularly.
    pub fn sweep(self: &Arc<Self>, now: Instant) {
        let left_out = lock(&self.budget).left_out(now);
        for left_out in left_out {
            let pending = PendingEvent {
                reason: EventReason::EventsSuppressed,
                is_warning: true,
                note: format!(
                    "{} Events of this resource were not published because they were too many; its status and \
                     conditions are complete (kubectl describe aps {})",
                    left_out.count,
                    left_out.of.name.as_deref().unwrap_or_default()
                ),
                field_path: None,
            };
            self.spawn(vec![self.event(&pending, &Subject { meta: &left_out.of, workload: None })]);
        }
    }

    pub fn forget(&self, resource: &Key) {
        lock(&self.budget).forget(resource);
    }

    /// Waits for the Events being sent, up to this limit.
    pub async fn finish(&self, limit: Duration) {
        let tasks = std::mem::take(&mut *lock(&self.tasks));
        // A late Event is lost.
        let _ = tokio::time::timeout(limit, tasks.join_all()).await;
    }

    fn spawn(self: &Arc<Self>, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let publisher = Arc::clone(self);
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            for event in events {
                publisher.send(event).await;
            }
        });
    }

    async fn send(&self, mut event: Event) {
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let what = format!("create an Event in namespace {namespace}");
        for attempt in 1.. {
            let result = call(&what, api.create(&PostParams::default(), &event)).await;
            match result {
                Ok(_) => return self.published(&namespace),
                // The previous attempt arrived, but its answer was lost.
                Err(error) if error.kind == ApiErrorKind::Conflict && attempt > 1 => return self.published(&namespace),
                Err(error) if attempt < ATTEMPTS && error.kind == ApiErrorKind::Conflict => {
                    let resource = event.involved_object.name.as_deref().unwrap_or_default();
                    event.metadata.name = Some(event::name(resource, self.next_time()));
                }
                Err(error) if attempt < ATTEMPTS && is_temporary(error.kind) => {
                    self.metrics.api_error(error.kind);
                    tokio::time::sleep(error.retry_after.unwrap_or(PAUSE).min(LONGEST_PAUSE)).await;
                }
                Err(error) => return self.lost(namespace, event.reason.as_deref().unwrap_or_default(), &error),
            }
        }
    }

    fn published(&self, namespace: &str) {
        self.metrics.event(EventResult::Published);
        if let Some(lost) = lock(&self.failing).remove(namespace) {
            tracing::info!(namespace, lost, "Events are published again");
        }
    }

    /// The log reports only the first of several consecutive losses; the metric counts each.
    fn lost(&self, namespace: String, reason: &str, error: &ApiError) {
        self.metrics.event(EventResult::Failed);
        self.metrics.api_error(error.kind);
        let mut failing = lock(&self.failing);
        let lost = failing.entry(namespace).or_default();
        *lost += 1;
        if *lost == 1 {
            tracing::warn!(event = reason, "{error}; Events are lost until one can be created, the status has them");
        }
    }

    fn event(&self, pending: &PendingEvent, of: &Subject) -> Event {
        event::event(pending, of, &self.instance, self.next_time())
    }

    fn next_time(&self) -> Timestamp {
        let now = Timestamp::now().as_microsecond();
        let next = |last: i64| Some(now.max(last.saturating_add(1)));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_default();
        Timestamp::from_microsecond(now.max(last.saturating_add(1))).unwrap_or_default()
    }
}

fn is_temporary(kind: ApiErrorKind) -> bool {
    matches!(kind, ApiErrorKind::TooManyRequests | ApiErrorKind::Unavailable)
}

/// The identity of the resource in an Event.
fn identity(meta: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        uid: meta.uid.clone(),
        ..ObjectMeta::default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
