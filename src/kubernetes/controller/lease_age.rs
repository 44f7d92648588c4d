//! The time since the last renewal of the lease, by a clock that continues while the machine sleeps: a controller that
//! was frozen notices this before it commits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The time since some moment before this process.
pub fn now() -> Duration {
    // Only Linux has a clock that counts suspension; elsewhere the program runs only on developers' machines.
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// The time of the last renewal. `Default`: there is no election, and so no other controller.
#[derive(Default)]
pub struct LeaseAge {
    /// In milliseconds of [`now`]; 0: no election.
    renewed: AtomicU64,
}

impl LeaseAge {
    /// `at`: the start of the call that renewed it.
    pub fn renewed(&self, at: Duration) {
        let milliseconds = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        self.renewed.store(milliseconds.max(1), Ordering::SeqCst);
    }

    pub fn is_below(&self, most: Duration) -> bool {
        match self.renewed.load(Ordering::SeqCst) {
            0 => true,
            renewed => now().saturating_sub(Duration::from_millis(renewed)) < most,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_is_old_after_its_last_renewal() {
        let age = LeaseAge::default();
        assert!(age.is_below(Duration::ZERO), "no election");
        age.renewed(now());
        assert!(age.is_below(Duration::from_secs(10)));
        age.renewed(now().saturating_sub(Duration::from_secs(11)));
        assert!(!age.is_below(Duration::from_secs(10)));
    }
}
