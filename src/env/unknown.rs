//! How much of an environment is known, and the providers that cannot be compared therefore.

use crate::provider::{DesiredProvider, redact};

/// How much of the environment is known.
#[derive(Clone, Copy)]
pub enum Completeness<'a> {
    Complete,
    /// Values may be unknown, and these objects may set any variable: `Secret coder-ai, which envFrom of container …`.
    #[cfg_attr(not(feature = "controller"), allow(dead_code, reason = "the own environment is known whole"))]
    Partial(&'a [String]),
}

/// A provider of which too little is known to compare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProvider {
    pub index: Option<u64>,
    /// Or its number, if the name is one of the things that are not known, or not shown.
    pub name: String,
    pub kind: Option<String>,
    /// How its variables are spelled: `CODER_AIBRIDGE_PROVIDER_0_*`.
    pub pattern: String,
}

impl UnknownProvider {
    pub fn of_legacy(provider: DesiredProvider) -> UnknownProvider {
        let kind = Some(redact::kind(provider.canonical().kind, None).text);
        UnknownProvider { index: None, name: provider.label(), kind, pattern: provider.origins.pattern }
    }
}
