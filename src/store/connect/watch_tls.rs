//! Whether the server took our TLS: what it says afterwards is judged by that, not by its own words.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};

/// A connector that notes when a handshake begins.
#[derive(Clone)]
pub(super) struct WatchTls<T> {
    inner: T,
    begun: Arc<AtomicBool>,
}

impl<T> WatchTls<T> {
    pub(super) fn new(inner: T) -> Self {
        WatchTls { inner, begun: Arc::default() }
    }

    /// Reads true once the server has agreed to TLS.
    pub(super) fn begun(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.begun)
    }
}

impl<S, T: MakeTlsConnect<S>> MakeTlsConnect<S> for WatchTls<T> {
    type Stream = T::Stream;
    type TlsConnect = WatchTls<T::TlsConnect>;
    type Error = T::Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Self::TlsConnect, Self::Error> {
        Ok(WatchTls { inner: self.inner.make_tls_connect(domain)?, begun: Arc::clone(&self.begun) })
    }
}

impl<S, T: TlsConnect<S>> TlsConnect<S> for WatchTls<T> {
    type Stream = T::Stream;
    type Error = T::Error;
    type Future = T::Future;

    fn connect(self, stream: S) -> Self::Future {
        self.begun.store(true, Ordering::Relaxed);
        self.inner.connect(stream)
    }
}
