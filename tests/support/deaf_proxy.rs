//! A proxy in front of Postgres that can withhold notifications, like one with a dead connection: everything else passes.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub struct DeafProxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    deaf: AtomicBool,
    kept: AtomicUsize,
}

/// The type of a notification message.
const NOTIFICATION: u8 = b'A';

impl DeafProxy {
    /// Its threads end with the process, and those of a connection with the connection. Without TLS only.
    pub fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind a free port");
        let port = listener.local_addr().expect("read the port").port();
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)) else { continue };
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
                let state = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let _ = forward(server, &client, &state);
                    let _ = client.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        DeafProxy { port, state }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn set_deaf(&self, deaf: bool) {
        self.state.deaf.store(deaf, Ordering::SeqCst);
    }

    /// The number of withheld notifications.
    pub fn kept(&self) -> usize {
        self.state.kept.load(Ordering::SeqCst)
    }
}

/// Message by message: a type byte, a length that includes itself, the rest.
fn forward(mut server: TcpStream, mut client: &TcpStream, state: &State) -> io::Result<()> {
    loop {
        let mut header = [0; 5];
        server.read_exact(&mut header)?;
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        let mut body = vec![0; length - 4];
        server.read_exact(&mut body)?;
        if header[0] == NOTIFICATION && state.deaf.load(Ordering::SeqCst) {
            state.kept.fetch_add(1, Ordering::SeqCst);
            continue;
        }
        client.write_all(&[&header[..], &body].concat())?;
    }
}
