//! `/livez`, `/readyz` and `/metrics`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::metrics::{self, Metrics};
use super::readiness::Readiness;

/// With more connections the oldest one is closed, starting with those that have sent no request.
const CONNECTIONS: usize = 256;
/// The maximum size of a request's head.
const BUFFER: usize = 16 * 1024;
/// Replaces `[::]` if the kernel has no IPv6.
const IPV4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// A longer connection is closed.
const LIMIT: Duration = Duration::from_secs(30);
/// A connection without a request is closed soon.
const HEADERS: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct Admin {
    pub readiness: Arc<Readiness>,
    pub metrics: Arc<Metrics>,
}

struct Connection {
    task: AbortHandle,
    /// Whether a request was received.
    asked: Arc<AtomicBool>,
}

/// The address means every address of this machine, and the error is not a taken or forbidden port.
fn has_no_ipv6(address: SocketAddr, error: ErrorKind) -> bool {
    let is_every_address = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    is_every_address && !matches!(error, ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
}

impl Admin {
    /// Opens the port, so that a taken one is noticed at the start.
    pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
        match TcpListener::bind(address).await {
            Err(error) if has_no_ipv6(address, error.kind()) => {
                tracing::info!("no IPv6 here; listening on {IPV4}:{} instead of {address}", address.port());
                TcpListener::bind((IPV4, address.port())).await
            }
            bound => bound,
        }
    }

    /// Serves until the process ends.
    pub async fn serve(self, listener: TcpListener) {
        let mut open: VecDeque<Connection> = VecDeque::new();
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Probably out of file descriptors, which is temporary.
                    tracing::warn!("cannot accept a connection: {}", error.kind());
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            open.retain(|connection| !connection.task.is_finished());
            while open.len() >= CONNECTIONS {
                let silent = open.iter().position(|connection| !connection.asked.load(Ordering::Relaxed));
                open.remove(silent.unwrap_or_default()).iter().for_each(|connection| connection.task.abort());
            }
            let admin = self.clone();
            let asked = Arc::<AtomicBool>::default();
            let asks = Arc::clone(&asked);
            let task = tokio::spawn(async move {
                let answer = service_fn(move |request| {
                    asks.store(true, Ordering::Relaxed);
                    let answer = admin.answer(&request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADERS)
                    .max_buf_size(BUFFER)
                    .serve_connection(TokioIo::new(stream), answer);
                // The client has gone away, or was too slow.
                let _ = tokio::time::timeout(LIMIT, connection).await;
            });
            open.push_back(Connection { task: task.abort_handle(), asked });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned());
        }
        self.page(request.uri().path())
    }

    fn page(&self, path: &str) -> Response<Full<Bytes>> {
        match path {
            "/livez" => text(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" => match self.readiness.check() {
                Ok(()) => text(StatusCode::OK, "ok\n".to_owned()),
                Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
            },
            "/metrics" => {
                let mut response = text(StatusCode::OK, self.metrics.text());
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
                response
            }
            _ => text(StatusCode::NOT_FOUND, "available: /livez, /readyz and /metrics\n".to_owned()),
        }
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn connections_that_ask_nothing_do_not_starve_a_probe() {
        let admin = Admin { readiness: Arc::default(), metrics: Arc::default() };
        let listener = Admin::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(admin.serve(listener));
        let mut idle = Vec::new();
        for _ in 0..600 {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let mut probe = TcpStream::connect(address).await.unwrap();
        probe.write_all(b"GET /livez HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        // Long before the silent connections end by themselves.
        let read = tokio::time::timeout(Duration::from_secs(1), probe.read_to_string(&mut answer)).await;
        assert!(read.is_ok() && answer.starts_with("HTTP/1.1 200"), "{answer}");
        drop(idle);
    }

    #[tokio::test]
    async fn both_address_families_are_served_by_default() {
        let listener = Admin::bind("[::]:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
        if listener.local_addr().unwrap().is_ipv6() {
            assert!(TcpStream::connect(("::1", port)).await.is_ok());
        }
        // A taken port is not mistaken for a kernel without IPv6.
        let taken = Admin::bind(format!("[::]:{port}").parse().unwrap()).await;
        assert_eq!(taken.err().map(|error| error.kind()), Some(ErrorKind::AddrInUse));
    }

    #[test]
    fn only_every_address_falls_back_to_ipv4() {
        for (address, kind, expected) in [
            ("[::]:8080", ErrorKind::Unsupported, true),
            ("[::]:8080", ErrorKind::AddrNotAvailable, true),
            ("[::]:8080", ErrorKind::Other, true),
            ("[::]:8080", ErrorKind::AddrInUse, false),
            ("[::]:80", ErrorKind::PermissionDenied, false),
            ("[::1]:8080", ErrorKind::AddrNotAvailable, false),
            ("0.0.0.0:8080", ErrorKind::AddrNotAvailable, false),
        ] {
            assert_eq!(has_no_ipv6(address.parse().unwrap(), kind), expected, "{address} {kind}");
        }
    }

    #[test]
    fn ready_after_all_lists_with_a_current_definition() {
        let admin = Admin { readiness: Arc::default(), metrics: Arc::default() };
        let status = |path: &str| admin.page(path).status().as_u16();
        assert_eq!((status("/livez"), status("/readyz"), status("/metrics"), status("/")), (200, 503, 200, 404));
        admin.readiness.expect("coder");
        assert_eq!(status("/readyz"), 503);
        admin.readiness.listed("coder");
        assert_eq!(status("/readyz"), 200);
        admin.readiness.lacks("status.summary");
        assert_eq!(status("/readyz"), 503);
        // The status of another resource lacks this field, so it proves nothing.
        admin.readiness.took(|_| false);
        assert_eq!(status("/readyz"), 503);
        admin.readiness.took(|field| field == "status.summary");
        assert_eq!(status("/readyz"), 200);
        admin.readiness.failed("coder", "gone".to_owned());
        assert_eq!(admin.readiness.check(), Err("coder: gone".to_owned()));
    }
}
