//! What a provider is: name, type, endpoint, credentials, the Bedrock predicate, and the canonical record that is compared.

mod canonical;
mod field;
mod kind;
mod name;
mod origin;
pub mod redact;
mod settings;

pub use canonical::{Canonical, hex};
pub use field::Field;
pub use kind::ProviderType;
pub use name::{NameError, check_name};
pub use origin::{Origin, Presence, Source};
pub use settings::{BedrockSettings, SettingsError};

use secrecy::SecretString;

/// Coder: at most 5 keys a provider.
pub const MAX_KEYS: usize = 5;

/// A provider as the environment describes it, valid by Coder's rules.
///
/// No `Debug`: the name, the endpoint and the region are not secrets, but people put keys into the wrong variable.
#[derive(Clone)]
pub struct DesiredProvider {
    /// The number in `…_PROVIDER_<N>_…`; none for the older single-provider variables.
    pub index: Option<u64>,
    pub name: String,
    /// The type as the environment says it: `anthropic` even when Bedrock settings make it a Bedrock provider.
    pub kind: ProviderType,
    pub base_url: String,
    pub bedrock: Option<BedrockSettings>,
    /// Bearer keys in the order of the environment; Coder: at most 5.
    pub keys: Vec<SecretString>,
    /// Only of manifests without their Secrets: there may be credentials, and nobody here knows which. They are not compared.
    pub credentials_unknown: bool,
    /// In a box, since it is most of what would be copied when providers are sorted.
    pub origins: Box<Origins>,
}

/// Where each field that is compared comes from.
#[derive(Clone)]
pub struct Origins {
    /// How all variables of this provider are spelled together, for example `CODER_AIBRIDGE_PROVIDER_0_*`.
    pub pattern: String,
    pub name: Origin,
    pub kind: Origin,
    pub base_url: Origin,
    pub bedrock_region: Origin,
    pub keys: Origin,
    pub bedrock_credentials: Origin,
}

impl DesiredProvider {
    pub fn canonical(&self) -> Canonical<'_> {
        Canonical::new(self.kind.as_str(), &self.base_url, self.bedrock.as_ref())
    }

    /// The label that the row's `type` gets. Coder stores Bedrock providers as `bedrock` since that label exists.
    pub fn stored_type(&self, bedrock_label_exists: bool) -> &'static str {
        if self.bedrock.is_some() && bedrock_label_exists { ProviderType::Bedrock.as_str() } else { self.kind.as_str() }
    }

    /// Coder shows the single Bedrock provider of the older variables as `AWS Bedrock` where rows have type `bedrock`,
    /// and every other provider by its name.
    pub fn display_name(&self, bedrock_label_exists: bool) -> &str {
        if self.index.is_none() && self.bedrock.is_some() && bedrock_label_exists { "AWS Bedrock" } else { &self.name }
    }

    /// What it is called in anything that is shown: its name, or its number if the name came from a Kubernetes Secret.
    pub fn label(&self) -> String {
        match self.index {
            Some(index) if self.origins.name.source.is_secret() => format!("(provider {index}, name not shown)"),
            _ => self.name.clone(),
        }
    }

    /// Is there anything that Coder encrypts at rest? Settings count whole, as they may hold credentials.
    pub fn has_secrets(&self) -> bool {
        !self.keys.is_empty() || self.bedrock.is_some()
    }
}
