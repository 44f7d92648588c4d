//! Endpoints that Coder stores but cannot use.

use super::judge::{characters, reference, url};
use crate::problem::{Code, Problem};
use crate::provider::ProviderType;

pub fn bedrock_without_credentials() -> String {
    "only a Bedrock URL is set: Coder will refuse this provider at run time without a region or an access key"
        .to_owned()
}

/// `missing`: the variables of the models that are not set. Protocol `invoke-model` needs both models.
pub fn without_models(missing: Vec<String>) -> Option<Problem> {
    let message = "Coder needs both model ids for a Bedrock provider; without them every request to it fails. Set \
                   BEDROCK_MODEL and BEDROCK_SMALL_FAST_MODEL";
    (!missing.is_empty()).then(|| Problem::new(Code::BedrockWithoutModels, message).variables(missing))
}

/// Text that no model id contains; also the ARN of an application inference profile, which Coder resolves only when the
/// provider is saved through its API.
pub fn unresolved_model(model: &str) -> Option<String> {
    let odd = characters::oddity(model).or_else(|| characters::spot(model, |c| c.is_whitespace() || "<>".contains(c)));
    if let (Some(odd), None) = (odd, reference::find(model)) {
        return Some(format!("{odd}: no model has such an id, and Coder would store it as it is; set the id alone"));
    }
    let message = "the ARN of an application inference profile: Coder resolves it only when the provider is saved through its \
                   API or UI, so save it there once after the start, or set the id of the model";
    model.contains(":application-inference-profile/").then(|| message.to_owned())
}

/// Coder stores any text, but it can only use an absolute http(s) URL. An empty URL is valid where Coder uses the
/// vendor's endpoint or the region's Bedrock endpoint.
pub fn suspicious_url(kind: ProviderType, url: &str) -> Option<String> {
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
    let what = url::fault(url).filter(|_| !is_reference(url))?;
    Some(format!("{what}; {stored} and cannot use it: write for example https://api.openai.com/v1"))
}

/// An unreplaced reference is reported as such; in a URL whose scheme is also wrong, both reports are true.
fn is_reference(url: &str) -> bool {
    !url.contains("://") && reference::find(url).is_some()
}

/// Coder does not check the icon; its own icons are paths.
pub fn is_usual_icon(text: &str) -> bool {
    let is_url =
        ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) && ::url::Url::parse(text).is_ok();
    (text.starts_with('/') || is_url) && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}
