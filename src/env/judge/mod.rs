//! Values that Coder would store but cannot use: keys, URLs, regions, unreplaced references. These are functions of
//! values; their texts contain nothing of the value except its length and the place and kind of one character.

/// Longer values are not checked: no reference, key or URL is that long, and a value may have a megabyte.
const LONGEST: usize = 16 << 10;

pub mod characters;
pub mod go_url;
pub mod key;
mod left_behind;
pub mod reference;
pub mod region;
pub mod url;
mod words;

use std::borrow::Cow;

/// ASCII letters in lower case. Most URLs and some keys have no others, and need no copy.
fn ascii_lower(text: &str) -> Cow<'_, str> {
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    if is_lower { Cow::Borrowed(text) } else { Cow::Owned(text.to_ascii_lowercase()) }
}

#[cfg(test)]
mod tests;
