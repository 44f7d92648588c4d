//! What all checks share: clients, limits, metrics, and what is remembered of each resource between two checks.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::core::DeserializeGuard;
use tokio::sync::Semaphore;

use super::apply_status::is_newer;
use super::index::{Index, Key};
use super::listen::Listeners;
use super::metrics::Metrics;
use super::publish_events::Publisher;
use super::readiness::Readiness;
use super::recheck::Rechecks;
use super::scope::Scope;
use super::write;
use crate::kubernetes::crd::spec::AIProviderSeed;
use crate::kubernetes::crd::status::AIProviderSeedStatus;
use crate::options::database_hosts::Restriction;
use crate::store::connect::destinations::Destinations;
use crate::store::pool::Pool;

/// A resource as the watch brings it, whether or not its spec can be read.
pub type Guarded = DeserializeGuard<AIProviderSeed>;

pub struct Context {
    pub client: Client,
    pub pool: Pool,
    pub metrics: Arc<Metrics>,
    pub readiness: Arc<Readiness>,
    pub index: Index,
    /// Where databases may be.
    pub destinations: Destinations,
    /// Checks at once, over all namespaces.
    pub permits: Semaphore,
    /// Without it nothing is ever written to a database.
    pub allow_writes: bool,
    /// Writes at once. They hold no permit of the checks: a lock that somebody holds must not stop those.
    pub writers: Semaphore,
    pub events: Arc<Publisher>,
    /// Checks that something else than a watch asks for.
    pub rechecks: Arc<Rechecks>,
    pub listeners: Arc<Listeners>,
    memory: Mutex<HashMap<Key, Memory>>,
}

/// What is remembered of a resource between two checks. Nothing is lost if it is lost.
#[derive(Default)]
struct Memory {
    /// The status that was last written or is at least as new.
    written: Option<Written>,
    failures: u32,
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
            permits: Semaphore::new(most),
            allow_writes,
            writers: Semaphore::new(usize::from(write::WRITERS)),
            events,
            listeners: Arc::new(Listeners::new(None, Arc::clone(&rechecks), listening)),
            rechecks,
            memory: Mutex::default(),
        }
    }

    /// Connects to no database but these.
    #[must_use]
    pub fn only_to(self, destinations: Restriction) -> Self {
        Context { destinations: Destinations::restricted(destinations), ..self }
    }

    /// Listens at databases, at so many of one host at once.
    #[must_use]
    pub fn listening(self, of_host: Option<u16>) -> Self {
        let listeners = Listeners::new(of_host, Arc::clone(&self.rechecks), self.metrics.listeners.clone());
        Context { listeners: Arc::new(listeners), ..self }
    }

    /// The resource is gone.
    pub fn forget(&self, resource: &Key) {
        self.index.remove(resource);
        self.listeners.leave(resource);
        self.metrics.remove(resource);
        self.events.forget(resource);
        self.memory().remove(resource);
    }

    /// Of this scope, only these resources are there.
    pub fn retain(&self, scope: &Scope, there: &HashSet<Key>) {
        let mut gone: Vec<Key> = self.memory().keys().cloned().collect();
        gone.retain(|key| scope.contains(key) && !there.contains(key));
        gone.iter().for_each(|key| self.forget(key));
    }

    /// The newer of the status that the watch brought and the one that was written.
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

    /// Keeps times that were not worth a write, so that the next agreement's is not an hour old.
    pub fn keep_unwritten(&self, resource: &Key, meta: &ObjectMeta, status: &AIProviderSeedStatus) {
        let watched = meta.resource_version.clone();
        let mut memory = self.memory();
        let written = &mut memory.entry(resource.clone()).or_default().written;
        let ours = written.take().filter(|written| written.uid == meta.uid).and_then(|written| written.version);
        let version = if is_newer(watched.as_deref(), ours.as_deref()) { watched } else { ours.or(watched) };
        *written = Some(Written { uid: meta.uid.clone(), version, status: status.clone() });
    }

    /// Keeps a status that was written, because the watch may bring it later than the next check comes.
    pub fn keep_written(
        &self,
        resource: &Key,
        meta: &ObjectMeta,
        version: Option<String>,
        status: &AIProviderSeedStatus,
    ) {
        let written = Written { uid: meta.uid.clone(), version, status: status.clone() };
        self.memory().entry(resource.clone()).or_default().written = Some(written);
    }

    /// From here on [`Context::retain`] knows the resource.
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

    /// Counts one more failure in a row; returns how many there are.
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
