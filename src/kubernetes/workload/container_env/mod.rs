//! The environment of a container as the kubelet builds it: `envFrom` in order, then `env` in order; later entries win.
//!
//! A function of values. A value that only the pod knows becomes a variable without a value, which matters only where the
//! value is needed.

mod notes;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVar, EnvVarSource};

use super::expand::{Piece, is_service_variable, pieces};
use super::objects::{Mention, ObjectKind, Objects};
use crate::env::Variable;
use crate::env::size::{self, MAX_ENVIRONMENT, TooLarge, Total};
use crate::kubernetes::crd::reason::CheckStopped;
use crate::problem::Problem;
use crate::provider::{Source, redact};

/// The content of a variable. No `Debug`: any may be a secret.
#[derive(Clone)]
pub enum EnvValue {
    Text(String, Source),
    NotUnicode(Source),
    /// Known only in the pod, from this source.
    InPod(String),
    /// In this missing object.
    Elsewhere(String, Source),
    /// More bytes than a process can start with; the value was never built.
    TooLarge(usize),
}

/// The pod of the container.
#[derive(Clone, Copy)]
pub struct Pod<'a> {
    pub namespace: &'a str,
    /// `enableServiceLinks`
    pub service_links: bool,
}

#[derive(Default)]
pub struct ContainerEnv {
    values: BTreeMap<String, EnvValue>,
    /// Missing objects that may set any variable: `Secret coder-ai, which envFrom of container coder reads`.
    pub missing: Vec<String>,
    /// The same, with the prefix of the names that each may set.
    unknown: Vec<(String, ObjectKind, String)>,
    service_links: bool,
    /// The size of `values`.
    total: Total,
    /// The size of all entries ever in `values`: replaced entries take time too.
    handled: usize,
    /// The size exceeded the limit of a process, and reading stopped.
    full: bool,
    /// Why a reference stays in a value, by the variable's name.
    notes: BTreeMap<String, String>,
}

/// The limit for reading entries that later ones replace.
const MAX_HANDLED: usize = 4 * MAX_ENVIRONMENT;

impl ContainerEnv {
    pub fn of(container: &Container, pod: Pod<'_>, objects: &Objects) -> Result<ContainerEnv, CheckStopped> {
        let mut environment = ContainerEnv { service_links: pod.service_links, ..ContainerEnv::default() };
        for from in container.env_from.iter().flatten() {
            environment.add_all(from, container, objects)?;
        }
        for variable in container.env.iter().flatten() {
            environment.add(variable, container, pod, objects)?;
        }
        let texts = environment.values.iter().filter_map(|(name, value)| match value {
            EnvValue::Text(text, _) => Some((name.as_str(), text.as_str())),
            _ => None,
        });
        environment.notes = notes::of(container, texts);
        Ok(environment)
    }

    /// In the order of their names, since the kubelet has no order. `Err`: no process could start with them.
    pub fn variables(&self) -> Result<Vec<Variable>, Problem> {
        let (mut variables, mut too_large) = (Vec::with_capacity(self.values.len()), TooLarge::default());
        for (name, value) in &self.values {
            variables.push(match value {
                EnvValue::Text(text, source) => {
                    Variable::new(name, text, source.clone()).with_note(self.notes.get(name).cloned())
                }
                EnvValue::NotUnicode(source) => Variable::not_unicode(name, source.clone()),
                EnvValue::InPod(why) => Variable::in_pod(name, why),
                EnvValue::Elsewhere(why, source) => Variable::elsewhere(name, why, source.clone()),
                EnvValue::TooLarge(bytes) => {
                    too_large.add(name, *bytes);
                    continue;
                }
            });
        }
        match too_large.problem().or_else(|| self.full.then(size::too_large_in_all)) {
            Some(problem) => Err(problem),
            None => Ok(variables),
        }
    }

    /// The size of all variables, to which arguments are added.
    pub fn total(&self) -> Total {
        self.total
    }

    /// Resolves the references in the text. A text with a part of a Secret is as secret as the Secret. Its length is
    /// known before it is built.
    pub fn expand(&self, text: &str) -> EnvValue {
        let (mut length, mut source) = (0_usize, Source::Container);
        for piece in pieces(text) {
            let name = match piece {
                Piece::Literal(text) => {
                    length = length.saturating_add(text.len());
                    continue;
                }
                Piece::Reference(name) => name,
            };
            length = length.saturating_add(match self.values.get(name) {
                Some(EnvValue::Text(text, of)) => {
                    if of.is_secret() {
                        source = of.clone();
                    }
                    text.len()
                }
                Some(EnvValue::TooLarge(bytes)) => *bytes,
                Some(EnvValue::NotUnicode(of)) => return EnvValue::NotUnicode(of.clone()),
                Some(EnvValue::Elsewhere(_, of)) => {
                    return EnvValue::Elsewhere(format!("it contains $({}) of {of}", redact::name(name)), of.clone());
                }
                Some(EnvValue::InPod(_)) => return EnvValue::InPod(format!("it contains $({})", redact::name(name))),
                None if is_service_variable(name, self.service_links) => {
                    return EnvValue::InPod(format!("it contains $({}), a variable of a Service", redact::name(name)));
                }
                None => match self.may_come_from(name) {
                    Some(of) => {
                        let why = format!("it contains $({}), which may be one of {of}", redact::name(name));
                        return EnvValue::Elsewhere(why, of);
                    }
                    None => "$()".len() + name.len(),
                },
            });
        }
        if length > size::MAX_VARIABLE {
            EnvValue::TooLarge(length)
        } else {
            EnvValue::Text(self.text(text, length), source)
        }
    }

    /// The object that was not given and may set a variable of this name.
    fn may_come_from(&self, name: &str) -> Option<Source> {
        let (prefix, kind, object) =
            self.unknown.iter().find(|(prefix, ..)| is_variable_name(name) && name.starts_with(prefix))?;
        let (object, key) = (redact::name(object), redact::name(&name[prefix.len()..]));
        Some(match kind {
            ObjectKind::Secret => Source::secret(object, key),
            _ => Source::config_map(object, key),
        })
    }

    /// Every reference has a known text or stays as written.
    fn text(&self, text: &str, length: usize) -> String {
        let mut expanded = String::with_capacity(length);
        for piece in pieces(text) {
            match piece {
                Piece::Literal(text) => expanded.push_str(text),
                Piece::Reference(name) => match self.values.get(name) {
                    Some(EnvValue::Text(text, _)) => expanded.push_str(text),
                    _ => expanded.extend(["$(", name, ")"]),
                },
            }
        }
        expanded
    }

    fn add_all(&mut self, from: &EnvFromSource, container: &Container, objects: &Objects) -> Result<(), CheckStopped> {
        if self.full {
            return Ok(());
        }
        let by = format!("envFrom of container {}", redact::name(&container.name));
        let by = Mention(&by);
        let prefix = from.prefix.as_deref().unwrap_or_default();
        if let Some((kind, name)) = elsewhere(from, objects) {
            self.missing.push(format!("{} {}, which {} reads", kind.as_str(), redact::name(name), by.0));
            self.unknown.push((prefix.to_owned(), kind, name.to_owned()));
            return Ok(());
        }
        if let Some(reference) = &from.config_map_ref {
            let name = &reference.name;
            for (key, text) in objects.config_map(name, reference.optional == Some(true), &by)?.into_iter().flatten() {
                self.put_key(prefix, key, text.len(), || EnvValue::Text(text.clone(), of_map(name, key)));
            }
        } else if let Some(reference) = &from.secret_ref {
            let name = &reference.name;
            for (key, bytes) in objects.secret(name, reference.optional == Some(true), &by)?.into_iter().flatten() {
                self.put_key(prefix, key, bytes.len(), || of_secret(name, key, bytes));
            }
        }
        Ok(())
    }

    /// Skips a key that is not a variable name. (Kubernetes 1.34 accepts more names; this program reads none of them.)
    fn put_key(&mut self, prefix: &str, key: &str, bytes: usize, value: impl FnOnce() -> EnvValue) {
        if self.full {
            return;
        }
        let name = format!("{prefix}{key}");
        if is_variable_name(&name) {
            let size = size::of_variable(name.len(), bytes);
            self.put(name, if size > size::MAX_VARIABLE { EnvValue::TooLarge(size) } else { value() });
        } else {
            self.count(name.len());
        }
    }

    fn put(&mut self, name: String, value: EnvValue) {
        let bytes = of_entry(&name, &value);
        if let Some(replaced) = self.values.get(&name) {
            self.total.remove(of_entry(&name, replaced));
        }
        self.full |= !self.total.add(bytes);
        self.count(bytes);
        self.values.insert(name, value);
    }

    fn count(&mut self, bytes: usize) {
        self.handled += bytes + 8;
        self.full |= self.handled > MAX_HANDLED;
    }

    fn add(
        &mut self,
        variable: &EnvVar,
        container: &Container,
        pod: Pod<'_>,
        objects: &Objects,
    ) -> Result<(), CheckStopped> {
        if self.full {
            return Ok(());
        }
        let value = match (variable.value.as_deref().unwrap_or_default(), &variable.value_from) {
            ("", Some(from)) => {
                let by = format!("env {} of container {}", redact::name(&variable.name), redact::name(&container.name));
                match value_from(from, &Mention(&by), pod, objects)? {
                    Some(value) => value,
                    // Optional and missing: the entry has no effect, so an earlier one stays.
                    None => return Ok(()),
                }
            }
            (text, _) => self.expand(text),
        };
        let name = variable.name.clone();
        let size = of_entry(&name, &value);
        self.put(name, if size > size::MAX_VARIABLE { EnvValue::TooLarge(size) } else { value });
        Ok(())
    }
}

/// The size of an entry, as far as known.
fn of_entry(name: &str, value: &EnvValue) -> usize {
    let bytes = match value {
        EnvValue::Text(text, _) => text.len(),
        EnvValue::NotUnicode(_) | EnvValue::InPod(_) | EnvValue::Elsewhere(..) | EnvValue::TooLarge(_) => 0,
    };
    size::of_variable(name.len(), bytes)
}

/// The object that sets all its variables, if unknown.
fn elsewhere<'a>(from: &'a EnvFromSource, objects: &Objects) -> Option<(ObjectKind, &'a str)> {
    let map = from.config_map_ref.as_ref().map(|map| (ObjectKind::ConfigMap, map.name.as_str(), map.optional));
    let secret = from.secret_ref.as_ref().map(|secret| (ObjectKind::Secret, secret.name.as_str(), secret.optional));
    let (kind, name, optional) = map.or(secret)?;
    objects.has_elsewhere(kind, name, optional == Some(true)).then_some((kind, name))
}

fn value_from(
    from: &EnvVarSource,
    by: &Mention<'_>,
    pod: Pod<'_>,
    objects: &Objects,
) -> Result<Option<EnvValue>, CheckStopped> {
    if let Some(field) = &from.field_ref {
        // The namespace is the only property of a pod that is known before it exists.
        return Ok(Some(match field.field_path.as_str() {
            "metadata.namespace" if !pod.namespace.is_empty() => {
                EnvValue::Text(pod.namespace.to_owned(), Source::Container)
            }
            path => EnvValue::InPod(format!("it comes from fieldRef {}", redact::name(path))),
        }));
    }
    if let Some(field) = &from.resource_field_ref {
        return Ok(Some(EnvValue::InPod(format!("it comes from resourceFieldRef {}", redact::name(&field.resource)))));
    }
    if let Some(reference) = &from.config_map_key_ref {
        let (name, key) = (&reference.name, &reference.key);
        if objects.has_elsewhere(ObjectKind::ConfigMap, name, reference.optional == Some(true)) {
            return Ok(Some(not_given(of_map(name, key))));
        }
        let text = objects.config_map_key(name, key, reference.optional == Some(true), by)?;
        let source = of_map(name, key);
        return Ok(text.map(|text| limited(text.len(), || EnvValue::Text(text.to_owned(), source))));
    }
    if let Some(reference) = &from.secret_key_ref {
        let (name, key) = (&reference.name, &reference.key);
        if objects.has_elsewhere(ObjectKind::Secret, name, reference.optional == Some(true)) {
            return Ok(Some(not_given(Source::secret(redact::name(name), redact::name(key)))));
        }
        let bytes = objects.secret_key(name, key, reference.optional == Some(true), by)?;
        return Ok(bytes.map(|bytes| limited(bytes.len(), || of_secret(name, key, bytes))));
    }
    // fileKeyRef, or a source from a newer Kubernetes.
    Ok(Some(EnvValue::InPod("it comes from a source that only the kubelet reads".to_owned())))
}

fn limited(bytes: usize, value: impl FnOnce() -> EnvValue) -> EnvValue {
    if bytes > size::MAX_VARIABLE { EnvValue::TooLarge(bytes) } else { value() }
}

fn not_given(source: Source) -> EnvValue {
    EnvValue::Elsewhere(format!("it comes from {source}"), source)
}

/// Names in a manifest are unchecked.
fn of_map(name: &str, key: &str) -> Source {
    Source::config_map(redact::name(name), redact::name(key))
}

fn of_secret(name: &str, key: &str, bytes: &[u8]) -> EnvValue {
    let source = Source::secret(redact::name(name), redact::name(key));
    match std::str::from_utf8(bytes) {
        Ok(text) => EnvValue::Text(text.to_owned(), source),
        Err(_) => EnvValue::NotUnicode(source),
    }
}

/// Kubernetes' `IsEnvVarName`.
fn is_variable_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !name.is_empty()
        && name.chars().all(plain)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name != "."
        && !name.starts_with("..")
}

#[cfg(test)]
mod tests;
