//! The fields that are compared, one row each.

use serde::Serialize;

use super::origin::Origin;
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

/// Where a row holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A column of `ai_providers` that holds this text and nothing else.
    Column(&'static str),
    /// A key of the JSON in column `settings`.
    Settings(&'static str),
    /// Several texts, or rows of another table.
    Credentials,
}

/// A text of it as it may be shown.
type Redact = fn(&str, Option<&Origin>) -> Redacted;
/// The value of its variable as it is stored and compared.
type Read = fn(&str) -> String;

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

/// The variable of an optional field: its suffix behind the number, and how its value is read.
struct Variable {
    suffix: &'static str,
    read: Read,
}

const fn variable(suffix: &'static str, read: Read) -> Option<Variable> {
    Some(Variable { suffix, read })
}

use Place::{Column, Credentials, Settings};

// Name in reports and in the status, class, place in the row, redaction, variable of an optional one.
fields! {
    Type = "type", Canonical, Column("type"), redact::kind, None;
    BaseUrl = "base_url", Canonical, Column("base_url"), redact::base_url, None;
    BedrockRegion = "bedrock_region", Canonical, Settings("region"), redact::region, None;
    ApiKeys = "api_keys", Credential, Credentials, redact::length_only, None;
    BedrockCredentials = "bedrock_credentials", Credential, Credentials, redact::length_only, None;
    BedrockModel = "bedrock_model", Optional, Settings("model"), redact::model, variable("BEDROCK_MODEL", str::to_owned);
    BedrockSmallFastModel = "bedrock_small_fast_model", Optional, Settings("small_fast_model"), redact::model,
        variable("BEDROCK_SMALL_FAST_MODEL", str::to_owned);
    DisplayName = "display_name", Optional, Column("display_name"), redact::length_only, variable("DISPLAY_NAME", trimmed);
}

fn trimmed(text: &str) -> String {
    text.trim().to_owned()
}

impl Field {
    pub fn is_credential(self) -> bool {
        self.class() == Class::Credential
    }

    /// Those that are compared only where their variable is set.
    pub fn all_optional() -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(|field| field.class() == Class::Optional)
    }

    /// What follows the number in the name of an optional field's variable.
    pub fn suffix(self) -> &'static str {
        self.optional().map_or("", |variable| variable.suffix)
    }

    /// The value of an optional field's variable as it is stored and compared.
    pub fn read(self, text: &str) -> String {
        self.optional().map_or_else(String::new, |variable| (variable.read)(text))
    }

    /// The text of the row's column or settings key where it has none.
    pub fn absent(self, name: &str) -> &str {
        match self {
            Field::DisplayName => name,
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

    /// The key in the settings.
    pub fn settings_key(self) -> Option<&'static str> {
        match self.place() {
            Settings(key) => Some(key),
            Column(_) | Credentials => None,
        }
    }

    /// A text of this field as it may be shown; of a credential only the length.
    pub fn redact(self, value: &str, origin: Option<&Origin>) -> Redacted {
        self.redacts()(value, origin)
    }
}

impl Serialize for Field {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
