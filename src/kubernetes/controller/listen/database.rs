//! The state of one database in use: its resources, its listener, the announcements, and the changes that checks found.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::budget::Place;
use crate::kubernetes::controller::index::Key;
use crate::kubernetes::crd::status::{PollingReason, ProviderState, ProviderStatus};
use crate::kubernetes::status::last_agreed::ProviderHashes;
use crate::store::connect::Writers;

/// The first pause after a listener was lost or could not be opened; it doubles.
const BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
/// A listener with this lifetime resets the pauses.
const GOOD: Duration = Duration::from_secs(60);

pub struct Database {
    pub name: String,
    /// Held while a listener is opened.
    pub gate: tokio::sync::Mutex<()>,
    /// The controller's own writers.
    pub writers: Writers,
    state: Mutex<State>,
}

#[derive(Default)]
pub struct State {
    pub users: HashMap<Key, User>,
    pub listening: Option<Listening>,
    /// Why there is no listener; `None`: no attempt was made yet.
    pub polling: Option<PollingReason>,
    pub retry_at: Option<Instant>,
    /// Consecutive failures.
    failures: u32,
    pub announced: u64,
    /// A check found the last change without an announcement.
    pub not_announced: bool,
}

/// A resource that uses the database.
#[derive(Default)]
pub struct User {
    last: Option<Read>,
    current: Option<Read>,
}

/// A read of the database.
struct Read {
    began: Instant,
    /// The number of announcements at that time.
    announced: u64,
    view: Option<View>,
}

/// The database's values for each provider of the environment, without the environment's own values.
#[derive(Debug, PartialEq, Eq)]
pub struct View(BTreeMap<String, (Option<String>, Option<String>, bool)>);

/// A change without an announcement so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    announced: u64,
    listener_since: Instant,
}

/// A listener: its task ends when this is dropped.
pub struct Listening {
    pub id: u64,
    /// No announcement was missed from this time on, including the time of replaced listeners.
    pub since: Instant,
    pub opened: Instant,
    /// The place of the task. A successor takes it over.
    pub place: Weak<Place>,
    expected: watch::Sender<Option<Expected>>,
}

/// A proof that must arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    pub number: u64,
    pub by: Instant,
}

/// Instructions for the task of a listener, which ends when their sender is dropped.
pub struct Orders {
    pub expected: watch::Receiver<Option<Expected>>,
    pub _place: Arc<Place>,
}

impl Database {
    pub fn new(name: &str) -> Self {
        let (gate, writers, state) = (tokio::sync::Mutex::default(), Writers::default(), Mutex::default());
        Database { name: name.to_owned(), gate, writers, state }
    }

    /// No code under this lock can leave a half-done state.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub fn polls(&mut self, reason: PollingReason, retry_at: Option<Instant>) {
        self.polling = Some(reason);
        self.retry_at = retry_at;
        self.listening = None;
        self.not_announced = false;
    }

    /// Counts one more consecutive failure; returns the time of the next try.
    pub fn fails(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let pause = BACKOFF.saturating_mul(1 << (self.failures - 1).min(16)).min(LONGEST_BACKOFF);
        let pause = pause.mul_f64(0.75 + 0.5 * fastrand::f64());
        self.polls(PollingReason::Unavailable, Some(Instant::now() + pause));
        pause
    }

    /// The listener's session has ended. `None`: another listener has already replaced it.
    pub fn lost(&mut self, id: u64) -> Option<Duration> {
        let listening = self.listening.take_if(|listening| listening.id == id)?;
        if listening.opened.elapsed() >= GOOD {
            self.failures = 0;
        }
        Some(self.fails())
    }

    pub fn hears(&mut self, announced: u64) {
        self.announced += announced;
        self.not_announced = false;
    }

    /// Stores the result of a read. Returns a doubt if it differs from the previous read and no change was announced in
    /// between.
    pub fn compare(&mut self, resource: &Key, view: View) -> Option<Doubt> {
        let (listening, announced) = (self.listening.as_ref().map(|listening| listening.since), self.announced);
        let user = self.users.get_mut(resource)?;
        let current = Read { view: Some(view), ..user.current.take()? };
        let before = user.last.replace(current)?;
        let differs = user.last.as_ref()?.view.as_ref()?.differs_from(before.view.as_ref()?);
        let listener_since = listening.filter(|since| *since <= before.began)?;
        (differs && announced == before.announced).then_some(Doubt { announced, listener_since })
    }

    /// Whether still no announcement has arrived in spite of the listener.
    pub fn was_not_announced(&mut self, doubt: Doubt) -> bool {
        let since = self.listening.as_ref().map(|listening| listening.since);
        let not_announced = since == Some(doubt.listener_since) && self.announced == doubt.announced;
        self.not_announced |= not_announced;
        not_announced
    }
}

impl User {
    pub fn begin(&mut self, now: Instant, announced: u64) {
        self.current = Some(Read { began: now, announced, view: None });
    }

    /// Whether its last read began before this time, and none is in progress.
    pub fn read_before(&self, since: Instant) -> bool {
        self.current.as_ref().or(self.last.as_ref()).is_some_and(|read| read.began < since)
    }
}

impl View {
    pub fn new(providers: &[ProviderStatus], records: &[ProviderHashes]) -> View {
        let hash_of = |name: &str| records.iter().find(|record| record.provider == name).map(|r| r.database.clone());
        let of = |provider: &ProviderStatus| {
            let found = (provider.id.clone(), hash_of(&provider.name), provider.state == ProviderState::Deleted);
            (provider.name.clone(), found)
        };
        View(providers.iter().map(of).collect())
    }

    /// Whether they differ in a provider that both contain.
    fn differs_from(&self, other: &View) -> bool {
        self.0.iter().any(|(name, found)| other.0.get(name).is_some_and(|before| before != found))
    }
}

impl Listening {
    pub fn new(place: Arc<Place>, since: Instant) -> (Listening, Orders) {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let (expected, receiver) = watch::channel(None);
        let (weak, orders) = (Arc::downgrade(&place), Orders { expected: receiver, _place: place });
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        (Listening { id, since, opened: Instant::now(), place: weak, expected }, orders)
    }

    /// Whether the last proof is old enough: at a busy database not every check needs one.
    pub fn wants_proof(&self) -> bool {
        self.expected.borrow().is_none_or(|expected| Instant::now() >= expected.by)
    }

    pub fn expect(&self, expected: Expected) {
        if self.wants_proof() {
            self.expected.send_replace(Some(expected));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(hash: &str) -> View {
        View(BTreeMap::from([("openai".to_owned(), (Some("id".to_owned()), Some(hash.to_owned()), false))]))
    }

    /// A read of the resource with this result.
    fn read(state: &mut State, hash: &str) -> Option<Doubt> {
        let (key, announced) = (("ns".to_owned(), "coder".to_owned()), state.announced);
        state.users.entry(key.clone()).or_default().begin(Instant::now(), announced);
        state.compare(&key, view(hash))
    }

    fn listening(state: &mut State) -> (Arc<Place>, Orders) {
        let place = super::super::budget::Budget::new(1, 1).take("host").expect("a place");
        let (listening, orders) = Listening::new(Arc::clone(&place), Instant::now());
        state.listening = Some(listening);
        (place, orders)
    }

    #[test]
    fn change_between_two_reads_is_doubted_only_without_a_word() {
        let mut state = State::default();
        assert!(read(&mut state, "a").is_none() && read(&mut state, "b").is_none(), "nothing listens");
        let _kept = listening(&mut state);
        assert_eq!(read(&mut state, "c"), None, "it may have changed before");
        assert_eq!(read(&mut state, "c"), None);
        let doubt = read(&mut state, "d").expect("a doubt");
        state.hears(1);
        assert!(!state.was_not_announced(doubt) && !state.not_announced, "the word was only late");
        state.hears(1);
        assert_eq!(read(&mut state, "e"), None);
        let doubt = read(&mut state, "f").expect("a doubt");
        assert!(state.was_not_announced(doubt) && state.not_announced);
        state.hears(1);
        assert!(!state.not_announced);
        let doubt = read(&mut state, "g");
        assert_eq!(doubt, None);
    }

    #[test]
    fn pauses_grow_until_a_listener_is_a_good_one() {
        let mut state = State::default();
        let mut pauses = (0..12).map(|_| state.fails().as_secs_f64());
        for expected in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0, 300.0] {
            let pause = pauses.next().expect("a pause");
            assert!((expected * 0.75..=expected * 1.25).contains(&pause), "{pause} is not about {expected}");
        }
        drop(pauses);
        let (_place, orders) = listening(&mut state);
        assert_eq!(state.lost(u64::MAX), None, "of another listener");
        let id = state.listening.as_ref().map(|listening| listening.id).expect("there is one");
        assert!(state.lost(id).is_some() && state.listening.is_none());
        assert!(orders.expected.has_changed().is_err(), "its task ends");
    }
}
