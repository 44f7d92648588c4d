//! `/livez`, `/readyz` and `/metrics`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::metrics::{self, Metrics};
use super::readiness::Readiness;

/// Nobody needs more at once: a kubelet and a Prometheus or two.
const CONNECTIONS: usize = 32;
/// A connection that stays longer is ended.
const LIMIT: Duration = Duration::from_secs(30);
/// One that asks nothing takes the place of the kubelet's probe, so it is ended soon.
const HEADERS: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct Admin {
    pub readiness: Arc<Readiness>,
    pub metrics: Arc<Metrics>,
}

impl Admin {
    /// Opens the port, so that one that is taken is noticed at the start.
    pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
        TcpListener::bind(address).await
    }

    /// Serves until the process ends.
    pub async fn serve(self, listener: TcpListener) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely; it passes.
                    tracing::warn!("cannot accept a connection: {}", error.kind());
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            let admin = self.clone();
            tokio::spawn(async move {
                let answer = service_fn(move |request| {
                    let answer = admin.answer(&request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADERS)
                    .serve_connection(TokioIo::new(stream), answer);
                // Whoever asked went away, or asked too slowly.
                let _ = tokio::time::timeout(LIMIT, connection).await;
                drop(permit);
            });
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
        for _ in 0..CONNECTIONS {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let mut probe = TcpStream::connect(address).await.unwrap();
        probe.write_all(b"GET /livez HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        // They would stay until their limit.
        let read = tokio::time::timeout(LIMIT / 2, probe.read_to_string(&mut answer)).await;
        assert!(read.is_ok() && answer.starts_with("HTTP/1.1 200"), "{answer}");
        drop(idle);
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
        admin.readiness.definition(Some("status.summary"));
        assert_eq!(status("/readyz"), 503);
        admin.readiness.definition(None);
        admin.readiness.failed("coder", "gone".to_owned());
        assert_eq!(admin.readiness.check(), Err("coder: gone".to_owned()));
    }
}
