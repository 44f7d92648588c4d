//! Limits the number of Events: one bucket per resource, by namespace and name, and one for the process.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::kubernetes::controller::index::Key;

/// As in client-go: 25 at once, then one every 5 minutes.
const RESOURCE: Rate = Rate { burst: 25, every: Duration::from_secs(300) };
const PROCESS: Rate = Rate { burst: 100, every: Duration::from_millis(500) };
/// For the Events that report the number of suppressed ones.
const SUMMARY: Rate = Rate { burst: 1, every: Duration::from_secs(300) };
/// Suppressed Events are counted for this long before the summary.
const GATHER: Duration = Duration::from_secs(10);
/// Beyond this number, resources get no own bucket while the bucket of the process is empty.
const MOST: usize = 10_000;

struct Rate {
    burst: u32,
    /// The time for one more Event.
    every: Duration,
}

/// The time at which the bucket is full again: each Event delays it by the rate's pause.
struct Bucket(Instant);

impl Bucket {
    fn has(&self, rate: &Rate, now: Instant) -> bool {
        self.0.saturating_duration_since(now) <= rate.every * (rate.burst - 1)
    }

    fn take(&mut self, rate: &Rate, now: Instant) {
        self.0 = self.0.max(now) + rate.every;
    }

    fn is_full(&self, now: Instant) -> bool {
        self.0 <= now
    }
}

struct Resource<T> {
    bucket: Bucket,
    summary: Bucket,
    /// The start, the number and the subject of the suppressed Events.
    left_out: Option<(Instant, u64, T)>,
}

/// `T` is the information about a resource that the Event about its suppressed Events needs.
pub struct Budget<T> {
    process: Bucket,
    resources: HashMap<Key, Resource<T>>,
}

/// Suppressed Events.
#[derive(Debug, PartialEq, Eq)]
pub struct LeftOut<T> {
    pub count: u64,
    pub of: T,
}

impl<T> Budget<T> {
    pub fn new(now: Instant) -> Self {
        Budget { process: Bucket(now), resources: HashMap::new() }
    }

    /// Whether one more Event may be published. If not, it is counted.
    pub fn take(&mut self, resource: &Key, now: Instant, of: impl FnOnce() -> T) -> bool {
        let has_room = self.process.has(&PROCESS, now);
        if !has_room && self.resources.len() >= MOST && !self.resources.contains_key(resource) {
            return false;
        }
        let entry = self.resources.entry(resource.clone()).or_insert_with(|| Resource {
            bucket: Bucket(now),
            summary: Bucket(now),
            left_out: None,
        });
        if has_room && entry.bucket.has(&RESOURCE, now) {
            self.process.take(&PROCESS, now);
            entry.bucket.take(&RESOURCE, now);
            return true;
        }
        match &mut entry.left_out {
            Some((_, count, _)) => *count += 1,
            none => *none = Some((now, 1, of())),
        }
        false
    }

    /// The suppressed Events to report now; afterwards they count as reported. Full buckets are dropped.
    pub fn left_out(&mut self, now: Instant) -> Vec<LeftOut<T>> {
        let Budget { process, resources } = self;
        let mut due = Vec::new();
        for entry in resources.values_mut() {
            let gathered = entry.left_out.as_ref().is_some_and(|(since, ..)| now.duration_since(*since) >= GATHER);
            if gathered && entry.summary.has(&SUMMARY, now) && process.has(&PROCESS, now) {
                process.take(&PROCESS, now);
                entry.summary.take(&SUMMARY, now);
                due.extend(entry.left_out.take().map(|(_, count, of)| LeftOut { count, of }));
            }
        }
        resources.retain(|_, entry| entry.left_out.is_some() || !entry.bucket.is_full(now));
        due
    }

    /// Drops the count of a deleted resource. Its bucket stays, so that a recreated resource gets no new one.
    pub fn forget(&mut self, resource: &Key) {
        if let Some(entry) = self.resources.get_mut(resource) {
            entry.left_out = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("ns".to_owned(), name.to_owned())
    }

    fn taken(budget: &mut Budget<&'static str>, name: &str, times: usize, now: Instant) -> usize {
        (0..times).filter(|_| budget.take(&key(name), now, || "of")).count()
    }

    #[test]
    fn resource_has_25_events_and_one_in_5_minutes() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut budget = Budget::new(start);
        assert_eq!(taken(&mut budget, "a", 2400, at(0)), 25);
        assert_eq!(taken(&mut budget, "a", 10, at(299)), 0);
        assert_eq!(taken(&mut budget, "a", 10, at(300)), 1);
        assert_eq!(taken(&mut budget, "b", 10, at(300)), 10, "another resource has a bucket of its own");
        budget.forget(&key("a"));
        assert_eq!(taken(&mut budget, "a", 10, at(301)), 0, "a resource created again has no new bucket");
    }

    #[test]
    fn process_has_100_events_and_2_a_second() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let names: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        let all = |budget: &mut Budget<_>, now| names.iter().map(|name| taken(budget, name, 20, now)).sum::<usize>();
        assert_eq!(all(&mut budget, start), 100);
        assert_eq!(all(&mut budget, start + Duration::from_secs(10)), 20);
    }

    #[test]
    fn suppressed_events_are_reported_once_with_their_count() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut budget = Budget::new(start);
        assert_eq!(taken(&mut budget, "a", 125, at(0)), 25);
        assert_eq!(budget.left_out(at(9)), []);
        assert_eq!(budget.left_out(at(10)), [LeftOut { count: 100, of: "of" }]);
        assert_eq!(budget.left_out(at(20)), []);
        // Later ones are reported with the next summary, which has a bucket too.
        taken(&mut budget, "a", 7, at(30));
        assert_eq!(budget.left_out(at(60)), []);
        let told: u64 = budget.left_out(at(310)).iter().map(|left_out| left_out.count).sum();
        assert_eq!(told, 7);
        assert_eq!(budget.resources.len(), 1);
        budget.left_out(at(25 * 300));
        assert_eq!(budget.resources.len(), 0, "a full bucket is forgotten");
    }

    #[test]
    fn crowd_of_names_has_bounded_memory() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        for number in 0..3 * MOST {
            taken(&mut budget, &number.to_string(), 1, start);
        }
        assert_eq!(budget.resources.len(), MOST);
    }
}
