//! When to check a database that announces changes: the first announcement at once, later ones together. A function of
//! times.

use std::time::Duration;

use tokio::time::Instant;

/// The pause between two checks of a database that keeps announcing.
const SHORT: Duration = Duration::from_secs(1);
/// The pause after it has done so for a long time.
const LONG: Duration = Duration::from_secs(10);
/// Consecutive checks before the pauses become long.
const IN_A_ROW: u32 = 5;

/// Announcements of one database in quick succession.
#[derive(Debug, Default)]
pub struct Burst {
    checks: u32,
    /// Announcements are collected until this time.
    until: Option<Instant>,
    gathered: bool,
}

impl Burst {
    /// Records an announcement; returns whether to check now.
    pub fn announced(&mut self, now: Instant) -> bool {
        if self.until.is_some_and(|until| now < until) {
            self.gathered = true;
            return false;
        }
        self.check(now);
        true
    }

    /// When to call [`Burst::is_due`] again; `None` if there is nothing to wait for.
    pub fn next(&self) -> Option<Instant> {
        self.until
    }

    /// Whether to check now because of collected announcements. Without any, the burst is over.
    pub fn is_due(&mut self, now: Instant) -> bool {
        if self.until.is_none_or(|until| now < until) {
            return false;
        }
        if self.gathered {
            self.check(now);
            return true;
        }
        *self = Burst::default();
        false
    }

    fn check(&mut self, now: Instant) {
        self.gathered = false;
        self.checks = self.checks.saturating_add(1);
        self.until = Some(now + if self.checks < IN_A_ROW { SHORT } else { LONG });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times of the checks if changes are announced at these times, in tenths of a second.
    fn checks(announced: impl IntoIterator<Item = u64>, end: u64) -> Vec<u64> {
        let start = Instant::now();
        let mut announced = announced.into_iter().peekable();
        let (mut burst, mut checks) = (Burst::default(), Vec::new());
        for tenth in 0..end {
            let now = start + Duration::from_millis(tenth * 100);
            if burst.is_due(now) {
                checks.push(tenth);
            }
            while announced.next_if_eq(&tenth).is_some() {
                if burst.announced(now) {
                    checks.push(tenth);
                }
            }
        }
        checks
    }

    #[test]
    fn first_announcement_checks_at_once_and_later_ones_together() {
        assert_eq!(checks([3], 100), [3]);
        assert_eq!(checks([3, 4, 5, 6], 100), [3, 13]);
        assert_eq!(checks([3, 30], 100), [3, 30], "quiet in between");
    }

    #[test]
    fn long_burst_is_checked_every_ten_seconds_until_quiet() {
        assert_eq!(checks(0..400, 600), [0, 10, 20, 30, 40, 140, 240, 340, 440]);
        let again = checks((0..60).chain([400]), 600);
        assert_eq!(again, [0, 10, 20, 30, 40, 140, 400]);
    }

    #[test]
    fn many_announcements_at_one_moment_are_two_checks() {
        assert_eq!(checks(std::iter::repeat_n(5, 10_000), 100), [5, 15]);
    }
}
