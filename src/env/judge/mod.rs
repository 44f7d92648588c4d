//! Values that Coder would store, and that cannot work: keys, URLs, regions, references that were not replaced. Functions of
//! values; what they say holds nothing of the value but its length, and the place and kind of one character.

/// Longer values are not looked through: no reference, key or URL is as long, and a value may have a megabyte.
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
