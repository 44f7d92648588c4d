//! A server in place of Postgres: it speaks the protocol as far as a test wants, and then misbehaves.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::certificates::self_signed;

pub struct Hostile {
    pub port: u16,
    tls: bool,
}

type Act = dyn Fn(&mut Caller) -> io::Result<()> + Send + Sync;

impl Hostile {
    /// Each connection gets a separate thread, which ends when the client is gone: then a write fails.
    pub fn start(act: impl Fn(&mut Caller) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Hostile::serve(None, Arc::new(act))
    }

    /// The same behind TLS, with a certificate without a CA.
    pub fn with_tls(act: impl Fn(&mut Caller) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let pair = self_signed(&["127.0.0.1"], false);
        let chain = CertificateDer::pem_slice_iter(pair.certificates.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        Hostile::serve(Some(Arc::new(config)), Arc::new(act))
    }

    fn serve(tls: Option<Arc<ServerConfig>>, act: Arc<Act>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let server = Hostile { port: listener.local_addr().unwrap().port(), tls: tls.is_some() };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, tls, act) = (stream.unwrap(), tls.clone(), Arc::clone(&act));
                std::thread::spawn(move || act(&mut Caller::greet(stream, tls)?));
            }
        });
        server
    }

    pub fn url(&self) -> String {
        let mode = if self.tls { "require" } else { "disable" };
        format!("postgres://coder:sk-of-the-url@127.0.0.1:{}/coder?sslmode={mode}", self.port)
    }
}

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// A client that has sent its start-up packet, and waits.
pub struct Caller {
    wire: Box<dyn Wire>,
}

impl Caller {
    fn greet(mut stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let Some(tls) = tls else {
            untagged(&mut stream)?;
            return Ok(Caller { wire: Box::new(stream) });
        };
        untagged(&mut stream)?;
        stream.write_all(b"S")?;
        let mut wire = StreamOwned::new(ServerConnection::new(tls).map_err(io::Error::other)?, stream);
        untagged(&mut wire)?;
        Ok(Caller { wire: Box::new(wire) })
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.write_all(bytes)?;
        self.wire.flush()
    }

    /// Without a password; the server reports the same as Postgres, without `parameters` only its version.
    pub fn log_in(&mut self, parameters: &[(&str, &str)]) -> io::Result<()> {
        let mut bytes = message(b'R', &0u32.to_be_bytes());
        for (name, value) in [("server_version", "16.4")].iter().chain(parameters) {
            bytes.extend(message(b'S', format!("{name}\0{value}\0").as_bytes()));
        }
        bytes.extend(message(b'K', &[0, 0, 0, 1, 0, 0, 0, 2]));
        bytes.extend(ready());
        self.send(&bytes)
    }

    /// Answers everything, a query with no rows, until the query with this number (from 0) has been sent.
    pub fn until_query(&mut self, number: usize) -> io::Result<()> {
        let mut queries = 0;
        loop {
            match self.next()? {
                b'Q' => self.send(&[message(b'C', b"DONE\0"), ready()].concat())?,
                b'S' if queries == number => return Ok(()),
                b'S' => {
                    queries += 1;
                    self.begin_rows()?;
                    self.end_rows()?;
                }
                _ => {}
            }
        }
    }

    /// Everything of an answer before its rows: [`COLUMNS`].
    pub fn begin_rows(&mut self) -> io::Result<()> {
        self.describe(COLUMNS)
    }

    pub fn describe(&mut self, columns: &[(&str, u32)]) -> io::Result<()> {
        let mut body = u16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
        for (name, oid) in columns {
            body.extend(
                [name.as_bytes(), b"\0\0\0\0\0\0\0", &oid.to_be_bytes(), b"\xff\xff\xff\xff\xff\xff\0\x01"].concat(),
            );
        }
        let begin = [message(b'1', b""), message(b'2', b""), message(b't', b"\0\0"), message(b'T', &body)];
        self.send(&begin.concat())
    }

    pub fn end_rows(&mut self) -> io::Result<()> {
        self.send(&[message(b'C', b"SELECT 1\0"), ready()].concat())
    }

    /// Answers further messages like [`Caller::until_query`], until the client is gone.
    pub fn go_on(&mut self) -> io::Result<()> {
        self.until_query(usize::MAX)
    }

    /// Repeats these messages until the client is gone.
    pub fn endless(&mut self, messages: impl Fn(u64) -> Vec<u8>) -> io::Result<()> {
        let block: Vec<u8> = (0..1000).flat_map(messages).collect();
        loop {
            self.send(&block)?;
        }
    }

    /// One message with a body of this many bytes, which begins with `start`.
    pub fn large(&mut self, tag: u8, start: &[u8], size: usize) -> io::Result<()> {
        let mut head = vec![tag];
        head.extend(u32::try_from(size + 4).unwrap().to_be_bytes());
        head.extend(start);
        self.send(&head)?;
        let block = [b'x'; 1 << 16];
        let mut left = size - start.len();
        while left > 0 {
            let part = left.min(block.len());
            self.send(&block[..part])?;
            left -= part;
        }
        Ok(())
    }

    /// One byte per second.
    pub fn drip(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes.iter().cycle() {
            self.send(&[*byte])?;
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    }

    /// The texts of all statements with columns to describe, until the client is gone; each is answered with no rows.
    pub fn statements(&mut self, mut take: impl FnMut(String)) -> io::Result<()> {
        loop {
            match self.next_with_body()? {
                (b'Q', _) => self.send(&[message(b'C', b"DONE\0"), ready()].concat())?,
                // The name of the statement is empty; its text ends with a NUL.
                (b'P', body) => {
                    take(body[1..].iter().take_while(|byte| **byte != 0).map(|byte| *byte as char).collect())
                }
                (b'S', _) => {
                    self.begin_rows()?;
                    self.end_rows()?;
                }
                _ => {}
            }
        }
    }

    /// The type of the client's next message.
    fn next(&mut self) -> io::Result<u8> {
        self.next_with_body().map(|(tag, _)| tag)
    }

    fn next_with_body(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut header = [0; 5];
        self.wire.read_exact(&mut header)?;
        let [tag, length @ ..] = header;
        let mut body = vec![0; (u32::from_be_bytes(length) - 4) as usize];
        self.wire.read_exact(&mut body)?;
        Ok((tag, body))
    }
}

/// The columns of the provider rows with their types; columns that a statement does not request do not matter. A test
/// compares these lists with a real server's answers to the program's statements (`tests/it/hostile`).
pub const COLUMNS: &[(&str, u32)] = &[
    ("name", TEXT),
    ("id", UUID),
    ("type", TEXT),
    ("deleted", BOOL),
    ("updated_at", TIME),
    ("base_url", TEXT),
    ("settings", TEXT),
    ("settings_key_id", TEXT),
    ("key_id", UUID),
    ("key_created_at", TIME),
    ("api_key", TEXT),
    ("api_key_key_id", TEXT),
    ("enabled", TEXT),
    ("display_name", TEXT),
    ("icon", TEXT),
];
/// The columns of the catalog's rows.
pub const CATALOG: &[(&str, u32)] =
    &[("kind", TEXT), ("relation", TEXT), ("name", TEXT), ("required", BOOL), ("insertable", BOOL)];
/// The columns of `dbcrypt_keys`.
pub const ENCRYPTION: &[(&str, u32)] = &[("active_key_digest", TEXT), ("revoked_key_digest", TEXT), ("test", TEXT)];
/// The kind of the server.
pub const SERVER_KIND: &[(&str, u32)] = &[("standby", BOOL), ("read_only", BOOL)];
pub const TEXT: u32 = 25;
const UUID: u32 = 2950;
const BOOL: u32 = 16;
const TIME: u32 = 1184;

/// The row of a live or deleted provider, with the number in both ids and times.
pub fn provider(name: &str, number: u64, deleted: bool, settings: Option<&[u8]>, key: Option<&[u8]>) -> Vec<u8> {
    let row_number = if key.is_some() { 0 } else { number };
    numbered((name, row_number), number, deleted, settings, key)
}

/// The same with a number of its own for the row of `ai_providers`.
pub fn numbered(
    (name, row_number): (&str, u64),
    number: u64,
    deleted: bool,
    settings: Option<&[u8]>,
    key: Option<&[u8]>,
) -> Vec<u8> {
    let id = |number: u64| (u128::from(number) + 1).to_be_bytes();
    let (row_id, key_id, time) = (id(row_number), id(number), number.to_be_bytes());
    row(&[
        Some(name.as_bytes()),
        Some(&row_id),
        Some(b"openai"),
        Some(&[u8::from(deleted)]),
        Some(&time),
        Some(b"https://ai.example/v1"),
        settings,
        None,
        key.map(|_| &key_id[..]),
        key.map(|_| &time[..]),
        key,
        None,
        Some(b"true"),
        Some(name.as_bytes()),
        Some(b""),
    ])
}

pub fn row(columns: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = u16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
    for column in columns {
        let length = column.map_or(u32::MAX, |value| u32::try_from(value.len()).unwrap());
        body.extend(length.to_be_bytes());
        body.extend(column.unwrap_or_default());
    }
    message(b'D', &body)
}

pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

/// An error or, with the tag `N`, a notice.
pub fn error(tag: u8, text: &str) -> Vec<u8> {
    message(tag, format!("SERROR\0VERROR\0CXX000\0M{text}\0\0").as_bytes())
}

pub fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

/// Messages without a type: the request for TLS, the names of role and database.
fn untagged(stream: &mut impl Read) -> io::Result<()> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    stream.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize - 4])
}
