//! Texts to values, in the same words wherever an option takes them.

use std::path::PathBuf;
use std::time::Duration;

use crate::env::nearest;
use crate::provider::redact;

pub const PREFIX: &str = "AI_PROVIDER_SEED_";
/// Sums of durations stay far from overflowing, and no pod waits longer.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text);
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| unknown_word(text, &words.iter().map(|(word, _)| *word).collect::<Vec<_>>()))
}

/// A text is only quoted when it is nearly one of the words: it may be a secret in the wrong place.
pub fn unknown_word(text: &str, words: &[&str]) -> String {
    match nearest(text, words.iter().copied()) {
        Some(meant) => format!("unknown value \"{}\"; did you mean \"{meant}\"?", redact::escape(text)),
        None => format!(
            "unknown value of {}; one of {} is expected",
            redact::count(text.chars().count(), "character"),
            words.join(", ")
        ),
    }
}

pub fn boolean(text: &str) -> Result<bool, String> {
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

/// `120s`, `2m`, `1m 30s`, `500ms`; a bare number is seconds. At most 24 hours.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parsed = if bare { humantime::parse_duration(&format!("{text}s")) } else { humantime::parse_duration(text) };
    match parsed {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => Err("longer than 24 hours".to_owned()),
        Err(_) => Err("not a duration; write for example 120s, 2m or 0".to_owned()),
    }
}

/// A DNS label, as names of namespaces and containers are.
pub fn is_label(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len()) && name.chars().all(plain) && !name.starts_with('-') && !name.ends_with('-')
}

/// A name of up to 253 characters of such labels with dots between them.
pub fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

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
