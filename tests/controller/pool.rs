//! The sessions that checks share: which are lent, and to whom never again.

use crate::support::{Database, Server, Variant};
use ai_provider_seed::testing::store::connect::{ConnectionSource, Connector, Session};
use ai_provider_seed::testing::store::pool::Pool;
use ai_provider_seed::testing::store::url::ConnectOptions;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// A session keeps its threads in a runtime of its own, as in the controller.
fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn connector(database: &Database) -> Connector {
    let options = ConnectOptions::parse(&database.url(), "url", &|_| None).unwrap();
    Connector::new(ConnectionSource::given(options))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// The tests' own client has a runtime too.
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
        let first = pool.take(&connector, soon()).await.unwrap();
        let of_first = process(&first).await;
        first.give_back();
        let second = pool.take(&connector, soon()).await.unwrap();
        assert_eq!(process(&second).await, of_first);
        second.give_back();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let third = pool.take(&connector, soon()).await.unwrap();
        assert_ne!(process(&third).await, of_first);
        // One whose server ended is not lent either.
        let of_third = process(&third).await;
        third.give_back();
        aside(|| database.client().execute("select pg_terminate_backend($1, 5000)", &[&of_third]).unwrap());
        tokio::time::sleep(Duration::from_millis(200)).await;
        let fourth = pool.take(&connector, soon()).await.unwrap();
        assert_ne!(process(&fourth).await, of_third);
    });
}

#[test]
fn session_of_a_look_cut_in_its_transaction_is_never_lent() {
    let database = Server::shared().database(Variant::Current);
    run(async {
        let (pool, connector) = (Pool::default(), connector(&database));
        let mut cut = Vec::new();
        for _ in 0..6 {
            let loan = pool.take(&connector, soon()).await.unwrap();
            let of_loan = process(&loan).await;
            assert!(!cut.contains(&of_loan), "{of_loan} of {cut:?}");
            cut.push(of_loan);
            loan.execute("begin read only").await.unwrap();
            let look = timeout(Duration::from_millis(20), loan.execute("select pg_catalog.pg_sleep(30)"));
            assert!(look.await.is_err(), "the look was not cut");
            drop(loan);
        }
        // The same look on one that was given back is in no transaction.
        let loan = pool.take(&connector, soon()).await.unwrap();
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
        let [one, two] = [pool.take(&connector, soon()).await.unwrap(), pool.take(&connector, soon()).await.unwrap()];
        // A third check waits for one of the two.
        let third = pool.take(&connector, Instant::now() + Duration::from_millis(100)).await;
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
