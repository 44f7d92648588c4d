//! A workload that progresses without a new generation: its pods start, and each start may change the database. A
//! function of times.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::index::Key;

/// The pause between two such checks: the status of a workload changes several times for each pod.
const PAUSE: Duration = Duration::from_secs(15);

/// When each workload is checked next, or was checked last.
#[derive(Default)]
pub struct Rollouts(HashMap<Key, Instant>);

impl Rollouts {
    /// When to check because of the progress; `None`: a check is already scheduled.
    pub fn moved(&mut self, workload: &Key, now: Instant) -> Option<Instant> {
        self.0.retain(|_, at| now < *at + PAUSE);
        let at = match self.0.get(workload) {
            Some(at) if now < *at => return None,
            Some(at) => *at + PAUSE,
            None => now,
        };
        self.0.insert(workload.clone(), at);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollout_that_moves_is_checked_every_15_seconds() {
        let (start, workload) = (Instant::now(), ("ns".to_owned(), "coder".to_owned()));
        let mut rollouts = Rollouts::default();
        let mut checked = |seconds: u64| {
            let at = rollouts.moved(&workload, start + Duration::from_secs(seconds));
            at.map(|at| at.duration_since(start).as_secs())
        };
        assert_eq!(checked(3), Some(3));
        assert_eq!(checked(4), Some(18));
        assert_eq!((checked(5), checked(17)), (None, None));
        assert_eq!(checked(18), Some(33));
        assert_eq!(checked(100), Some(100));
        let other = ("ns".to_owned(), "other".to_owned());
        assert_eq!(rollouts.moved(&other, start), Some(start));
    }
}
