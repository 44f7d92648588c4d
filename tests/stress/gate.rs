//! A barrier for processes: their connections are accepted but held until all are open.

use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

pub struct Gate {
    port: u16,
    waiting: Arc<(Mutex<usize>, Condvar)>,
    number: usize,
}

impl Gate {
    /// In front of the port `upstream` of this machine; opens at `number` connections, and then stays open.
    pub fn new(upstream: u16, number: usize) -> Gate {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind a free port");
        let port = listener.local_addr().expect("read the port").port();
        let waiting = Arc::new((Mutex::new(0), Condvar::new()));
        let shared = waiting.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || {
                    let (count, open) = &*shared;
                    let mut count = count.lock().unwrap();
                    *count += 1;
                    open.notify_all();
                    drop(open.wait_while(count, |count| *count < number).unwrap());
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)) {
                        forward(&client, &server);
                    }
                });
            }
        });
        Gate { port, waiting, number }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether all arrived: only then was it a race.
    pub fn opened(&self) -> bool {
        *self.waiting.0.lock().unwrap() >= self.number
    }
}

fn forward(client: &TcpStream, server: &TcpStream) {
    for end in [client, server] {
        let _ = end.set_nodelay(true);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| one_way(client, server));
        one_way(server, client);
    });
}

fn one_way(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
