//! Base URLs that cannot work: Coder parses them with Go's `net/url`, and its SDKs then connect to the host.

use std::net::{Ipv4Addr, Ipv6Addr};

use percent_encoding::percent_decode_str;

use super::characters::{is_invisible, is_quote, name, oddity, quoted, spot};
use super::go_url::{self, Fault, GoUrl};
use crate::env::suggest::nearest;
use crate::provider::redact::{count, ordinal};

/// Paths that the SDKs append to the base URL.
const ENDPOINTS: [&str; 5] = ["/chat/completions", "/completions", "/responses", "/embeddings", "/messages"];

/// Words that documentation uses as a placeholder for a host.
const PLACEHOLDERS: [&str; 10] = [
    "your-",
    "your_",
    "yourresource",
    "yourdomain",
    "yourcompany",
    "resource-name",
    "resource_name",
    "myresource",
    "replace-me",
    "changeme",
];

/// The low five bits of their first letters, a bit each: most parts of a host have another one, in either letter case.
const FIRST: u32 = {
    let (mut first, mut at) = (0, 0);
    while at < PLACEHOLDERS.len() {
        first |= 1 << (PLACEHOLDERS[at].as_bytes()[0] & 31);
        at += 1;
    }
    first
};

/// Words that programs write for a missing value.
const NOTHING: [&str; 5] = ["null", "none", "nil", "undefined", "nan"];

/// The fault of the URL, without its value. `None` for an empty one, which is not set.
pub fn fault(url: &str) -> Option<String> {
    if url.is_empty() {
        return None;
    }
    if url.len() > super::LONGEST {
        return Some(format!("{}, more than any URL has", count(url.chars().count(), "character")));
    }
    odd_characters(url).or_else(|| pasted(url)).or_else(|| match go_url::parse(url) {
        Err(fault) => Some(refused(url, fault)),
        Ok(parsed) => not_http(url, &parsed).or_else(|| host(url, &parsed)).or_else(|| path(url, &parsed)),
    })
}

fn odd_characters(url: &str) -> Option<String> {
    // The fast path for most URLs: one pass instead of four.
    if url.bytes().all(|byte| byte.is_ascii_graphic() && !is_quote(byte.into())) {
        return None;
    }
    oddity(url).or_else(|| spot(url, char::is_whitespace))
}

/// Text around the URL was pasted with it.
fn pasted(url: &str) -> Option<String> {
    let (at, _) = url.match_indices(':').find(|(at, _)| url[*at..].starts_with("://"))?;
    let head = &url[..at];
    let scheme = head.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let before = head.strip_suffix(scheme).filter(|before| !before.is_empty())?;
    Some(match before.chars().next_back() {
        Some('=') => "a name and \"=\" before the URL".to_owned(),
        Some('(' | '[' | '<' | '{') => "a bracket before the URL".to_owned(),
        _ => return None,
    })
}

/// Describes Go's refusal.
fn refused(url: &str, fault: Fault) -> String {
    match fault {
        Fault::Control => spot(url, char::is_control).unwrap_or_else(|| "a control character".to_owned()),
        Fault::NoScheme => "the scheme before the colon is missing".to_owned(),
        Fault::Colon => "the scheme is missing".to_owned(),
        Fault::Port => port_or_else(url).to_owned(),
        Fault::HostCharacter(at) => format!("{}, which cannot be in a host", place(url, at)),
        Fault::Brackets => "brackets in the host that do not enclose an IPv6 address".to_owned(),
        Fault::Address => "no IPv6 address between the brackets of the host".to_owned(),
        Fault::UserInfo => {
            "a character before the \"@\" that must be percent-encoded in user name and password".to_owned()
        }
        Fault::Escape(at) => {
            let place = ordinal(url[..at].chars().count() + 1);
            let host = go_url::parse(&url[..at]).is_ok_and(|before| before.path.is_empty() && !before.opaque);
            let length = count(url.chars().count(), "character");
            if host && url[at..].get(1..3).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())) {
                return format!("{length}, the {place} is \"%\", and a host cannot be percent-encoded");
            }
            format!("{length}, the {place} is \"%\" without two hexadecimal digits behind it")
        }
    }
}

/// A colon after the host that does not introduce a port.
fn port_or_else(url: &str) -> &'static str {
    let behind = url.split_once("//").map_or("", |(_, behind)| behind);
    let authority = behind.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.parse::<Ipv6Addr>().is_ok() {
        return "an IPv6 address must be between brackets";
    }
    if behind[authority.len()..].contains('@') && !authority.contains('@') {
        return "the port behind the host is not a number; in a password \"/\", \"?\" and \"#\" must be percent-encoded";
    }
    "the port behind the host is not a number"
}

fn place(url: &str, at: usize) -> String {
    let place = ordinal(url[..at].chars().count() + 1);
    let found = url[at..].chars().next().map(name).unwrap_or_default();
    format!("{}, the {place} is {found}", count(url.chars().count(), "character"))
}

fn not_http(url: &str, parsed: &GoUrl<'_>) -> Option<String> {
    let scheme = &*parsed.scheme;
    if !["http", "https"].contains(&scheme) {
        return Some(scheme_fault(url, parsed));
    }
    if !parsed.host.is_empty() {
        return None;
    }
    let behind = &url[scheme.len() + 1..];
    if let Some(at) = behind.find('\\').filter(|at| *at < 2) {
        return Some(place(url, scheme.len() + 1 + at));
    }
    let slashes = behind.bytes().take_while(|byte| *byte == b'/').count();
    Some(match slashes {
        0 => format!("\"//\" is missing after \"{scheme}:\""),
        1 => format!("one \"/\" is missing after \"{scheme}:/\""),
        2 => "the host is missing".to_owned(),
        _ => format!("{slashes} slashes after \"{scheme}:\", so the host is empty; write two"),
    })
}

/// The scheme is neither http nor https, or is not a scheme at all: `localhost:8080/v1`.
fn scheme_fault(url: &str, parsed: &GoUrl<'_>) -> String {
    let scheme = &*parsed.scheme;
    let missing = "the scheme is missing; write https:// before the host".to_owned();
    if scheme.is_empty() {
        if let Some(what) = no_url(url) {
            return what.to_owned();
        }
        let misspelled = ["https", "http"].into_iter().find(|known| {
            let rest = url.get(..known.len()).filter(|head| head.eq_ignore_ascii_case(known));
            rest.is_some() && url[known.len()..].starts_with(['/', ';', '.', ','])
        });
        return match misspelled {
            Some(known) if !url[known.len()..].starts_with('.') => format!("\":\" is missing after \"{known}\""),
            _ => missing,
        };
    }
    if parsed.opaque && !url.contains("://") {
        return missing;
    }
    match nearest(scheme, ["https", "http"]) {
        Some(meant) => format!("its scheme is neither http nor https; did you mean \"{meant}\"?"),
        None => "its scheme is neither http nor https".to_owned(),
    }
}

/// Text without any host, so that a scheme before it would not help.
fn no_url(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    if NOTHING.contains(&lower.as_str()) || ["todo", "true", "false", "-", "changeme"].contains(&lower.as_str()) {
        return Some("it is a placeholder, not a URL");
    }
    ["sk-", "sk_", "AIza", "gsk_", "xai-", "AKIA", "eyJ"]
        .iter()
        .any(|beginning| text.starts_with(beginning))
        .then_some("it has the form of a key, not of a URL; the key goes into the variable that ends in KEY")
}

fn host(url: &str, parsed: &GoUrl<'_>) -> Option<String> {
    if parsed.host.starts_with('[') {
        let port = parsed.host.rsplit_once("]:").map_or("", |(_, port)| port);
        return port_fault(port);
    }
    let (name, port) = parsed.host.split_once(':').unwrap_or((parsed.host, ""));
    if name.is_empty() {
        return Some("the host is missing".to_owned());
    }
    if ["http", "https"].iter().any(|scheme| name.eq_ignore_ascii_case(scheme)) {
        return Some("the scheme is written twice".to_owned());
    }
    // Beyond ASCII, every character is allowed except typographic dashes, dots and slashes, which look like the ASCII
    // ones.
    let plain = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '-' | '_' | '.')
            || (!c.is_ascii() && !('\u{2010}'..='\u{206f}').contains(&c))
    };
    if let Some((at, _)) = name.char_indices().find(|(_, c)| !plain(*c)) {
        return Some(format!("{}, which cannot be in a host", place(url, parsed.host_at + at)));
    }
    let numeric = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && name.contains('.');
    if numeric && name.parse::<Ipv4Addr>().is_err() {
        return Some("the host looks like an IPv4 address but is not one".to_owned());
    }
    let labels = name.strip_suffix('.').unwrap_or(name);
    if labels.split('.').any(str::is_empty) {
        return Some("the host has a \".\" too many".to_owned());
    }
    if labels.len() > 63 && (labels.split('.').any(|label| label.len() > 63) || labels.len() > 253) {
        return Some("a part of the host is longer than DNS allows".to_owned());
    }
    if is_placeholder(name) {
        return Some("the host is a placeholder of some documentation".to_owned());
    }
    port_fault(port)
}

fn is_placeholder(host: &str) -> bool {
    let begins = |label: &str, word: &str| label.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    let may_begin = |label: &str| label.bytes().next().is_some_and(|byte| FIRST >> (byte & 31) & 1 == 1);
    let first = host.split('.').next().unwrap_or_default();
    (first.len() >= 3 && first.bytes().all(|byte| byte.eq_ignore_ascii_case(&b'x')))
        || NOTHING.iter().any(|word| host.eq_ignore_ascii_case(word))
        || host.split('.').any(|label| may_begin(label) && PLACEHOLDERS.iter().any(|word| begins(label, word)))
}

fn port_fault(port: &str) -> Option<String> {
    let in_range = port.is_empty() || port.parse::<u16>().is_ok_and(|port| port > 0);
    (!in_range).then(|| "the port is not from 1 to 65535".to_owned())
}

/// Text that appears in a path only if it was pasted from a template or a document.
fn path(url: &str, parsed: &GoUrl<'_>) -> Option<String> {
    if let Some((at, _)) = parsed.path.char_indices().find(|(_, c)| "\"<>\\^`{|}".contains(*c)) {
        return Some(place(url, parsed.path_at + at));
    }
    let mut lists = parsed.path.bytes().enumerate().filter(|(_, byte)| b",;|".contains(byte));
    if lists.any(|(at, _)| parsed.path[at + 1..].starts_with("http")) {
        return Some("more than one URL".to_owned());
    }
    if let Some(odd) = encoded(parsed.path) {
        return Some(odd);
    }
    // The end of a link in a document, or of a list.
    let link = parsed.path.ends_with(')') && !parsed.path.contains('(');
    if url.ends_with([',', ';']) || (link && url.ends_with(parsed.path)) {
        return Some(format!(
            "{}, the last is {}",
            count(url.chars().count(), "character"),
            name(url.chars().next_back()?)
        ));
    }
    if let Some(odd) = quoted(url) {
        return Some(odd);
    }
    let path = parsed.path.trim_end_matches('/');
    let endpoint = ENDPOINTS.iter().find(|endpoint| path.ends_with(*endpoint))?;
    Some(format!("it ends in \"{endpoint}\", which Coder adds to a base URL itself"))
}

/// White space and invisible characters that an editor or a form has encoded.
fn encoded(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let found =
        decoded.chars().find(|c| is_invisible(*c)).or_else(|| decoded.chars().next_back().filter(|c| *c == ' '))?;
    Some(format!("{} that is percent-encoded in the path", name(found)))
}
