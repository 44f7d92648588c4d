//! How much of an environment is known, and the providers that therefore cannot be compared.

use crate::provider::{DesiredProvider, redact};

/// How much of the environment is known.
#[derive(Clone, Copy)]
pub enum Completeness<'a> {
    Complete,
    /// Values may be unknown, and these objects may set any variable: `Secret coder-ai, which envFrom of container …`.
    #[cfg_attr(not(feature = "controller"), allow(dead_code, reason = "the own environment is known whole"))]
    Partial(&'a [String]),
}

/// A provider that cannot be compared, because too many of its values are unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProvider {
    pub index: Option<u64>,
    /// Its number instead, if the name is unknown or not shown.
    pub name: String,
    pub kind: Option<String>,
    /// The common pattern of its variables: `CODER_AIBRIDGE_PROVIDER_0_*`.
    pub pattern: String,
}

impl UnknownProvider {
    pub fn of_legacy(provider: DesiredProvider) -> UnknownProvider {
        let kind = Some(redact::kind(provider.canonical().kind, None).text);
        UnknownProvider { index: None, name: provider.label(), kind, pattern: provider.origins.pattern.to_string() }
    }
}
