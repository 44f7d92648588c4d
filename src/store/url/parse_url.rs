//! Reads a URL as Coder does: Go's `net/url`, and Coder's repair of a password that was not percent-encoded.
//!
//! Go cuts at the first `#`, then at the first `?`, ends the authority at the first `/` and takes the user information up
//! to the authority's last `@`. If that fails at the user information or the port, Coder escapes the text between the
//! first `@` and the last `:` before it, and tries again. Forms that neither accepts but libpq does are tried last: a
//! list of hosts in which some have no port, several bracketed addresses, a percent-encoded socket directory.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The parts of a URL, decoded. No Debug, since they include the password.
pub(super) struct Parts {
    pub user: Option<String>,
    pub password: Option<String>,
    /// Host and port of each element; both may be empty.
    pub hosts: Vec<(String, String)>,
    pub database: String,
    pub query: Vec<(String, String)>,
}

/// Why a URL cannot be read, without any of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Control,
    UserInfo,
    Port,
    Host,
    Escape,
    NotUtf8,
    Semicolon,
    /// A misplaced `@`: Go would take a part of the password for the host.
    StrayAt,
}

#[derive(Clone, Copy, PartialEq)]
enum Hosts {
    AsGo,
    AsLibpq,
}

pub(super) fn has_scheme(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

/// Reads a URL for which [`has_scheme`] holds.
pub(super) fn parse(url: &str) -> Result<Parts, Fault> {
    let first = match read(url, Hosts::AsGo) {
        Ok(parts) => return Ok(parts),
        Err(fault) => fault,
    };
    let repaired = if matches!(first, Fault::UserInfo | Fault::Port) { repair(url) } else { None };
    let second = match repaired.map(|url| read(&url, Hosts::AsGo)) {
        Some(Ok(parts)) => return Ok(parts),
        Some(Err(Fault::StrayAt)) => Fault::StrayAt,
        _ => first,
    };
    if second == Fault::StrayAt {
        return Err(second);
    }
    read(url, Hosts::AsLibpq).map_err(|third| if third == Fault::StrayAt { third } else { first })
}

/// Coder's `escapePostgresURLUserInfo`.
fn repair(url: &str) -> Option<String> {
    let (start, rest) = url.split_once('@')?;
    let (before, password) = start.rsplit_once(':')?;
    let repaired = format!("{before}:{}@{rest}", utf8_percent_encode(password, NON_ALPHANUMERIC));
    // Without a password, the colon that was found is the scheme's.
    has_scheme(&repaired).then_some(repaired)
}

fn read(url: &str, hosts: Hosts) -> Result<Parts, Fault> {
    let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
    if url.bytes().any(|b| b < b' ' || b == 0x7f) {
        return Err(Fault::Control);
    }
    let (_, rest) = url.split_once("://").ok_or(Fault::Host)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (user_info, host) = match authority.rsplit_once('@') {
        Some((user_info, host)) => (Some(user_info), host),
        None => (None, authority),
    };
    if hosts == Hosts::AsGo {
        check_host(host)?;
    }
    let (user, password) = match user_info {
        Some(text) => read_user_info(text)?,
        None => (None, None),
    };
    let hosts = split_hosts(host)?;
    if path.contains('@') || fragment.contains('@') {
        return Err(Fault::StrayAt);
    }
    let database = decode(path.strip_prefix('/').unwrap_or(path))?;
    Ok(Parts { user, password, hosts, database, query: read_query(query)? })
}

/// The refusals of Go's `parseHost`.
fn check_host(host: &str) -> Result<(), Fault> {
    let port = match host.rfind('[') {
        Some(0) => {
            let close = host.rfind(']').ok_or(Fault::Host)?;
            &host[close + 1..]
        }
        Some(_) => return Err(Fault::Host),
        // Several colons are allowed if the scheme is not http, to support lists of hosts.
        None => host.rfind(':').map_or("", |at| &host[at..]),
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    if !port.is_empty() && (!port.starts_with(':') || !digits.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Fault::Port);
    }
    // In a host, Go decodes only bytes beyond ASCII, and %25 before a zone.
    let mut rest = host;
    while let Some((_, after)) = rest.split_once('%') {
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).ok_or(Fault::Escape)?;
        if byte < 0x80 && byte != b'%' {
            return Err(Fault::Escape);
        }
        rest = after;
    }
    let allowed = |b: u8| b >= 0x80 || b.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&b);
    if host.bytes().all(allowed) { Ok(()) } else { Err(Fault::Host) }
}

fn split_hosts(hosts: &str) -> Result<Vec<(String, String)>, Fault> {
    if hosts.is_empty() {
        return Ok(Vec::new());
    }
    hosts.split(',').map(split_host).collect()
}

fn split_host(host: &str) -> Result<(String, String), Fault> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(Fault::Host)?;
            let numeric = address.split('%').next().unwrap_or_default();
            if numeric.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(Fault::Host);
            }
            (address, if port.is_empty() { "" } else { port.strip_prefix(':').ok_or(Fault::Port)? })
        }
        None => host.rsplit_once(':').unwrap_or((host, "")),
    };
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Port);
    }
    if !host.starts_with('[') && name.contains(':') {
        return Err(Fault::Host);
    }
    Ok((decode(name)?, port.to_owned()))
}

type UserInfo = (Option<String>, Option<String>);

fn read_user_info(text: &str) -> Result<UserInfo, Fault> {
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c)) {
        return Err(Fault::UserInfo);
    }
    Ok(match text.split_once(':') {
        Some((user, password)) => (Some(decode(user)?), Some(decode(password)?)),
        None => (Some(decode(text)?), None),
    })
}

/// Go drops a pair that it cannot decode. A dropped `sslmode` would be a surprise, so it is refused here.
fn read_query(query: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if pair.contains(';') {
            return Err(Fault::Semicolon);
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name.contains('@') {
            return Err(Fault::StrayAt);
        }
        let name = decode(&name.replace('+', " "))?;
        if value.contains('@') && !super::params::may_hold_at(&name) {
            return Err(Fault::StrayAt);
        }
        let value = decode(&value.replace('+', " "))?;
        // Go's `Get` returns the first of several.
        if pairs.iter().all(|(known, _)| *known != name) {
            pairs.push((name, value));
        }
    }
    Ok(pairs)
}

fn decode(text: &str) -> Result<String, Fault> {
    let bytes = text.as_bytes();
    let broken = |at: usize| !bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && broken(at)) {
        return Err(Fault::Escape);
    }
    let text = percent_decode_str(text).decode_utf8().map_err(|_| Fault::NotUtf8)?;
    if text.contains('\0') { Err(Fault::Control) } else { Ok(text.into_owned()) }
}
