//! The compared fields, one row each.

use serde::Serialize;

use super::origin::Origin;
use super::protocol::{INVOKE_MODEL, MANTLE};
use super::redact::{self, Redacted};

/// When a field is compared, and what a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Part of the canonical record: always compared, and a difference is a conflict.
    Canonical,
    /// `--compare-credentials`
    Credential,
    /// `--compare-settings`, and only where its variable is set.
    Optional,
}

/// The place of the field in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A column of `ai_providers` that holds this text and nothing else.
    Column(&'static str),
    /// A key of the JSON in column `settings`.
    Settings(&'static str),
    /// Several texts, or rows of another table.
    Credentials,
}

/// The text of the field that may be shown.
type Redact = fn(&str, Option<&Origin>) -> Redacted;
/// Reads the variable's value for the comparison; `None` counts as unset, `Err` describes the fault.
type Read = fn(&str) -> Result<Option<String>, &'static str>;

macro_rules! fields {
    ($($variant:ident = $name:literal, $class:ident, $place:expr, $redact:expr, $optional:expr;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Field { $($variant,)* }

        impl Field {
            pub const ALL: &'static [Field] = &[$(Field::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Field::$variant => $name,)* }
            }

            pub fn class(self) -> Class {
                match self { $(Field::$variant => Class::$class,)* }
            }

            pub fn place(self) -> Place {
                match self { $(Field::$variant => $place,)* }
            }

            fn redacts(self) -> Redact {
                match self { $(Field::$variant => $redact,)* }
            }

            fn optional(self) -> Option<Variable> {
                match self { $(Field::$variant => $optional,)* }
            }
        }
    };
}

/// The variable of an optional field: its suffix after the number, and the function that reads its value.
struct Variable {
    suffix: &'static str,
    read: Read,
}

const fn variable(suffix: &'static str, read: Read) -> Option<Variable> {
    Some(Variable { suffix, read })
}

use Place::{Column, Credentials, Settings};

// Name in reports and in the status, class, place in the row, redaction, variable of an optional field.
fields! {
    Type = "type", Canonical, Column("type"), redact::kind, None;
    BaseUrl = "base_url", Canonical, Column("base_url"), redact::base_url, None;
    BedrockRegion = "bedrock_region", Canonical, Settings("region"), redact::region, None;
    ApiKeys = "api_keys", Credential, Credentials, redact::length_only, None;
    BedrockCredentials = "bedrock_credentials", Credential, Credentials, redact::length_only, None;
    BedrockModel = "bedrock_model", Optional, Settings("model"), redact::model, variable("BEDROCK_MODEL", verbatim);
    BedrockSmallFastModel = "bedrock_small_fast_model", Optional, Settings("small_fast_model"), redact::model,
        variable("BEDROCK_SMALL_FAST_MODEL", verbatim);
    DisplayName = "display_name", Optional, Column("display_name"), redact::length_only, variable("DISPLAY_NAME", trimmed);
    Icon = "icon", Optional, Column("icon"), redact::length_only, variable("ICON", trimmed);
    Enabled = "enabled", Optional, Column("enabled"), redact::boolean, variable("ENABLED", boolean);
    BedrockRoleArn = "bedrock_role_arn", Optional, Settings("role_arn"), redact::role_arn,
        variable("BEDROCK_ROLE_ARN", role_arn);
    BedrockProtocol = "bedrock_protocol", Optional, Settings("protocol"), redact::protocol,
        variable("BEDROCK_PROTOCOL", protocol);
}

fn verbatim(text: &str) -> Result<Option<String>, &'static str> {
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

fn trimmed(text: &str) -> Result<Option<String>, &'static str> {
    verbatim(text.trim())
}

/// Go's `strconv.ParseBool`.
fn boolean(text: &str) -> Result<Option<String>, &'static str> {
    match text {
        "" => Ok(None),
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Some("true".to_owned())),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Some("false".to_owned())),
        _ => Err("not a boolean; write true or false"),
    }
}

/// Coder checks no more than this.
fn role_arn(text: &str) -> Result<Option<String>, &'static str> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts[..] {
        [""] => Ok(None),
        ["arn", _, "iam", _, _, resource]
            if resource.starts_with("role/") && !text.contains(|c: char| c.is_whitespace() || c.is_control()) =>
        {
            verbatim(text)
        }
        _ => Err("not the ARN of a role; write for example arn:aws:iam::123456789012:role/coder"),
    }
}

fn protocol(text: &str) -> Result<Option<String>, &'static str> {
    match text {
        "" | INVOKE_MODEL | MANTLE => verbatim(text),
        _ => Err("not a protocol of Bedrock; write invoke-model or mantle"),
    }
}

impl Field {
    pub fn is_credential(self) -> bool {
        self.class() == Class::Credential
    }

    /// The fields that are compared only where their variable is set.
    pub fn all_optional() -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(|field| field.class() == Class::Optional)
    }

    /// The part of an optional field's variable name after the number.
    pub fn suffix(self) -> &'static str {
        self.optional().map_or("", |variable| variable.suffix)
    }

    /// The value of an optional field's variable for the comparison; `None` counts as unset, `Err` describes the fault.
    pub fn read(self, text: &str) -> Result<Option<String>, &'static str> {
        self.optional().map_or(Ok(None), |variable| (variable.read)(text))
    }

    /// Whether a variable can express this text.
    pub fn is_expressible(self, text: &str) -> bool {
        matches!(self.read(text), Ok(Some(read)) if read == text)
    }

    /// Only a Coder with the column `icon` (from 2.36) knows the field; an older one could not read the row, or would
    /// lose the value.
    pub fn is_newer(self) -> bool {
        matches!(self, Field::Icon | Field::BedrockRoleArn | Field::BedrockProtocol)
    }

    /// A change of this field invalidates the model ids that Coder has resolved.
    pub fn resolves_models(self) -> bool {
        use Field::{BedrockModel, BedrockRegion, BedrockRoleArn, BedrockSmallFastModel};
        matches!(self, BedrockModel | BedrockSmallFastModel | BedrockRegion | BedrockRoleArn)
    }

    /// The text for the settings; a default is left out.
    pub fn in_settings(self, text: &str) -> &str {
        if text == self.absent("") { "" } else { text }
    }

    /// The value of the field where the row's column or settings key is empty.
    pub fn absent(self, name: &str) -> &str {
        match self {
            Field::DisplayName => name,
            Field::Enabled => "true",
            Field::BedrockProtocol => INVOKE_MODEL,
            _ => "",
        }
    }

    /// The column of `ai_providers` that holds this text and nothing else.
    pub fn column(self) -> Option<&'static str> {
        match self.place() {
            Column(name) => Some(name),
            Settings(_) | Credentials => None,
        }
    }

    /// The field's key in the settings.
    pub fn settings_key(self) -> Option<&'static str> {
        match self.place() {
            Settings(key) => Some(key),
            Column(_) | Credentials => None,
        }
    }

    /// The text of this field that may be shown; for a credential, only its length.
    pub fn redact(self, value: &str, origin: Option<&Origin>) -> Redacted {
        self.redacts()(value, origin)
    }
}

impl Serialize for Field {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
