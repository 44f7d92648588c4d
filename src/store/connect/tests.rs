use std::time::Duration;

use tokio::time::Instant;

use super::backoff::Backoff;
use super::*;
use crate::problem::{Code, Problem};
use crate::store::error::Retry;
use crate::store::url::ConnectOptions;

const SECOND: Duration = Duration::from_secs(1);

fn most(ceiling: Duration) -> Duration {
    ceiling
}

fn none(_: Duration) -> Duration {
    Duration::ZERO
}

fn failure(retry: Retry) -> Error {
    Error::new(Code::Unreachable, retry, "it is gone".to_owned(), "gone".to_owned(), "look for it")
}

#[test]
fn pauses_double_up_to_five_seconds() {
    let mut backoff = Backoff::new(most);
    let now = Instant::now();
    let pauses: Vec<u128> = (0..7).map(|_| backoff.next(now, now + 100 * SECOND).unwrap().as_millis()).collect();
    assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000]);
}

#[test]
fn last_pauses_are_halved_towards_the_deadline() {
    let mut backoff = Backoff::new(most);
    let start = Instant::now();
    let deadline = start + 10 * SECOND;
    let mut now = start;
    while let Some(pause) = backoff.next(now, deadline) {
        assert!(!pause.is_zero());
        now += pause;
        assert!(now < deadline);
    }
    assert!(deadline - now < Duration::from_millis(50), "{:?}", deadline - now);
    assert_eq!(backoff.next(deadline, deadline), None);
    assert_eq!(backoff.next(deadline + SECOND, deadline), None);
}

#[test]
fn jitter_never_exceeds_the_ceiling() {
    let mut backoff = Backoff::new(full_jitter);
    let now = Instant::now();
    assert!((0..1000).all(|_| backoff.next(now, now + 100 * SECOND).unwrap() <= 5 * SECOND));
    let mut backoff = Backoff::new(|ceiling| ceiling * 7);
    assert_eq!(backoff.next(now, now + 100 * SECOND), Some(Duration::from_millis(250)));
}

#[test]
fn retries_depend_on_the_kind_of_failure() {
    let mut budget = RetryBudget::new(60 * SECOND, none);
    assert_eq!(budget.after(&failure(Retry::No)), None);
    assert!(budget.after(&failure(Retry::Wait)).is_some());
    for _ in 0..3 {
        assert!(budget.after(&failure(Retry::Again)).is_some());
    }
    assert_eq!(budget.after(&failure(Retry::Again)), None, "at most three times");
    assert!(budget.after(&failure(Retry::Wait)).is_some());
}

#[test]
fn wait_zero_is_one_attempt_but_a_lost_race_is_rerun() {
    let mut budget = RetryBudget::new(Duration::ZERO, none);
    assert_eq!(budget.after(&failure(Retry::Wait)), None);
    assert!(budget.after(&failure(Retry::Again)).is_some());
}

#[test]
fn last_error_names_attempts_and_time() {
    let mut budget = RetryBudget::new(60 * SECOND, none);
    let error = failure(Retry::Wait);
    budget.after(&error);
    assert_eq!(budget.exhausted(error.clone()).to_string(), "it is gone; look for it");
    budget.after(&error);
    assert_eq!(budget.exhausted(error).to_string(), "it is gone (tried 2 times in 0 s); look for it");
}

#[test]
fn several_problems_stay_several() {
    let problems = vec![
        Problem::new(Code::DatabaseUrlInvalid, "one").variable("A"),
        Problem::new(Code::DatabaseUrlInvalid, "two").variable("B"),
    ];
    assert_eq!(Error::from_problems(problems.clone()).into_problems(), problems);
}

/// The controller runs on several threads.
#[test]
fn everything_may_be_sent_to_another_thread() {
    fn send<T: Send>(_: &T) {}
    let connector =
        Connector::new(ConnectionSource::given(ConnectOptions::parse("host=h user=u", "X", &|_| None).unwrap()));
    let mut budget = RetryBudget::new(SECOND, none);
    send(&connector.wait_and_connect(&mut budget, SessionIntent::ReadWrite));
}
