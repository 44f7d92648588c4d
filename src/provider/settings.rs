use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// The Bedrock settings of a provider: column `ai_providers.settings`, a JSON object marked `"_type":"bedrock"`.
#[derive(Clone, Default)]
pub struct BedrockSettings {
    pub region: String,
    /// Empty counts as none (Coder leaves out nil).
    pub access_key: Option<SecretString>,
    pub access_key_secret: Option<SecretString>,
    pub model: String,
    pub small_fast_model: String,
    /// Fields of other releases, as stored: a write keeps them.
    pub other: Map<String, Json>,
}

/// The JSON names of the fields above.
const KNOWN: [&str; 7] =
    ["_type", "_version", "access_key", "access_key_secret", "model", "region", "small_fast_model"];

pub const EXTERNAL_ID: &str = "external_id";

const TYPE: &str = "bedrock";
/// The size limit in bytes of the text.
pub const MAX_SETTINGS: usize = 256 << 10;
/// The external id of a role, which its writer adds, has fewer bytes.
const ROOM: usize = 128;
/// Settings of any length may have this many parts (fields, entries of lists); Coder writes ten.
const PARTS: usize = 32;
/// Bytes of text that allow one further part: `[]` takes twenty times its text in memory, and there may be thousands of
/// rows.
const BYTES_OF_PART: usize = 32;
const VERSION: u64 = 1;

/// Why the settings of a row cannot be read. It never contains any part of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("they are not a JSON object")]
    NotAnObject,
    #[error("they have no \"_type\"")]
    TypeMissing,
    #[error("their \"_type\" is not \"bedrock\"")]
    TypeUnknown,
    #[error("their \"_version\" is not 1")]
    VersionUnsupported,
    #[error("one of their fields is not a text")]
    FieldType,
    #[error("they have more than 262144 bytes, or are made of more parts than Coder would write")]
    TooLarge,
}

impl SettingsError {
    /// Settings of a kind or version from a later Coder (Claude Platform among them): not compared, and every write keeps
    /// them unchanged.
    pub fn is_opaque(self) -> bool {
        matches!(self, SettingsError::TypeUnknown | SettingsError::VersionUnsupported)
    }
}

impl BedrockSettings {
    /// Whether they have a region, a role or a credential; models never count. Coder refuses an unconfigured provider at
    /// run time.
    pub fn is_configured(&self) -> bool {
        let texts = [&*self.region, self.text("role_arn")];
        texts.iter().any(|text| !text.is_empty()) || self.access_key.is_some() || self.access_key_secret.is_some()
    }

    /// The text of a key; empty if the key is missing.
    pub fn text(&self, key: &str) -> &str {
        match key {
            "region" => &self.region,
            "model" => &self.model,
            "small_fast_model" => &self.small_fast_model,
            other => self.other.get(other).and_then(Json::as_str).unwrap_or_default(),
        }
    }

    /// Sets the text of a key; an empty text removes the key.
    pub fn set(&mut self, key: &str, text: &str) {
        match key {
            "region" => text.clone_into(&mut self.region),
            "model" => text.clone_into(&mut self.model),
            "small_fast_model" => text.clone_into(&mut self.small_fast_model),
            other if text.is_empty() => _ = self.other.remove(other),
            other => _ = self.other.insert(other.to_owned(), text.into()),
        }
    }

    /// The writer of a role also creates its external id, which never changes afterwards.
    pub fn needs_external_id(&self) -> bool {
        !self.text("role_arn").is_empty() && self.text(EXTERNAL_ID).is_empty()
    }

    /// Coder's encoding: sorted keys, no spaces, no empty values.
    pub fn encode(&self) -> SecretString {
        let secret = |value: &Option<SecretString>| value.as_ref().map(|v| v.expose_secret().to_owned());
        let text = |value: &String| Some(value.clone());
        let mut object = self.other.clone();
        object.insert("_type".into(), TYPE.into());
        object.insert("_version".into(), VERSION.into());
        for (key, value) in [
            ("access_key", secret(&self.access_key)),
            ("access_key_secret", secret(&self.access_key_secret)),
            ("model", text(&self.model)),
            ("region", text(&self.region)),
            ("small_fast_model", text(&self.small_fast_model)),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                object.insert(key.into(), value.into());
            }
        }
        Json::Object(object).to_string().into()
    }

    /// Whether the settings, once written, could not be read again.
    pub fn are_too_large(&self) -> bool {
        let text = self.encode();
        text.expose_secret().len() > MAX_SETTINGS - ROOM || is_too_large(text.expose_secret())
    }

    /// SQL NULL, an empty text and JSON `null` all mean that there are no settings.
    pub fn decode(column: Option<&str>) -> Result<Option<Self>, SettingsError> {
        #[derive(Deserialize)]
        struct Fields {
            region: Option<String>,
            access_key: Option<String>,
            access_key_secret: Option<String>,
            model: Option<String>,
            small_fast_model: Option<String>,
        }
        let text = column.unwrap_or_default().trim();
        if text.is_empty() {
            return Ok(None);
        }
        if is_too_large(text) {
            return Err(SettingsError::TooLarge);
        }
        let value: Json = serde_json::from_str(text).map_err(|_| SettingsError::NotAnObject)?;
        let object = match &value {
            Json::Null => return Ok(None),
            Json::Object(object) => object,
            _ => return Err(SettingsError::NotAnObject),
        };
        match object.get("_type") {
            None | Some(Json::Null) => return Err(SettingsError::TypeMissing),
            Some(Json::String(kind)) if kind.is_empty() => return Err(SettingsError::TypeMissing),
            Some(Json::String(kind)) if kind == TYPE => {}
            Some(_) => return Err(SettingsError::TypeUnknown),
        }
        if object.get("_version").and_then(Json::as_u64) != Some(VERSION) {
            return Err(SettingsError::VersionUnsupported);
        }
        let fields = Fields::deserialize(&value).map_err(|_| SettingsError::FieldType)?;
        let secret = |value: Option<String>| value.filter(|v| !v.is_empty()).map(SecretString::from);
        Ok(Some(BedrockSettings {
            region: fields.region.unwrap_or_default(),
            access_key: secret(fields.access_key),
            access_key_secret: secret(fields.access_key_secret),
            model: fields.model.unwrap_or_default(),
            small_fast_model: fields.small_fast_model.unwrap_or_default(),
            other: object
                .iter()
                .filter(|(key, _)| !KNOWN.contains(&key.as_str()))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        }))
    }
}

fn is_too_large(text: &str) -> bool {
    text.len() > MAX_SETTINGS || parts(text) > PARTS + text.len() / BYTES_OF_PART
}

/// The number of characters that begin a part, outside of quoted texts.
fn parts(text: &str) -> usize {
    let (mut parts, mut is_quoted, mut is_escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_quoted,
            b'"' => is_quoted = !is_quoted,
            b',' | b'[' | b'{' if !is_quoted => parts += 1,
            _ => {}
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> SettingsError {
        BedrockSettings::decode(Some(text)).err().unwrap()
    }

    #[test]
    fn encoded_as_coder_does() {
        let settings = BedrockSettings {
            region: "us-west-2".into(),
            access_key: Some("AKID".into()),
            access_key_secret: Some("s<&>\"".into()),
            model: "m".into(),
            ..BedrockSettings::default()
        };
        let text = settings.encode();
        assert_eq!(
            text.expose_secret(),
            r#"{"_type":"bedrock","_version":1,"access_key":"AKID","access_key_secret":"s<&>\"","model":"m","region":"us-west-2"}"#
        );
        let again = BedrockSettings::decode(Some(text.expose_secret())).unwrap().unwrap();
        assert_eq!(again.encode().expose_secret(), text.expose_secret());
        assert_eq!(BedrockSettings::default().encode().expose_secret(), r#"{"_type":"bedrock","_version":1}"#);
    }

    #[test]
    fn bedrock_is_configured_by_region_or_credentials() {
        let configured = |region: &str, access_key: Option<&str>, secret: Option<&str>| {
            let (access_key, access_key_secret) = (access_key.map(Into::into), secret.map(Into::into));
            let settings =
                BedrockSettings { region: region.into(), access_key, access_key_secret, ..Default::default() };
            settings.is_configured()
        };
        assert!(
            configured("us-east-1", None, None) && configured("", Some("id"), None) && configured("", None, Some("s"))
        );
        assert!(!configured("", None, None));
        assert!(!BedrockSettings { model: "m".into(), ..BedrockSettings::default() }.is_configured());
    }

    #[test]
    fn html_escapes_of_go_are_read() {
        let text = r#"{"_type":"bedrock","_version":1,"access_key_secret":"a\u003cb\u0026c"}"#;
        let settings = BedrockSettings::decode(Some(text)).unwrap().unwrap();
        assert_eq!(settings.access_key_secret.unwrap().expose_secret(), "a<b&c");
    }

    /// A later release may store a list of models there.
    #[test]
    fn settings_of_many_texts_are_read_but_not_of_many_parts() {
        let of = |parts: &str| {
            BedrockSettings::decode(Some(&format!("{{\"_type\":\"bedrock\",\"_version\":1,\"models\":[{parts}]}}")))
        };
        let model = "\"global.anthropic.claude-sonnet-4-5-20250929-v1:0\"";
        let settings = of(&vec![model; 4000].join(",")).unwrap().unwrap();
        assert_eq!(settings.other["models"].as_array().map(Vec::len), Some(4000));
        assert_eq!(of(&vec!["[]"; 4000].join(",")).err(), Some(SettingsError::TooLarge));
    }

    /// A decision must not write settings that the next start cannot read.
    #[test]
    fn settings_too_large_for_a_write_are_still_read() {
        let of = |part: &str, number: usize| {
            let parts = vec![part; number].join(",");
            let text = format!("{{\"_type\":\"bedrock\",\"_version\":1,\"a\":[{parts}]}}");
            BedrockSettings::decode(Some(&text)).unwrap().unwrap()
        };
        let (spaces, escapes) = (format!("{}1", " ".repeat(40)), format!("\"{}\"", "\\u0061".repeat(7)));
        for part in [spaces.as_str(), &escapes] {
            let few = of(part, 20);
            assert!(!few.are_too_large() && BedrockSettings::decode(Some(few.encode().expose_secret())).is_ok());
            let many = of(part, 100);
            let again = BedrockSettings::decode(Some(many.encode().expose_secret()));
            assert!(many.are_too_large() && again.err() == Some(SettingsError::TooLarge));
        }
        // This number is written with twice as many characters.
        let long = format!("\"{}\",1e15", "x".repeat(MAX_SETTINGS - 50));
        assert!(of(&long, 1).are_too_large());
        // Room for the external id of a role.
        let text = |length: usize| format!("\"{}\"", "x".repeat(length));
        assert!(
            of(&text(MAX_SETTINGS - ROOM), 1).are_too_large() && !of(&text(MAX_SETTINGS - 2 * ROOM), 1).are_too_large()
        );
    }

    #[test]
    fn only_characters_outside_of_quoted_texts_begin_parts() {
        assert_eq!(parts(r#"{"a,[{":[1,{"b":"c,\",","d":2}]}"#), 5);
        let model = BedrockSettings { model: ",".repeat(1000), ..BedrockSettings::default() };
        assert!(!model.are_too_large() && BedrockSettings::decode(Some(model.encode().expose_secret())).is_ok());
    }

    #[test]
    fn no_settings() {
        for column in [None, Some(""), Some("  "), Some("null")] {
            assert!(BedrockSettings::decode(column).unwrap().is_none());
        }
    }

    #[test]
    fn unreadable_settings() {
        assert_eq!(error("not-json"), SettingsError::NotAnObject);
        assert_eq!(error(&"[".repeat(PARTS)), SettingsError::NotAnObject);
        assert_eq!(error(&"x".repeat(MAX_SETTINGS)), SettingsError::NotAnObject);
        // Long enough for the number of parts, but too deep.
        let deep = |levels: usize| {
            let (open, close, text) = ("[".repeat(levels), "]".repeat(levels), "x".repeat(32 * levels));
            format!("{{\"_type\":\"other\",\"a\":{open}\"{text}\"{close}}}")
        };
        assert_eq!(error(&deep(100)), SettingsError::TypeUnknown);
        assert_eq!(error(&deep(200)), SettingsError::NotAnObject);
        assert_eq!(error(&"x".repeat(MAX_SETTINGS + 1)), SettingsError::TooLarge);
        assert_eq!(error(&"[".repeat(MAX_SETTINGS)), SettingsError::TooLarge);
        assert_eq!(error("[]"), SettingsError::NotAnObject);
        assert_eq!(error(r#"{"region":"x"}"#), SettingsError::TypeMissing);
        assert_eq!(error(r#"{"_type":"","_version":1}"#), SettingsError::TypeMissing);
        assert_eq!(error(r#"{"_type":"azure","_version":1}"#), SettingsError::TypeUnknown);
        assert_eq!(error(r#"{"_type":"claude_platform_aws","_version":1}"#), SettingsError::TypeUnknown);
        assert_eq!(error(r#"{"_type":"bedrock","_version":2}"#), SettingsError::VersionUnsupported);
        assert_eq!(error(r#"{"_type":"bedrock"}"#), SettingsError::VersionUnsupported);
        assert_eq!(error(r#"{"_type":"bedrock","_version":1,"region":7}"#), SettingsError::FieldType);
    }

    #[test]
    fn number_of_many_digits_is_kept() {
        let text = r#"{"_type":"bedrock","_version":1,"limit":1.222222222222222e+33,"share":0.30000000000000004}"#;
        let settings = BedrockSettings::decode(Some(text)).unwrap().unwrap();
        assert_eq!(settings.encode().expose_secret(), text);
    }

    #[test]
    fn later_fields_are_accepted_and_kept() {
        let text = r#"{"_type":"bedrock","_version":1,"external_id":null,"protocol":{"b":[1]},"region":"us-east-1","role_arn":"arn:aws:iam::1:role/x"}"#;
        let settings = BedrockSettings::decode(Some(text)).unwrap().unwrap();
        assert_eq!(settings.region, "us-east-1");
        assert_eq!(settings.encode().expose_secret(), text);
        let changed = BedrockSettings { region: "eu-west-1".into(), ..settings };
        assert_eq!(changed.encode().expose_secret(), text.replace("us-east-1", "eu-west-1"));
    }
}
