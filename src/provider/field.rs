//! The fields that are compared.

use serde::Serialize;

use super::origin::Origin;
use super::redact::{self, Redacted};

/// Compared as text, and how it is shown.
type Redact = fn(&str, Option<&Origin>) -> Redacted;

macro_rules! fields {
    ($($variant:ident = $name:literal, $redact:expr, $column:expr;)*) => {
        /// One row a field: its name in reports and in the status, how its text is redacted, and its own column.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Field { $($variant,)* }

        impl Field {
            pub const ALL: &'static [Field] = &[$(Field::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Field::$variant => $name,)* }
            }

            /// The column of `ai_providers` that holds this text and nothing else.
            pub fn column(self) -> Option<&'static str> {
                match self { $(Field::$variant => $column,)* }
            }

            fn redacts(self) -> Option<Redact> {
                match self { $(Field::$variant => $redact,)* }
            }
        }
    };
}

fields! {
    Type = "type", Some(redact::kind), Some("type");
    BaseUrl = "base_url", Some(redact::base_url), Some("base_url");
    BedrockRegion = "bedrock_region", Some(redact::region), None;
    // Credentials: only their number and fingerprints are shown.
    ApiKeys = "api_keys", None, None;
    BedrockCredentials = "bedrock_credentials", None, None;
}

impl Field {
    /// A difference blocks only with `--compare-credentials=fail`.
    pub fn is_credential(self) -> bool {
        self.redacts().is_none()
    }

    /// A text of this field as it may be shown; of a credential only the length.
    pub fn redact(self, value: &str, origin: Option<&Origin>) -> Redacted {
        match self.redacts() {
            Some(redact) => redact(value, origin),
            None => redact::hidden(value),
        }
    }
}

impl Serialize for Field {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
