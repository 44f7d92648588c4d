//! Observes the login on the wire, above TLS: adds run-time parameters to the start-up packet, which the driver cannot
//! do, and records the server's authentication method and the process that serves the session.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use crate::options::{AuthMethod, RequireAuth};

const SSL_REQUEST: u32 = 80_877_103;
const PROTOCOL_3: u32 = 196_608;
/// The server's authentication request is smaller; only the beginning of a longer message is kept.
const KEPT: usize = 256;

/// Shared by an attempt to open a session and its stream.
#[derive(Clone, Debug)]
pub(super) struct Login(Arc<Mutex<State>>);

/// The progress of a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The server agreed to TLS.
    pub tls: bool,
    /// The authentication method that the server requested.
    pub asked: Option<AuthMethod>,
    /// The server accepted the login.
    pub accepted: bool,
    /// The server requested a method that is not allowed, and got no answer.
    pub refused: Option<AuthMethod>,
    /// The server process of the session, as the server reports it. A pooler invents a number.
    pub backend: Option<i32>,
}

#[derive(Debug)]
struct State {
    parameters: Vec<(String, String)>,
    require: Option<RequireAuth>,
    progress: Progress,
}

impl Login {
    pub(super) fn new(parameters: &[(String, String)], require: Option<&RequireAuth>) -> Self {
        let (parameters, require) = (parameters.to_vec(), require.cloned());
        Login(Arc::new(Mutex::new(State { parameters, require, progress: Progress::default() })))
    }

    pub(super) fn progress(&self) -> Progress {
        self.state().progress
    }

    pub(super) fn around<S>(&self, stream: S) -> Watched<S> {
        Watched { stream, login: self.clone(), packet: None, asks_for_tls: false, reader: Some(Reader::default()) }
    }

    /// A panic cannot leave this state half-changed, so a poisoned lock is usable.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Handles an authentication request or the end of the login. An error keeps the driver from answering.
    fn question(&self, question: Question) -> io::Result<()> {
        let mut state = self.state();
        let method = match question {
            Question::Ask(method) => method,
            // The server requested no authentication.
            Question::Accepted if state.progress.asked.is_none() => AuthMethod::None,
            Question::Accepted | Question::Proven => {
                state.progress.accepted = true;
                return Ok(());
            }
        };
        if state.require.as_ref().is_some_and(|require| !require.allows(method)) {
            state.progress.refused = Some(method);
            return Err(io::Error::other("the way to authenticate is not allowed"));
        }
        match question {
            Question::Ask(method) => state.progress.asked = Some(method),
            Question::Accepted | Question::Proven => state.progress.accepted = true,
        }
        Ok(())
    }
}

/// A stream whose login is observed.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    login: Login,
    /// The start-up packet with the added parameters, and the number of bytes sent.
    packet: Option<(Vec<u8>, usize)>,
    /// The next received byte is the answer to the TLS request.
    asks_for_tls: bool,
    /// `None` once the login is over.
    reader: Option<Reader>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        let Some(reader) = &mut this.reader else { return Poll::Ready(Ok(())) };
        let mut bytes = buffer.filled().get(before..).unwrap_or_default();
        if this.asks_for_tls && !bytes.is_empty() {
            this.asks_for_tls = false;
            bytes = &bytes[1..];
        }
        while let Some(message) = reader.next(&mut bytes) {
            if let Some(question) = message.question() {
                this.login.question(question)?;
            } else if message.is_last() {
                this.login.state().progress.backend = message.backend();
                this.reader = None;
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.reader.is_some() && this.packet.is_none() {
            match packet_code(bytes) {
                Some(SSL_REQUEST) => this.asks_for_tls = true,
                Some(PROTOCOL_3) => {
                    this.packet = with_parameters(bytes, &this.login.state().parameters).map(|packet| (packet, 0));
                }
                _ => {}
            }
        }
        // The driver passes the whole packet. It learns that the packet was sent only when the larger one was.
        if let Some((packet, sent)) = &mut this.packet {
            while *sent < packet.len() {
                match ready!(Pin::new(&mut this.stream).poll_write(cx, &packet[*sent..]))? {
                    0 => return Poll::Ready(Ok(0)),
                    count => *sent += count,
                }
            }
            if !packet.is_empty() {
                packet.clear();
                *sent = 0;
                return Poll::Ready(Ok(bytes.len()));
            }
        }
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Watched<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

/// TLS below the observer, which therefore sees plain text.
pub(super) struct WatchAbove<T>(pub T);

impl<S, T> TlsConnect<Watched<S>> for WatchAbove<T>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: TlsConnect<S, Future: Send> + Send + 'static,
{
    type Stream = Watched<T::Stream>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, T::Error>> + Send>>;

    fn connect(self, stream: Watched<S>) -> Self::Future {
        let Watched { stream, login, .. } = stream;
        login.state().progress.tls = true;
        Box::pin(async move { Ok(login.around(self.0.connect(stream).await?)) })
    }
}

/// The request of a whole start packet: a protocol version, or TLS.
fn packet_code(bytes: &[u8]) -> Option<u32> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    (usize::try_from(number(0)?).ok()? == bytes.len()).then(|| number(4)).flatten()
}

/// The start-up packet with more parameters; `None` if there are none.
fn with_parameters(packet: &[u8], parameters: &[(String, String)]) -> Option<Vec<u8>> {
    let (_, body) = packet.split_last()?;
    if parameters.is_empty() {
        return None;
    }
    let mut all = body.to_vec();
    for (name, value) in parameters {
        for text in [name, value] {
            all.extend(text.bytes());
            all.push(0);
        }
    }
    all.push(0);
    let length = u32::try_from(all.len()).ok()?.to_be_bytes();
    all.get_mut(..4)?.copy_from_slice(&length);
    Some(all)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Ask(AuthMethod),
    /// The last step of SCRAM: the server accepted the proof.
    Proven,
    Accepted,
}

/// Splits the stream into messages, at whatever points it is fragmented.
#[derive(Debug, Default)]
struct Reader {
    message: Message,
}

/// Type, length and the beginning of the body.
#[derive(Debug, Default)]
struct Message {
    header: Vec<u8>,
    body: Vec<u8>,
    /// Bytes of the body that have not arrived.
    left: usize,
}

impl Reader {
    /// The next whole message.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<Message> {
        let message = &mut self.message;
        if message.header.len() < 5 {
            let (head, rest) = bytes.split_at((5 - message.header.len()).min(bytes.len()));
            message.header.extend(head);
            *bytes = rest;
            let length = message.header.get(1..5)?;
            let length = u32::from_be_bytes(length.try_into().ok()?);
            message.left = usize::try_from(length).ok()?.saturating_sub(4);
        }
        let (body, rest) = bytes.split_at(message.left.min(bytes.len()));
        let kept = KEPT.saturating_sub(message.body.len()).min(body.len());
        message.body.extend(&body[..kept]);
        message.left -= body.len();
        *bytes = rest;
        (message.left == 0).then(|| std::mem::take(message))
    }
}

impl Message {
    /// The end of the login: the session's key, or the end of the start-up phase if there is none.
    fn is_last(&self) -> bool {
        matches!(self.header.first(), Some(b'K' | b'Z'))
    }

    /// The process, from the session's key.
    fn backend(&self) -> Option<i32> {
        let key = self.body.first_chunk().filter(|_| self.header.first() == Some(&b'K'))?;
        Some(i32::from_be_bytes(*key))
    }

    /// The request of an authentication message.
    fn question(&self) -> Option<Question> {
        if self.header.first() != Some(&b'R') {
            return None;
        }
        let (code, data) = self.body.split_at_checked(4)?;
        Some(match u32::from_be_bytes(code.try_into().ok()?) {
            0 => Question::Accepted,
            3 => Question::Ask(AuthMethod::Password),
            5 => Question::Ask(AuthMethod::Md5),
            2 | 7 => Question::Ask(AuthMethod::Gss),
            9 => Question::Ask(AuthMethod::Sspi),
            10 if data.split(|byte| *byte == 0).any(|name| name.starts_with(b"SCRAM-SHA-256")) => {
                Question::Ask(AuthMethod::ScramSha256)
            }
            10 => Question::Ask(AuthMethod::OAuth),
            12 => Question::Proven,
            // Further steps of the requested method.
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
