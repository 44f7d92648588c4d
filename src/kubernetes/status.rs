//! Reading and writing a status through its subresource, whatever the spec looks like.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Client, Resource};
use serde_json::{Value, json};

use super::api::{Failure, Refusal, call};
use super::events::CONTROLLER;
use super::index::Key;
use super::resource::{AIProviderSeed, AIProviderSeedStatus};

pub struct Statuses<'a> {
    api: Api<DynamicObject>,
    resource: &'a Key,
}

pub struct Answer {
    /// The resourceVersion after the write.
    pub version: Option<String>,
    /// A field that the API server dropped, because its definition does not know it.
    pub lost: Option<String>,
}

impl<'a> Statuses<'a> {
    pub fn new(client: &Client, resource: &'a Key) -> Self {
        let kind = ApiResource::erase::<AIProviderSeed>(&());
        Statuses { api: Api::namespaced_with(client.clone(), &resource.0, &kind), resource }
    }

    /// The status that is there, as far as it can be read.
    pub async fn read(&self) -> Result<Option<AIProviderSeedStatus>, Failure> {
        let (namespace, name) = self.resource;
        let what = format!("get AIProviderSeed {name} in namespace {namespace}");
        let object = call(&what, self.api.get(name)).await.map_err(gone)?;
        Ok(object.data.get("status").and_then(|status| serde_json::from_value(status.clone()).ok()))
    }

    /// By server-side apply. The uid goes along, so that a resource of the same name that came later is not meant.
    pub async fn write(&self, meta: &ObjectMeta, status: &AIProviderSeedStatus) -> Result<Answer, Failure> {
        let (namespace, name) = self.resource;
        let sent = serde_json::to_value(status).unwrap_or_default();
        let patch = json!({
            "apiVersion": AIProviderSeed::api_version(&()),
            "kind": AIProviderSeed::kind(&()),
            "metadata": { "name": name, "uid": meta.uid },
            "status": sent,
        });
        let what = format!("write the status of AIProviderSeed {name} in namespace {namespace}");
        let parameters = PatchParams::apply(CONTROLLER).force();
        let patched = call(&what, self.api.patch_status(name, &parameters, &Patch::Apply(&patch))).await;
        let object = patched.map_err(gone)?;
        let lost = lost(&sent, object.data.get("status").unwrap_or(&Value::Null), "status");
        Ok(Answer { version: object.metadata.resource_version, lost })
    }
}

fn gone(failure: Failure) -> Failure {
    match failure.refusal {
        Refusal::NotFound => Failure { refusal: Refusal::Gone, ..failure },
        _ => failure,
    }
}

/// The first field that was sent and did not come back.
fn lost(sent: &Value, back: &Value, path: &str) -> Option<String> {
    match (sent, back) {
        (Value::Object(sent), Value::Object(back)) => sent.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            match back.get(name) {
                Some(back) => lost(value, back, &path),
                None => Some(path),
            }
        }),
        (Value::Array(sent), Value::Array(back)) => {
            let mut pairs = sent.iter().zip(back);
            pairs.find_map(|(sent, back)| lost(sent, back, &format!("{path}[]")))
        }
        (Value::Object(_), _) => Some(path.to_owned()),
        _ => None,
    }
}

/// Is the first resourceVersion before the second? Kubernetes says since 1.35 that they are numbers to be compared; where they
/// are none, what was written last counts as newer.
pub fn is_older(watched: Option<&str>, written: Option<&str>) -> bool {
    let number = |version: Option<&str>| version.and_then(|version| version.parse::<u128>().ok());
    match (number(watched), number(written)) {
        (Some(watched), Some(written)) => watched < written,
        _ => watched != written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_the_definition_does_not_know_is_noticed() {
        let sent = json!({"summary": {"inSync": "1/1", "message": "m"}, "providers": [{"name": "a", "id": "1"}]});
        assert_eq!(lost(&sent, &sent, "status"), None);
        let without = json!({"summary": {"inSync": "1/1"}, "providers": [{"name": "a", "id": "1"}]});
        assert_eq!(lost(&sent, &without, "status").as_deref(), Some("status.summary.message"));
        let without = json!({"summary": sent["summary"], "providers": [{"name": "a"}], "more": 1});
        assert_eq!(lost(&sent, &without, "status").as_deref(), Some("status.providers[].id"));
        assert_eq!(lost(&sent, &Value::Null, "status").as_deref(), Some("status"));
    }

    #[test]
    fn versions() {
        assert!(is_older(Some("9"), Some("10")));
        assert!(!is_older(Some("10"), Some("10")));
        assert!(!is_older(Some("11"), Some("10")));
        assert!(is_older(Some("x"), Some("y")));
        assert!(!is_older(Some("x"), Some("x")));
    }
}
