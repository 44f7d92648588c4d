//! Reads a resource and writes its status through the subresource, even if the spec is unreadable.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::index::Key;
use super::publish_events::CONTROLLER;
use crate::kubernetes::client::{ApiError, ApiErrorKind, call};
use crate::kubernetes::crd::spec::{AIProviderSeed, AIProviderSeedSpec};
use crate::kubernetes::crd::status::AIProviderSeedStatus;

/// The status has fewer fields than this.
const MOST_UNKNOWN: usize = 40;

pub struct StatusClient<'a> {
    api: Api<DynamicObject>,
    resource: &'a Key,
}

/// A resource as stored by the API server.
pub struct Current {
    pub meta: ObjectMeta,
    pub spec: AIProviderSeedSpec,
    pub status: Option<AIProviderSeedStatus>,
}

/// A status as stored by the API server.
#[derive(Default)]
pub struct LatestStatus {
    pub status: Option<AIProviderSeedStatus>,
    /// The resourceVersion at the read.
    pub version: Option<String>,
}

pub struct Applied {
    /// The resourceVersion after the write.
    pub version: Option<String>,
    /// A field that the CRD lacks, so the server dropped it.
    pub dropped_field: Option<String>,
}

impl<'a> StatusClient<'a> {
    pub fn new(client: &Client, resource: &'a Key) -> Self {
        let kind = ApiResource::erase::<AIProviderSeed>(&());
        StatusClient { api: Api::namespaced_with(client.clone(), &resource.0, &kind), resource }
    }

    /// The existing status, as far as it is readable.
    pub async fn read(&self) -> Result<LatestStatus, ApiError> {
        let latest = self
            .object()
            .await?
            .map(|object| LatestStatus { status: part(&object, "status"), version: object.metadata.resource_version });
        Ok(latest.unwrap_or_default())
    }

    /// The current resource. `None`: it is gone, or its spec is unreadable.
    pub async fn read_whole(&self) -> Result<Option<Current>, ApiError> {
        Ok(self.object().await?.and_then(|object| {
            Some(Current { spec: part(&object, "spec")?, status: part(&object, "status"), meta: object.metadata })
        }))
    }

    /// Lists a single object, so that no permission is needed beyond those of the watch.
    async fn object(&self) -> Result<Option<DynamicObject>, ApiError> {
        let (namespace, name) = self.resource;
        let what = format!("list AIProviderSeed {name} in namespace {namespace}");
        let only = ListParams::default().fields(&format!("metadata.name={name}"));
        Ok(call(&what, self.api.list(&only)).await?.items.into_iter().next())
    }

    /// Writes by server-side apply. The uid is included, so that a later resource of the same name is not changed. If the
    /// definition is older than this program, unknown fields are left out: a status without a field is better than no
    /// status. `only_at`: a resource with another resourceVersion is not changed.
    pub async fn write(
        &self,
        meta: &ObjectMeta,
        status: &AIProviderSeedStatus,
        only_at: Option<&str>,
    ) -> Result<Applied, ApiError> {
        let (namespace, name) = self.resource;
        let mut patch = json!({
            "apiVersion": AIProviderSeed::api_version(&()),
            "kind": AIProviderSeed::kind(&()),
            "metadata": { "name": name, "uid": meta.uid },
            "status": status,
        });
        if let Some(version) = only_at {
            patch["metadata"]["resourceVersion"] = json!(version);
        }
        let what = format!("write the status of AIProviderSeed {name} in namespace {namespace}");
        let parameters = PatchParams::apply(CONTROLLER).force();
        let mut dropped_field = None;
        for _ in 0..MOST_UNKNOWN {
            let patched = call(&what, self.api.patch_status(name, &parameters, &Patch::Apply(&patch))).await;
            match patched.map_err(gone) {
                Ok(object) => return Ok(Applied { version: object.metadata.resource_version, dropped_field }),
                Err(error) if error.unknown_fields.is_empty() => return Err(error),
                Err(error) => {
                    error.unknown_fields.iter().for_each(|path| remove(&mut patch, &segments(path)));
                    dropped_field = dropped_field.or_else(|| error.unknown_fields.into_iter().next());
                }
            }
        }
        Err(ApiError::new(what, ApiErrorKind::Invalid))
    }
}

fn part<T: DeserializeOwned>(object: &DynamicObject, name: &str) -> Option<T> {
    object.data.get(name).and_then(|part| serde_json::from_value(part.clone()).ok())
}

fn gone(error: ApiError) -> ApiError {
    match error.kind {
        ApiErrorKind::NotFound => ApiError { kind: ApiErrorKind::Gone, ..error },
        _ => error,
    }
}

/// `.status.conflicts[provider="a.b",field="type"].source` to `status`, `conflicts`, `source`.
fn segments(path: &str) -> Vec<String> {
    let mut depth = 0;
    let mut segments = vec![String::new()];
    for character in path.trim_start_matches('.').chars() {
        match (character, depth) {
            ('[', _) => depth += 1,
            (']', _) => depth -= 1,
            ('.', 0) => segments.push(String::new()),
            (character, 0) => segments.last_mut().into_iter().for_each(|segment| segment.push(character)),
            _ => {}
        }
    }
    segments
}

/// Whether a status has this field, which the API server has rejected as unknown.
pub fn has_field(status: &AIProviderSeedStatus, path: &str) -> bool {
    is_there(&json!({ "status": status }), &segments(path))
}

/// In a list, any element counts.
fn is_there(value: &Value, path: &[String]) -> bool {
    match (value, path) {
        (Value::Null, _) => false,
        (_, []) => true,
        (Value::Array(list), path) => list.iter().any(|element| is_there(element, path)),
        (Value::Object(object), [first, rest @ ..]) => object.get(first).is_some_and(|inner| is_there(inner, rest)),
        _ => false,
    }
}

/// In a list, from every element.
fn remove(value: &mut Value, path: &[String]) {
    match (value, path) {
        (Value::Array(list), path) => list.iter_mut().for_each(|element| remove(element, path)),
        (Value::Object(object), [last]) => drop(object.remove(last)),
        (Value::Object(object), [first, rest @ ..]) => {
            if let Some(inner) = object.get_mut(first) {
                remove(inner, rest);
            }
        }
        _ => {}
    }
}

/// Whether the watched version is later than the written one. Since 1.35 Kubernetes guarantees that versions are
/// comparable numbers; if they are not numbers, the written version counts.
pub fn is_newer(watched: Option<&str>, written: Option<&str>) -> bool {
    let number = |version: Option<&str>| version.and_then(|version| version.parse::<u128>().ok());
    matches!((number(watched), number(written)), (Some(watched), Some(written)) if watched > written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_unknown_to_the_definition_are_left_out() {
        let mut patch = json!({"status": {"summary": {"inSync": "1/1", "message": "m"}, "conflicts": [{"provider": "a", "new": 1}, {"new": 2}]}});
        for path in
            [".status.summary.message", r#".status.conflicts[field="type",provider="a.b"].new"#, ".status.absent.x"]
        {
            remove(&mut patch, &segments(path));
        }
        assert_eq!(patch, json!({"status": {"summary": {"inSync": "1/1"}, "conflicts": [{"provider": "a"}, {}]}}));
    }

    #[test]
    fn field_of_a_status_is_found_by_the_path_of_a_refusal() {
        use crate::kubernetes::crd::status::{ConflictStatus, Summary};
        let conflict = ConflictStatus { provider: "a.b".to_owned(), ..ConflictStatus::default() };
        let status = AIProviderSeedStatus {
            conflicts: vec![conflict],
            summary: Some(Summary { message: "m".to_owned(), ..Summary::default() }),
            ..AIProviderSeedStatus::default()
        };
        for path in [".status.summary.message", r#".status.conflicts[field="x",provider="y"].provider"#] {
            assert!(has_field(&status, path), "{path}");
        }
        for path in [".status.summary.absent", ".status.conflicts[0].since", ".status.lastHandledResolve", ".spec"] {
            assert!(!has_field(&status, path), "{path}");
        }
    }

    #[test]
    fn resource_versions_are_compared_as_numbers() {
        assert!(is_newer(Some("10"), Some("9")));
        assert!(!is_newer(Some("10"), Some("10")));
        assert!(!is_newer(Some("10"), Some("11")));
        assert!(!is_newer(Some("y"), Some("x")));
        assert!(!is_newer(None, Some("1")));
    }
}
