//! What may be shown of a value. Everything that reaches a screen, a log, a status or the termination message goes through here.
//!
//! Shown are: an absolute http(s) URL with user info, query values and fragment replaced by `***`; a region of AWS's form;
//! a known type. Anything else is shown as its length, since people put keys into the wrong variable.

use std::fmt::Write;
use std::str::FromStr;

use serde::Serialize;

use super::{Origin, ProviderType};

/// The most characters of one value that are shown; longer ones end in `…`.
const LIMIT: usize = 1024;
/// The same for a variable's name.
const NAME_LIMIT: usize = 160;

/// A value as it may be shown. In JSON it is its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    pub text: String,
    /// The text is the value itself: nothing was masked, hidden, escaped or cut. Only then may it be offered as a value to set.
    pub exact: bool,
}

impl Redacted {
    /// The value itself, if that is what is shown.
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

fn show(value: &str, origin: Option<&Origin>, safe: impl Fn(&str) -> Option<String>) -> Redacted {
    let from_secret = origin.is_some_and(|origin| origin.source.is_secret());
    let text = match value {
        "" => String::new(),
        _ if from_secret => length(value),
        _ => safe(value).unwrap_or_else(|| length(value)),
    };
    Redacted { exact: text == value, text }
}

/// Only how long it is.
pub fn hidden(value: &str) -> Redacted {
    show(value, None, |_| None)
}

/// The text that replaces a value that is not shown.
fn length(value: &str) -> String {
    match value.chars().count() {
        1 => "1 character, not shown".to_owned(),
        count => format!("{count} characters, not shown"),
    }
}

/// The URL as written, but for what may be secret in it. `None`: not an absolute http or https URL.
fn masked_url(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    // What the URL standard would forgive or read differently than it looks is not taken apart here.
    if rest.starts_with('/') || value.chars().any(|c| c == '\\' || c.is_whitespace() || c.is_control()) {
        return None;
    }
    url::Url::parse(value).ok()?.host_str().filter(|host| !host.is_empty())?;
    let (rest, fragment) = split_keeping(rest, '#');
    let (rest, query) = split_keeping(rest, '?');
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // An `@` behind the authority may end a password that has an unescaped `/`, `?` or `#` in it. In a path behind a plain
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
        // A name without a value may be the secret itself.
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

/// A text that came from outside and is needed in a message, such as the name of a variable.
pub fn name(text: &str) -> String {
    truncate_chars(&escape(text), NAME_LIMIT)
}

/// A name of Postgres, if it has the form of one: people put passwords into the wrong place.
pub fn plain_identifier(name: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (starts_well && name.len() <= 63 && name.chars().all(plain)).then_some(name)
}

/// A role, schema or database as it is written in SQL, in quotes where it needs them: `"me@example.com"`.
pub fn identifier(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if text.bytes().all(plain) && !text.starts_with(|c: char| c.is_ascii_digit()) && !text.is_empty() {
        return text.to_owned();
    }
    format!("\"{}\"", name(text).replace('"', "\"\""))
}

/// Everything but printable ASCII as `\u{…}`: no control sequence and no bidirectional override reaches a terminal, and a
/// letter of another script does not pass for the one it looks like.
pub fn escape(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
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

/// At most `limit` characters, the last one `…` if something was left out.
pub fn truncate_chars(text: &str, limit: usize) -> String {
    if text.len() <= limit || text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

/// The three in a row within so many bytes: the middle gives way, on a character boundary.
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::provider::Source;

    #[test]
    fn urls_keep_what_an_operator_needs() {
        for (value, shown) in [
            ("https://api.openai.com/v1/", "https://api.openai.com/v1/"),
            ("HTTPS://Api.OpenAI.com:443/V1", "HTTPS://Api.OpenAI.com:443/V1"),
            ("http://user:secret@host/v1", "http://***@host/v1"),
            ("http://sec@ret:p@host", "http://***@host"),
            ("https://host/v1?api-version=2024&key=secret", "https://host/v1?api-version=***&key=***"),
            ("https://host/?secret", "https://host/?***"),
            ("https://host/v1#secret", "https://host/v1#***"),
            ("https://host/v1?", "https://host/v1?"),
            ("https://ai.example/models/claude@2025", "https://ai.example/models/claude@2025"),
            ("https://ai.example:8443/v1", "https://ai.example:8443/v1"),
            ("https://xn--e1afmkfd.example/я", "https://xn--e1afmkfd.example/\\u{44f}"),
        ] {
            let redacted = base_url(value, None);
            assert_eq!(redacted.text, shown);
            assert_eq!(redacted.exact, value == shown, "{value}");
        }
    }

    #[test]
    fn invalid_url_is_shown_as_a_length() {
        for value in [
            "sk-secret-in-the-wrong-place",
            "//host/secret",
            "https:///user:secret@host",
            "https:\\\\user:secret@host",
            "https://user:pa/ss@host/",
            "https://user:12/secret@host/",
            "https://user.name:12/secret@host/",
            "https://user/secret@host/",
            "https://user:pass@wo/rd@host/",
            "https://token#more@host/",
            "https://token?more@host/",
            "ftp://user:secret@host",
            "https://host/a b",
            "https://",
            "https://host\u{1b}[31m",
            "javascript://host/secret",
        ] {
            let redacted = base_url(value, None);
            assert_eq!(redacted.text, format!("{} characters, not shown", value.chars().count()), "{value}");
            assert!(!redacted.exact, "{value}");
        }
        assert_eq!(base_url("", None), Redacted { text: String::new(), exact: true });
        assert_eq!(kind("sk-1", None).text, "4 characters, not shown");
        assert_eq!(kind("azure", None).exact(), Some("azure"));
    }

    #[test]
    fn regions() {
        for value in ["us-east-1", "us-gov-west-1", "eusc-de-east-1", "ap-southeast-5", "us-iso-east-1"] {
            assert_eq!(region(value, None).exact(), Some(value));
        }
        for value in
            ["us-east", "US-EAST-1", "us_east_1", "AKIA1234", "us-east-123", "x-y-1", "wjalr-xutnfemi-k7mdeng-1x"]
        {
            assert_eq!(region(value, None).text, format!("{} characters, not shown", value.len()));
        }
    }

    #[test]
    fn a_value_from_a_secret_is_not_shown() {
        let origin = Origin::set("X", Source::Secret { name: "coder-ai".into(), key: "url".into() });
        assert_eq!(base_url("https://host/", Some(&origin)).text, "13 characters, not shown");
        assert_eq!(region("us-east-1", Some(&origin)).text, "9 characters, not shown");
        assert_eq!(kind("openai", Some(&origin)).text, "6 characters, not shown");
        assert!(!kind("openai", Some(&origin)).exact);
    }

    #[test]
    fn identifiers_are_quoted_where_sql_needs_it() {
        for (text, shown) in [
            ("coder_2", "coder_2"),
            ("2coder", "\"2coder\""),
            ("Coder", "\"Coder\""),
            ("co-der", "\"co-der\""),
            ("me@example.com", "\"me@example.com\""),
            ("a\"b", "\"a\"\"b\""),
            ("", "\"\""),
        ] {
            assert_eq!(identifier(text), shown);
        }
    }

    #[test]
    fn only_a_value_that_is_shown_whole_is_exact() {
        let long = format!("https://host.example/{}", "a".repeat(1100));
        for value in [
            long.as_str(),
            "https://host.example/\u{202e}gpj",
            "https://host.example/\u{430}",
            "https://user:secret@host.example/",
            "https://host.example/?key=secret",
            "sk-secret",
        ] {
            assert_eq!(base_url(value, None).exact(), None, "{value}");
        }
        assert_eq!(base_url(&long[..1000], None).exact(), Some(&long[..1000]));
        assert_eq!(serde_json::to_string(&region("us-east-1", None)).unwrap(), "\"us-east-1\"");
    }

    #[test]
    fn texts_are_cut_by_characters() {
        for (text, limit, shown) in [("äöü", 3, "äöü"), ("äöüß", 3, "äö…"), ("abc", 3, "abc"), ("abcd", 3, "ab…")]
        {
            assert_eq!(truncate_chars(text, limit), shown);
        }
        // What is printable stays as it is beside what is not.
        assert_eq!(escape("it's \\ \"x\"\n"), "it's \\ \"x\"\\n");
    }

    #[test]
    fn names_are_escaped_and_cut() {
        assert_eq!(name("A\u{202e}B\u{1b}[0m\n"), "A\\u{202e}B\\u{1b}[0m\\n");
        assert_eq!(name(&"é".repeat(500)).chars().count(), NAME_LIMIT);
        assert_eq!(ordinal(1), "1st");
        for (number, shown) in [(2, "2nd"), (3, "3rd"), (11, "11th"), (13, "13th"), (22, "22nd"), (111, "111th")] {
            assert_eq!(ordinal(number), shown);
        }
        assert_eq!(ordinal(12), "12th");
        assert_eq!(ordinal(23), "23rd");
    }

    proptest! {
        #[test]
        fn nothing_but_printable_ascii_is_shown(value in any::<String>()) {
            let shown = base_url(&value, None).text;
            prop_assert!(shown.chars().all(|c| matches!(c, ' '..='~' | '…')));
        }

        #[test]
        fn user_info_query_values_and_fragment_are_not_shown(
            user in "[a-z]{0,3}", secret in "CANARY[A-Za-z0-9+/=@:#?&.-]{0,12}", tail in "[a-z/]{0,6}", place in 0..4,
        ) {
            let value = match place {
                0 => format!("https://{user}:{secret}@host.example/{tail}"),
                1 => format!("https://{}@host.example/{tail}", secret.replace('/', "")),
                2 => format!("https://host.example/{tail}?k={}", secret.replace(['&', '#'], "")),
                _ => format!("https://host.example/{tail}#{secret}"),
            };
            let shown = base_url(&value, None).text;
            prop_assert!(!shown.contains("CANARY"), "{}", shown);
        }
    }
}
