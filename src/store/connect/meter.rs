//! Limits the amount of data from a server. A driver keeps received data until its user reads it, so without a limit a
//! server, or another program in its place, determines this process's memory.
//!
//! The meter sits above TLS, reads only the header of each message (a type and a length), and ends the session at the
//! first message that would exceed a limit, before its body is received. Its verdict stays in the session, because the
//! driver's own error is lost with the task of the connection.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::bounds::Bounds;
use super::excess::Excess;

/// A message counts for at least this many bytes, about the cost of holding the smallest message.
const LEAST: u64 = 128;

/// Shared by a session and its connection.
#[derive(Clone, Debug)]
pub(super) struct Meter(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    bounds: Bounds,
    /// The next byte is the answer to the TLS request, not a message.
    asks_for_tls: bool,
    ready: bool,
    received: Frames,
    sent: Frames,
    /// The next sent byte is the first of a statement's name.
    names_statement: bool,
    /// Bytes before the session is ready, and afterwards of the current answer.
    spent: u64,
    unasked: u64,
    unasked_since: Instant,
    under_way: usize,
    excess: Option<Excess>,
}

impl Meter {
    /// `asks_for_tls`: the session asks the server in plain text whether it supports TLS.
    pub(super) fn new(bounds: Bounds, asks_for_tls: bool) -> Self {
        Meter(Arc::new(Mutex::new(State {
            bounds,
            asks_for_tls,
            ready: false,
            received: Frames::default(),
            sent: Frames::default(),
            names_statement: false,
            spent: 0,
            unasked: 0,
            unasked_since: Instant::now(),
            under_way: 0,
            excess: None,
        })))
    }

    pub(super) fn excess(&self) -> Option<Excess> {
        self.state().excess
    }

    /// The rows are malformed: the rest of the answer, which may be endless, is not read.
    pub(super) fn refuse_rows(&self) {
        self.state().excess.get_or_insert(Excess::OtherType);
    }

    /// A statement is sent. If no other is in progress, the count of its answer begins at zero.
    pub(super) fn statement(&self) -> UnderWay<'_> {
        let mut state = self.state();
        if state.under_way == 0 {
            state.spent = 0;
        }
        state.under_way += 1;
        UnderWay(self)
    }

    pub(super) fn around<S>(&self, stream: S) -> Metered<S> {
        Metered { stream, meter: self.clone() }
    }

    /// A panic cannot leave these numbers half-changed, so a poisoned lock is usable.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, step: impl FnOnce(&mut State) -> Result<(), Excess>) -> io::Result<()> {
        let mut state = self.state();
        if state.excess.is_none() {
            state.excess = step(&mut state).err();
        }
        if state.excess.is_some() { Err(io::Error::other("the server exceeded a bound")) } else { Ok(()) }
    }
}

/// A statement is in progress until this is dropped.
#[must_use]
pub(super) struct UnderWay<'a>(&'a Meter);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
    }
}

impl State {
    fn receive(&mut self, mut bytes: &[u8]) -> Result<(), Excess> {
        if self.asks_for_tls
            && let Some((answer, rest)) = bytes.split_first()
        {
            // Yes, no, or the error of a server that does not know the request.
            if !matches!(answer, b'S' | b'N' | b'E') {
                return Err(if *answer == b'H' { Excess::Http } else { Excess::NotPostgres });
            }
            self.asks_for_tls = false;
            bytes = rest;
        }
        while let Some((tag, length)) = self.received.next(&mut bytes) {
            let size = u64::from(length) + 1;
            if self.ready { self.count(tag, size)? } else { self.count_login(tag, size)? }
        }
        Ok(())
    }

    fn count_login(&mut self, tag: u8, size: u64) -> Result<(), Excess> {
        if !matches!(tag, b'R' | b'E' | b'N' | b'S' | b'K' | b'Z' | b'v') {
            return Err(if self.received.header == *b"HTTP/" { Excess::Http } else { Excess::NotPostgres });
        }
        self.spent += size.max(LEAST);
        if self.spent > self.bounds.login {
            return Err(Excess::Login);
        }
        if tag == b'Z' {
            self.ready = true;
            self.spent = 0;
        }
        Ok(())
    }

    fn count(&mut self, tag: u8, size: u64) -> Result<(), Excess> {
        if matches!(tag, b'A' | b'N' | b'S') {
            if self.bounds.unasked_within.is_some_and(|within| self.unasked_since.elapsed() >= within) {
                self.unasked = 0;
                self.unasked_since = Instant::now();
            }
            // A notification is not kept.
            self.unasked += if tag == b'A' { size } else { size.max(LEAST) };
            let fits = self.unasked <= self.bounds.unasked && size <= self.bounds.message;
            return if fits { Ok(()) } else { Err(Excess::Unasked) };
        }
        self.spent += size.max(LEAST);
        if self.spent > self.bounds.answer {
            return Err(Excess::Answer);
        }
        if size > self.bounds.message { Err(Excess::Message) } else { Ok(()) }
    }

    /// Own statements are unnamed; the driver names only those that look up a type.
    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Excess> {
        if !self.ready {
            return Ok(());
        }
        loop {
            if self.names_statement
                && let Some(first) = bytes.first()
            {
                self.names_statement = false;
                if *first != 0 {
                    return Err(Excess::OtherType);
                }
            }
            match self.sent.next(&mut bytes) {
                Some((tag, _)) => self.names_statement = tag == b'P',
                None => return Ok(()),
            }
        }
    }
}

/// Finds the headers in a stream of messages, at whatever points it is fragmented.
#[derive(Debug, Default)]
struct Frames {
    header: [u8; 5],
    filled: usize,
    /// Bytes of the current body that have not arrived.
    left: usize,
}

impl Frames {
    /// The type of the next message and its length, which includes itself; afterwards `bytes` begins after the header.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<(u8, u32)> {
        let body = self.left.min(bytes.len());
        self.left -= body;
        let header = (self.header.len() - self.filled).min(bytes.len() - body);
        let end = body + header;
        self.header[self.filled..self.filled + header].copy_from_slice(&bytes[body..end]);
        self.filled += header;
        *bytes = &bytes[end..];
        if self.filled < self.header.len() {
            return None;
        }
        let [tag, length @ ..] = self.header;
        let length = u32::from_be_bytes(length);
        self.filled = 0;
        // The driver reports a length below its own size as an error.
        self.left = usize::try_from(length).unwrap_or(usize::MAX).saturating_sub(4);
        Some((tag, length))
    }
}

/// A stream whose bytes are counted.
#[derive(Debug)]
pub(super) struct Metered<S> {
    stream: S,
    meter: Meter,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        let bytes = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(this.meter.check(|state| state.receive(bytes)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        let sent = bytes.get(..count).unwrap_or(bytes);
        Poll::Ready(this.meter.check(|state| state.send(sent)).map(|()| count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Metered<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

/// TLS below the meter, which therefore counts plain text.
pub(super) struct BelowMeter<T>(pub T);

impl<S, T> TlsConnect<Metered<S>> for BelowMeter<T>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: TlsConnect<S, Future: Send> + Send + 'static,
{
    type Stream = Metered<T::Stream>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, T::Error>> + Send>>;

    fn connect(self, stream: Metered<S>) -> Self::Future {
        let Metered { stream, meter } = stream;
        Box::pin(async move { Ok(Metered { stream: self.0.connect(stream).await?, meter }) })
    }
}

#[cfg(test)]
mod tests;
