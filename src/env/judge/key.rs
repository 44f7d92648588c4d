//! Keys and AWS credentials that cannot be valid. A false alarm is worse than a miss, so only forms that no vendor uses
//! are reported.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD as STANDARD_NO_PAD;

use super::ascii_lower;
use super::characters::{is_invisible, name, quoted, spot};
use super::left_behind::{around_a_key, left_behind};
use crate::provider::redact::{count, ordinal};

/// The fault of a credential; the text does not repeat the credential.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// No HTTP header can carry it.
    Unusable(String),
    Suspicious(String),
}

/// Prefixes that people paste before a key, in lower case, and their descriptions.
const IN_FRONT: [(&str, &str); 14] = [
    ("bearer ", "\"Bearer \""),
    ("bearer\t", "\"Bearer\""),
    ("bearer:", "\"Bearer\""),
    ("bearer%20", "\"Bearer\""),
    ("basic ", "\"Basic \""),
    ("token ", "the word \"token\""),
    ("authorization:", "the header \"Authorization\""),
    ("authorization=", "the header \"Authorization\""),
    ("x-api-key:", "the header \"x-api-key\""),
    ("api-key:", "the header \"api-key\""),
    ("x-goog-api-key:", "the header \"x-goog-api-key\""),
    ("anthropic-api-key:", "a header"),
    ("export ", "\"export \""),
    ("-h ", "an option of curl"),
];

/// Words that mark a name before the key: `OPENAI_API_KEY=…`, `api_key: …`.
const NAME_WORDS: [&str; 8] = ["key", "keys", "token", "secret", "password", "apikey", "credential", "credentials"];

/// Paths of key files, pasted instead of the key.
const PATHS: [&str; 7] = ["/run/", "/etc/", "/var/", "/mnt/", "/secrets/", "/home/", "file:"];

/// Beginnings of keys, used to detect a second base64 encoding.
const KEY_BEGINNINGS: [&str; 8] = ["sk-", "sk_", "AIza", "gsk_", "xai-", "AKIA", "ghp_", "Bearer "];

/// Checks a stored bearer key: trimmed, where Coder trims it. `plural`: the variable separates keys by commas, so a key
/// has none.
pub fn bearer(key: &str) -> Option<Fault> {
    if is_plain(key) { plain(key).map(Fault::Suspicious) } else { any(key) }
}

/// Only letters, digits and the usual joining characters: the form of most keys, in which no single character is unusual.
fn is_plain(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The same result as [`any`] for a plain key, with only the checks that can apply. Each check that is left out would be
/// another pass over each of hundreds of keys.
fn plain(key: &str) -> Option<String> {
    let of_words = |lower: &str| {
        let fault = document(key).or_else(|| left_behind(key, lower)).or_else(|| around_a_key(key));
        fault.or_else(|| elsewhere(key, lower)).or_else(|| encoded_twice(key))
    };
    let is_judged = key.len() <= super::LONGEST;
    is_judged.then(|| of_words(&ascii_lower(key))).flatten().or_else(|| aws_id(key))
}

fn any(key: &str) -> Option<Fault> {
    // Go's check of a header value: no control characters except the tab.
    if let Some(spot) = spot(key, |c| (c < ' ' && c != '\t') || c == '\u{7f}') {
        let what = document(key).map(|what| format!(" ({what}?)")).unwrap_or_default();
        return Some(Fault::Unusable(format!("{spot}{what}; no HTTP header can carry that")));
    }
    let fault = common(key).or_else(|| aws_id(key)).or_else(|| separator(key));
    fault.map(Fault::Suspicious)
}

/// Checks an AWS access key id. It and its secret sign requests and appear in no header, so no form of them is unusable.
pub fn access_key(id: &str) -> Option<String> {
    if let Some(spot) = spot(id, char::is_control) {
        return Some(spot);
    }
    if let Some(what) = common(id).or_else(|| separator(id)) {
        return Some(what);
    }
    if let Some(what) = around_an_id(id) {
        return Some(what);
    }
    if id.starts_with("ABSK") || id.starts_with("bedrock-api-key-") {
        return Some("it has the form of a Bedrock API key, not of an access key id".to_owned());
    }
    let aws_like = id.len() >= 16 && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if aws_like && ["AIDA", "AROA", "AGPA", "ANPA", "AIPA", "APKA", "ASCA"].iter().any(|prefix| id.starts_with(prefix))
    {
        return Some("it is the id of a user, role or policy (an access key id begins with AKIA)".to_owned());
    }
    if aws_like && id.starts_with("ASIA") {
        return Some(
            "it is a temporary access key (ASIA…): it needs a session token, and Coder has no place for one".to_owned(),
        );
    }
    if id.starts_with("arn:") {
        return Some("it is an ARN, not an access key id".to_owned());
    }
    None
}

/// Mistakes that show beside one of AWS's own ids. Other services that speak Bedrock's protocol may use any id.
fn around_an_id(id: &str) -> Option<String> {
    let (head, tail) = id.split_once(['=', ':']).unwrap_or((id, ""));
    if is_aws_id(tail.trim_start()) {
        return Some("a name is in front of the access key id".to_owned());
    }
    if is_aws_id(head) && !tail.is_empty() {
        return Some("it holds more than the access key id; the secret goes into a variable of its own".to_owned());
    }
    if id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some("it is the number of an account, not an access key id".to_owned());
    }
    if id.starts_with("sk-") {
        return Some("it has the form of a bearer key, not of an access key id".to_owned());
    }
    let small = id.starts_with("akia") && is_aws_id(&id.to_ascii_uppercase());
    small.then(|| "an access key id is written in capital letters".to_owned())
}

pub fn access_key_secret(secret: &str) -> Option<String> {
    let id = || is_aws_id(secret).then(|| "it has the form of an access key id, not of its secret".to_owned());
    spot(secret, char::is_control).or_else(|| common(secret)).or_else(|| separator(secret)).or_else(id)
}

/// The id has the form of a secret, and the secret has the form of an id.
pub fn are_swapped(id: &str, secret: &str) -> bool {
    is_aws_id(secret) && !is_aws_id(id)
}

fn is_aws_id(text: &str) -> bool {
    text.len() == 20
        && ["AKIA", "ASIA"].iter().any(|prefix| text.starts_with(prefix))
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn aws_id(key: &str) -> Option<String> {
    is_aws_id(key).then(|| {
        "it has the form of an AWS access key id; credentials of Bedrock go into BEDROCK_ACCESS_KEY".to_owned()
    })
}

/// Faults that apply to a credential of any kind.
fn common(key: &str) -> Option<String> {
    if key.len() > super::LONGEST {
        return None;
    }
    let lower = ascii_lower(key);
    let in_front = IN_FRONT.iter().find(|(text, _)| lower.starts_with(text));
    if let Some((_, what)) = in_front {
        return Some(format!("{what} is in front of the key; Coder adds what a header needs"));
    }
    document(key)
        .or_else(|| quoted(key))
        .or_else(|| named(key))
        .or_else(|| spot(key, |c| is_invisible(c) && c != '\t'))
        .or_else(|| bracketed(key))
        .or_else(|| left_behind(key, &lower))
        .or_else(|| around_a_key(key))
        .or_else(|| elsewhere(key, &lower))
        .or_else(|| written_out(key))
        .or_else(|| encoded_twice(key))
        .or_else(|| spot(key, |c| !c.is_ascii()))
}

/// A whole document in place of the key in it.
fn document(key: &str) -> Option<String> {
    if key.starts_with('{') && key.contains('"') {
        return Some("a JSON document, not a key".to_owned());
    }
    if key.starts_with('[') && key.contains('"') {
        return Some("a JSON list; keys are separated by commas, without brackets and quotation marks".to_owned());
    }
    key.starts_with("-----BEGIN").then(|| "a PEM file, not a key".to_owned())
}

/// A name before the key: `OPENAI_API_KEY=sk-…`, `api_key: sk-…`. Base64 ends in `=` and may contain one elsewhere, so
/// the text before it must be a name.
fn named(key: &str) -> Option<String> {
    let (head, tail) = key.split_once(['=', ':'])?;
    let name = head.trim_end();
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-. ".contains(&byte));
    let word = |word: &str| NAME_WORDS.iter().any(|known| word.eq_ignore_ascii_case(known));
    let ends_in_word = name.split(['_', '-', '.', ' ']).next_back().is_some_and(word);
    // AIBRIDGE_PROVIDER_0_KEYS and similar names also end in such a word; `KEY=` alone is enough.
    let is_name = plain && ends_in_word && !tail.trim_matches('=').is_empty();
    let sign = &key[head.len()..=head.len()];
    is_name.then(|| format!("a name and \"{sign}\" are in front of the key"))
}

fn bracketed(key: &str) -> Option<String> {
    let (first, last) = (key.chars().next()?, key.chars().next_back()?);
    let length = || count(key.chars().count(), "character");
    match (first, last) {
        ('<', '>') => Some(format!("{} between \"<\" and \">\", a placeholder of some documentation", length())),
        ('[', ']') | ('(', ')') | ('{', '}') => Some(format!("{}, brackets around them", length())),
        ('[' | '(' | '{' | '<', _) => Some(format!("{}, the first is a bracket", length())),
        (_, ']' | ')' | '}' | '>') => Some(format!("{}, the last is a bracket", length())),
        _ => None,
    }
}

/// Something related to the key: its address, its file, its name.
fn elsewhere(key: &str, lower: &str) -> Option<String> {
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return Some("it is a URL, not a key".to_owned());
    }
    if lower.starts_with("postgres://") || lower.starts_with("postgresql://") {
        return Some("it is a URL of a database, not a key".to_owned());
    }
    if PATHS.iter().any(|path| lower.starts_with(path)) {
        return Some("it is the path of a file, not a key".to_owned());
    }
    let upper_name = key.contains('_')
        && key.starts_with(|c: char| c.is_ascii_uppercase())
        && key.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let ends = ["_KEY", "_KEYS", "_TOKEN", "_SECRET"].iter().any(|end| key.ends_with(end));
    (upper_name && ends).then(|| "it is the name of a variable, not a key".to_owned())
}

/// A line break written as two characters, or a URL escape.
fn written_out(key: &str) -> Option<String> {
    let escapes = key.contains('\\').then_some(["\\n", "\\r", "\\t", "\\\"", "\\u"]);
    for escape in escapes.into_iter().flatten() {
        if let Some(at) = key.find(escape) {
            let place = ordinal(key[..at].chars().count() + 1);
            return Some(format!(
                "{}, the {place} begins a \"{escape}\" that is written out",
                count(key.chars().count(), "character")
            ));
        }
    }
    ["%0a", "%0d", "%20"]
        .iter()
        .find(|escape| key.get(key.len().wrapping_sub(3)..).is_some_and(|end| end.eq_ignore_ascii_case(escape)))
        .map(|escape| format!("it ends in \"{escape}\", an encoded line break or space"))
}

/// A manifest's `data` holds base64 of the key; a base64 value in `stringData`, or one that was encoded by hand first,
/// stays encoded.
fn encoded_twice(key: &str) -> Option<String> {
    if !(12..=4096).contains(&key.len()) {
        return None;
    }
    let text = String::from_utf8(STANDARD_NO_PAD.decode(key.trim_end_matches('=')).ok()?).ok()?;
    let plain = text.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let of_key = KEY_BEGINNINGS.iter().any(|start| text.starts_with(start));
    (plain && of_key).then(|| "it is base64 of a key: it was encoded once too often".to_owned())
}

/// A character that separates keys in a list, or that was meant to.
fn separator(key: &str) -> Option<String> {
    let (at, found) = key.chars().enumerate().find(|(_, c)| matches!(c, ',' | ';') || c.is_whitespace())?;
    let length = key.chars().count();
    let place_is_end = at == 0 || at + 1 == length;
    let (length, place) = (count(length, "character"), ordinal(at + 1));
    let advice = match found {
        ',' => "several keys go into the variable that ends in KEYS",
        _ if place_is_end => "it is not part of a key",
        _ => "keys are separated by commas alone",
    };
    Some(format!("{length}, the {place} is {}: {advice}", name(found)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Fault, any, is_plain, plain};

    const WORDS: [&str; 16] = [
        "sk-",
        "sk-ant-api03-",
        "AIza",
        "gsk_",
        "AKIA0123456789ABCDEF",
        "-----BEGIN",
        "bearer",
        "REDACTED",
        "your_api_key",
        "change-me",
        "xxxxxxxx",
        "...",
        "null",
        "OPENAI_API_KEY",
        "c2stMDEyMzQ1Njc4OQ",
        "_",
    ];

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![prop::sample::select(&WORDS[..]).prop_map(str::to_owned), "[a-zA-Z0-9_.-]{0,40}"]
    }

    proptest! {
        /// The fast path gives the same result.
        #[test]
        fn plain_key_is_judged_as_any_other(pieces in prop::collection::vec(piece(), 0..4)) {
            let key = pieces.concat();
            prop_assert!(is_plain(&key), "{}", key);
            prop_assert_eq!(plain(&key).map(Fault::Suspicious), any(&key), "{}", key);
        }
    }
}
