//! What a session that listens has heard: counts and no list, so that it does not matter how many notifications come at once.

use std::sync::Arc;

use tokio::sync::watch;

/// Where Coder announces every change of a provider through its API, after the commit and without a payload.
pub const CODERS_CHANNEL: &str = "ai_providers_changed";
/// Where a check proves that announcements arrive. Coder does not listen there.
pub const OWN_CHANNEL: &str = "ai_provider_seed_proof";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// How often Coder's channel was notified.
    pub announced: u64,
    /// The highest number that came back of those that this process sent.
    pub proven: u64,
}

/// The ear of one session. The receivers learn of its end when the session drops it.
#[derive(Clone, Debug)]
pub struct Hearing {
    heard: Arc<watch::Sender<Heard>>,
    /// Tells this process's proofs from those of others.
    sender: Arc<str>,
}

impl Hearing {
    pub fn new(sender: Arc<str>) -> (Hearing, watch::Receiver<Heard>) {
        let (heard, receiver) = watch::channel(Heard::default());
        (Hearing { heard: Arc::new(heard), sender }, receiver)
    }

    pub(super) fn hear(&self, channel: &str, payload: &str) {
        match channel {
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
        let (hearing, heard) = Hearing::new("abc".into());
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
            hearing.hear(channel, payload);
        }
        assert_eq!(*heard.borrow(), Heard { announced: 2, proven: 7 });
        drop(hearing);
        assert!(heard.has_changed().is_err());
    }
}
