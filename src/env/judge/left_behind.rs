//! Text that was pasted in place of a key or around it: placeholders from documentation, masks, a second key.

use std::borrow::Cow;

use super::characters::name;
use super::words::{JOINTS, Words};
use crate::provider::redact::count;

/// Whole values that a template, an editor or a person left in place of a key.
const LEFT_BEHIND: [&str; 33] = [
    "null",
    "~",
    "|",
    ">",
    "-",
    "--",
    "?",
    "$",
    "%s",
    "%v",
    "true",
    "false",
    "bearer",
    "api-key",
    "apikey",
    "my-key",
    "mykey",
    "some-key",
    "replace",
    "set-me",
    "setme",
    "fill-me",
    "nil",
    "undefined",
    "nan",
    "todo",
    "tbd",
    "fixme",
    "[object object]",
    "redacted",
    "[redacted]",
    "***",
    "...",
];

/// Bytes of the longest one after a `sk-`, or a few more.
const LONGEST_LEFT_BEHIND: usize = 24;

/// Parts of a value that tell the reader to replace it, words joined by `-`.
const PLACEHOLDER_WORDS: [&str; 37] = [
    "replace-me",
    "replaceme",
    "replace-this",
    "replace-with",
    "change-me",
    "changeme",
    "change-this",
    "your-api-key",
    "your-key",
    "your-openai",
    "your-anthropic",
    "your-azure",
    "your-token",
    "your-secret",
    "your-real",
    "your-actual",
    "yourapikey",
    "your-access-key",
    "insert-your",
    "insert-key",
    "insert-api",
    "enter-your",
    "put-your",
    "paste-your",
    "add-your",
    "key-here",
    "token-here",
    "fill-me-in",
    "fill-in-",
    "my-api-key",
    "myapikey",
    "my-openai",
    "my-secret-key",
    "set-me-",
    "change-it",
    "placeholder",
    "redacted",
];

/// Masks in place of hidden characters. No random key has eight equal letters in a row.
const MASK_WORDS: [&str; 4] = ["***", "•••", "xxxxxxxx", "XXXXXXXX"];

const NUMBERS: [usize; 2] = [PLACEHOLDER_WORDS.len(), MASK_WORDS.len()];
static PLACEHOLDERS: Words<{ NUMBERS[0] }> = Words::new(PLACEHOLDER_WORDS);
static MASKS: Words<{ NUMBERS[1] }> = Words::new(MASK_WORDS);
/// Both. Almost no key has any of them, and one pass proves it.
static TRACES: Words<{ NUMBERS[0] + NUMBERS[1] }> = {
    let (mut words, mut at) = ([""; NUMBERS[0] + NUMBERS[1]], 0);
    while at < words.len() {
        words[at] = if at < NUMBERS[0] { PLACEHOLDER_WORDS[at] } else { MASK_WORDS[at - NUMBERS[0]] };
        at += 1;
    }
    Words::new(words)
};

/// Characters that join two keys, which a comma should separate.
fn joins_keys(byte: u8) -> bool {
    matches!(byte, b'|' | b':' | b'/' | b'&' | b'+')
}

/// Beginnings of vendors' keys that otherwise contain only letters, digits, `-` and `_`; longest first.
const VENDOR_BEGINNINGS: [&str; 14] = [
    "sk-ant-api03-",
    "sk-svcacct-",
    "sk-or-v1-",
    "sk-proj-",
    "sk-ant-",
    "sk-",
    "AIzaSy",
    "AIza",
    "nvapi-",
    "pplx-",
    "gsk_",
    "xai-",
    "hf_",
    "r8_",
];

/// A placeholder, a mask or a shortened key. `lower` is the key in lower case.
pub fn left_behind(key: &str, lower: &str) -> Option<String> {
    let start = |beginning: &&&str| {
        let may_begin =
            lower.as_bytes().first().is_some_and(|first| first.eq_ignore_ascii_case(&beginning.as_bytes()[0]));
        may_begin && lower.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning))
    };
    let beginning = VENDOR_BEGINNINGS.iter().find(start).copied();
    let bare = &lower[beginning.unwrap_or_default().len()..];
    let has_trace = TRACES.any_joined_in(lower);
    if is_left_behind(lower) || is_filler(bare) || (has_trace && PLACEHOLDERS.any_joined_in(lower)) {
        return Some("it is a placeholder, not a key".to_owned());
    }
    if beginning.is_some() && bare.is_empty() {
        return Some("it is the beginning of a key alone".to_owned());
    }
    let dots = lower.ends_with('…') || (beginning.is_some() && lower.contains('.') && lower.contains("..."));
    (dots || (has_trace && MASKS.any_in(key))).then(|| "it is a shortened or masked key".to_owned())
}

/// One of [`LEFT_BEHIND`], or text that begins with `todo`. A random key may contain so short a word by chance elsewhere.
fn is_left_behind(lower: &str) -> bool {
    // Only the beginning can decide.
    let (beginning, rest) = lower.split_at(lower.floor_char_boundary(LONGEST_LEFT_BEHIND));
    let joined = joined(beginning);
    let whole = joined.strip_prefix("sk-").unwrap_or(&joined);
    // Almost every key has a digit, and none of the words has.
    let may_be_word = || rest.is_empty() && !lower.bytes().any(|byte| byte.is_ascii_digit());
    let is_word = || [lower, whole].into_iter().any(|text| LEFT_BEHIND.contains(&text));
    whole.starts_with("todo-") || (may_be_word() && is_word())
}

/// With `-` for whatever else joins words.
fn joined(lower: &str) -> Cow<'_, str> {
    let joint = JOINTS.map(char::from);
    if lower.contains(joint) { Cow::Owned(lower.replace(joint, "-")) } else { Cow::Borrowed(lower) }
}

/// One repeated character: `xxx`, `****`, `00000000`.
fn is_filler(text: &str) -> bool {
    let first = text.chars().next();
    let least = if first.is_some_and(|c| "x*.-_?#•…".contains(c)) { 3 } else { 8 };
    text.chars().all(|c| Some(c) == first) && text.chars().count() >= least
}

/// Text that was copied along with a key of a known vendor, or a second key without a comma.
pub fn around_a_key(key: &str) -> Option<String> {
    let length = || count(key.chars().count(), "character");
    let bare = key.trim_start_matches(|c: char| c.is_ascii_punctuation());
    let start = |text: &str| VENDOR_BEGINNINGS.iter().find(|beginning| text.starts_with(**beginning)).copied();
    // Base64 may begin with these characters and then continue like a key by chance.
    let least = if key.starts_with(['+', '/', '=', '_', '.', '~', '-']) { 7 } else { 0 };
    if let Some(first) = key.chars().next().filter(|_| bare.len() < key.len())
        && start(bare).is_some_and(|beginning| beginning.len() >= least)
    {
        return Some(format!("{}, the first is {}, before the beginning of a key", length(), name(first)));
    }
    if key.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("bearer")) && start(&key[6..]).is_some() {
        return Some("\"Bearer\" is in front of the key; Coder adds what a header needs".to_owned());
    }
    let beginning = start(key)?;
    let joined = key.bytes().enumerate().any(|(at, byte)| joins_keys(byte) && key[at + 1..].starts_with(beginning));
    if joined || (beginning.len() >= 7 && key[beginning.len()..].contains(beginning)) {
        return Some("two keys in one; keys are separated by commas, in the variable that ends in KEYS".to_owned());
    }
    // A shell prints `%` for a missing line break and `\` before a continued line; people copy it with the key.
    let last = key.chars().next_back().filter(|last| ['%', '\\'].contains(last))?;
    Some(format!("{}, the last is {}, which ends no key of this vendor", length(), name(last)))
}

#[cfg(test)]
mod tests {
    use super::{LEFT_BEHIND, LONGEST_LEFT_BEHIND};

    #[test]
    fn no_word_that_is_left_behind_has_a_digit_or_is_long() {
        for word in LEFT_BEHIND {
            assert!(!word.contains(|c: char| c.is_ascii_digit()), "{word}");
            assert!(word.len() + "sk-".len() <= LONGEST_LEFT_BEHIND, "{word}");
        }
    }
}
