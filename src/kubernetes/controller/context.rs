//! Shared by all checks: clients, limits, metrics, and the memory of each resource between two checks.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::core::DeserializeGuard;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::apply_status::is_newer;
use super::index::{Index, Key};
use super::lease_age::LeaseAge;
use super::listen::Listeners;
use super::metrics::Metrics;
use super::publish_events::Publisher;
use super::readiness::Readiness;
use super::recheck::Rechecks;
use super::scope::Scope;
use super::write;
use crate::kubernetes::crd::spec::AIProviderSeed;
use crate::kubernetes::crd::status::AIProviderSeedStatus;
use crate::kubernetes::status::write_result::WriteResult;
use crate::options::database_hosts::Restriction;
use crate::store::connect::destinations::Destinations;
use crate::store::pool::{Claim, Limits, Pool, Turns};
use crate::store::url::Route;

/// A resource from the watch, even if its spec is unreadable.
pub type Guarded = DeserializeGuard<AIProviderSeed>;

/// Concurrent first writes.
const FIRST_WORDS: usize = 8;

pub struct Context {
    pub client: Client,
    pub pool: Pool,
    pub metrics: Arc<Metrics>,
    pub readiness: Arc<Readiness>,
    pub index: Index,
    /// The allowed database hosts.
    pub destinations: Destinations,
    /// Concurrent checks that read objects or rows, over all namespaces, without those that wait for a server.
    pub work: Arc<Turns>,
    /// Concurrent first statuses of new resources, which precede the turn of their check.
    pub first_words: Semaphore,
    /// True when the process must end: tasks that only wait or read are then dropped.
    pub ending: watch::Sender<bool>,
    /// A resource without a known check was last read before this time.
    started: Instant,
    /// If false, no database is ever written.
    pub allow_writes: bool,
    /// Concurrent writes. They use none of the checks' permits, because a held lock must not stop checks.
    pub writers: Semaphore,
    pub events: Arc<Publisher>,
    pub lease: Arc<LeaseAge>,
    /// Checks that are requested by anything but a watch.
    pub rechecks: Arc<Rechecks>,
    pub listeners: Arc<Listeners>,
    memory: Mutex<HashMap<Key, Memory>>,
}

/// The memory of a resource between two checks. Losing it does no harm.
#[derive(Default)]
struct Memory {
    /// The status that was last written, or one that is at least as new.
    written: Option<Written>,
    failures: u32,
    /// The route of its database at the last check.
    route: Option<Route>,
    /// The end of the last check.
    checked: Option<Instant>,
    /// The start of the last check that an annotation requested.
    asked: Option<Instant>,
    unreported: Unreported,
}

/// Committed changes that no status reports yet: a second read cannot find their old values.
#[derive(Clone, Default)]
pub struct Unreported {
    /// With the decision that was carried out.
    pub resolved: Option<(String, WriteResult)>,
    pub seeded: Option<WriteResult>,
}

#[derive(Clone)]
struct Written {
    uid: Option<String>,
    version: Option<String>,
    status: AIProviderSeedStatus,
}

impl Context {
    pub fn new(
        client: Client,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
        most: usize,
        allow_writes: bool,
        instance: String,
    ) -> Self {
        let (rechecks, listening) = (Arc::<Rechecks>::default(), metrics.listeners.clone());
        let events = Arc::new(Publisher::new(client.clone(), Arc::clone(&metrics), instance));
        Context {
            client,
            pool: Pool::default(),
            metrics,
            readiness,
            index: Index::default(),
            destinations: Destinations::default(),
            work: Turns::new(Limits { all: most, of_host: usize::MAX, of_database: usize::MAX }),
            first_words: Semaphore::new(FIRST_WORDS),
            ending: watch::Sender::new(false),
            started: Instant::now(),
            allow_writes,
            writers: Semaphore::new(usize::from(write::WRITERS)),
            events,
            lease: Arc::default(),
            listeners: Arc::new(Listeners::new(None, Arc::clone(&rechecks), listening)),
            rechecks,
            memory: Mutex::default(),
        }
    }

    /// Restricts connections to these databases.
    #[must_use]
    pub fn only_to(self, destinations: Restriction) -> Self {
        Context { destinations: Destinations::restricted(destinations), ..self }
    }

    /// Listens at databases, with this limit per host.
    #[must_use]
    pub fn listening(self, of_host: Option<u16>) -> Self {
        let listeners = Listeners::new(of_host, Arc::clone(&self.rechecks), self.metrics.listeners.clone());
        Context { listeners: Arc::new(listeners), ..self }
    }

    /// Drops the memory of a deleted resource.
    pub fn forget(&self, resource: &Key) {
        self.index.remove(resource);
        self.listeners.leave(resource);
        self.metrics.remove(resource);
        self.events.forget(resource);
        self.memory().remove(resource);
    }

    /// Keeps only these resources of this scope.
    pub fn retain(&self, scope: &Scope, there: &HashSet<Key>) {
        let mut gone: Vec<Key> = self.memory().keys().cloned().collect();
        gone.retain(|key| scope.contains(key) && !there.contains(key));
        gone.iter().for_each(|key| self.forget(key));
    }

    /// The newer of the watched status and the written one.
    pub fn latest_status(
        &self,
        resource: &Key,
        meta: &ObjectMeta,
        watched: Option<&AIProviderSeedStatus>,
    ) -> Option<AIProviderSeedStatus> {
        let written = self.memory().get(resource).and_then(|memory| memory.written.clone());
        match written.filter(|written| written.uid == meta.uid) {
            Some(written) if !is_newer(meta.resource_version.as_deref(), written.version.as_deref()) => {
                Some(written.status)
            }
            _ => watched.cloned(),
        }
    }

    /// Keeps times that did not justify a write, so that the time of the next agreement is current.
    pub fn keep_unwritten(&self, resource: &Key, meta: &ObjectMeta, status: &AIProviderSeedStatus) {
        let watched = meta.resource_version.clone();
        let mut memory = self.memory();
        let written = &mut memory.entry(resource.clone()).or_default().written;
        let ours = written.take().filter(|written| written.uid == meta.uid).and_then(|written| written.version);
        let version = if is_newer(watched.as_deref(), ours.as_deref()) { watched } else { ours.or(watched) };
        *written = Some(Written { uid: meta.uid.clone(), version, status: status.clone() });
    }

    /// Keeps a written status, because the watch may deliver it after the next check.
    pub fn keep_written(
        &self,
        resource: &Key,
        meta: &ObjectMeta,
        version: Option<String>,
        status: &AIProviderSeedStatus,
    ) {
        let written = Written { uid: meta.uid.clone(), version, status: status.clone() };
        let mut memory = self.memory();
        let memory = memory.entry(resource.clone()).or_default();
        memory.written = Some(written);
        memory.unreported = Unreported::default();
    }

    /// Changes committed since the last written status.
    pub fn unreported(&self, resource: &Key) -> Unreported {
        self.memory().get(resource).map(|memory| memory.unreported.clone()).unwrap_or_default()
    }

    /// Keeps committed changes until a status is written.
    pub fn report_later(&self, resource: &Key, change: impl FnOnce(&mut Unreported)) {
        change(&mut self.memory().entry(resource.clone()).or_default().unreported);
    }

    /// From here on [`Context::retain`] includes the resource.
    pub fn remember(&self, resource: &Key) {
        self.memory().entry(resource.clone()).or_default();
    }

    fn memory(&self) -> MutexGuard<'_, HashMap<Key, Memory>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn failures(&self, resource: &Key) -> u32 {
        self.memory()[resource].failures
    }

    /// A resource's claim to a turn at a database. Failed resources wait behind the others, whose status may still say
    /// InSync.
    pub fn claim(&self, resource: &Key) -> Claim {
        let memory = self.memory();
        let known = memory.get(resource);
        let route = known.and_then(|memory| memory.route.clone());
        Claim { tenant: resource.0.clone(), route, is_retry: known.is_some_and(|memory| memory.failures > 0) }
    }

    /// Stores the route of its database.
    pub fn leads_to(&self, resource: &Key, route: Option<Route>) {
        self.memory().entry(resource.clone()).or_default().route = route;
    }

    /// Records the end of a check with any result.
    pub fn checked(&self, resource: &Key) {
        self.memory().entry(resource.clone()).or_default().checked = Some(Instant::now());
    }

    /// The time of the last read for this resource.
    pub fn last_checked(&self, resource: &Key) -> Instant {
        self.memory().get(resource).and_then(|memory| memory.checked).unwrap_or(self.started)
    }

    /// When a check requested by annotation may begin: at most one per `pause`.
    pub fn next_asked(&self, resource: &Key, pause: Duration) -> Instant {
        let mut memory = self.memory();
        let asked = &mut memory.entry(resource.clone()).or_default().asked;
        let now = Instant::now();
        let next = asked.map_or(now, |before| now.max(before + pause));
        *asked = Some(next);
        next
    }

    /// Counts one more consecutive failure; returns their number.
    pub fn failed(&self, resource: &Key) -> u32 {
        let mut memory = self.memory();
        let failures = &mut memory.entry(resource.clone()).or_default().failures;
        *failures = failures.saturating_add(1);
        *failures
    }

    pub fn succeeded(&self, resource: &Key) {
        if let Some(memory) = self.memory().get_mut(resource) {
            memory.failures = 0;
        }
    }
}
