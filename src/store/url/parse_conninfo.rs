//! `key=value` lists as lib/pq and libpq read them, and the `-c name=value` of the parameter `options`.

use super::params::MAX_PARAMETERS;

/// Why a list cannot be read, without any of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    NoEquals,
    Quote,
    Backslash,
    Nul,
}

/// Pairs in the order of the list; a later pair replaces an earlier one of the same name.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, Fault> {
    if text.contains('\0') {
        return Err(Fault::Nul);
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        // Too many pairs are refused by their number.
        if pairs.len() > MAX_PARAMETERS {
            return Ok(pairs);
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let mut name = String::new();
        while let Some(c) = chars.next_if(|c| !c.is_whitespace() && *c != '=') {
            name.push(c);
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        match chars.next() {
            None if name.is_empty() => return Ok(pairs),
            Some('=') => {}
            _ => return Err(Fault::NoEquals),
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let mut value = String::new();
        if chars.next_if_eq(&'\'').is_some() {
            loop {
                match chars.next().ok_or(Fault::Quote)? {
                    '\'' => break,
                    '\\' => value.push(chars.next().ok_or(Fault::Quote)?),
                    c => value.push(c),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
                value.push(if c == '\\' { chars.next().ok_or(Fault::Backslash)? } else { c });
            }
        }
        pairs.retain(|(known, _)| *known != name);
        pairs.push((name, value));
    }
}

/// Splits `-c a=b --c-d=e` as the server does. `None` if it contains anything but settings.
pub(super) fn settings(options: &str) -> Option<Vec<(String, String)>> {
    let mut words = words(options).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = if word == "-c" {
            words.next()?
        } else {
            word.strip_prefix("--").or_else(|| word.strip_prefix("-c"))?.to_owned()
        };
        let (name, value) = setting.split_once('=')?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Some(settings)
}

/// Words between white space; a backslash keeps the next character.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            words.extend(word.take());
        } else {
            let kept = if c == '\\' { chars.next() } else { Some(c) };
            word.get_or_insert_default().extend(kept);
        }
    }
    words.extend(word);
    words
}
