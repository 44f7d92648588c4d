//! The object of an Event: core/v1, because `events.k8s.io/v1` refuses `lastTimestamp`, by which `kubectl describe`
//! sorts.

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Resource;

use crate::kubernetes::crd::spec::AIProviderSeed;
use crate::kubernetes::status::conditions::PendingEvent;
use crate::kubernetes::status::observation::EventSubject;
use crate::provider::redact;

pub const CONTROLLER: &str = "ai-provider-seed";
/// The most bytes of the resource's name in the Event's name; a dot and [`suffix`] follow, and 253 are allowed.
const NAME: usize = 230;

/// The subject of an Event.
pub struct Subject<'a> {
    /// The metadata of the live resource: `kubectl describe` finds Events by its uid.
    pub meta: &'a ObjectMeta,
    pub workload: Option<&'a EventSubject>,
}

/// The Event to publish, as reported by `instance`. `at` has microseconds and differs for each Event of the process.
pub fn event(pending: &PendingEvent, of: &Subject, instance: &str, at: Timestamp) -> Event {
    let second = Time(Timestamp::from_second(at.as_second()).unwrap_or_default());
    Event {
        metadata: ObjectMeta {
            name: Some(name(of.meta.name.as_deref().unwrap_or_default(), at)),
            namespace: of.meta.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some(pending.reason.action().to_owned()),
        count: Some(1),
        event_time: Some(MicroTime(at)),
        first_timestamp: Some(second.clone()),
        last_timestamp: Some(second),
        involved_object: ObjectReference {
            api_version: Some(AIProviderSeed::api_version(&()).into_owned()),
            kind: Some(AIProviderSeed::kind(&()).into_owned()),
            namespace: of.meta.namespace.clone(),
            name: of.meta.name.clone(),
            uid: of.meta.uid.clone(),
            field_path: pending.field_path.clone(),
            resource_version: None,
        },
        message: Some(pending.note.clone()),
        reason: Some(pending.reason.as_str().to_owned()),
        related: of.workload.map(|related| ObjectReference {
            api_version: Some("apps/v1".to_owned()),
            kind: Some(related.kind.as_str().to_owned()),
            namespace: of.meta.namespace.clone(),
            name: Some(related.name.clone()),
            uid: related.uid.clone(),
            ..ObjectReference::default()
        }),
        reporting_component: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(redact::truncate_chars(instance, 128)),
        source: Some(EventSource { component: Some(CONTROLLER.to_owned()), host: None }),
        type_: Some(if pending.is_warning { "Warning" } else { "Normal" }.to_owned()),
        ..Event::default()
    }
}

/// The resource's name and the time in hexadecimal digits, so that names sort by time: kubectl sorts by name within a
/// second.
pub fn name(resource: &str, at: Timestamp) -> String {
    // The cut name may end in a character that must not end a part of a DNS name.
    let resource = resource[..resource.floor_char_boundary(NAME)].trim_end_matches(['.', '-']);
    format!("{resource}.{:016x}", at.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time_and_are_dns_subdomains() {
        let at = |micros: i64| Timestamp::from_microsecond(micros).unwrap();
        assert_eq!(name("coder", at(0x0006_57b5_ad1f_1234)), "coder.000657b5ad1f1234");
        let times = [1, 9, 10, 1_800_000_000_000_000, 1_800_000_000_000_001, 9_000_000_000_000_000];
        let names: Vec<String> = times.map(|time| name("coder", at(time))).to_vec();
        assert!(names.is_sorted(), "{names:?}");
        let cut = name(&format!("{}.-{}", "a".repeat(228), "b".repeat(20)), at(1));
        assert_eq!(cut, format!("{}.0000000000000001", "a".repeat(228)));
    }
}
