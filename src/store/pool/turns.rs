//! The queue: first in, first out, within the limits for a tenant, a host and a database. A waiting check holds only its
//! place in the queue.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::lock;
use crate::store::url::Route;

/// After this long, a postponed waiter has its normal place again.
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub all: usize,
    pub of_host: usize,
    pub of_database: usize,
}

/// A request for a turn.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    pub tenant: String,
    /// The route of the request, if known.
    pub route: Option<Route>,
    /// It waits behind requests that are not retries.
    pub is_retry: bool,
}

impl Claim {
    /// For work without a database.
    pub fn of(tenant: &str) -> Claim {
        Claim { tenant: tenant.to_owned(), ..Claim::default() }
    }
}

pub struct Turns {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: usize,
    tenants: HashMap<String, usize>,
    hosts: HashMap<[u8; 32], usize>,
    databases: HashMap<[u8; 32], usize>,
    waiting: VecDeque<Waiter>,
    next: u64,
}

struct Waiter {
    number: u64,
    claim: Claim,
    since: Instant,
    granted: oneshot::Sender<()>,
}

/// Held until it is dropped.
pub struct Turn {
    turns: Arc<Turns>,
    claim: Claim,
}

/// A place in the queue, or a granted turn that was not taken. Dropping it gives up either.
struct Queued {
    turns: Arc<Turns>,
    number: u64,
    claim: Option<Claim>,
}

impl Turns {
    pub fn new(limits: Limits) -> Arc<Turns> {
        Arc::new(Turns { limits, state: Mutex::default() })
    }

    /// Waits for a turn.
    pub async fn take(self: &Arc<Self>, claim: Claim) -> Turn {
        let (sender, granted) = oneshot::channel();
        let mut queued = {
            let mut state = lock(&self.state);
            let number = state.next;
            state.next += 1;
            let waiter = Waiter { number, claim: claim.clone(), since: Instant::now(), granted: sender };
            state.waiting.push_back(waiter);
            state.serve(&self.limits);
            Queued { turns: Arc::clone(self), number, claim: Some(claim) }
        };
        // The sender is dropped only after it was used, or with the queue.
        let _ = granted.await;
        Turn { turns: Arc::clone(self), claim: queued.claim.take().unwrap_or_default() }
    }

    /// Held turns: the total, the maximum over the route's hosts, and those of its database.
    pub fn held(&self, route: &Route) -> (usize, HashMap<[u8; 32], usize>, usize) {
        let state = lock(&self.state);
        let hosts =
            route.hosts.iter().map(|host| (*host, state.hosts.get(host).copied().unwrap_or_default())).collect();
        (state.held, hosts, state.databases.get(&route.database).copied().unwrap_or_default())
    }
}

impl Turn {
    pub fn route(&self) -> Option<&Route> {
        self.claim.route.as_ref()
    }

    /// Sets the route once it is known. `false`: there is no room, and the turn is unchanged.
    pub fn lead_to(&mut self, route: &Route) -> bool {
        if self.claim.route.as_ref() == Some(route) {
            return true;
        }
        let mut state = lock(&self.turns.state);
        let before = self.claim.route.take();
        state.leave(before.as_ref());
        let is_queued = |waiter: &Waiter| {
            waiter.claim.route.as_ref().is_some_and(|its| its.hosts.iter().any(|host| route.hosts.contains(host)))
        };
        let fits = state.has_room(route, &self.turns.limits) && !state.waiting.iter().any(is_queued);
        self.claim.route = if fits { Some(route.clone()) } else { before };
        state.arrive(self.claim.route.as_ref());
        state.serve(&self.turns.limits);
        fits
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = lock(&self.turns.state);
        state.release(&self.claim);
        state.serve(&self.turns.limits);
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let Some(claim) = self.claim.take() else { return };
        let mut state = lock(&self.turns.state);
        match state.waiting.iter().position(|waiter| waiter.number == self.number) {
            Some(at) => drop(state.waiting.remove(at)),
            None => state.release(&claim),
        }
        state.serve(&self.turns.limits);
    }
}

impl State {
    /// Grants the turns that are possible now, in order.
    fn serve(&mut self, limits: &Limits) {
        while self.held < limits.all {
            let may = |waiter: &Waiter, is_retry: bool| {
                (waiter.claim.is_retry && waiter.since.elapsed() < LONGEST) == is_retry
                    && self.allows(&waiter.claim, limits)
            };
            let first = |is_retry: bool| self.waiting.iter().position(|waiter| may(waiter, is_retry));
            let Some(waiter) = first(false).or_else(|| first(true)).and_then(|at| self.waiting.remove(at)) else {
                return;
            };
            self.hold(&waiter.claim);
            // A waiter that has left returns the turn itself.
            let _ = waiter.granted.send(());
        }
    }

    /// A tenant has at most as many turns as stay free: half if it is alone, half of the rest beside another that takes
    /// all it can. So no tenant can take all turns, however many of its checks hang.
    fn allows(&self, claim: &Claim, limits: &Limits) -> bool {
        let own = self.tenants.get(&claim.tenant).copied().unwrap_or_default();
        let free = limits.all.saturating_sub(self.held);
        own < free && claim.route.as_ref().is_none_or(|route| self.has_room(route, limits))
    }

    fn has_room(&self, route: &Route, limits: &Limits) -> bool {
        let of = |counts: &HashMap<[u8; 32], usize>, key| counts.get(key).copied().unwrap_or_default();
        of(&self.databases, &route.database) < limits.of_database
            && route.hosts.iter().all(|host| of(&self.hosts, host) < limits.of_host)
    }

    fn hold(&mut self, claim: &Claim) {
        self.held += 1;
        *self.tenants.entry(claim.tenant.clone()).or_default() += 1;
        self.arrive(claim.route.as_ref());
    }

    fn release(&mut self, claim: &Claim) {
        self.held = self.held.saturating_sub(1);
        count_down(&mut self.tenants, &claim.tenant);
        self.leave(claim.route.as_ref());
    }

    fn arrive(&mut self, route: Option<&Route>) {
        let Some(route) = route else { return };
        *self.databases.entry(route.database).or_default() += 1;
        for host in &route.hosts {
            *self.hosts.entry(*host).or_default() += 1;
        }
    }

    fn leave(&mut self, route: Option<&Route>) {
        let Some(route) = route else { return };
        count_down(&mut self.databases, &route.database);
        route.hosts.iter().for_each(|host| count_down(&mut self.hosts, host));
    }
}

fn count_down<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
