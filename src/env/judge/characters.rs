//! Describes unusual characters of a value without repeating the value.

use crate::provider::redact::{count, ordinal};

/// Names of characters that people do not see or that look like another one.
const NAMES: [(char, &str); 46] = [
    ('\n', "a line break"),
    ('\r', "a carriage return"),
    ('\t', "a tab"),
    (' ', "a space"),
    ('\0', "a NUL character"),
    ('\u{8}', "a backspace"),
    ('\u{b}', "a vertical tab"),
    ('\u{c}', "a form feed"),
    ('\u{1b}', "an escape character"),
    ('\u{7f}', "a DEL character"),
    ('\u{85}', "a line break (U+0085)"),
    ('\u{a0}', "a no-break space"),
    ('\u{ad}', "a soft hyphen"),
    ('\u{200b}', "a zero-width space"),
    ('\u{200c}', "a zero-width non-joiner"),
    ('\u{200d}', "a zero-width joiner"),
    ('\u{200e}', "a left-to-right mark"),
    ('\u{200f}', "a right-to-left mark"),
    ('\u{2007}', "a figure space"),
    ('\u{2009}', "a thin space"),
    ('\u{2010}', "a hyphen of another kind (U+2010)"),
    ('\u{2011}', "a no-break hyphen"),
    ('\u{2012}', "a figure dash"),
    ('\u{2013}', "an en dash"),
    ('\u{2014}', "an em dash"),
    ('\u{2018}', "a typographic quotation mark"),
    ('\u{2019}', "a typographic quotation mark"),
    ('\u{201a}', "a typographic quotation mark"),
    ('\u{201c}', "a typographic quotation mark"),
    ('\u{201d}', "a typographic quotation mark"),
    ('\u{201e}', "a typographic quotation mark"),
    ('\u{ab}', "a typographic quotation mark"),
    ('\u{bb}', "a typographic quotation mark"),
    ('\u{2022}', "a bullet"),
    ('\u{2026}', "an ellipsis"),
    ('\u{2028}', "a line separator"),
    ('\u{2029}', "a paragraph separator"),
    ('\u{202f}', "a narrow no-break space"),
    ('\u{2060}', "a word joiner"),
    ('\u{2212}', "a minus sign (U+2212)"),
    ('\u{3000}', "an ideographic space"),
    ('\u{feff}', "a byte order mark"),
    ('"', "a quotation mark"),
    ('\'', "a single quotation mark"),
    ('`', "a backtick"),
    ('\\', "a backslash"),
];

/// Characters that a screen does not show, beside white space and control characters: Unicode's default ignorable
/// characters.
const INVISIBLE: [(char, char); 17] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Those beyond ASCII.
const QUOTES: [char; 8] = ['\u{2018}', '\u{2019}', '\u{201a}', '\u{201c}', '\u{201d}', '\u{201e}', '\u{ab}', '\u{bb}'];

/// The character's name with its article: `a line break`, `a zero-width space`, `"x"`.
pub fn name(character: char) -> String {
    if let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == character) {
        return (*name).to_owned();
    }
    match character {
        '!'..='~' => format!("\"{character}\""),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => "a character that turns the direction of text".to_owned(),
        _ if character.is_control() => format!("a control character (U+{:04X})", u32::from(character)),
        _ if is_invisible(character) => format!("an invisible character (U+{:04X})", u32::from(character)),
        _ => format!("a character beyond ASCII (U+{:04X})", u32::from(character)),
    }
}

/// Neither visible nor a plain space: control characters, white space beyond ASCII, zero-width and direction characters.
pub fn is_invisible(character: char) -> bool {
    // The fast path: most characters of most values.
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    character.is_control()
        || (character.is_whitespace() && character != ' ')
        || INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

pub fn is_quote(character: char) -> bool {
    // The fast path: most characters of most values.
    if character.is_ascii() {
        return matches!(character, '"' | '\'' | '`');
    }
    QUOTES.contains(&character)
}

/// The first wanted character and its place: `52 characters, the last is a line break`.
pub fn spot(value: &str, wanted: impl Fn(char) -> bool) -> Option<String> {
    let (at, found) = value.chars().enumerate().find(|(_, character)| wanted(*character))?;
    let length = value.chars().count();
    let place = match at + 1 {
        1 => "the first".to_owned(),
        last if last == length => "the last".to_owned(),
        place => format!("the {}", ordinal(place)),
    };
    Some(match length {
        1 => format!("1 character, {}", name(found)),
        _ => format!("{}, {place} is {}", count(length, "character"), name(found)),
    })
}

/// The first unusual part of a value: an invisible character, a space at an end, quotation marks.
pub fn oddity(value: &str) -> Option<String> {
    spot(value, is_invisible).or_else(|| space_at_an_end(value)).or_else(|| quoted(value))
}

fn space_at_an_end(value: &str) -> Option<String> {
    let length = || count(value.chars().count(), "character");
    match (value.starts_with(' '), value.ends_with(' ')) {
        (true, _) => Some(format!("{}, the first is a space", length())),
        (_, true) => Some(format!("{}, the last is a space", length())),
        _ => None,
    }
}

/// Quotation marks at one or both ends; a shell or YAML would have removed valid ones.
pub fn quoted(value: &str) -> Option<String> {
    let length = || count(value.chars().count(), "character");
    let ends = |c: Option<char>| c.is_some_and(is_quote);
    match (ends(value.chars().next()), ends(value.chars().next_back())) {
        (true, true) => Some(format!("{}, quotation marks around them", length())),
        (true, false) => Some(format!("{}, the first is a quotation mark", length())),
        (false, true) => Some(format!("{}, the last is a quotation mark", length())),
        _ => None,
    }
}

/// The value without the characters that [`oddity`] reports at its ends.
pub fn bare(value: &str) -> &str {
    value.trim_matches(|c: char| c == ' ' || is_invisible(c) || is_quote(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oddity_names_the_place_and_not_the_value() {
        for (value, said) in [
            ("openai\n", "7 characters, the last is a line break"),
            ("\u{feff}openai", "7 characters, the first is a byte order mark"),
            ("open\u{200b}ai", "7 characters, the 5th is a zero-width space"),
            ("open\u{202e}ai", "7 characters, the 5th is a character that turns the direction of text"),
            (" openai", "7 characters, the first is a space"),
            ("openai ", "7 characters, the last is a space"),
            ("\"openai\"", "8 characters, quotation marks around them"),
            ("openai'", "7 characters, the last is a quotation mark"),
            ("\u{201c}openai", "7 characters, the first is a quotation mark"),
            ("a\u{1}", "2 characters, the last is a control character (U+0001)"),
            ("\n", "1 character, a line break"),
        ] {
            assert_eq!(oddity(value).as_deref(), Some(said));
            assert!(
                value == "\n"
                    || value == "a\u{1}"
                    || bare(value) == "openai"
                    || value.contains("open\u{200b}")
                    || value.contains("open\u{202e}")
            );
        }
        for value in ["openai", "", "open ai", "o'neil", "bücher"] {
            assert_eq!(oddity(value), None, "{value}");
        }
    }
}
