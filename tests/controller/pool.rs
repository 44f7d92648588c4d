//! The sessions that checks share: which of them are lent again.

use crate::support::fake_server::serve;
use crate::support::{Database, Server, Variant};
use ai_provider_seed::testing::store::connect::{ConnectionSource, Connector, Session};
use ai_provider_seed::testing::store::pool::{Pool, Wanted};
use ai_provider_seed::testing::store::url::ConnectOptions;
use futures::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// A session keeps its threads in a separate runtime, as in the controller.
fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn connector(database: &Database) -> Connector {
    let options = ConnectOptions::parse(&database.url(), "url", &|_| None).unwrap();
    Connector::new(ConnectionSource::given(options))
}

/// Requested now, and due soon.
fn wanted(connector: &Connector) -> Wanted<'_> {
    let now = Instant::now();
    Wanted { connector, asked: now, deadline: now + Duration::from_secs(20) }
}

/// The tests' own client also has a runtime.
fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

/// The server's process: no two sessions have the same.
async fn process(session: &Session) -> i32 {
    let mut process = 0;
    let read = session.query("select pg_catalog.pg_backend_pid()", &[], |row| {
        process = row.try_get(0)?;
        Ok(())
    });
    read.await.unwrap();
    process
}

#[test]
fn good_session_is_lent_again_until_it_is_too_old() {
    let database = Server::shared().database(Variant::Current);
    run(async {
        let (pool, connector) = (Pool::lending_for(Duration::from_secs(2)), connector(&database));
        let first = pool.take(wanted(&connector)).await.unwrap();
        let of_first = process(&first).await;
        first.give_back();
        let second = pool.take(wanted(&connector)).await.unwrap();
        assert_eq!(process(&second).await, of_first);
        second.give_back();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let third = pool.take(wanted(&connector)).await.unwrap();
        assert_ne!(process(&third).await, of_first);
        // A session whose server process ended is not lent either.
        let of_third = process(&third).await;
        third.give_back();
        aside(|| database.client().execute("select pg_terminate_backend($1, 5000)", &[&of_third]).unwrap());
        tokio::time::sleep(Duration::from_millis(200)).await;
        let fourth = pool.take(wanted(&connector)).await.unwrap();
        assert_ne!(process(&fourth).await, of_third);
    });
}

#[test]
fn session_with_an_interrupted_transaction_is_never_lent() {
    let database = Server::shared().database(Variant::Current);
    run(async {
        let (pool, connector) = (Pool::default(), connector(&database));
        let mut cut = Vec::new();
        for _ in 0..6 {
            let loan = pool.take(wanted(&connector)).await.unwrap();
            let of_loan = process(&loan).await;
            assert!(!cut.contains(&of_loan), "{of_loan} of {cut:?}");
            cut.push(of_loan);
            loan.execute("begin read only").await.unwrap();
            let look = timeout(Duration::from_millis(20), loan.execute("select pg_catalog.pg_sleep(30)"));
            assert!(look.await.is_err(), "the look was not cut");
            drop(loan);
        }
        // The same read on a returned session is in no transaction.
        let loan = pool.take(wanted(&connector)).await.unwrap();
        loan.execute("begin; commit").await.unwrap();
        loan.give_back();
    });
}

#[test]
fn unused_and_old_sessions_are_closed_by_the_sweep() {
    let database = Server::shared().database(Variant::Current);
    let open = || {
        aside(|| {
            let mut client = database.client();
            let query =
                "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
            client.query_one(query, &[]).unwrap().get::<_, i64>(0)
        })
    };
    run(async {
        let (pool, connector) = (Pool::lending_for(Duration::from_secs(1)), connector(&database));
        let [one, two] = [pool.take(wanted(&connector)).await.unwrap(), pool.take(wanted(&connector)).await.unwrap()];
        // A third check waits for one of the two.
        let third =
            pool.take(Wanted { deadline: Instant::now() + Duration::from_millis(100), ..wanted(&connector) }).await;
        assert!(third.is_err_and(|error| error.to_string().contains("still in use by other checks")));
        one.give_back();
        two.give_back();
        pool.close_unused().await;
        assert_eq!(open(), 2);
        tokio::time::sleep(Duration::from_secs(1)).await;
        pool.close_unused().await;
        for _ in 0..100 {
            if open() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} sessions are still open", open());
    });
}

/// A caller that gives up uses only its own time.
#[test]
fn next_caller_keeps_its_deadline_after_a_cancelled_one() {
    let database = Server::shared().database(Variant::Current);
    run(async {
        let (pool, connector) = (Pool::default(), connector(&database));
        let [one, _two] = [pool.take(wanted(&connector)).await.unwrap(), pool.take(wanted(&connector)).await.unwrap()];
        let soon = Instant::now() + Duration::from_millis(200);
        let hurried = pool.take(Wanted { deadline: soon, ..wanted(&connector) });
        let patient = pool.take(wanted(&connector));
        let freed = async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            drop(one);
        };
        let (hurried, patient, ()) = tokio::join!(hurried, patient, freed);
        assert!(hurried.is_err_and(|error| error.to_string().contains("still in use by other checks")));
        patient.expect("there is room, and its time is not over").give_back();
    });
}

/// Counts connections and never answers.
fn silent() -> (u16, Arc<AtomicUsize>) {
    let callers = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&callers);
    let port = serve(move |stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        // Open as long as the test runs.
        std::mem::forget(stream);
    });
    (port, callers)
}

fn at(port: u16, database: &str) -> Connector {
    let url = format!("postgres://coder:secret@127.0.0.1:{port}/{database}?sslmode=disable&connect_timeout=2");
    Connector::new(ConnectionSource::given(ConnectOptions::parse(&url, "url", &|_| None).unwrap()))
}

#[test]
fn silent_host_is_tried_once_for_all_waiters() {
    let (port, callers) = silent();
    run(async {
        let pool = Pool::default();
        let ask = async |database: &str, asked: Instant| {
            let connector = at(port, database);
            let taken = pool.take(Wanted { asked, ..wanted(&connector) }).await;
            taken.err().expect("it does not answer").to_string()
        };
        let first = ask("one", Instant::now()).await;
        assert_eq!(callers.load(Ordering::SeqCst), 1);
        // 20 databases there, all requested now: one attempt, and each error names its own database.
        let now = Instant::now();
        let names: Vec<String> = (0..20).map(|n| format!("db{n}")).collect();
        let told = join_all(names.iter().map(|name| ask(name, now))).await;
        assert_eq!(callers.load(Ordering::SeqCst), 2);
        for (name, told) in names.iter().zip(&told) {
            assert_eq!(*told, first.replace("database one", &format!("database {name}")));
        }
        // A caller that waited since then gets the result; a later caller causes a new attempt.
        ask("two", now).await;
        assert_eq!(callers.load(Ordering::SeqCst), 2);
        ask("two", Instant::now()).await;
        assert_eq!(callers.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn many_configurations_share_the_budget_of_a_host() {
    let database = Server::shared().database(Variant::Current);
    run(async {
        let pool = Pool::default();
        // Each has a different name, so that they share no session.
        let with_name = |number: usize| {
            let url = format!("{}&application_name=check{number}", database.url());
            Connector::new(ConnectionSource::given(ConnectOptions::parse(&url, "url", &|_| None).unwrap()))
        };
        for number in 0..12 {
            let connector = with_name(number);
            pool.take(wanted(&connector)).await.unwrap().give_back();
        }
        let open = aside(|| {
            let query =
                "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
            database.client().query_one(query, &[]).unwrap().get::<_, i64>(0)
        });
        assert!(open <= 3, "{open} sessions of one role at one database");
    });
}
