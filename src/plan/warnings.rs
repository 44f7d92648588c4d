//! Findings that deserve a look but stop nothing: a skipped provider, and a row that Coder will not serve as expected.

use super::about;
use super::snapshot::StoredProvider;
use crate::problem::{Code, Problem};
use crate::provider::{BedrockSettings, DesiredProvider, Field, redact};

pub fn unsupported(provider: &DesiredProvider) -> Problem {
    let kind = redact::kind(provider.kind.as_str(), Some(&provider.origins.kind));
    let message = format!(
        "this database does not know the type ({kind}), so the provider is skipped; upgrade Coder or remove it"
    );
    Problem {
        variables: vec![provider.origins.kind.variable.to_string()],
        ..about(provider, Code::UnsupportedByDatabase, message)
    }
}

/// Without its role a provider would have another identity, so it is skipped; without its icon it is the same provider.
pub fn unsupported_fields(provider: &DesiredProvider) -> Problem {
    let skipped = provider.newer_fields().any(|field| field.settings_key().is_some());
    let so = if skipped { "the provider is skipped" } else { "the row goes without it" };
    let message =
        format!("Coder knows this field from 2.36 on, and this database is older, so {so}; upgrade Coder or unset it");
    let variables =
        provider.newer_fields().filter_map(|field| provider.origin(field)).map(|origin| origin.variable.to_string());
    Problem { variables: variables.collect(), ..about(provider, Code::UnsupportedByDatabase, message) }
}

pub fn deleted(provider: &DesiredProvider) -> Problem {
    let message = format!(
        "an operator deleted it; the environment does not bring it back. To have it again, create it in Coder or run \
         ai-provider-seed resolve {} --restore; to end this warning, unset its variables",
        provider.label()
    );
    about(provider, Code::PreviouslyDeleted, message)
}

pub fn not_understood(provider: &DesiredProvider) -> Problem {
    let message = "Coder holds settings of a kind or version that this version does not know; they stay as they are and \
                   were not compared; upgrade ai-provider-seed";
    about(provider, Code::SettingsNotUnderstood, message)
}

/// Warnings about a live, compared row.
pub fn disabled(
    provider: &DesiredProvider,
    row: &StoredProvider,
    settings: Option<&BedrockSettings>,
) -> Option<Problem> {
    let is_said = provider.optional.contains_key(&Field::Enabled);
    let message = "it is disabled in Coder: every request to it is answered with 503 and its models are gone; enable it there, \
                   or set ENABLED=false if that is wanted";
    (!is_said && row.text(Field::Enabled, &provider.name, settings) == "false")
        .then(|| about(provider, Code::ProviderDisabled, message))
}

pub fn of_old_type(provider: &DesiredProvider) -> Problem {
    let message = "the row has type anthropic with Bedrock settings, which Coder serves up to 2.37 only: afterwards bedrock is a \
                   type of its own; let a release from 2.34.3 to 2.37 start once, or start with --take-environment=all, which \
                   changes the type";
    about(provider, Code::BedrockRowOfOldType, message)
}
