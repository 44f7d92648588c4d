//! Manifests on standard input, as `helm template` and `kubectl get -o yaml` print them: which workload is meant, and the
//! ConfigMaps and Secrets beside it. What they hold may be secret, so of an error only its place is told.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde::de::{DeserializeOwned, DeserializeSeed};
use serde_json::Value;

use super::bounded_value::Room;
use super::objects::{ObjectKind, Objects};
use super::template::Workload;
use crate::options::diff::WorkloadName;
use crate::problem::{Code, Problem};
use crate::provider::redact;

/// Bytes of all that is kept of the manifests, and of the document that is being read.
const MAX_VALUES: usize = 24 << 20;

#[derive(Default)]
pub struct Manifests {
    workloads: Vec<Workload>,
    secrets: Vec<Object<BTreeMap<String, Vec<u8>>>>,
    config_maps: Vec<Object<BTreeMap<String, String>>>,
    documents: usize,
}

struct Object<T> {
    namespace: Option<String>,
    name: String,
    data: T,
}

impl Manifests {
    pub fn read(text: &str) -> Result<Manifests, Problem> {
        let mut manifests = Manifests::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let room = Room::new(MAX_VALUES);
        if is_json(text) {
            manifests.json(text, &room)?
        } else {
            manifests.yaml(text, &room)?
        }
        Ok(manifests)
    }

    /// One document; room for it is needed only if something of it is kept.
    fn document(&mut self, room: &Room, read: impl FnOnce() -> Result<Value, String>) -> Result<(), Problem> {
        let place = format!("document {}", self.documents + 1);
        let (before, kept) = (room.left(), self.kept());
        let document = read().map_err(|what| match room.is_full() {
            true => invalid(format!("{place} is too large; give the workload and the objects that it mentions alone")),
            false => invalid(format!("{place} {what}")),
        })?;
        self.documents += 1;
        self.add(document, None, &place)?;
        if self.kept() == kept {
            room.restore(before);
        }
        Ok(())
    }

    fn kept(&self) -> usize {
        self.workloads.len() + self.secrets.len() + self.config_maps.len()
    }

    /// `kind`: of the items of a list that says it for all of them.
    fn add(&mut self, mut object: Value, kind: Option<&str>, place: &str) -> Result<(), Problem> {
        let kind = object["kind"].as_str().or(kind).unwrap_or_default().to_owned();
        if let Some(of_items) = kind.strip_suffix("List") {
            let items = object.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
            for (at, item) in items.unwrap_or_default().into_iter().enumerate() {
                self.add(item, Some(of_items), &format!("{place}, item {}", at + 1))?;
            }
            return Ok(());
        }
        let group =
            object["apiVersion"].as_str().unwrap_or_default().split_once('/').map(|(group, _)| group.to_owned());
        match (kind.as_str(), group.as_deref()) {
            ("Deployment", Some("apps") | None) => {
                self.workload(typed::<Deployment>(object, &kind, place)?.into(), place)
            }
            ("StatefulSet", Some("apps") | None) => {
                self.workload(typed::<StatefulSet>(object, &kind, place)?.into(), place)
            }
            ("Secret", None) => {
                let secret: Secret = typed(object, &kind, place)?;
                let mut data: BTreeMap<String, Vec<u8>> =
                    secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
                let texts = secret.string_data.unwrap_or_default();
                data.extend(texts.into_iter().map(|(key, text)| (key, text.into_bytes())));
                let (namespace, name) = (secret.metadata.namespace, secret.metadata.name.unwrap_or_default());
                self.secrets.push(Object { namespace, name, data });
                Ok(())
            }
            ("ConfigMap", None) => {
                let map: ConfigMap = typed(object, &kind, place)?;
                let (namespace, name) = (map.metadata.namespace, map.metadata.name.unwrap_or_default());
                self.config_maps.push(Object { namespace, name, data: map.data.unwrap_or_default() });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn workload(&mut self, workload: Workload, place: &str) -> Result<(), Problem> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if workload.name.is_empty() || !workload.name.chars().all(plain) {
            let message = format!("{place}: a {} without a valid Kubernetes name", workload.kind.as_str());
            return Err(invalid(message));
        }
        self.workloads.push(workload);
        Ok(())
    }

    /// The workload that is meant, and what stands beside it in its namespace.
    pub fn choose(
        self,
        wanted: Option<&WorkloadName>,
        namespace: Option<&str>,
        container: &str,
    ) -> Result<(Workload, Objects), Problem> {
        let fits = |workload: &Workload| {
            let named = wanted.is_none_or(|w| w.kind == workload.kind && w.name == workload.name);
            named && namespace.is_none_or(|n| workload.namespace.is_empty() || workload.namespace == n)
        };
        let all = list(self.workloads.iter());
        let (mut found, documents): (Vec<Workload>, usize) =
            (self.workloads.into_iter().filter(fits).collect(), self.documents);
        if found.is_empty() {
            return Err(none(&all, documents));
        }
        // One that says its namespace is meant before one that leaves it open.
        if found.iter().any(|workload| namespace == Some(&workload.namespace)) {
            found.retain(|workload| namespace == Some(&workload.namespace));
        }
        last_of_each(&mut found);
        if wanted.is_none() {
            let there = list(found.iter());
            found.retain(|workload| workload.container(container).is_ok());
            if found.is_empty() {
                let message = format!(
                    "no container {container} in {there}; name the one that seeds with --container",
                    container = redact::name(container)
                );
                return Err(Problem::new(Code::ContainerNotFound, message));
            }
        }
        if found.len() > 1 {
            let first = &found[0];
            let choice = format!("{}/{}", first.kind.lower_case(), first.name);
            let message = format!(
                "several workloads seed: {}; choose one, for example with --from -:{choice} (and --namespace)",
                list(found.iter())
            );
            return Err(Problem::new(Code::WorkloadAmbiguous, message).variable("--from"));
        }
        let mut workload = found.remove(0);
        if let (true, Some(namespace)) = (workload.namespace.is_empty(), namespace) {
            namespace.clone_into(&mut workload.namespace);
        }
        let beside = |of: &Option<String>| {
            of.as_deref().is_none_or(|of| workload.namespace.is_empty() || of == workload.namespace)
        };
        let mut objects = Objects { partial: true, ..Objects::default() };
        // Of two of one name the last counts here too.
        for secret in self.secrets.into_iter().filter(|secret| beside(&secret.namespace)) {
            objects.secrets.insert(secret.name, Some(secret.data));
        }
        for map in self.config_maps.into_iter().filter(|map| beside(&map.namespace)) {
            objects.config_maps.insert(map.name, Some(map.data));
        }
        Ok((workload, objects))
    }
}

/// Of two of one name the last counts, as kubectl would apply them.
fn last_of_each(workloads: &mut Vec<Workload>) {
    let mut seen = BTreeSet::new();
    workloads.reverse();
    workloads.retain(|workload| seen.insert((workload.kind, workload.namespace.clone(), workload.name.clone())));
    workloads.reverse();
}

fn list<'a>(workloads: impl Iterator<Item = &'a Workload>) -> String {
    let label = |workload: &Workload| match workload.namespace.as_str() {
        "" => workload.label(),
        namespace => format!("{} in namespace {}", workload.label(), redact::name(namespace)),
    };
    let mut labels: Vec<String> = workloads.map(label).collect();
    if labels.len() > 20 {
        labels.truncate(20);
        labels.push("…".to_owned());
    }
    labels.join(", ")
}

fn none(all: &str, documents: usize) -> Problem {
    let message = match (documents, all) {
        (0, _) => "standard input holds no manifest; did the command before the pipe fail?".to_owned(),
        (_, "") => format!("no Deployment or StatefulSet among {}", redact::count(documents, "document")),
        _ => format!("no workload of that name and namespace; available: {all}"),
    };
    Problem::new(Code::WorkloadNotFound, message).variable("--from")
}

fn invalid(message: String) -> Problem {
    Problem::new(Code::ManifestInvalid, message).variable("--from")
}

fn typed<T: DeserializeOwned>(object: Value, kind: &str, place: &str) -> Result<T, Problem> {
    let name = object["metadata"]["name"].as_str().map(redact::name).unwrap_or_default();
    // Its error would quote the value.
    serde_json::from_value(object).map_err(|_| {
        let kind_of: [(&str, &str); 2] = [
            (ObjectKind::Secret.as_str(), "base64 in data, text in stringData"),
            (ObjectKind::ConfigMap.as_str(), "text in data"),
        ];
        let expected =
            kind_of.iter().find(|(of, _)| *of == kind).map_or("see kubectl apply --dry-run=client", |(_, what)| what);
        invalid(format!("{place}: {kind} {name} has a value of the wrong type ({expected})"))
    })
}

/// JSON is YAML too, but for several objects one after the other without anything between them.
fn is_json(text: &str) -> bool {
    let inside = text.trim_start().strip_prefix('{').map(str::trim_start);
    inside.is_some_and(|inside| inside.starts_with(['"', '}'])) && !text.lines().any(|line| line.starts_with("---"))
}

impl Manifests {
    /// As many objects as there are, one after the other.
    fn json(&mut self, text: &str, room: &Room) -> Result<(), Problem> {
        // Of a text it would count the lines from the beginning at each end of a document.
        let mut deserializer = serde_json::Deserializer::from_reader(text.as_bytes());
        while deserializer.end().is_err() {
            self.document(room, || {
                let value = room.deserialize(&mut deserializer);
                value.map_err(|error| format!("is not valid JSON, line {}", error.line()))
            })?;
        }
        Ok(())
    }

    /// Documents end at a line that begins with `---`, wherever it stands, so each is read for itself, and an error has its
    /// number.
    fn yaml(&mut self, text: &str, room: &Room) -> Result<(), Problem> {
        let (mut document, mut first) = (String::new(), 1);
        for (at, line) in text.lines().enumerate() {
            let behind = line.strip_prefix("---").filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r']));
            match behind {
                Some(rest) => {
                    self.yaml_document(&std::mem::take(&mut document), first, room)?;
                    first = at + 1;
                    // What stands behind the marker belongs to the document; its columns do not matter.
                    document.push_str(rest);
                }
                None if line.trim_end() == "..." => {}
                None => document.push_str(line),
            }
            document.push('\n');
        }
        self.yaml_document(&document, first, room)
    }

    /// `first`: the line where it begins.
    fn yaml_document(&mut self, text: &str, first: usize, room: &Room) -> Result<(), Problem> {
        let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        if text.lines().all(is_blank) {
            return Ok(());
        }
        self.document(room, || {
            // No snippet: it would be a part of a Secret.
            let options = serde_saphyr::options! { with_snippet: false };
            let value =
                serde_saphyr::with_deserializer_from_str_with_options(text, options, |yaml| room.deserialize(yaml));
            value.map_err(|error| {
                let line = error.location().map_or(1, |location| location.line());
                let line = first + usize::try_from(line).unwrap_or(1).max(1) - 1;
                format!("is not valid YAML, line {line} of standard input")
            })
        })
    }
}
