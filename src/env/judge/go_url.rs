//! Go's `net/url.Parse` (1.26), limited to its refusals: Coder and its SDKs parse the base URL with it. The facts in
//! tests/data/go-urls.txt come from Go itself.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::ascii_lower;

/// The parts of a URL that Go accepts.
#[derive(Debug, PartialEq, Eq)]
pub struct GoUrl<'a> {
    /// In lower case; empty if the URL has none.
    pub scheme: Cow<'a, str>,
    /// The text after the scheme does not begin with `/`.
    pub opaque: bool,
    /// Without the user information, as written; with brackets and port.
    pub host: &'a str,
    /// The byte at which [`GoUrl::host`] begins.
    pub host_at: usize,
    pub path: &'a str,
    pub path_at: usize,
}

/// Why Go refuses a URL, with the byte position where one exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Control,
    /// The URL begins with a colon.
    NoScheme,
    /// No scheme, and a colon in the first path segment: `10.0.0.1:80/v1`.
    Colon,
    Port,
    HostCharacter(usize),
    Brackets,
    /// The text between the brackets is not an IPv6 address.
    Address,
    UserInfo,
    Escape(usize),
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Host,
    Zone,
    Other,
}

pub fn parse(url: &str) -> Result<GoUrl<'_>, Fault> {
    let (text, fragment) = url.split_once('#').unwrap_or((url, ""));
    let parsed = without_fragment(text)?;
    escapes(fragment, Part::Other, url.len() - fragment.len())?;
    Ok(parsed)
}

fn without_fragment(text: &str) -> Result<GoUrl<'_>, Fault> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err(Fault::Control);
    }
    let (scheme, rest) = scheme(text)?;
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let at = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    let parsed = |host, path| GoUrl {
        scheme: ascii_lower(scheme),
        opaque: false,
        host,
        host_at: at(host),
        path,
        path_at: at(path),
    };
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            return Ok(GoUrl { opaque: true, ..parsed(&rest[..0], rest) });
        }
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err(Fault::Colon);
        }
    }
    let behind = rest.strip_prefix("//").filter(|_| !scheme.is_empty() || !rest.starts_with("///"));
    let (host, path) = match behind {
        None => (&rest[..0], rest),
        Some(behind) => {
            let (authority, path) = behind.split_at(behind.find('/').unwrap_or(behind.len()));
            (authority_host(authority, scheme, &at)?, path)
        }
    };
    escapes(path, Part::Other, at(path))?;
    Ok(parsed(host, path))
}

fn scheme(text: &str) -> Result<(&str, &str), Fault> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
    match end {
        Some(0) if text.starts_with(':') => Err(Fault::NoScheme),
        Some(end) if text[end..].starts_with(':') && text.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            Ok((&text[..end], &text[end + 1..]))
        }
        _ => Ok(("", text)),
    }
}

fn authority_host<'a>(authority: &'a str, scheme: &str, at: &impl Fn(&str) -> usize) -> Result<&'a str, Fault> {
    let (user_info, host) = match authority.rsplit_once('@') {
        Some((user_info, host)) => (Some(user_info), host),
        None => (None, authority),
    };
    check_host(host, scheme, at)?;
    if let Some(text) = user_info {
        if !text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c)) {
            return Err(Fault::UserInfo);
        }
        escapes(text, Part::Other, at(text))?;
    }
    Ok(host)
}

fn check_host(host: &str, scheme: &str, at: &impl Fn(&str) -> usize) -> Result<(), Fault> {
    match host.rfind('[') {
        Some(0) => return check_literal(host, at),
        Some(_) => return Err(Fault::Brackets),
        None => {}
    }
    // Go refuses several colons only for http and https.
    let strict = ["http", "https"].iter().any(|http| scheme.eq_ignore_ascii_case(http));
    let colon = if strict { host.find(':') } else { host.rfind(':') };
    if let Some(colon) = colon {
        check_port(&host[colon..])?;
    }
    escapes(host, Part::Host, at(host))
}

fn check_literal(host: &str, at: &impl Fn(&str) -> usize) -> Result<(), Fault> {
    let close = host.rfind(']').ok_or(Fault::Brackets)?;
    let (name, port) = (&host[1..close], &host[close + 1..]);
    check_port(port)?;
    let (address, zone) = name.split_at(name.find("%25").unwrap_or(name.len()));
    escapes(address, Part::Host, at(address))?;
    escapes(zone, Part::Zone, at(zone))?;
    let empty_zone = zone == "%25";
    if address.parse::<Ipv6Addr>().is_err() || empty_zone { Err(Fault::Address) } else { Ok(()) }
}

fn check_port(port: &str) -> Result<(), Fault> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if port.is_empty() || port.strip_prefix(':').is_some_and(digits) { Ok(()) } else { Err(Fault::Port) }
}

/// The escapes that Go's `unescape` refuses. `start` is the position of the text in the URL.
fn escapes(text: &str, part: Part, start: usize) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'%' {
            let hex = bytes.get(at + 1..at + 3).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
            let value =
                hex.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
            let value = value.ok_or(Fault::Escape(start + at))?;
            let refused = match part {
                Part::Host => value < 0x80 && value != b'%',
                Part::Zone => value != b'%' && value != b' ' && !in_host(value),
                Part::Other => false,
            };
            if refused {
                return Err(Fault::Escape(start + at));
            }
            at += 3;
            continue;
        }
        if part != Part::Other && *byte < 0x80 && !in_host(*byte) {
            return Err(Fault::HostCharacter(start + at));
        }
        at += 1;
    }
    Ok(())
}

/// Bytes that a host may contain unescaped.
fn in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}
