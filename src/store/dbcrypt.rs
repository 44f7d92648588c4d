//! Coder's encryption at rest: AES-256-GCM, no additional data; blob = 12 bytes nonce, ciphertext, 16 bytes tag; standard base64.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, Generate, KeyInit, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::problem::{Code, Problem};
use crate::provider::{hex, redact};

pub const VARIABLE: &str = crate::provider::ENCRYPTION_KEYS_VARIABLE;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// Coder uses the first 7 hex characters (its documentation says bytes).
const DIGEST_CHARACTERS: usize = 7;
/// The plain text of `dbcrypt_keys.test`.
const TEST: &str = "coder";

/// The given keys in order: the first one encrypts, all decrypt.
#[derive(Default)]
pub struct Keyring {
    ciphers: Vec<Cipher>,
}

struct Cipher {
    digest: String,
    aead: Aes256Gcm,
}

impl Keyring {
    /// Comma-separated standard base64, each 32 bytes. An empty text has no keys.
    pub fn parse(text: &str) -> Result<Keyring, Vec<Problem>> {
        let mut keyring = Keyring::default();
        let mut problems = Vec::new();
        if text.trim().is_empty() {
            return Ok(keyring);
        }
        let texts: Vec<&str> = text.split(',').map(str::trim).collect();
        for (at, encoded) in texts.iter().enumerate() {
            match Cipher::parse(encoded) {
                Ok(cipher) => keyring.ciphers.push(cipher),
                Err(what) => {
                    let which = if texts.len() == 1 {
                        "the key".to_owned()
                    } else {
                        format!("the {} key", redact::ordinal(at + 1))
                    };
                    let message =
                        format!("{which} {what}; Coder takes standard base64 of 32 bytes, several separated by commas");
                    problems.push(Problem::new(Code::EncryptionKeyInvalid, message).variable(VARIABLE));
                }
            }
        }
        if problems.is_empty() { Ok(keyring) } else { Err(problems) }
    }

    pub fn is_empty(&self) -> bool {
        self.ciphers.is_empty()
    }

    pub fn first_digest(&self) -> Option<&str> {
        self.ciphers.first().map(|cipher| cipher.digest.as_str())
    }

    pub fn digests(&self) -> impl Iterator<Item = &str> {
        self.ciphers.iter().map(|cipher| cipher.digest.as_str())
    }

    /// `None`: no key of this digest was given, or the stored value is damaged.
    pub fn decrypt(&self, digest: &str, stored: &str) -> Option<SecretString> {
        let blob = STANDARD.decode(stored).ok()?;
        let (nonce, sealed) = blob.split_at_checked(NONCE_BYTES)?;
        let nonce = Nonce::<Aes256Gcm>::try_from(nonce).ok()?;
        // Two keys may share seven characters, so every key of that digest is tried.
        let mut fitting = self.ciphers.iter().filter(|cipher| cipher.digest == digest);
        let plain = fitting.find_map(|cipher| cipher.aead.decrypt(&nonce, sealed).ok())?;
        String::from_utf8(plain).ok().map(SecretString::from)
    }

    pub fn encrypt(&self, digest: &str, plain: &SecretString) -> Option<String> {
        let cipher = self.ciphers.iter().find(|cipher| cipher.digest == digest)?;
        let nonce = Nonce::<Aes256Gcm>::try_generate().ok()?;
        let sealed = cipher.aead.encrypt(&nonce, plain.expose_secret().as_bytes()).ok()?;
        Some(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Whether a given key of this digest opens the row's test value.
    pub fn opens(&self, digest: &str, test: &str) -> bool {
        self.decrypt(digest, test).is_some_and(|plain| plain.expose_secret() == TEST)
    }
}

impl Cipher {
    fn parse(encoded: &str) -> Result<Cipher, String> {
        let bytes = STANDARD.decode(encoded).map_err(|_| "is not standard base64".to_owned())?;
        if bytes.len() != KEY_BYTES {
            return Err(format!("has {} bytes", bytes.len()));
        }
        let aead = Aes256Gcm::new_from_slice(&bytes).map_err(|_| "has a wrong length".to_owned())?;
        let digest = hex(&Sha256::new().chain_update(b"aes256gcm").chain_update(&bytes).finalize());
        Ok(Cipher { digest: digest[..DIGEST_CHARACTERS].to_owned(), aead })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    fn keyring(text: &str) -> Keyring {
        Keyring::parse(text).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    #[test]
    fn vectors_of_coder() {
        let keyring = keyring(KEY);
        assert_eq!(keyring.first_digest(), Some("6a193b3"));
        for (sealed, plain) in [
            ("JAr/OTfEYiZmArZ/9yZpmeM/KSVCy6eJRZ1/qgKXqonr", "coder"),
            ("WNKdRi1v1kmlaip3PtpwoDIHsRNaKYQ1jvhN2MRxzUlC2tg=", "api-key"),
            ("xjUqHoLAQ0WOsBTTI/lfya1NP+hTqOz+X0nhsf0Ru006XAJ19XsAnw==", "oauth-secret"),
            (
                "rma8zlijD4fvJOqg8US4JZ+2aEo1QCPcLqkn1yi6XYPqrkOVbn7or8Df60mKfVL2zmee5+Ft",
                r#"{"X-Test":"header-secret"}"#,
            ),
            ("WFA88JW4rWYFjoc2qyOJec37Iitq4SlpacETiH+qHwFg+qAEwmqVjg==", "access-token"),
            ("G01YJJHbtDS+Zh2re1a7mfx9v4Ea7rmabzP4rbRdsHiAZ56BI+cg2cI=", "refresh-token"),
        ] {
            assert_eq!(
                keyring.decrypt("6a193b3", sealed).map(|p| p.expose_secret().to_owned()).as_deref(),
                Some(plain)
            );
        }
        assert!(keyring.opens("6a193b3", "JAr/OTfEYiZmArZ/9yZpmeM/KSVCy6eJRZ1/qgKXqonr"));
        assert!(!keyring.opens("6a193b3", "WNKdRi1v1kmlaip3PtpwoDIHsRNaKYQ1jvhN2MRxzUlC2tg="));
    }

    #[test]
    fn encryption_round_trips_and_never_repeats() {
        let keyring = keyring(KEY);
        let plain = SecretString::from("sk-secret");
        let (first, second) = (keyring.encrypt("6a193b3", &plain), keyring.encrypt("6a193b3", &plain));
        assert_ne!(first, second);
        let opened = keyring.decrypt("6a193b3", &first.unwrap_or_default());
        assert_eq!(opened.map(|p| p.expose_secret().to_owned()).as_deref(), Some("sk-secret"));
        assert!(keyring.encrypt("0000000", &plain).is_none());
    }

    #[test]
    fn damaged_values_are_none() {
        let keyring = keyring(KEY);
        for stored in ["", "not base64!", "AAAA", "JAr/OTfEYiZmArZ/9yZpmeM/KSVCy6eJRZ1/qgKXqonq"] {
            assert!(keyring.decrypt("6a193b3", stored).is_none(), "{stored}");
        }
        assert!(keyring.decrypt("0000000", "JAr/OTfEYiZmArZ/9yZpmeM/KSVCy6eJRZ1/qgKXqonr").is_none());
    }

    #[test]
    fn keys_are_read_as_coder_reads_them() {
        assert!(keyring("").is_empty());
        assert_eq!(keyring(&format!("{KEY}, {KEY}\n")).digests().count(), 2);
        let problems = Keyring::parse(&format!("{KEY},c2hvcnQ=,%%%")).err().unwrap_or_default();
        let messages: Vec<_> = problems.iter().map(|p| p.message.split(';').next().unwrap_or_default()).collect();
        assert_eq!(messages, ["the 2nd key has 5 bytes", "the 3rd key is not standard base64"]);
    }
}
