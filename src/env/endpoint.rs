//! Endpoints that Coder stores and that cannot work.

use crate::problem::{Code, Problem};
use crate::provider::{Origin, ProviderType, redact};

pub fn bedrock_without_credentials() -> String {
    "only a Bedrock URL is set: Coder will refuse this provider at run time without a region or an access key"
        .to_owned()
}

/// `missing`: the variables of the models that are not set. Protocol `invoke-model` needs both.
pub fn without_models(missing: Vec<String>) -> Option<Problem> {
    let message = "Coder needs both model ids for a Bedrock provider; without them every request to it fails. Set \
                   BEDROCK_MODEL and BEDROCK_SMALL_FAST_MODEL";
    (!missing.is_empty()).then(|| Problem::new(Code::BedrockWithoutModels, message).variables(missing))
}

/// Coder stores any text; but one that is not an absolute http(s) URL cannot work. An empty one is fine where Coder uses the
/// vendor's endpoint, or Bedrock's of the region.
pub fn suspicious_url(kind: ProviderType, url: &str, origin: &Origin) -> Option<String> {
    let stored = "Coder stores it as it is";
    if url.is_empty() {
        return kind.falls_back_to_openai().then(|| {
            format!(
                "no base URL: Coder would send the requests to OpenAI's endpoint, and the key of this {} provider with \
                 them; set the endpoint's URL",
                kind.as_str()
            )
        });
    }
    if url.contains(char::is_whitespace) {
        return Some(format!(
            "white space in the URL ({stored}); check the end of the value, Secrets often end in a newline"
        ));
    }
    let parsed =
        url::Url::parse(url).ok().filter(|parsed| ["http", "https"].contains(&parsed.scheme()) && parsed.has_host());
    match parsed {
        Some(_) => None,
        None => {
            let value = redact::base_url(url, Some(origin));
            Some(format!(
                "not an absolute http or https URL ({value}; {stored}); write for example https://api.openai.com/v1"
            ))
        }
    }
}
