//! The Secrets and ConfigMaps of a check, with their content.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Container;

use crate::kubernetes::crd::reason::{CheckStopped, Reason};
use crate::options::WorkloadKind;
use crate::problem::{Code, Problem};
use crate::provider::redact;

/// The kinds of object that a check may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    Workload(WorkloadKind),
    Secret,
    ConfigMap,
}

impl ObjectKind {
    pub fn as_str(self) -> &'static str {
        match self {
            ObjectKind::Workload(kind) => kind.as_str(),
            ObjectKind::Secret => "Secret",
            ObjectKind::ConfigMap => "ConfigMap",
        }
    }
}

/// On a Secret with a database URL: the resources for which the controller may write there, separated by commas.
pub const WRITABLE_BY: &str = "aiproviders.dev/writable-by";

/// By name. No `Debug`: it is full of secrets. `None`: the object does not exist.
#[derive(Default)]
pub struct Objects {
    pub secrets: BTreeMap<String, Option<BTreeMap<String, Vec<u8>>>>,
    pub config_maps: BTreeMap<String, Option<BTreeMap<String, String>>>,
    /// By the name of the Secret: its annotation `aiproviders.dev/writable-by`.
    pub writable_by: BTreeMap<String, String>,
    /// Manifests only: a missing object may be in the cluster.
    pub partial: bool,
    /// Encrypted manifests, whose content is as unknown as that of missing ones.
    pub encrypted: Vec<(ObjectKind, String)>,
}

/// The most Secrets and ConfigMaps that are read for one check.
pub const MAX_OBJECTS: usize = 64;
/// The most bytes of the used keys, with their names.
pub const MAX_OBJECT_BYTES: usize = 4 << 20;

/// The used part of an object; the rest is dropped right after the read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsedKeys {
    All,
    Some(BTreeSet<String>),
}

impl UsedKeys {
    pub fn contains(&self, key: &str) -> bool {
        match self {
            UsedKeys::All => true,
            UsedKeys::Some(keys) => keys.contains(key),
        }
    }
}

/// The objects that a container or a resource mentions, whether or not they exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub secrets: BTreeMap<String, UsedKeys>,
    pub config_maps: BTreeMap<String, UsedKeys>,
}

impl Names {
    pub fn of_container(&mut self, container: &Container) {
        for from in container.env_from.iter().flatten() {
            if let Some(reference) = &from.secret_ref {
                self.secrets.insert(reference.name.clone(), UsedKeys::All);
            }
            if let Some(reference) = &from.config_map_ref {
                self.config_maps.insert(reference.name.clone(), UsedKeys::All);
            }
        }
        for from in container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
            if let Some(reference) = &from.secret_key_ref {
                self.secret_key(&reference.name, &reference.key);
            }
            if let Some(reference) = &from.config_map_key_ref {
                self.config_map_key(&reference.name, &reference.key);
            }
        }
    }

    pub fn secret_key(&mut self, name: &str, key: &str) {
        use_key(&mut self.secrets, name, key);
    }

    pub fn config_map_key(&mut self, name: &str, key: &str) {
        use_key(&mut self.config_maps, name, key);
    }

    /// Too many objects, which is known before the first read.
    pub fn too_many(&self) -> Option<Problem> {
        let number = self.secrets.len() + self.config_maps.len();
        let message = format!(
            "{number} Secrets and ConfigMaps are mentioned, and at most {MAX_OBJECTS} are read for a check; put the values \
             into fewer objects"
        );
        (number > MAX_OBJECTS).then(|| Problem::new(Code::ObjectsTooMany, message))
    }

    /// The used keys exceed the limit.
    pub fn too_large(&self) -> Problem {
        let number = self.secrets.len() + self.config_maps.len();
        let message = format!(
            "the used keys of the {number} Secrets and ConfigMaps have more than {MAX_OBJECT_BYTES} bytes, the limit of a check; shorten the \
             values, or mention single keys"
        );
        Problem::new(Code::ObjectsTooMany, message)
    }
}

fn use_key(objects: &mut BTreeMap<String, UsedKeys>, name: &str, key: &str) {
    match objects.get_mut(name) {
        Some(UsedKeys::All) => {}
        Some(UsedKeys::Some(keys)) => _ = keys.insert(key.to_owned()),
        None => _ = objects.insert(name.to_owned(), UsedKeys::Some(BTreeSet::from([key.to_owned()]))),
    }
}

/// The place in a manifest that mentions an object, for messages: `spec.database.ca`, `env PGPASSWORD of container
/// coder`.
pub struct Mention<'a>(pub &'a str);

impl Objects {
    /// It is not among the manifests, and probably in the cluster.
    pub fn has_elsewhere(&self, kind: ObjectKind, name: &str, optional: bool) -> bool {
        let there = match kind {
            ObjectKind::Secret => self.secrets.contains_key(name),
            // A chart contains its ConfigMaps, so an optional one that is not among them does not exist.
            _ => self.config_maps.contains_key(name) || optional,
        };
        let is_encrypted = self.encrypted.iter().any(|(of, encrypted)| *of == kind && encrypted == name);
        self.partial && (is_encrypted || !there)
    }

    /// A whole Secret. `Ok(None)`: it does not exist and is optional.
    pub fn secret(
        &self,
        name: &str,
        optional: bool,
        by: &Mention<'_>,
    ) -> Result<Option<&BTreeMap<String, Vec<u8>>>, CheckStopped> {
        match self.secrets.get(name).and_then(Option::as_ref) {
            None if !optional => Err(not_found(ObjectKind::Secret, name, by)),
            found => Ok(found),
        }
    }

    pub fn config_map(
        &self,
        name: &str,
        optional: bool,
        by: &Mention<'_>,
    ) -> Result<Option<&BTreeMap<String, String>>, CheckStopped> {
        match self.config_maps.get(name).and_then(Option::as_ref) {
            None if !optional => Err(not_found(ObjectKind::ConfigMap, name, by)),
            found => Ok(found),
        }
    }

    pub fn secret_key(
        &self,
        name: &str,
        key: &str,
        optional: bool,
        by: &Mention<'_>,
    ) -> Result<Option<&[u8]>, CheckStopped> {
        let Some(data) = self.secret(name, optional, by)? else { return Ok(None) };
        match data.get(key) {
            None if !optional => Err(key_missing(ObjectKind::Secret, name, key, by)),
            found => Ok(found.map(Vec::as_slice)),
        }
    }

    pub fn config_map_key(
        &self,
        name: &str,
        key: &str,
        optional: bool,
        by: &Mention<'_>,
    ) -> Result<Option<&str>, CheckStopped> {
        let Some(data) = self.config_map(name, optional, by)? else { return Ok(None) };
        match data.get(key) {
            None if !optional => Err(key_missing(ObjectKind::ConfigMap, name, key, by)),
            found => Ok(found.map(String::as_str)),
        }
    }

    /// A required key.
    pub fn required_secret_key(&self, name: &str, key: &str, by: &Mention<'_>) -> Result<&[u8], CheckStopped> {
        self.secret_key(name, key, false, by)?.ok_or_else(|| key_missing(ObjectKind::Secret, name, key, by))
    }

    /// A required key.
    pub fn required_config_map_key(&self, name: &str, key: &str, by: &Mention<'_>) -> Result<&str, CheckStopped> {
        self.config_map_key(name, key, false, by)?.ok_or_else(|| key_missing(ObjectKind::ConfigMap, name, key, by))
    }
}

fn not_found(kind: ObjectKind, name: &str, by: &Mention<'_>) -> CheckStopped {
    let reason = if kind == ObjectKind::Secret { Reason::SecretNotFound } else { Reason::ConfigMapNotFound };
    let (kind, name) = (kind.as_str(), redact::name(name));
    CheckStopped::new(
        reason,
        format!("{kind} {name}, which {} needs, does not exist; create it, or correct the name", by.0),
    )
}

fn key_missing(kind: ObjectKind, name: &str, key: &str, by: &Mention<'_>) -> CheckStopped {
    let reason = if kind == ObjectKind::Secret { Reason::SecretKeyMissing } else { Reason::ConfigMapKeyMissing };
    let (kind, name, key) = (kind.as_str(), redact::name(name), redact::name(key));
    CheckStopped::new(
        reason,
        format!("{kind} {name} has no key {key}, which {} needs; add it, or correct the key", by.0),
    )
}
