//! Values in the form in which they are written: encrypted if the database is.

use secrecy::{ExposeSecret, SecretString};

use super::dbcrypt::Keyring;

/// The text of a column and, if it is encrypted, the digest of its key for the digest column. No `Debug`: without a key
/// the text is the secret.
pub struct Sealed {
    pub text: String,
    pub key_id: Option<String>,
}

/// Encrypted with the key of `digest`; plain without a digest. Like Coder, blank values stay plain. `None`: it cannot be
/// encrypted.
pub fn seal(plain: &SecretString, keyring: &Keyring, digest: Option<&str>) -> Option<Sealed> {
    let plain_text = plain.expose_secret();
    match digest.filter(|_| !plain_text.trim().is_empty()) {
        None => Some(Sealed { text: plain_text.to_owned(), key_id: None }),
        Some(digest) => keyring.encrypt(digest, plain).map(|text| Sealed { text, key_id: Some(digest.to_owned()) }),
    }
}
