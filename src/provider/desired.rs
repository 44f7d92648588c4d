//! A provider as the environment describes it.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;

use super::canonical::Canonical;
use super::field::Field;
use super::kind::ProviderType;
use super::origin::Origin;
use super::settings::BedrockSettings;

/// A provider as the environment describes it, valid by Coder's rules.
///
/// No `Debug`: the name, the endpoint and the region are not secrets, but people put keys into the wrong variable.
#[derive(Clone)]
pub struct DesiredProvider {
    /// The number in `…_PROVIDER_<N>_…`; none for the legacy variables of a single provider.
    pub index: Option<u64>,
    pub name: String,
    /// The type as the environment says it: `anthropic` even when Bedrock settings make it a Bedrock provider.
    pub kind: ProviderType,
    pub base_url: String,
    pub bedrock: Option<BedrockSettings>,
    /// The optional fields whose variable is set: only they are compared.
    pub optional: BTreeMap<Field, SetField>,
    /// Bearer keys in the order of the environment; Coder: at most 5.
    pub keys: Vec<SecretString>,
    /// Only of manifests without their Secrets: there may be credentials that are unknown here. They are not compared.
    pub credentials_unknown: bool,
    /// Fields whose value Coder would store and that a warning calls suspicious, or a reference that was not replaced. Such a
    /// value never takes the place of another.
    pub suspicious: BTreeSet<Field>,
    /// In a box, since it is most of what would be copied when providers are sorted.
    pub origins: Box<Origins>,
}

/// An optional field whose variable is set. No `Debug`, as above.
#[derive(Clone)]
pub struct SetField {
    /// As it is stored, not as it was written.
    pub text: String,
    pub origin: Origin,
}

/// Where each field that is always described comes from.
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

impl Origins {
    /// Every field from one variable: where a description without a variable for each starts.
    pub fn all(pattern: String, origin: &Origin) -> Origins {
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
    /// Without a number, an endpoint or credentials.
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

    /// The variable that decides a field. `None`: an optional one whose variable is not set.
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

    /// Its comparison depends on the column that proves a newer Coder.
    pub fn sets_newer_fields(&self) -> bool {
        self.optional.keys().any(|field| field.is_newer())
    }

    /// Fields that only newer releases of Coder know, set to something that an older one does not do anyway.
    pub fn newer_fields(&self) -> impl Iterator<Item = Field> {
        let differs = |(field, set): &(&Field, &SetField)| field.is_newer() && set.text != field.absent(&self.name);
        self.optional.iter().filter(differs).map(|(field, _)| *field)
    }

    /// The text of an optional field as a new row gets it.
    pub fn text(&self, field: Field) -> &str {
        self.optional.get(&field).map_or_else(|| field.absent(&self.name), |set| &set.text)
    }

    /// The same, redacted: a value that is not from a variable is not secret.
    pub fn shown(&self, field: Field) -> String {
        match self.optional.get(&field) {
            Some(set) => field.redact(&set.text, Some(&set.origin)).text,
            None => field.absent(&self.name).to_owned(),
        }
    }

    pub fn canonical(&self) -> Canonical<'_> {
        Canonical::new(self.kind.as_str(), &self.base_url, self.bedrock.as_ref())
    }

    /// The label that the row's `type` gets. Coder stores Bedrock providers as `bedrock` since that label exists.
    pub fn stored_type(&self, bedrock_label_exists: bool) -> &'static str {
        if self.bedrock.is_some() && bedrock_label_exists { ProviderType::Bedrock.as_str() } else { self.kind.as_str() }
    }

    /// What it is called in anything that is shown: its name, or its number if the name came from a Kubernetes Secret.
    pub fn label(&self) -> String {
        match self.index {
            Some(index) if self.origins.name.source.is_secret() => format!("(provider {index}, name not shown)"),
            _ => self.name.clone(),
        }
    }

    /// Whether Coder encrypts a part of it at rest. All settings count, because they may hold credentials.
    pub fn has_secrets(&self) -> bool {
        !self.keys.is_empty() || self.bedrock.is_some()
    }
}
