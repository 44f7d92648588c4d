//! The model of a provider: name, type, endpoint, credentials, the Bedrock predicate, and the compared canonical record.

mod canonical;
mod desired;
mod field;
mod kind;
mod name;
mod origin;
mod protocol;
pub mod redact;
mod settings;

pub use canonical::{Canonical, hex};
pub use desired::{DesiredProvider, Origins, SetField};
pub use field::{Class, Field, Place};
pub use kind::ProviderType;
pub use name::{NameError, check_name};
pub use origin::{Origin, Presence, Source, VariableName};
pub use protocol::MANTLE;
pub use settings::{BedrockSettings, EXTERNAL_ID, MAX_SETTINGS, SettingsError};

/// Coder allows at most 5 keys per provider.
pub const MAX_KEYS: usize = 5;
/// Coder's variable for the keys that encrypt at rest.
pub const ENCRYPTION_KEYS_VARIABLE: &str = "CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS";
