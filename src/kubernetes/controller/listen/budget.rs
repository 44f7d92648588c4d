//! Limits the number of concurrent listening sessions. Resources beyond the limit poll; a place is never lent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub struct Budget {
    most: u16,
    all: Arc<Semaphore>,
    of_host: u16,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// The place of one listener.
pub struct Place {
    _of_host: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Budget {
    /// `most`: in the whole process.
    pub fn new(most: u16, of_host: u16) -> Self {
        Budget { most, all: Arc::new(Semaphore::new(usize::from(most))), of_host, hosts: Mutex::default() }
    }

    /// `None`: all places are taken.
    pub fn take(&self, host: &str) -> Option<Arc<Place>> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let semaphore = hosts.get(host).and_then(Weak::upgrade).unwrap_or_else(|| {
            hosts.retain(|_, semaphore| semaphore.strong_count() > 0);
            let semaphore = Arc::new(Semaphore::new(usize::from(self.of_host)));
            hosts.insert(host.to_owned(), Arc::downgrade(&semaphore));
            semaphore
        });
        let of_host = semaphore.try_acquire_owned().ok()?;
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Arc::new(Place { _of_host: of_host, _of_all: of_all }))
    }

    pub fn taken(&self) -> usize {
        usize::from(self.most) - self.all.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::super::MOST;
    use super::*;

    #[test]
    fn places_are_counted_by_host_and_in_all() {
        let budget = Budget::new(MOST, 2);
        let taken = [budget.take("a"), budget.take("a"), budget.take("b")];
        assert!(taken.iter().all(Option::is_some) && budget.take("a").is_none());
        assert_eq!(budget.taken(), 3);
        drop(taken);
        assert_eq!(budget.taken(), 0);
        let all: Vec<_> = (0..MOST).map(|number| budget.take(&number.to_string()).expect("a place")).collect();
        assert!(budget.take("one more").is_none());
        drop(all);
        assert!(budget.take("a").is_some() && budget.hosts.lock().unwrap().len() == 1);
    }
}
