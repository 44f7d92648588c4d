//! Values as they are written: encrypted where the database is.

use secrecy::{ExposeSecret, SecretString};

use super::dbcrypt::Keyring;

/// The text of a column and, where it is encrypted, the digest of its key for the column beside it. No `Debug`: without a key
/// the text is the secret.
pub struct Sealed {
    pub text: String,
    pub key_id: Option<String>,
}

/// Encrypted with the key of `digest`; plain without one. Coder leaves blank values plain too. `None`: it cannot be encrypted.
pub fn seal(plain: &SecretString, keyring: &Keyring, digest: Option<&str>) -> Option<Sealed> {
    let plain_text = plain.expose_secret();
    match digest.filter(|_| !plain_text.trim().is_empty()) {
        None => Some(Sealed { text: plain_text.to_owned(), key_id: None }),
        Some(digest) => keyring.encrypt(digest, plain).map(|text| Sealed { text, key_id: Some(digest.to_owned()) }),
    }
}
