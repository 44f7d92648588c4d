//! Endpoints that Coder stores and that cannot work.

use crate::provider::{Origin, redact};

pub fn bedrock_without_credentials() -> String {
    "only a Bedrock URL is set: Coder will refuse this provider at run time without a region or an access key"
        .to_owned()
}

/// Coder stores any text; but one that is no absolute http(s) URL cannot work. Bedrock finds its endpoint by region.
pub fn suspicious_url(url: &str, is_bedrock: bool, origin: &Origin) -> Option<String> {
    let stored = "Coder stores it as it is";
    if url.is_empty() {
        let message =
            "no base URL: the row gets an empty one, and indexed providers have no default; set the endpoint's URL";
        return (!is_bedrock).then(|| message.to_owned());
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
