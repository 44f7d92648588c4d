//! Notifications of a listening session: counters instead of a list, so that the number of notifications does not matter.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The channel on which Coder announces every change of a provider through its API, after the commit and without a
/// payload.
pub const CODERS_CHANNEL: &str = "ai_providers_changed";
/// The channel on which a check proves that announcements arrive. Coder does not listen there.
pub const OWN_CHANNEL: &str = "ai_provider_seed_proof";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The number of notifications from others on Coder's channel.
    pub announced: u64,
    /// The number from this process's writers.
    pub announced_by_us: u64,
    /// The highest number of this process's own proofs that has arrived.
    pub proven: u64,
}

/// The server processes of one database that carry out this process's writes. Behind a pooler they are unknown, and such
/// an announcement counts as another process's.
#[derive(Clone, Debug, Default)]
pub struct Writers(Arc<Mutex<HashMap<i32, Instant>>>);

impl Writers {
    /// A write and its announcement take less time. Later the server may give the number to another process.
    const KEPT: Duration = Duration::from_secs(60);

    pub(super) fn add(&self, backend: i32) {
        let now = Instant::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, since| now.duration_since(*since) < Self::KEPT);
        known.insert(backend, now);
    }

    fn include(&self, backend: i32) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&backend).is_some_and(|since| since.elapsed() < Self::KEPT)
    }
}

/// The receiver of one session's notifications. Its readers learn of the end when the session drops it.
#[derive(Clone, Debug)]
pub struct Hearing {
    heard: Arc<watch::Sender<Heard>>,
    /// Distinguishes this process's proofs from those of others.
    sender: Arc<str>,
    writers: Writers,
}

impl Hearing {
    pub fn new(sender: Arc<str>, writers: Writers) -> (Hearing, watch::Receiver<Heard>) {
        let (heard, receiver) = watch::channel(Heard::default());
        (Hearing { heard: Arc::new(heard), sender, writers }, receiver)
    }

    /// `backend`: the server process that sent the notification.
    pub(super) fn hear(&self, channel: &str, payload: &str, backend: i32) {
        match channel {
            CODERS_CHANNEL if self.writers.include(backend) => {
                self.heard.send_modify(|heard| heard.announced_by_us += 1);
            }
            CODERS_CHANNEL => self.heard.send_modify(|heard| heard.announced += 1),
            OWN_CHANNEL => {
                let number = payload.split_once('-').filter(|(sender, _)| *sender == &*self.sender);
                let Some(number) = number.and_then(|(_, number)| number.parse::<u64>().ok()) else { return };
                self.heard.send_modify(|heard| heard.proven = heard.proven.max(number));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_coders_channel_and_own_proofs_are_heard() {
        let writers = Writers::default();
        let (hearing, heard) = Hearing::new("abc".into(), writers.clone());
        writers.add(7);
        for (channel, payload) in [
            ("ai_providers_changed", ""),
            ("AI_PROVIDERS_CHANGED", ""),
            ("ai_providers_changed", "anything"),
            ("ai_provider_seed_proof", "abc-7"),
            ("ai_provider_seed_proof", "abc-3"),
            ("ai_provider_seed_proof", "abd-9"),
            ("ai_provider_seed_proof", "abc-x"),
            ("ai_provider_seed_proof", ""),
        ] {
            hearing.hear(channel, payload, 8);
        }
        hearing.hear("ai_providers_changed", "", 7);
        assert_eq!(*heard.borrow(), Heard { announced: 2, announced_by_us: 1, proven: 7 });
        drop(hearing);
        assert!(heard.has_changed().is_err());
    }
}
