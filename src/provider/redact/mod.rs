//! Decides how a value may be shown. Every value for a screen, a log, a status or the termination message passes through
//! here.
//!
//! These values are shown: an absolute http(s) URL with user info, query values and fragment replaced by `***`; a region
//! or a model of AWS's form; a known type. For any other value only the length is shown, since people put keys into the
//! wrong variable.

use std::fmt::Write;
use std::str::FromStr;

use serde::Serialize;

use super::kind::ProviderType;
use super::origin::Origin;
use super::protocol::{INVOKE_MODEL, MANTLE};

mod key_form;

/// The most characters of a value that are shown; longer values end in `…`.
const LIMIT: usize = 1024;
/// The same limit for a variable's name.
const NAME_LIMIT: usize = 160;

/// The form of a value that may be shown. JSON contains its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    pub text: String,
    /// The text is the value itself: nothing was masked, hidden, escaped or cut. Only an exact text may be suggested as a
    /// value.
    pub exact: bool,
}

impl Redacted {
    /// The value itself, if it is shown unchanged.
    pub fn exact(&self) -> Option<&str> {
        self.exact.then_some(self.text.as_str())
    }
}

impl Serialize for Redacted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl std::fmt::Display for Redacted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

pub fn base_url(value: &str, origin: Option<&Origin>) -> Redacted {
    show(value, origin, |value| masked_url(value).map(|url| truncate_chars(&url, LIMIT)))
}

pub fn region(value: &str, origin: Option<&Origin>) -> Redacted {
    show(value, origin, |value| is_region(value).then(|| value.to_owned()))
}

pub fn kind(value: &str, origin: Option<&Origin>) -> Redacted {
    show(value, origin, |value| ProviderType::from_str(value).ok().map(|kind| kind.as_str().to_owned()))
}

/// A model id or an ARN of Amazon Bedrock.
pub fn model(value: &str, origin: Option<&Origin>) -> Redacted {
    show(value, origin, |value| (is_model(value) || is_bedrock_arn(value)).then(|| value.to_owned()))
}

pub fn boolean(value: &str, origin: Option<&Origin>) -> Redacted {
    show(value, origin, |value| ["true", "false"].contains(&value).then(|| value.to_owned()))
}

pub fn protocol(value: &str, origin: Option<&Origin>) -> Redacted {
    show(value, origin, |value| [INVOKE_MODEL, MANTLE].contains(&value).then(|| value.to_owned()))
}

/// An AWS identity is not secret.
pub fn role_arn(value: &str, origin: Option<&Origin>) -> Redacted {
    show(value, origin, |value| is_role_arn(value).then(|| value.to_owned()))
}

/// `arn:aws:iam::123456789012:role/coder`
fn is_role_arn(value: &str) -> bool {
    let parts: Vec<&str> = value.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else { return false };
    let Some(path) = resource.strip_prefix("role/") else { return false };
    let of_path = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_/-".contains(&b);
    partition.starts_with("aws")
        && partition.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        && account.len() == 12
        && is_account(account)
        && (1..=576).contains(&path.len())
        && path.bytes().all(of_path)
}

/// The form of Coder's external ids: 128 random bits in base32.
pub fn external_id(text: &str) -> Option<&str> {
    (text.len() == 26 && text.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'))).then_some(text)
}

/// For a field whose text is never shown.
pub fn length_only(value: &str, origin: Option<&Origin>) -> Redacted {
    show(value, origin, |_| None)
}

/// `global.anthropic.claude-sonnet-4-5-20250929-v1:0`: lower case with a vendor's name, a form that no credential has.
fn is_model(value: &str) -> bool {
    let letters =
        value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':'));
    letters && value.len() <= 128 && ["anthropic.", "amazon."].iter().any(|vendor| value.contains(vendor))
}

/// `arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefgh1234`
fn is_bedrock_arn(value: &str) -> bool {
    let parts: Vec<&str> = value.splitn(6, ':').collect();
    let ["arn", partition, "bedrock", region, account, resource] = parts[..] else { return false };
    let Some((kind, id)) = resource.split_once('/') else { return false };
    let small = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'-'));
    let of_id = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':');
    partition.starts_with("aws")
        && small(partition)
        && is_region(region)
        && is_account(account)
        && small(kind)
        && (1..=128).contains(&id.len())
        && id.bytes().all(of_id)
}

/// Empty for a resource that Amazon itself owns.
fn is_account(text: &str) -> bool {
    text.is_empty() || (text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()))
}

fn show(value: &str, origin: Option<&Origin>, safe: impl Fn(&str) -> Option<String>) -> Redacted {
    let from_secret = origin.is_some_and(|origin| origin.source.is_secret());
    let text = match value {
        "" => String::new(),
        _ if from_secret => length(value),
        _ => safe(value).unwrap_or_else(|| length(value)),
    };
    Redacted { exact: text == value, text }
}

/// The text that replaces a hidden value.
fn length(value: &str) -> String {
    match value.chars().count() {
        1 => "1 character, not shown".to_owned(),
        count => format!("{count} characters, not shown"),
    }
}

/// The URL as written, except for parts that may be secret. `None`: not an absolute http or https URL.
fn masked_url(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    // A URL that the URL standard would correct, or read differently from its appearance, is not shown at all.
    if rest.starts_with('/') || value.chars().any(|c| c == '\\' || c.is_whitespace() || c.is_control()) {
        return None;
    }
    url::Url::parse(value).ok()?.host_str().filter(|host| !host.is_empty())?;
    let (rest, fragment) = split_keeping(rest, '#');
    let (rest, query) = split_keeping(rest, '?');
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // An `@` after the authority may end a password that contains an unescaped `/`, `?` or `#`. In a path after a plain
    // host name it is common (`/models/claude@2025`).
    let later_at = |text: Option<&str>| text.is_some_and(|text| text.contains('@'));
    let plain_host = authority.contains('.') && !authority.contains([':', '@']);
    if later_at(query) || later_at(fragment) || (path.contains('@') && !plain_host) {
        return None;
    }
    let host = match authority.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => authority.to_owned(),
    };
    let mut shown = format!("{scheme}://{host}{path}");
    if let Some(query) = query {
        let masked: Vec<String> = query.split('&').map(mask_pair).collect();
        let _ = write!(shown, "?{}", masked.join("&"));
    }
    if fragment.is_some_and(|fragment| !fragment.is_empty()) {
        shown.push_str("#***");
    }
    Some(escape(&shown))
}

fn split_keeping(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn mask_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((_, "")) | None if pair.is_empty() => String::new(),
        // A query name without a value may itself be the secret.
        None => "***".to_owned(),
        Some((name, _)) => format!("{name}=***"),
    }
}

/// `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`.
fn is_region(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    (2..=4).contains(&words.len())
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
        && words.iter().all(|w| (2..=12).contains(&w.len()) && w.bytes().all(|b| b.is_ascii_lowercase()))
}

/// A text from outside that a message needs, such as the name of a variable or a path. `***` replaces any part with the
/// form of a key: people write keys where a name belongs.
pub fn name(text: &str) -> String {
    cut_name(&key_form::masked(text))
}

/// The name of a provider, shown whole: Coder accepts it, and it distinguishes the provider from all others.
pub fn provider(text: &str) -> String {
    cut_name(text)
}

/// As [`name`], for the words of a command to copy: without a length limit.
#[cfg(feature = "controller")]
pub fn in_command(text: &str) -> String {
    escape(&key_form::masked(text))
}

fn cut_name(text: &str) -> String {
    // The fast path: almost every name is shown unchanged, and a hundred providers have hundreds.
    if text.len() <= NAME_LIMIT && is_printable(text) {
        return text.to_owned();
    }
    truncate_chars(&escape(text), NAME_LIMIT)
}

/// The name of a database; only its length if it contains more than a name: a second URL or parameter may have a
/// password.
pub fn database(text: &str) -> String {
    let more = |c: char| c.is_whitespace() || matches!(c, '=' | '@' | ':' | ';' | ',');
    if text.contains(more) { format!("of {}", count(text.chars().count(), "character")) } else { name(text) }
}

/// The name of a Postgres object, if it has that form: people put passwords into the wrong place.
pub fn plain_identifier(name: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (starts_well && name.len() <= 63 && name.chars().all(plain)).then_some(name)
}

/// A role, schema or database in SQL syntax, quoted where necessary: `"me@example.com"`.
pub fn identifier(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if text.bytes().all(plain) && !text.starts_with(|c: char| c.is_ascii_digit()) && !text.is_empty() {
        return name(text);
    }
    format!("\"{}\"", name(text).replace('"', "\"\""))
}

/// Replaces everything but printable ASCII by `\u{…}`, so no control sequence or bidirectional override reaches a
/// terminal, and no letter of another script passes for a similar one.
pub fn escape(text: &str) -> String {
    if is_printable(text) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            ' '..='~' => escaped.push(character),
            _ => escaped.extend(character.escape_default()),
        }
    }
    escaped
}

/// Whether the text is printable ASCII only.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// At most `limit` characters; the last one is `…` if the text was cut.
pub fn truncate_chars(text: &str, limit: usize) -> String {
    if text.len() <= limit || text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

/// Joins the three texts within `limit` bytes by shortening the middle one at a character boundary.
pub fn fit_bytes(head: &str, middle: &str, tail: &str, limit: usize) -> String {
    let room = limit.saturating_sub(head.len() + tail.len());
    if middle.len() <= room {
        return format!("{head}{middle}{tail}");
    }
    let cut = middle.floor_char_boundary(room.saturating_sub('…'.len_utf8()));
    format!("{head}{}…{tail}", &middle[..cut])
}

/// `1st`, `2nd`, `3rd`, `4th`.
pub fn ordinal(number: usize) -> String {
    let suffix = match (number % 10, number % 100) {
        (1, n) if n != 11 => "st",
        (2, n) if n != 12 => "nd",
        (3, n) if n != 13 => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

/// `1 key`, `2 keys`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests;
