//! The lifetime and the number of listeners: ten minutes and 64 in the controller, less here.

use crate::support::{Database, Server, Variant};
use ai_provider_seed::testing::kubernetes::crd::status::{DatabaseWatchStatus, PollingReason, WatchState};
use ai_provider_seed::testing::kubernetes::listen::{ListenerLimits, ListenerMetrics, Listeners, Rechecks, Scope};
use ai_provider_seed::testing::store::connect::{ConnectionSource, Connector};
use ai_provider_seed::testing::store::pool::{Pool, Wanted};
use ai_provider_seed::testing::store::url::ConnectOptions;
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const OLDEST: Duration = Duration::from_secs(2);
const LISTENING: DatabaseWatchStatus = DatabaseWatchStatus { state: WatchState::Listening, reason: None };
const OVER_BUDGET: DatabaseWatchStatus =
    DatabaseWatchStatus { state: WatchState::Polling, reason: Some(PollingReason::Budget) };

struct Checks {
    listeners: Arc<Listeners>,
    rechecks: Arc<Rechecks>,
    pool: Pool,
}

impl Checks {
    fn within(limits: ListenerLimits) -> Self {
        let rechecks = Arc::<Rechecks>::default();
        let listeners = Listeners::within(limits, Arc::clone(&rechecks), ListenerMetrics::default());
        Checks { listeners: Arc::new(listeners), rechecks, pool: Pool::default() }
    }

    /// The part of a check of this resource that concerns its listener.
    async fn check(&self, name: &str, database: &Database<'_>) -> Option<DatabaseWatchStatus> {
        let (resource, connector) = (key(name), connector(database));
        let watched = self.listeners.enter(&resource, &connector)?;
        let now = Instant::now();
        let wanted = Wanted { connector: &connector, asked: now, deadline: now + Duration::from_secs(20) };
        let loan = self.pool.take(wanted).await.unwrap();
        if let Some(proof) = self.listeners.prepare(&watched, &connector, &loan).await {
            proof.send(&loan).await;
        }
        loan.give_back();
        self.listeners.status_of(&resource)
    }
}

fn key(name: &str) -> (String, String) {
    ("team".to_owned(), name.to_owned())
}

fn connector(database: &Database<'_>) -> Connector {
    Connector::new(ConnectionSource::given(ConnectOptions::parse(&database.url(), "url", &|_| None).unwrap()))
}

/// A session keeps its threads in a separate runtime, as in the controller.
fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// The tests' own client also has a runtime.
fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

/// The server's processes that listen in this database.
fn processes(database: &Database<'_>) -> Vec<i32> {
    let query =
        "select pid from pg_stat_activity where datname = current_database() and query like 'listen%' order by pid";
    aside(|| database.client().query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect())
}

/// These processes, once there are this many.
async fn processes_once(database: &Database<'_>, number: usize) -> Vec<i32> {
    for _ in 0..500 {
        let found = processes(database);
        if found.len() == number {
            return found;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("{:?} listen, and not {number}", processes(database));
}

#[test]
fn listener_that_is_too_old_is_replaced() {
    let database = Server::shared().database(Variant::Current);
    run(async {
        let checks = Checks::within(ListenerLimits { all: 1, of_host: 1, oldest: OLDEST });
        let mut asked = Box::pin(checks.rechecks.of(&Scope::All));
        assert_eq!(checks.check("coder", &database).await, Some(LISTENING));
        let first = processes_once(&database, 1).await;
        assert_eq!(checks.check("coder", &database).await, Some(LISTENING));
        assert_eq!(processes_once(&database, 1).await, first, "it is young");

        sleep(OLDEST).await;
        assert_eq!(checks.check("coder", &database).await, Some(LISTENING), "its successor has its place");
        let second = processes_once(&database, 1).await;
        assert_ne!(second, first);
        // An announcement reaches the remaining listener once.
        aside(|| database.execute("select pg_notify('ai_providers_changed', '')"));
        let heard = timeout(Duration::from_secs(20), asked.next()).await;
        assert_eq!(heard.expect("a check is asked for"), Some(key("coder")));
        assert!(timeout(Duration::from_secs(2), asked.next()).await.is_err(), "it was announced once");
        checks.listeners.stop().await;
        processes_once(&database, 0).await;
    });
}

#[test]
fn listeners_in_all_keep_to_their_limit() {
    let databases: Vec<Database> = (0..3).map(|_| Server::shared().database(Variant::Current)).collect();
    run(async {
        let checks = Checks::within(ListenerLimits { all: 2, of_host: 8, oldest: Duration::from_secs(600) });
        assert_eq!(checks.check("first", &databases[0]).await, Some(LISTENING));
        assert_eq!(checks.check("second", &databases[1]).await, Some(LISTENING));
        assert_eq!(checks.check("third", &databases[2]).await, Some(OVER_BUDGET));
        assert_eq!(processes(&databases[2]), [0; 0]);
        // when one is no longer used / then another one gets its place
        checks.listeners.leave(&key("first"));
        processes_once(&databases[0], 0).await;
        assert_eq!(checks.check("third", &databases[2]).await, Some(LISTENING));
        processes_once(&databases[2], 1).await;
        checks.listeners.stop().await;
    });
}
