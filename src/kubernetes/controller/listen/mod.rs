//! One session per database in use waits for Coder's announcements, so that a change is checked at once instead of at the
//! next interval. A check opens it between the login of its own session and its read: so no change is missed in between,
//! and no credential is stored.

mod attend;
mod budget;
mod burst;
mod database;
mod metrics;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use super::index::Key;
use super::recheck::Rechecks;
use crate::kubernetes::crd::status::{DatabaseWatchStatus, PollingReason, WatchState};
use crate::kubernetes::status::observation::DatabaseView;
use crate::store::connect::{Connector, Session};
use crate::store::listen::{self, NoListener, listen};
use budget::{Budget, Place};
use database::{Database, Expected, Listening, View};

pub use metrics::ListenerMetrics;

/// The time to open a listening session. A check waits for it.
const OPEN: Duration = Duration::from_secs(3);
/// The most listeners in the process.
pub const MOST: u16 = 64;
/// The age at which a listener is replaced: its role may have lost the right to log in, or its name may have another
/// address.
const OLDEST: Duration = Duration::from_secs(600);
/// The pause between two attempts to listen through a pooler, since it is unlikely to change.
const POOLER: Duration = Duration::from_secs(600);
const STANDBY: Duration = Duration::from_secs(60);
/// The time within which a proof must arrive.
const PROOF: Duration = Duration::from_secs(5);
/// The time for the listeners to end when the process ends.
const END: Duration = Duration::from_secs(2);

/// The listeners of all databases.
pub struct Listeners {
    /// Whether listening is enabled.
    on: bool,
    oldest: Duration,
    /// Distinguishes the proofs of this process from those of others.
    sender: Arc<str>,
    proofs: AtomicU64,
    budget: Budget,
    /// A replaced listener and its successor coexist for a moment: one such pair at a time in the process.
    successor: Semaphore,
    maps: Mutex<Maps>,
    rechecks: Arc<Rechecks>,
    metrics: ListenerMetrics,
    stopped: watch::Sender<bool>,
    /// Whether the log has reported the end.
    told_end: AtomicBool,
}

#[derive(Default)]
struct Maps {
    databases: HashMap<String, Arc<Database>>,
    used: HashMap<Key, Arc<Database>>,
}

/// The number and the lifetime of listening sessions.
#[derive(Clone, Copy, Debug)]
pub struct ListenerLimits {
    pub all: u16,
    pub of_host: u16,
    /// The age at which a listener is replaced.
    pub oldest: Duration,
}

/// A check is in progress for a resource that uses the database.
pub struct Watched {
    database: Arc<Database>,
    resource: Key,
}

/// The proof of one check, to be sent after its read.
pub struct Proof {
    database: Arc<Database>,
    sender: Arc<str>,
    number: u64,
}

impl Listeners {
    /// `of_host`: the most listeners at one host; `None`: no listening.
    pub fn new(of_host: Option<u16>, rechecks: Arc<Rechecks>, metrics: ListenerMetrics) -> Self {
        let limits = ListenerLimits { all: MOST, of_host: of_host.unwrap_or_default(), oldest: OLDEST };
        Listeners { on: of_host.is_some(), ..Listeners::within(limits, rechecks, metrics) }
    }

    /// The same with other limits.
    pub fn within(limits: ListenerLimits, rechecks: Arc<Rechecks>, metrics: ListenerMetrics) -> Self {
        Listeners {
            on: true,
            oldest: limits.oldest,
            sender: format!("{:016x}", fastrand::u64(..)).into(),
            proofs: AtomicU64::new(0),
            budget: Budget::new(limits.all, limits.of_host),
            successor: Semaphore::new(1),
            maps: Mutex::default(),
            rechecks,
            metrics,
            stopped: watch::Sender::new(false),
            told_end: AtomicBool::new(false),
        }
    }

    /// Records that the resource uses the connector's database, whether or not it is reachable. `None`: listening is
    /// disabled.
    pub fn enter(&self, resource: &Key, connector: &Connector) -> Option<Watched> {
        let options = connector.source().options().ok().filter(|_| self.on)?;
        // Everything that distinguishes two databases; resources with equal values may share a listener.
        let name = format!("{:?}", (options.hosts(), options.database()));
        let mut maps = self.maps();
        if maps.used.get(resource).is_some_and(|database| database.name != name) {
            maps.leave(resource);
        }
        let database = Arc::clone(maps.databases.entry(name).or_insert_with_key(|name| Arc::new(Database::new(name))));
        database.state().users.entry(resource.clone()).or_default();
        maps.used.insert(resource.clone(), Arc::clone(&database));
        Some(Watched { database, resource: resource.clone() })
    }

    /// The resource no longer uses a known database.
    pub fn leave(&self, resource: &Key) {
        self.maps().leave(resource);
    }

    /// Before the read of a check: opens a listener, if possible, which then receives every later change. `session` is
    /// the check's own.
    pub async fn prepare(
        self: &Arc<Self>,
        watched: &Watched,
        connector: &Connector,
        session: &Session,
    ) -> Option<Proof> {
        let database = &watched.database;
        if let Ok(_alone) = timeout(OPEN, database.gate.lock()).await {
            self.open(watched, connector, session).await;
        }
        let mut state = database.state();
        let announced = state.announced;
        let user = state.users.get_mut(&watched.resource)?;
        user.begin(Instant::now(), announced);
        state.listening.as_ref().filter(|listening| listening.wants_proof())?;
        let number = self.proofs.fetch_add(1, Ordering::Relaxed) + 1;
        Some(Proof { database: Arc::clone(database), sender: Arc::clone(&self.sender), number })
    }

    async fn open(self: &Arc<Self>, watched: &Watched, connector: &Connector, session: &Session) {
        let database = &watched.database;
        // A pooled session may be older than the promotion of its server.
        let is_new = database.state().listening.is_none();
        let is_standby = is_new && session.in_hot_standby == Some(true) && listen::is_standby(session).await;
        let now = Instant::now();
        let (place, since, successor) = {
            let mut state = database.state();
            match &state.listening {
                Some(listening) if now.duration_since(listening.opened) < self.oldest => return,
                Some(listening) => {
                    let (Ok(successor), Some(place)) = (self.successor.try_acquire(), listening.place.upgrade()) else {
                        return;
                    };
                    (place, listening.since, Some(successor))
                }
                // The process is ending.
                None if *self.stopped.borrow() => return,
                None if state.retry_at.is_some_and(|at| now < at) => return,
                None if is_standby => {
                    state.polls(PollingReason::Standby, None);
                    return;
                }
                None => match self.budget.take(&format!("{:?}", session.host)) {
                    Some(place) => (place, now, None),
                    None => {
                        state.polls(PollingReason::Budget, None);
                        return;
                    }
                },
            }
        };
        match listen(connector.clone(), Arc::clone(&self.sender), database.writers.clone(), now + OPEN).await {
            Ok(listener) => {
                // A successor listens before its predecessor ends.
                let since = if successor.is_some() { since } else { Instant::now() };
                self.attend(watched, listener, place, since);
            }
            // The predecessor still works.
            Err(_) if successor.is_some() => {}
            Err(NoListener::Pooler) => database.state().polls(PollingReason::Pooler, Some(now + POOLER)),
            Err(NoListener::Standby) => database.state().polls(PollingReason::Standby, Some(now + STANDBY)),
            Err(NoListener::Failed) => {
                let pause = database.state().fails();
                drop(place);
                // The checks continue meanwhile; one of them tries again.
                self.recheck_after(database, pause, 1);
            }
        }
    }

    fn attend(self: &Arc<Self>, watched: &Watched, listener: listen::Listener, place: Arc<Place>, since: Instant) {
        let database = &watched.database;
        let (listening, orders) = Listening::new(place, since);
        let id = listening.id;
        {
            let mut state = database.state();
            // Resources that read earlier may have missed changes that this listener no longer receives.
            let others = state.users.iter().filter(|(key, user)| **key != watched.resource && user.read_before(since));
            let unheard: Vec<Key> = others.map(|(key, _)| key.clone()).collect();
            // The replaced listener ends with its channel.
            state.listening = Some(listening);
            drop(state);
            unheard.iter().for_each(|resource| self.rechecks.ask(resource));
        }
        let attending = attend::Attending {
            listeners: Arc::clone(self),
            database: Arc::clone(database),
            orders,
            stopped: self.stopped.subscribe(),
            _counted: self.metrics.opened(),
        };
        let (listeners, database) = (Arc::clone(self), Arc::clone(database));
        tokio::spawn(async move {
            if attending.run(listener).await == attend::End::Lost
                && let Some(pause) = database.state().lost(id)
            {
                tracing::debug!("a listener was lost; its database is checked in {} ms", pause.as_millis());
                listeners.recheck_after(&database, pause, usize::MAX);
            }
        });
    }

    /// Checks at most this many resources of the database.
    fn recheck_after(self: &Arc<Self>, database: &Arc<Database>, pause: Duration, most: usize) {
        let (listeners, database) = (Arc::clone(self), Arc::downgrade(database));
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            if let Some(database) = database.upgrade().filter(|_| !*listeners.stopped.borrow()) {
                listeners.recheck(&database, most);
            }
        });
    }

    fn recheck(&self, database: &Database, most: usize) {
        let users: Vec<Key> = database.state().users.keys().take(most).cloned().collect();
        users.iter().for_each(|resource| self.rechecks.ask(resource));
    }

    /// For a write on behalf of the resource. Its announcement starts no check: [`Listeners::wrote`] does.
    pub fn writer(&self, resource: &Key, connector: Connector) -> Connector {
        match self.maps().used.get(resource) {
            Some(database) => connector.writing_as(database.writers.clone()),
            None => connector,
        }
    }

    /// Checks the other resources that use the database; the resource itself is checked after its write anyway.
    pub fn wrote(&self, resource: &Key) {
        let Some(database) = self.maps().used.get(resource).cloned() else { return };
        let others: Vec<Key> = database.state().users.keys().filter(|user| *user != resource).cloned().collect();
        others.iter().for_each(|other| self.rechecks.ask(other));
    }

    /// After the read of a check: a change without an announcement shows that announcements are unreliable.
    pub fn compare(self: &Arc<Self>, resource: &Key, found: &DatabaseView) {
        let Some(database) = self.maps().used.get(resource).cloned() else { return };
        let DatabaseView::Found { providers, records, .. } = found else { return };
        let view = View::new(providers, records);
        let Some(doubt) = database.state().compare(resource, view) else { return };
        // Coder announces after its commit.
        let listeners = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(PROOF).await;
            if database.state().was_not_announced(doubt) {
                listeners.recheck(&database, usize::MAX);
            }
        });
    }

    /// The listening state in the status of the resource.
    pub fn status_of(&self, resource: &Key) -> Option<DatabaseWatchStatus> {
        let polling = |reason| DatabaseWatchStatus { state: WatchState::Polling, reason: Some(reason) };
        if !self.on {
            return Some(polling(PollingReason::Off));
        }
        let database = self.maps().used.get(resource).cloned()?;
        let state = database.state();
        match (&state.listening, state.not_announced) {
            (Some(_), false) => Some(DatabaseWatchStatus { state: WatchState::Listening, reason: None }),
            (Some(_), true) => Some(polling(PollingReason::NotAnnounced)),
            (None, _) => state.polling.map(polling),
        }
    }

    /// Ends all listeners and opens no more. A second call waits like the first.
    pub async fn stop(&self) {
        self.stopped.send_replace(true);
        let ended = async {
            while self.budget.taken() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(END, ended).await.is_ok() && !self.told_end.swap(true, Ordering::SeqCst) {
            tracing::info!("listens to no database any more");
        }
    }

    fn maps(&self) -> MutexGuard<'_, Maps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Maps {
    fn leave(&mut self, resource: &Key) {
        let Some(database) = self.used.remove(resource) else { return };
        let mut state = database.state();
        state.users.remove(resource);
        if state.users.is_empty() {
            // Its orders end with it, and it ends with them.
            state.listening = None;
            self.databases.remove(&database.name);
        }
    }
}

impl Proof {
    /// Sent in the round trip of the read, after it. If it cannot be sent, it proves nothing.
    pub async fn send(&self, session: &Session) {
        if listen::prove(session, &self.sender, self.number).await.is_ok()
            && let Some(listening) = &self.database.state().listening
        {
            listening.expect(Expected { number: self.number, by: Instant::now() + PROOF });
        }
    }
}
