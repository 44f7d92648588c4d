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

#[cfg(test)]
mod tests;
