use serde::Serialize;
use sha2::{Digest, Sha256};

use super::field::Field;
use super::kind::ProviderType;
use super::settings::BedrockSettings;

/// The fields that decide whether environment and row agree. Credentials are not included; they are compared separately.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Canonical<'a> {
    #[serde(rename = "type")]
    pub kind: &'a str,
    pub base_url: &'a str,
    pub bedrock_region: &'a str,
}

impl<'a> Canonical<'a> {
    /// The record is the same on both sides and on every schema: `anthropic` with Bedrock settings counts as `bedrock`.
    pub fn new(kind: &'a str, base_url: &'a str, bedrock: Option<&'a BedrockSettings>) -> Self {
        let anthropic_with_bedrock = kind == ProviderType::Anthropic.as_str() && bedrock.is_some();
        Canonical {
            kind: if anthropic_with_bedrock { ProviderType::Bedrock.as_str() } else { kind },
            base_url,
            bedrock_region: bedrock.map_or("", |settings| &settings.region),
        }
    }

    /// The compared texts.
    pub fn texts(&self) -> [(Field, &'a str); 3] {
        [(Field::Type, self.kind), (Field::BaseUrl, self.base_url), (Field::BedrockRegion, self.bedrock_region)]
    }

    /// Hex SHA-256 of the compact JSON, fields in the order above.
    pub fn hash(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        hex(&Sha256::digest(json))
    }
}

pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha256_of_the_compact_record() {
        // printf '{"type":"openai","base_url":"https://api.openai.com/v1?a=<&>","bedrock_region":""}' | sha256sum
        let record = Canonical::new("openai", "https://api.openai.com/v1?a=<&>", None);
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"type":"openai","base_url":"https://api.openai.com/v1?a=<&>","bedrock_region":""}"#
        );
        assert_eq!(record.hash(), "5b940e9bbdb4a3e5c802ee7abfe83d25e386fb024bb0b50b195ffbd13b3ed056");
    }

    #[test]
    fn anthropic_with_bedrock_settings_is_bedrock() {
        let settings = BedrockSettings { region: "us-east-1".into(), ..BedrockSettings::default() };
        let stored_by_the_first_release = Canonical::new("anthropic", "", Some(&settings));
        let stored_by_later_ones = Canonical::new("bedrock", "", Some(&settings));
        assert_eq!(stored_by_the_first_release.hash(), stored_by_later_ones.hash());
        assert_ne!(stored_by_later_ones.hash(), Canonical::new("bedrock", "", None).hash());
    }
}
