//! Events of events.k8s.io/v1. Made by ourselves and not by kube's `Recorder`: it would merge two conflicts into one Event and
//! needs the right to patch; what we publish are transitions, each its own Event, created once.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use kube::{Client, Resource};
use sha2::{Digest, Sha256};

use crate::kubernetes::client::{ApiError, call};
use crate::kubernetes::crd::spec::AIProviderSeed;
use crate::kubernetes::status::conditions::PendingEvent;
use crate::kubernetes::status::observation::EventSubject;
use crate::provider::{hex, redact};

pub const CONTROLLER: &str = "ai-provider-seed";
/// Of a name in Kubernetes; the Event's is the resource's and a suffix.
const NAME: usize = 230;

/// The Event to publish. `meta` is the live resource's: `kubectl describe` finds Events by its uid.
pub fn event(
    event: &PendingEvent,
    meta: &ObjectMeta,
    related: Option<&EventSubject>,
    instance: &str,
    at: Timestamp,
) -> Event {
    let name = meta.name.clone().unwrap_or_default();
    let regarding = ObjectReference {
        api_version: Some(AIProviderSeed::api_version(&()).into_owned()),
        kind: Some(AIProviderSeed::kind(&()).into_owned()),
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
        field_path: event.field_path.clone(),
        resource_version: None,
    };
    let related = related.map(|related| ObjectReference {
        api_version: Some("apps/v1".to_owned()),
        kind: Some(related.kind.as_str().to_owned()),
        namespace: meta.namespace.clone(),
        name: Some(related.name.clone()),
        uid: related.uid.clone(),
        ..ObjectReference::default()
    });
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{}", &name[..name.floor_char_boundary(NAME)], suffix(event, meta, at))),
            namespace: meta.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some(event.reason.action().to_owned()),
        event_time: Some(MicroTime(at)),
        note: Some(event.note.clone()),
        reason: Some(event.reason.as_str().to_owned()),
        regarding: Some(regarding),
        related,
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(redact::truncate_chars(instance, 128)),
        type_: Some(if event.is_warning { "Warning" } else { "Normal" }.to_owned()),
        ..Event::default()
    }
}

/// Unique: the time has microseconds, and Events of one time have different paths.
fn suffix(event: &PendingEvent, meta: &ObjectMeta, at: Timestamp) -> String {
    let mut hash = Sha256::new();
    let at = at.to_string();
    let path = event.field_path.as_deref().unwrap_or_default();
    for text in [meta.uid.as_deref().unwrap_or_default(), event.reason.as_str(), path, &at] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hex(&hash.finalize())[..16].to_owned()
}

pub async fn publish(client: &Client, event: &Event) -> Result<(), ApiError> {
    let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let name = format!("create an Event in namespace {namespace}");
    call(&name, api.create(&PostParams::default(), event)).await.map(|_| ())
}
