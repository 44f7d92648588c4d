//! Data that no Postgres would send, or the accepted maximum of it; each with the reason in the condition of the resource
//! with this database.

use std::io;
use std::time::Duration;

use super::hostile::{COLUMNS, Caller, error, message, provider};

pub struct Flood {
    pub name: &'static str,
    pub act: fn(&mut Caller) -> io::Result<()>,
    pub reason: &'static str,
}

const fn flood(name: &'static str, act: fn(&mut Caller) -> io::Result<()>, reason: &'static str) -> Flood {
    Flood { name, act, reason }
}

/// More than is accepted, or nothing, or too slowly.
pub const FLOODS: [Flood; 8] = [
    flood("others", others, "DatabaseUnusable"),
    flood("keys", keys, "DatabaseUnusable"),
    flood("large", large, "DatabaseUnusable"),
    flood("notices", notices, "DatabaseUnusable"),
    flood("parameters", parameters, "DatabaseUnreachable"),
    flood("refusal", refusal, "DatabaseUnreachable"),
    flood("silent", |_| silence(), "DatabaseUnreachable"),
    flood("slow", slow, "DatabaseUnreachable"),
];

/// The accepted maximum of kept data, and then silence: all servers hold it at the same time.
pub const BOUNDS: [Flood; 8] = [
    flood("keys1", held_keys, "DatabaseUnreachable"),
    flood("keys2", held_keys, "DatabaseUnreachable"),
    flood("large1", held_large_keys, "DatabaseUnreachable"),
    flood("large2", held_large_keys, "DatabaseUnreachable"),
    flood("largest1", held_largest, "DatabaseUnreachable"),
    flood("largest2", held_largest, "DatabaseUnreachable"),
    flood("settings1", held_settings, "DatabaseUnreachable"),
    flood("settings2", held_settings, "DatabaseUnreachable"),
];

/// Providers of [`variables`]: `p0` and so on.
const PROVIDERS: u64 = 60;
/// A little less than the amount that ends a session of the controller.
const KEPT: usize = (4 << 20) - (64 << 10);
const MESSAGE: usize = (1 << 20) - (4 << 10);

/// The environment whose queries these servers answer.
pub fn variables() -> Vec<(String, String)> {
    let of = |n: u64| {
        [
            ("TYPE", "openai".to_owned()),
            ("NAME", format!("p{n}")),
            ("BASE_URL", "https://ai.example/v1".to_owned()),
            ("KEY", "sk-of-the-environment".to_owned()),
        ]
        .map(|(field, value)| (format!("CODER_AIBRIDGE_PROVIDER_{n}_{field}"), value))
    };
    (0..PROVIDERS).flat_map(of).collect()
}

fn others(caller: &mut Caller) -> io::Result<()> {
    rows(caller)?;
    caller.endless(|n| provider(&format!("other{n}"), n, false, Some(&[b'x'; 500]), None))
}

fn keys(caller: &mut Caller) -> io::Result<()> {
    rows(caller)?;
    caller.endless(|n| provider("p0", n, false, None, Some(&[b'k'; 500])))
}

fn large(caller: &mut Caller) -> io::Result<()> {
    rows(caller)?;
    caller.large(b'D', &u16::try_from(COLUMNS.len()).unwrap().to_be_bytes(), 2_000_000_000)
}

fn notices(caller: &mut Caller) -> io::Result<()> {
    caller.log_in(&[])?;
    caller.endless(|n| error(b'N', &format!("notice {n}")))
}

fn parameters(caller: &mut Caller) -> io::Result<()> {
    caller.send(&message(b'R', &[0; 4]))?;
    caller.endless(|n| message(b'S', format!("p{n}\0\0").as_bytes()))
}

fn refusal(caller: &mut Caller) -> io::Result<()> {
    caller.large(b'E', b"SERROR\0MX", 200 << 20)
}

fn slow(caller: &mut Caller) -> io::Result<()> {
    rows(caller)?;
    caller.drip(&error(b'N', "slow"))
}

fn held_keys(caller: &mut Caller) -> io::Result<()> {
    hold(caller, |n| provider("p0", n, false, None, Some(b"k")))
}

fn held_large_keys(caller: &mut Caller) -> io::Result<()> {
    hold(caller, |n| provider("p0", n, false, None, Some(&[b'k'; 100_000])))
}

fn held_largest(caller: &mut Caller) -> io::Result<()> {
    hold(caller, |n| provider("p0", n, false, None, Some(&vec![b'k'; MESSAGE])))
}

fn held_settings(caller: &mut Caller) -> io::Result<()> {
    let text = "x".repeat(29);
    let models = vec![format!("\"{text}\""); 1800].join(",");
    let settings = format!("{{\"_type\":\"bedrock\",\"_version\":1,\"a\":[{models}]}}");
    hold(caller, |n| provider(&format!("p{}", n % PROVIDERS), n, false, Some(settings.as_bytes()), None))
}

/// Answers up to the rows of the first read.
fn rows(caller: &mut Caller) -> io::Result<()> {
    caller.log_in(&[])?;
    caller.until_query(0)?;
    caller.begin_rows()
}

/// Sends nothing more; the data sent so far stays with the client.
fn silence() -> io::Result<()> {
    std::thread::sleep(Duration::from_secs(60));
    Ok(())
}

/// As many of these rows as are kept, and then silence.
fn hold(caller: &mut Caller, row: impl Fn(u64) -> Vec<u8>) -> io::Result<()> {
    rows(caller)?;
    let mut sent = 0;
    for n in 0.. {
        let row = row(n);
        sent += row.len().max(128);
        if sent > KEPT {
            break;
        }
        caller.send(&row)?;
    }
    silence()
}
