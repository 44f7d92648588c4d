//! Requests one page of a controller's server, as a kubelet does.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::provider::redact;

/// The attempts: a release that was just installed may not have its pod's address in the DNS yet.
const ATTEMPTS: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);
/// For one attempt.
const LIMIT: Duration = Duration::from_secs(5);
/// The bytes that are read of an answer other than 200, for its reason.
const REASON: usize = 4096;
/// The characters of the reason that are shown.
const SHOWN: usize = 200;

/// Accepts only URLs that the controller's server can answer. A URL with a user is refused, because the page is printed.
pub fn page(url: &str) -> Result<Uri, String> {
    let wrong = || {
        "the URL must be of the form http://HOST[:PORT]/PATH, such as http://ai-provider-seed:8080/readyz".to_owned()
    };
    let page: Uri = url.parse().map_err(|_| wrong())?;
    let has_user = page.authority().is_some_and(|authority| authority.as_str().contains('@'));
    match (page.scheme_str(), page.host()) {
        (Some("http"), Some(host)) if !host.is_empty() && !has_user && page.query().is_none() => Ok(page),
        _ => Err(wrong()),
    }
}

/// Requests the page until the answer is 200. `Err`: the failure of the last attempt, in words that follow the page.
pub async fn until_ok(page: &Uri) -> Result<(), String> {
    let mut last = ask(page).await;
    for _ in 1..ATTEMPTS {
        if last.is_ok() {
            break;
        }
        sleep(PAUSE).await;
        last = ask(page).await;
    }
    last
}

async fn ask(page: &Uri) -> Result<(), String> {
    timeout(LIMIT, answer(page)).await.unwrap_or_else(|_| Err(format!("gives no answer within {} s", LIMIT.as_secs())))
}

async fn answer(page: &Uri) -> Result<(), String> {
    let host = page.host().unwrap_or_default();
    let address = (host.trim_matches(['[', ']']), page.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(address).await.map_err(|error| format!("cannot be reached: {}", error.kind()))?;
    let not_http = |_| "does not answer in HTTP".to_owned();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(not_http)?;
    let connection = tokio::spawn(connection);
    let request = Request::get(page.path()).header(HOST, page.authority().map_or("", |authority| authority.as_str()));
    let request = request.body(Empty::<Bytes>::new()).map_err(|_| "has a path that cannot be requested".to_owned())?;
    let answer = sender.send_request(request).await.map_err(not_http)?;
    let status = answer.status();
    if status == StatusCode::OK {
        connection.abort();
        return Ok(());
    }
    let body = Limited::new(answer.into_body(), REASON).collect().await;
    connection.abort();
    let reason = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned()).unwrap_or_default();
    let reason = redact::truncate_chars(&redact::escape(&reason), SHOWN);
    Err(format!("answers {}: {reason}", status.as_u16()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// The result of one attempt at a server with this answer.
    async fn against(answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = page(&format!("http://{}/readyz", listener.local_addr().unwrap())).unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            let _ = stream.write_all(answer.as_bytes()).await;
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let result = ask(&uri).await;
        let request = served.await.unwrap();
        assert!(request.starts_with("GET /readyz HTTP/1.1\r\nhost: 127.0.0.1:"), "{request}");
        result
    }

    #[tokio::test]
    async fn only_200_passes_and_the_reason_is_reported() {
        assert_eq!(against("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await, Ok(()));
        let reason = against("HTTP/1.1 503 No\r\ncontent-length: 8\r\n\r\nnot\nyet\n").await.unwrap_err();
        assert!(reason.starts_with("answers 503: not") && !reason.contains('\n'), "{reason}");
        assert_eq!(against("SSH-2.0-x\r\n").await, Err("does not answer in HTTP".to_owned()));
    }

    #[tokio::test]
    async fn closed_port_is_reported() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let uri = page(&format!("http://{closed}/livez")).unwrap();
        assert_eq!(ask(&uri).await, Err("cannot be reached: connection refused".to_owned()));
    }

    #[test]
    fn other_urls_are_refused_without_repeating_them() {
        for url in [
            "https://host/livez",
            "host:8080",
            "/livez",
            "http://user:secret@host/livez",
            "http:///livez",
            "http://h/?a=secret",
            "",
        ] {
            let refused = page(url).unwrap_err();
            assert!(!refused.contains("secret"), "{refused}");
        }
        for url in ["http://host/livez", "http://[::1]:8080/readyz", "http://10.0.0.1:8080/metrics"] {
            assert!(page(url).is_ok(), "{url}");
        }
    }
}
