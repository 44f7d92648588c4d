//! A TCP proxy in front of Postgres that counts round trips, delays them, and breaks the connection at a chosen moment.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The fault that happens, once, when the client sends these bytes (letter case does not matter).
#[derive(Clone)]
pub enum Fault {
    /// The connection is cut, and the server never receives them.
    DropBefore(&'static str),
    /// The server receives and answers them, and the connection is cut instead of delivering the answer.
    DropAfter(&'static str),
    /// The server never receives them, and the connection stays open without a byte.
    Stall(&'static str),
}

/// In preparation; see `start`.
#[derive(Clone, Default)]
pub struct Proxy {
    delay: Duration,
    fault: Option<Fault>,
}

/// Listens until dropped.
pub struct RunningProxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    delay: Duration,
    fault: Mutex<Option<Fault>>,
    closed: AtomicBool,
    /// New connections are closed at once.
    away: AtomicBool,
    connections: Mutex<Vec<Arc<Connection>>>,
}

struct Connection {
    client: TcpStream,
    server: TcpStream,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// ReadyForQuery was seen: from here on round trips count.
    ready: bool,
    /// The server has answered since the last message of the client.
    answered: bool,
    round_trips: usize,
    /// The next answer is lost.
    lose_answer: bool,
}

impl Proxy {
    pub fn new() -> Self {
        Proxy { delay: Duration::from_millis(5), ..Self::default() }
    }

    /// The delay of bytes in each direction (5 ms). Not zero when counting: a client may send one round trip in several
    /// writes, and only a delay keeps the answer to the first from counting as received before the second.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Listens on a free port of 127.0.0.1 and forwards to `upstream` there.
    pub fn start(self, upstream: u16) -> RunningProxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind a free port");
        let port = listener.local_addr().expect("read the port").port();
        let shared = Arc::new(Shared {
            delay: self.delay,
            fault: Mutex::new(self.fault),
            closed: AtomicBool::new(false),
            away: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let running = RunningProxy { port, shared: shared.clone() };
        std::thread::spawn(move || accept(&listener, upstream, &shared));
        running
    }
}

impl RunningProxy {
    pub fn port(&self) -> u16 {
        self.port
    }

    /// For each connection so far, in order: how often the client sent something after it had received something, counted
    /// from the end of authentication (the first ReadyForQuery). The final Terminate message needs no answer and does not
    /// count.
    pub fn round_trips(&self) -> Vec<usize> {
        let connections = self.shared.connections.lock().unwrap();
        let counts = connections.iter().map(|connection| {
            let state = connection.state.lock().unwrap();
            // Inside TLS no message can be recognised, and 0 would look like a good result.
            assert!(state.ready, "a connection never got past authentication, or it speaks TLS");
            state.round_trips
        });
        counts.collect()
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.lock().unwrap().len()
    }

    /// Cuts every connection now. New ones are served.
    pub fn cut(&self) {
        self.shared.connections.lock().unwrap().iter().for_each(|connection| connection.close());
    }

    /// Cuts every connection, and new ones too until `come_back`.
    pub fn go_away(&self) {
        self.shared.away.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub fn come_back(&self) {
        self.shared.away.store(false, Ordering::SeqCst);
    }
}

impl Drop for RunningProxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the thread that waits in accept.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Connection {
    fn close(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

fn accept(listener: &TcpListener, upstream: u16, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.closed.load(Ordering::SeqCst) {
            return;
        }
        // To the client, a server that is down looks like one that closes the connection.
        if shared.away.load(Ordering::SeqCst) {
            continue;
        }
        let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", upstream))) else { continue };
        client.set_nodelay(true).expect("set TCP_NODELAY");
        server.set_nodelay(true).expect("set TCP_NODELAY");
        let connection = Arc::new(Connection { client, server, state: Mutex::default() });
        shared.connections.lock().unwrap().push(connection.clone());
        let (upwards, downwards) = ((connection.clone(), shared.clone()), (connection, shared.clone()));
        std::thread::spawn(move || forward_client(&upwards.0, &upwards.1));
        std::thread::spawn(move || forward_server(&downwards.0, &downwards.1));
    }
}

fn forward_client(connection: &Connection, shared: &Shared) {
    let mut chunk = [0; 65536];
    // The last bytes of the previous data, because the fault's bytes may arrive in two pieces.
    let mut recent = Vec::new();
    while let Ok(length @ 1..) = (&connection.client).read(&mut chunk) {
        let bytes = &chunk[..length];
        if bytes != GOODBYE {
            let mut state = connection.state.lock().unwrap();
            state.round_trips += usize::from(state.ready && state.answered);
            state.answered = false;
        }
        recent.extend_from_slice(&bytes.to_ascii_lowercase());
        match take_fault(shared, &recent) {
            Some(Fault::DropBefore(_)) => break,
            Some(Fault::DropAfter(_)) => connection.state.lock().unwrap().lose_answer = true,
            // Cutting the connection also ends this thread.
            Some(Fault::Stall(_)) => while let Ok(1..) = (&connection.client).read(&mut chunk) {},
            None => {}
        }
        recent.drain(..recent.len().saturating_sub(64));
        std::thread::sleep(shared.delay);
        if (&connection.server).write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    connection.close();
}

fn forward_server(connection: &Connection, shared: &Shared) {
    let mut chunk = [0; 65536];
    let mut messages = Messages::default();
    while let Ok(length @ 1..) = (&connection.server).read(&mut chunk) {
        let bytes = &chunk[..length];
        std::thread::sleep(shared.delay);
        {
            let mut state = connection.state.lock().unwrap();
            if state.lose_answer {
                break;
            }
            state.answered = true;
            state.ready |= messages.ready_for_query(bytes);
        }
        if (&connection.client).write_all(bytes).is_err() {
            break;
        }
    }
    connection.close();
}

/// The fault, when its bytes arrive for the first time.
fn take_fault(shared: &Shared, sent: &[u8]) -> Option<Fault> {
    let mut fault = shared.fault.lock().unwrap();
    let (Fault::DropBefore(needle) | Fault::DropAfter(needle) | Fault::Stall(needle)) = fault.as_ref()?;
    let needle = needle.to_ascii_lowercase().into_bytes();
    if sent.windows(needle.len()).any(|window| window == needle) { fault.take() } else { None }
}

/// The client's Terminate message.
const GOODBYE: &[u8] = b"X\0\0\0\x04";

/// Splits the server's bytes into messages: a type byte, then a length that includes itself, then the rest.
#[derive(Default)]
pub struct Messages {
    header: Vec<u8>,
    rest: usize,
}

impl Messages {
    /// Whether a ReadyForQuery message begins within these bytes.
    pub fn ready_for_query(&mut self, mut bytes: &[u8]) -> bool {
        let mut found = false;
        while !bytes.is_empty() {
            let skip = self.rest.min(bytes.len());
            self.rest -= skip;
            bytes = &bytes[skip..];
            let take = (5 - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if let [kind, a, b, c, d] = self.header[..] {
                found |= kind == b'Z';
                self.rest = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
                self.header.clear();
            }
        }
        found
    }
}
