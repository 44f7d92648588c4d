//! Which events of a watch are a change of a used object.

use std::collections::HashMap;

use kube::Resource;
use kube::api::ObjectMeta;
use kube::runtime::watcher::Event;

use super::index::{Key, key_of};

/// An object that changed, and the resources that use it.
#[derive(Debug, PartialEq, Eq)]
pub struct Changed {
    pub object: Key,
    pub users: Vec<String>,
    /// The generation is unchanged, but something else changed: a rollout progresses.
    pub only_moved: bool,
}

/// The last seen versions of used objects, so that a new list starts no check. Unused objects are not stored.
#[derive(Default)]
pub struct Changes(HashMap<Key, String>);

impl Changes {
    /// `users`: the resources that use the object. `None`: the event is no change of a used object.
    pub fn of<K: Resource<DynamicType = ()>>(
        &mut self,
        event: &Event<K>,
        users: impl FnOnce(&Key) -> Vec<String>,
    ) -> Option<Changed> {
        let (object, is_there) = match event {
            Event::Init | Event::InitDone => return None,
            Event::Apply(object) | Event::InitApply(object) => (object, true),
            Event::Delete(object) => (object, false),
        };
        let key = key_of(object.meta());
        let users = users(&key);
        if users.is_empty() || !is_there {
            self.0.remove(&key);
            return (!users.is_empty()).then_some(Changed { object: key, users, only_moved: false });
        }
        let version = version(object.meta());
        let only_moved = self.0.insert(key.clone(), version.clone()) == Some(version);
        let is_listed = matches!(event, Event::InitApply(_));
        (!only_moved || !is_listed).then_some(Changed { object: key, users, only_moved })
    }
}

/// The generation if there is one; also the uid, because a new object may begin at the generation of the old one.
fn version(meta: &ObjectMeta) -> String {
    let uid = meta.uid.as_deref().unwrap_or_default();
    match meta.generation {
        Some(generation) => format!("{uid}/{generation}"),
        None => format!("{uid}/{}", meta.resource_version.as_deref().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;

    use super::*;

    #[test]
    fn only_changes_that_matter() {
        let object = |uid: &str, generation: Option<i64>, version: &str| {
            let metadata = ObjectMeta {
                name: Some("coder".to_owned()),
                namespace: Some("ns".to_owned()),
                uid: Some(uid.to_owned()),
                generation,
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            };
            Secret { metadata, ..Secret::default() }
        };
        let mut changes = Changes::default();
        let mut moved = |event| changes.of(&event, |_| vec!["user".to_owned()]).map(|changed| changed.only_moved);
        assert_eq!(moved(Event::InitApply(object("a", Some(1), "1"))), Some(false));
        assert_eq!(moved(Event::Apply(object("a", Some(1), "2"))), Some(true), "a status of a workload");
        assert_eq!(moved(Event::Apply(object("a", Some(2), "3"))), Some(false));
        assert_eq!(moved(Event::InitApply(object("a", Some(2), "9"))), None, "a new list");
        assert_eq!(moved(Event::Delete(object("a", Some(2), "9"))), Some(false));
        assert_eq!(moved(Event::Apply(object("b", Some(2), "10"))), Some(false));
        assert_eq!(moved(Event::Apply(object("b", None, "11"))), Some(false));
        assert_eq!(moved(Event::Apply(object("b", None, "12"))), Some(false));
        assert_eq!(moved(Event::Init), None);
    }

    #[test]
    fn unused_objects_are_not_stored() {
        let metadata = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let mut changes = Changes::default();
        for number in 0..100 {
            let secret = Secret { metadata: metadata(&number.to_string()), ..Secret::default() };
            assert_eq!(changes.of(&Event::InitApply(secret), |_| Vec::new()), None);
        }
        assert!(changes.0.is_empty());
    }
}
