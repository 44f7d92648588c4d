//! The transport to a server: the addresses of a host, and a socket to one of them.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::destinations::Destinations;
use crate::store::error::{Endpoint, Error};
use crate::store::url::{Host, HostAddress};

/// Detects within a minute that a server is gone: idle for 30 s, then 3 probes, 10 s apart.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;
/// The same limit for sent data without an acknowledgement; otherwise the system retransmits for a quarter of an hour.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// One place where a host can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(SocketAddr),
    /// The file of a Unix socket.
    Socket(PathBuf),
}

/// All addresses of a host to which connections are allowed, in the order of the attempts; at least one.
pub(super) async fn resolve(
    host: &Host,
    endpoint: &Endpoint,
    destinations: &Destinations,
) -> Result<Vec<Address>, Error> {
    let (name, found) = match &host.address {
        HostAddress::Socket(directory) => {
            return Ok(vec![Address::Socket(directory.join(format!(".s.PGSQL.{}", host.port)))]);
        }
        HostAddress::Tcp { address: Some(address), .. } => (None, vec![SocketAddr::new(*address, host.port)]),
        HostAddress::Tcp { name, address: None } => {
            let found = look_up(name.clone(), host.port, destinations).await;
            (Some(name.as_str()), found.map_err(|error| Error::dialing(&error, endpoint))?)
        }
    };
    if found.is_empty() {
        return Err(Error::dialing(&io::Error::other("its name has no address"), endpoint));
    }
    let allowed = found.into_iter().filter(|address| destinations.allow(name, address.ip()));
    let allowed: Vec<Address> = allowed.map(Address::Tcp).collect();
    if allowed.is_empty() { Err(Error::destination_refused(endpoint)) } else { Ok(allowed) }
}

/// Runs in a separate thread, which keeps its place among the look-ups until the system answers. An address needs neither.
async fn look_up(name: String, port: u16, destinations: &Destinations) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = name.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let place = destinations.lookup().await;
    let looked_up = tokio::task::spawn_blocking(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        drop(place);
        found
    });
    looked_up.await.unwrap_or_else(|_| Err(io::Error::other("the look-up ended early")))
}

/// Opens a socket to the address; the caller bounds the time.
pub(super) async fn dial(address: &Address) -> io::Result<Transport> {
    match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let socket = SockRef::from(&stream);
            let keepalive = TcpKeepalive::new()
                .with_time(KEEPALIVE_IDLE)
                .with_interval(KEEPALIVE_INTERVAL)
                .with_retries(KEEPALIVE_PROBES);
            socket.set_tcp_keepalive(&keepalive)?;
            #[cfg(target_os = "linux")]
            socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
            Ok(Transport::Tcp(stream))
        }
        Address::Socket(path) => UnixStream::connect(path).await.map(Transport::Unix),
    }
}

/// A socket of either kind.
#[derive(Debug)]
pub(super) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn socket_has_keepalive_and_its_limits() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let Ok(Transport::Tcp(stream)) = dial(&Address::Tcp(listener.local_addr().unwrap())).await else {
            panic!("no connection to the own listener");
        };
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(30));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(10));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(60)));
    }
}
