//! Parses option values, with the same messages for every option.

use std::path::PathBuf;
use std::time::Duration;

use crate::env::nearest;
use crate::provider::redact;

pub const PREFIX: &str = "AI_PROVIDER_SEED_";
/// Sums of durations stay far from overflow, and no pod waits longer.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text);
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| unknown_word(text, &words.iter().map(|(word, _)| *word).collect::<Vec<_>>()))
}

/// The text is quoted only if it is close to a valid word: it may be a misplaced secret.
pub fn unknown_word(text: &str, words: &[&str]) -> String {
    let meant = |text: &str| words.iter().find(|word| word.eq_ignore_ascii_case(text));
    if text.trim() != text
        && let Some(meant) = meant(text.trim())
    {
        return format!("white space around \"{meant}\"; write {meant} alone");
    }
    if let Some(meant) = meant(text) {
        return format!("unknown value \"{text}\"; did you mean \"{meant}\"?");
    }
    match nearest(text, words.iter().copied()) {
        Some(meant) => format!("unknown value \"{}\"; did you mean \"{meant}\"?", redact::escape(text)),
        None => format!(
            "unknown value of {}; one of {} is expected",
            redact::count(text.chars().count(), "character"),
            words.join(", ")
        ),
    }
}

/// Words from other programs that no option here accepts, and their meaning.
const SYNONYMS: [(&str, &str); 8] = [
    ("on", "true"),
    ("y", "true"),
    ("t", "true"),
    ("enabled", "true"),
    ("off", "false"),
    ("n", "false"),
    ("f", "false"),
    ("disabled", "false"),
];

pub fn boolean(text: &str) -> Result<bool, String> {
    if let Some((_, meant)) = SYNONYMS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim())) {
        return Err(format!("unknown value \"{}\"; did you mean \"{meant}\"?", text.trim()));
    }
    word(text, &[("true", true), ("false", false), ("1", true), ("0", false), ("yes", true), ("no", false)])
}

pub fn level(text: &str) -> Result<tracing::Level, String> {
    use tracing::Level;
    let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
    word(text, &["error", "warn", "info", "debug", "trace"].into_iter().zip(levels).collect::<Vec<_>>())
}

pub fn path(text: &str) -> Result<Option<PathBuf>, String> {
    Ok(Some(text).filter(|text| !text.is_empty()).map(PathBuf::from))
}

/// `120s`, `2m`, `1m 30s`, `500ms`; a number without a unit is in seconds. At most 24 hours.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parsed = if bare { humantime::parse_duration(&format!("{text}s")) } else { humantime::parse_duration(text) };
    match parsed {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => Err("longer than 24 hours".to_owned()),
        Err(_) => Err("not a duration; write for example 120s, 2m or 0".to_owned()),
    }
}

/// A DNS label, the form of namespace and container names.
pub fn is_label(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len()) && name.chars().all(plain) && !name.starts_with('-') && !name.ends_with('-')
}

/// A name of at most 253 characters: such labels with dots between them.
pub fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_of_a_word_is_named_with_its_meaning() {
        for (text, said) in [
            ("on", "did you mean \"true\"?"),
            ("OFF", "did you mean \"false\"?"),
            ("TRUE", "did you mean \"true\"?"),
            (" yes", "white space around \"yes\"; write yes alone"),
            ("ture", "did you mean \"true\"?"),
            ("sk-1", "unknown value of 4 characters; one of true, false, 1, 0, yes, no is expected"),
        ] {
            let error = boolean(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        let words = [("warn", 1), ("fail", 2)];
        assert_eq!(word("fail\n", &words).unwrap_err(), "white space around \"fail\"; write fail alone");
        assert_eq!(word("fial", &words).unwrap_err(), "unknown value \"fial\"; did you mean \"fail\"?");
    }

    #[test]
    fn durations() {
        for (text, seconds) in [("0", 0), ("120", 120), ("2m", 120), ("1m 30s", 90), ("1m30s", 90), ("24h", 86400)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "-1", "25h", "soon", "1 fortnight", "99999999999999999999"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
