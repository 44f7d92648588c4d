//! Marks the fields of a provider whose value a warning calls suspicious, so that only one place judges the value.

use crate::problem::{Code, Problem};
use crate::provider::{DesiredProvider, Field};

/// Warnings about a value that Coder would store but cannot use.
const SUSPICIOUS: [Code; 4] =
    [Code::KeySuspicious, Code::RegionSuspicious, Code::UnexpandedReference, Code::BaseUrlSuspicious];

pub fn mark(providers: &mut [DesiredProvider], warnings: &[Problem]) {
    for warning in warnings.iter().filter(|warning| SUSPICIOUS.contains(&warning.code)) {
        // The older variables have no number, and those of two providers have different names.
        for provider in providers.iter_mut().filter(|provider| provider.index == warning.index) {
            let is_meant = |field: &Field| warning.variables.iter().any(|variable| decides(provider, *field, variable));
            let fields: Vec<Field> = Field::ALL.iter().copied().filter(is_meant).collect();
            provider.suspicious.extend(fields);
        }
    }
}

fn decides(provider: &DesiredProvider, field: Field, variable: &str) -> bool {
    // For a pair, only the variable of the access key is recorded.
    let of_pair = field == Field::BedrockCredentials
        && provider.bedrock.is_some()
        && variable.to_ascii_uppercase().contains("_BEDROCK_ACCESS_KEY");
    of_pair || provider.origin(field).is_some_and(|origin| origin.variable == variable)
}
