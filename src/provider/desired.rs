//! A provider as the environment describes it.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;

use super::canonical::Canonical;
use super::field::Field;
use super::kind::ProviderType;
use super::origin::{Origin, VariableName};
use super::settings::BedrockSettings;

/// A provider as the environment describes it, valid by Coder's rules.
///
/// No `Debug`: the name, the endpoint and the region are not secrets, but people put keys into the wrong variable.
#[derive(Clone)]
pub struct DesiredProvider {
    /// The number in `…_PROVIDER_<N>_…`; none for the legacy variables of a single provider.
    pub index: Option<u64>,
    pub name: String,
    /// The type as the environment gives it: `anthropic` even when Bedrock settings make it a Bedrock provider.
    pub kind: ProviderType,
    pub base_url: String,
    pub bedrock: Option<BedrockSettings>,
    /// The optional fields whose variable is set; only these are compared.
    pub optional: BTreeMap<Field, SetField>,
    /// Bearer keys in the order of the environment; Coder allows at most 5.
    pub keys: Vec<SecretString>,
    /// True only for manifests without their Secrets: credentials may exist that are unknown here. They are not compared.
    pub credentials_unknown: bool,
    /// Fields whose value Coder would store but a warning calls suspicious, and unreplaced references. Such a value never
    /// replaces another one.
    pub suspicious: BTreeSet<Field>,
    /// Boxed, since it is most of the memory that sorting providers moves.
    pub origins: Box<Origins>,
}

/// An optional field whose variable is set. No `Debug`, for the same reason.
#[derive(Clone)]
pub struct SetField {
    /// The text that Coder stores, which may differ from the variable's value.
    pub text: String,
    pub origin: Origin,
}

/// The origin of each field that is always described.
#[derive(Clone)]
pub struct Origins {
    /// The common pattern of this provider's variables, for example `CODER_AIBRIDGE_PROVIDER_0_*`.
    pub pattern: VariableName,
    pub name: Origin,
    pub kind: Origin,
    pub base_url: Origin,
    pub bedrock_region: Origin,
    pub keys: Origin,
    pub bedrock_credentials: Origin,
}

impl Origins {
    /// Gives every field the same origin: the start for a description without a variable for each field.
    pub fn all(pattern: VariableName, origin: &Origin) -> Origins {
        Origins {
            pattern,
            name: origin.clone(),
            kind: origin.clone(),
            base_url: origin.clone(),
            bedrock_region: origin.clone(),
            keys: origin.clone(),
            bedrock_credentials: origin.clone(),
        }
    }
}

impl DesiredProvider {
    /// A provider without a number, an endpoint or credentials.
    pub fn new(name: impl Into<String>, kind: ProviderType, origins: Origins) -> DesiredProvider {
        DesiredProvider {
            index: None,
            name: name.into(),
            kind,
            base_url: String::new(),
            bedrock: None,
            optional: BTreeMap::new(),
            keys: Vec::new(),
            credentials_unknown: false,
            suspicious: BTreeSet::new(),
            origins: Box::new(origins),
        }
    }

    /// The variable that determines a field. `None`: an optional field whose variable is not set.
    pub fn origin(&self, field: Field) -> Option<&Origin> {
        match field {
            Field::Type => Some(&self.origins.kind),
            Field::BaseUrl => Some(&self.origins.base_url),
            Field::BedrockRegion => Some(&self.origins.bedrock_region),
            Field::ApiKeys => Some(&self.origins.keys),
            Field::BedrockCredentials => Some(&self.origins.bedrock_credentials),
            optional => self.optional.get(&optional).map(|set| &set.origin),
        }
    }

    /// Whether its comparison depends on the column that proves a newer Coder.
    pub fn sets_newer_fields(&self) -> bool {
        self.optional.keys().any(|field| field.is_newer())
    }

    /// Fields that only newer releases of Coder know, with values that change the behaviour of an older release.
    pub fn newer_fields(&self) -> impl Iterator<Item = Field> {
        let differs = |(field, set): &(&Field, &SetField)| field.is_newer() && set.text != field.absent(&self.name);
        self.optional.iter().filter(differs).map(|(field, _)| *field)
    }

    /// The text of an optional field in a new row.
    pub fn text(&self, field: Field) -> &str {
        self.optional.get(&field).map_or_else(|| field.absent(&self.name), |set| &set.text)
    }

    /// The same, redacted. A value without a variable is not secret.
    pub fn shown(&self, field: Field) -> String {
        match self.optional.get(&field) {
            Some(set) => field.redact(&set.text, Some(&set.origin)).text,
            None => field.absent(&self.name).to_owned(),
        }
    }

    pub fn canonical(&self) -> Canonical<'_> {
        Canonical::new(self.kind.as_str(), &self.base_url, self.bedrock.as_ref())
    }

    /// The label that the row's `type` gets. Since that label exists, Coder stores Bedrock providers as `bedrock`.
    pub fn stored_type(&self, bedrock_label_exists: bool) -> &'static str {
        if self.bedrock.is_some() && bedrock_label_exists { ProviderType::Bedrock.as_str() } else { self.kind.as_str() }
    }

    /// Its name in all output, or its number if the name came from a Kubernetes Secret.
    pub fn label(&self) -> String {
        match self.index {
            Some(index) if self.origins.name.source.is_secret() => format!("(provider {index}, name not shown)"),
            _ => self.name.clone(),
        }
    }

    /// Whether Coder encrypts any part of it at rest. All settings count, because they may contain credentials.
    pub fn has_secrets(&self) -> bool {
        !self.keys.is_empty() || self.bedrock.is_some()
    }
}
