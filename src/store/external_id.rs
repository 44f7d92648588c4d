//! The external id of a role: like Coder's, 128 random bits in base32.

use std::borrow::Cow;

use aes_gcm::aead::Generate;
use aes_gcm::{Aes256Gcm, Key};
use data_encoding::BASE32_NOPAD;

use crate::provider::{BedrockSettings, EXTERNAL_ID};

/// The settings, with an external id added if they have a role without one: the writer of a role creates the id, and it
/// never changes. `None`: the system provides no random bits.
pub fn with_external_id(settings: &BedrockSettings) -> Option<Cow<'_, BedrockSettings>> {
    if !settings.needs_external_id() {
        return Some(Cow::Borrowed(settings));
    }
    let random = Key::<Aes256Gcm>::try_generate().ok()?;
    let mut settings = settings.clone();
    settings.set(EXTERNAL_ID, &BASE32_NOPAD.encode(&random[..16]));
    Some(Cow::Owned(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_gets_an_external_id_that_stays() {
        let mut settings = BedrockSettings::default();
        assert_eq!(with_external_id(&settings).unwrap().text(EXTERNAL_ID), "");
        settings.set("role_arn", "arn:aws:iam::123456789012:role/coder");
        let [one, other] = [(), ()].map(|()| with_external_id(&settings).unwrap().into_owned());
        let id = one.text(EXTERNAL_ID);
        assert!(id.len() == 26 && id.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7')), "{id}");
        assert_ne!(id, other.text(EXTERNAL_ID));
        assert_eq!(with_external_id(&one).unwrap().text(EXTERNAL_ID), id);
    }
}
