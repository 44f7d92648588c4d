//! A server that sends what a test needs and no real server sends: before the session is ready, in the protocol's own
//! form.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// Answers every connection with these bytes after its start-up packet, and closes it. Returns the port.
pub fn answering(answer: Vec<u8>) -> u16 {
    serve(move |mut stream| {
        if start_up(&mut stream).is_some() {
            let _ = stream.write_all(&answer);
            // Closing a socket with unread data resets the connection, and the answer is lost.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read(&mut [0; 1024]);
        }
    })
}

/// Every connection is handled by `handle`, one after another. The thread ends with the process.
pub fn serve(handle: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind a port");
    let port = listener.local_addr().expect("read the port").port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(handle));
    port
}

/// The parameters of the start-up packet, names and values in turn. TLS is declined.
pub fn start_up(stream: &mut TcpStream) -> Option<Vec<String>> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).ok()?;
        let mut packet = vec![0; usize::try_from(u32::from_be_bytes(length)).ok()?.checked_sub(4)?];
        stream.read_exact(&mut packet).ok()?;
        if packet.starts_with(&80_877_103_u32.to_be_bytes()) {
            stream.write_all(b"N").ok()?;
            continue;
        }
        let texts = packet.get(4..)?.split(|byte| *byte == 0);
        return Some(texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect());
    }
}

/// An ErrorResponse.
pub fn error(state: &str, message: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{state}\0M{message}\0\0");
    self::message(b'E', fields.as_bytes())
}

/// A message of the protocol.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a short message").to_be_bytes();
    [&[kind][..], &length, body].concat()
}
