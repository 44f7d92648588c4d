//! Maps objects to the resources that use them, so that a change of an object finds the affected resources.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::kubernetes::workload::objects::{Names, ObjectKind};
use crate::options::WorkloadKind;

/// Namespace and name.
pub type Key = (String, String);

pub fn key_of(meta: &ObjectMeta) -> Key {
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

#[derive(Default)]
pub struct Index(Mutex<Maps>);

#[derive(Default)]
struct Maps {
    used: HashMap<Key, BTreeSet<(ObjectKind, String)>>,
    users: HashMap<(ObjectKind, Key), HashSet<String>>,
}

impl Index {
    /// Records that the resource uses the workload and these objects, whether or not they exist. Called before they are
    /// read, so that no change is missed in between.
    pub fn set(&self, resource: &Key, workload: (WorkloadKind, &str), names: &Names) {
        let mut used: BTreeSet<(ObjectKind, String)> =
            BTreeSet::from([(ObjectKind::Workload(workload.0), workload.1.to_owned())]);
        used.extend(names.secrets.keys().map(|name| (ObjectKind::Secret, name.clone())));
        used.extend(names.config_maps.keys().map(|name| (ObjectKind::ConfigMap, name.clone())));
        let mut maps = self.lock();
        maps.forget(resource);
        for (kind, name) in &used {
            let object = (*kind, (resource.0.clone(), name.clone()));
            maps.users.entry(object).or_default().insert(resource.1.clone());
        }
        maps.used.insert(resource.clone(), used);
    }

    pub fn remove(&self, resource: &Key) {
        self.lock().forget(resource);
    }

    /// The names of the resources, in the object's namespace, that use it.
    pub fn users(&self, kind: ObjectKind, object: &Key) -> Vec<String> {
        self.lock().users.get(&(kind, object.clone())).into_iter().flatten().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Maps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Maps {
    fn forget(&mut self, resource: &Key) {
        for (kind, name) in self.used.remove(resource).unwrap_or_default() {
            let object = (kind, (resource.0.clone(), name));
            if let Some(users) = self.users.get_mut(&object) {
                users.remove(&resource.1);
                if users.is_empty() {
                    self.users.remove(&object);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::workload::objects::UsedKeys;

    fn key(name: &str) -> Key {
        ("ns".to_owned(), name.to_owned())
    }

    fn secrets(names: &[&str]) -> Names {
        let secrets = names.iter().map(|name| (name.to_string(), UsedKeys::All)).collect();
        Names { secrets, ..Names::default() }
    }

    #[test]
    fn users_follow_the_used_objects() {
        let index = Index::default();
        index.set(&key("a"), (WorkloadKind::Deployment, "coder"), &secrets(&["one", "two"]));
        index.set(&key("b"), (WorkloadKind::Deployment, "other"), &secrets(&["one"]));
        let mut users = index.users(ObjectKind::Secret, &key("one"));
        users.sort();
        assert_eq!(users, ["a", "b"]);
        assert_eq!(index.users(ObjectKind::Workload(WorkloadKind::Deployment), &key("coder")), ["a"]);
        assert!(index.users(ObjectKind::ConfigMap, &key("one")).is_empty());
        assert!(index.users(ObjectKind::Secret, &("else".to_owned(), "one".to_owned())).is_empty());
        index.set(&key("a"), (WorkloadKind::StatefulSet, "coder"), &secrets(&["two"]));
        assert_eq!(index.users(ObjectKind::Secret, &key("one")), ["b"]);
        assert!(index.users(ObjectKind::Workload(WorkloadKind::Deployment), &key("coder")).is_empty());
        index.remove(&key("b"));
        index.remove(&key("a"));
        assert!(index.lock().users.is_empty() && index.lock().used.is_empty());
    }
}
