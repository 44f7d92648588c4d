use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;

type Taking = Pin<Box<dyn Future<Output = Turn>>>;

fn turns(all: usize, of_host: usize, of_database: usize) -> Arc<Turns> {
    Turns::new(Limits { all, of_host, of_database })
}

fn route(host: u8, database: u8) -> Route {
    Route { hosts: vec![[host; 32]], database: [database; 32] }
}

fn claim(tenant: &str, route: Option<Route>) -> Claim {
    Claim { tenant: tenant.to_owned(), route, is_retry: false }
}

fn taking(turns: &Arc<Turns>, claim: Claim) -> Taking {
    let turns = Arc::clone(turns);
    let mut taking: Taking = Box::pin(async move { turns.take(claim).await });
    // Enters the queue.
    match taking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(turn) => Box::pin(std::future::ready(turn)),
        Poll::Pending => taking,
    }
}

fn taken(taking: &mut Taking) -> Option<Turn> {
    match taking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(turn) => Some(turn),
        Poll::Pending => None,
    }
}

/// The queued requests that got a turn.
fn all_taken(queue: &mut Vec<Taking>) -> Vec<Turn> {
    let mut turns = Vec::new();
    queue.retain_mut(|taking| taken(taking).map(|turn| turns.push(turn)).is_none());
    turns
}

#[test]
fn tenant_holds_half_and_others_find_room() {
    let turns = turns(16, 4, 2);
    let ask = |tenant: &str, number: u8| -> usize {
        let own = |n: u8| 60 * (tenant.as_bytes()[0] - b'a') + n;
        let mut queue: Vec<Taking> =
            (0..number).map(|n| taking(&turns, claim(tenant, Some(route(own(n), own(n)))))).collect();
        let held = all_taken(&mut queue);
        let got = held.len();
        // These checks hang forever.
        held.into_iter().for_each(std::mem::forget);
        std::mem::forget(queue);
        got
    };
    assert_eq!((ask("a", 40), ask("b", 40), ask("c", 1), ask("d", 1)), (8, 4, 1, 1));
}

#[test]
fn turns_come_first_in_first_out_and_retries_last() {
    let turns = turns(2, 9, 9);
    let held = taken(&mut taking(&turns, claim("a", None))).unwrap();
    let retry = Claim { is_retry: true, ..claim("b", None) };
    let mut retry = taking(&turns, Claim { tenant: "a".to_owned(), ..retry });
    let mut second = taking(&turns, claim("a", None));
    let mut third = taking(&turns, claim("a", None));
    assert!(taken(&mut retry).is_none() && taken(&mut second).is_none() && taken(&mut third).is_none());
    drop(held);
    let second = taken(&mut second).expect("it came before the third, and is no retry");
    assert!(taken(&mut retry).is_none() && taken(&mut third).is_none());
    drop(second);
    let third = taken(&mut third).expect("it is no retry");
    assert!(taken(&mut retry).is_none());
    drop(third);
    assert!(taken(&mut retry).is_some());
}

#[test]
fn hosts_and_databases_have_limits_of_their_own() {
    let turns = turns(64, 4, 2);
    let mut of_database: Vec<Taking> = (0..3).map(|_| taking(&turns, claim("a", Some(route(1, 1))))).collect();
    let held = all_taken(&mut of_database);
    assert_eq!(held.len(), 2);
    let mut of_host: Vec<Taking> = (2..9).map(|n| taking(&turns, claim("b", Some(route(1, n))))).collect();
    assert_eq!(all_taken(&mut of_host).len(), 2);
    // Waiters for one host do not delay another host.
    assert!(taken(&mut taking(&turns, claim("a", Some(route(2, 20))))).is_some());
    assert_eq!(turns.held(&route(1, 1)).2, 2);
}

#[test]
fn turn_learns_where_it_leads_and_never_jumps_a_queue() {
    let turns = turns(64, 2, 2);
    let mut one = taken(&mut taking(&turns, claim("a", None))).unwrap();
    let mut two = taken(&mut taking(&turns, claim("a", None))).unwrap();
    let mut three = taken(&mut taking(&turns, claim("a", None))).unwrap();
    assert!(one.lead_to(&route(1, 1)) && two.lead_to(&route(1, 2)));
    assert!(!three.lead_to(&route(1, 3)), "the host has two");
    let mut waits = taking(&turns, claim("a", Some(route(1, 4))));
    assert!(taken(&mut waits).is_none());
    assert!(one.lead_to(&route(2, 1)), "somewhere else there is room");
    assert!(taken(&mut waits).is_some());
    assert_eq!(turns.held(&route(1, 1)).1[&[1; 32]], 1);
}

#[test]
fn cancelled_waiter_holds_no_turn() {
    let turns = turns(2, 9, 9);
    let held = taken(&mut taking(&turns, claim("a", None))).unwrap();
    let waits = taking(&turns, claim("a", None));
    let granted = taking(&turns, claim("a", None));
    drop(waits);
    drop(held);
    // The turn was granted, but the waiter never looked.
    drop(granted);
    let state = lock(&turns.state);
    assert_eq!((state.held, state.waiting.len(), state.tenants.len()), (0, 0, 0));
}
