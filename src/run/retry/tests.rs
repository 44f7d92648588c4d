use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::store::Retry;
use crate::store::connect::ConnectionSource;
use crate::store::url::ConnectOptions;

/// Accepts every login, then stops answering, and counts its open sessions.
async fn server() -> (Connector, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let open = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&open);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, Arc::clone(&counter)));
        }
    });
    let text = format!("host=127.0.0.1 port={port} user=u dbname=d sslmode=disable");
    (Connector::new(ConnectionSource::given(ConnectOptions::parse(&text, "X", &|_| None).unwrap())), open)
}

async fn serve(mut client: TcpStream, open: Arc<AtomicUsize>) {
    let mut startup = [0; 1024];
    assert!(client.read(&mut startup).await.unwrap() > 8);
    open.fetch_add(1, Ordering::SeqCst);
    // AuthenticationOk, ReadyForQuery.
    client.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await.unwrap();
    while client.read(&mut startup).await.is_ok_and(|read| read > 0) {}
    open.fetch_sub(1, Ordering::SeqCst);
}

fn failure() -> Error {
    Error::from(Problem::new(Code::ServerError, "deadlock detected; run it again")).with_retry(Retry::Again)
}

/// Fails the given number of times, then hangs.
struct FailThenHang {
    failures: usize,
}

impl Attempt for FailThenHang {
    type Output = ();

    async fn attempt(&mut self, _: &Session) -> Result<(), Error> {
        if self.failures == 0 {
            std::future::pending::<()>().await;
        }
        self.failures -= 1;
        Err(failure())
    }
}

#[tokio::test]
async fn deadline_keeps_the_error_of_the_last_attempt() {
    let (connector, _) = server().await;
    let limits = Limits { wait: Duration::ZERO, total: Duration::from_secs(1), ..Limits::of_read(Duration::ZERO) };
    let over = "the time limit of the whole run (wait + 30 s) is over";
    let error = run(&mut FailThenHang { failures: 1 }, &connector, &limits, SessionIntent::Any).await.unwrap_err();
    assert_eq!(error.code, Code::ServerError);
    assert_eq!(error.to_string(), format!("deadlock detected; run it again ({over})"));
    let error = run(&mut FailThenHang { failures: 0 }, &connector, &limits, SessionIntent::Any).await.unwrap_err();
    assert_eq!(error.code, Code::Unreachable);
    assert_eq!(error.to_string(), format!("{over}; look at the server's load"));
}

/// Fails twice. During the pause after each failure it counts the open sessions.
struct FailTwice {
    open: Arc<AtomicUsize>,
    attempts: Vec<tokio::task::JoinHandle<usize>>,
}

impl Attempt for FailTwice {
    type Output = ();

    async fn attempt(&mut self, _: &Session) -> Result<(), Error> {
        let open = Arc::clone(&self.open);
        assert_eq!(open.load(Ordering::SeqCst), 1);
        self.attempts.push(tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            open.load(Ordering::SeqCst)
        }));
        if self.attempts.len() > 2 { Ok(()) } else { Err(failure().with_retry(Retry::Wait)) }
    }
}

#[tokio::test]
async fn session_is_closed_before_the_retry_pause() {
    let (connector, open) = server().await;
    // Pauses of 250 and 500 ms.
    let limits = Limits { jitter: |most| most, ..Limits::of_read(Duration::from_secs(20)) };
    let mut attempt = FailTwice { open, attempts: Vec::new() };
    run(&mut attempt, &connector, &limits, SessionIntent::Any).await.unwrap();
    for attempt in attempt.attempts {
        assert_eq!(attempt.await.unwrap(), 0, "a session is open during the pause");
    }
}

#[test]
fn limits_are_the_waiting_and_thirty_seconds() {
    let seconds = Duration::from_secs;
    assert_eq!(Limits::of_read(seconds(5)).total(), seconds(35));
    assert_eq!(Limits::of_write(seconds(5), seconds(7)).total(), seconds(42));
}
