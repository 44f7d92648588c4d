//! Manifests on standard input, as `helm template` and `kubectl get -o yaml` print them: selects the workload, and the
//! ConfigMaps and Secrets beside it. Only objects that its container references are judged; the rest of the stream is
//! ignored. The content may be secret, so an error names only its place.

mod documents;
mod sources;
mod typed;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde_json::Value;

use super::objects::{Names, ObjectKind, Objects, UsedKeys};
use super::template::Workload;
use crate::kubernetes::crd::reason::Audience;
use crate::options::WorkloadKind;
use crate::options::from::WorkloadName;
use crate::problem::{Code, Problem};
use crate::provider::redact;

#[derive(Default)]
pub struct Manifests {
    workloads: Vec<(WorkloadKind, Object)>,
    secrets: Vec<Object>,
    config_maps: Vec<Object>,
    documents: usize,
    /// `DaemonSet coder`: an object with a pod template, or a pod, that is not a supported workload.
    others: Vec<String>,
}

/// One object, of which only the name was read. No `Debug`: it may be a Secret.
struct Object {
    /// `document 2, item 1`
    place: String,
    namespace: String,
    name: String,
    object: Value,
}

impl Manifests {
    pub fn read(text: &str) -> Result<Manifests, Problem> {
        let mut manifests = Manifests::default();
        manifests.read_all(text)?;
        Ok(manifests)
    }

    /// `kind`: for items of a list that gives the kind once for all.
    fn add(&mut self, mut object: Value, kind: Option<&str>, place: &str) {
        let kind = object["kind"].as_str().or(kind).unwrap_or_default().to_owned();
        let of_items = kind.strip_suffix("List");
        let items = match &mut object {
            Value::Array(items) => std::mem::take(items),
            Value::Object(map) if of_items.is_some() => match map.get_mut("items") {
                Some(Value::Array(items)) => std::mem::take(items),
                _ => return,
            },
            Value::Object(_) => return self.add_object(object, &kind, place),
            _ => return,
        };
        for (at, item) in items.into_iter().enumerate() {
            self.add(item, of_items, &format!("{place}, item {}", at + 1));
        }
    }

    fn add_object(&mut self, object: Value, kind: &str, place: &str) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
        let group = object["apiVersion"].as_str().and_then(|version| version.split_once('/')).map(|(group, _)| group);
        let is_workload = matches!(group, Some("apps") | None);
        let list = match (kind, group) {
            ("Secret", None) => &mut self.secrets,
            ("ConfigMap", None) => &mut self.config_maps,
            _ => {
                let kind = WorkloadKind::ALL.iter().find(|known| is_workload && known.as_str() == kind);
                let place = place.to_owned();
                if kind.is_none() && self.others.len() < 3 && has_pod(&object["spec"]) {
                    let version = object["apiVersion"].as_str().unwrap_or_default();
                    let kind = object["kind"].as_str().unwrap_or_default();
                    self.others.push(redact::name(&format!("{kind} {name} of {version}")));
                }
                let object = kind.map(|kind| (*kind, Object { place, namespace, name, object }));
                return self.workloads.extend(object);
            }
        };
        list.push(Object { place: place.to_owned(), namespace, name, object });
    }

    /// The requested workload, and the objects in its namespace that its container references.
    pub fn choose(
        self,
        wanted: Option<&WorkloadName>,
        namespace: Option<&str>,
        container: &str,
    ) -> Result<(Workload, Objects), Problem> {
        let fits = |(kind, object): &(WorkloadKind, Object)| {
            let named = wanted.is_none_or(|w| w.kind == *kind && w.name == object.name);
            named && namespace.is_none_or(|n| object.namespace.is_empty() || object.namespace == n)
        };
        let Manifests { workloads, secrets, config_maps, documents, others } = self;
        let all = list(workloads.iter());
        let mut found: Vec<(WorkloadKind, Object)> = workloads.into_iter().filter(fits).collect();
        if found.is_empty() {
            return Err(none(&all, documents, &others));
        }
        // An object with a namespace takes precedence over one without.
        if found.iter().any(|(_, object)| namespace == Some(&object.namespace)) {
            found.retain(|(_, object)| namespace == Some(&object.namespace));
        }
        last_of_each(&mut found);
        if wanted.is_none() {
            let there = list(found.iter());
            let unnamed = found.iter().find_map(|(kind, object)| object.check_name(*kind).err());
            found.retain(|(_, object)| object.has_container(container));
            if let Some(unnamed) = unnamed.filter(|_| found.is_empty()) {
                return Err(unnamed);
            }
            if found.is_empty() {
                let message = format!(
                    "no container {container} in {there}; name the one that seeds with --container",
                    container = redact::name(container)
                );
                return Err(Problem::new(Code::ContainerNotFound, message));
            }
        }
        if let [first, _, ..] = &found[..] {
            let choice = format!("{}/{}", first.0.lower_case(), redact::name(&first.1.name));
            let message = format!(
                "several workloads seed: {}; choose one, for example with --from -:{choice} (and --namespace)",
                list(found.iter())
            );
            return Err(Problem::new(Code::WorkloadAmbiguous, message).variable("--from"));
        }
        let (kind, object) = found.remove(0);
        let mut workload = object.workload(kind, container)?;
        if let (true, Some(namespace)) = (workload.namespace.is_empty(), namespace) {
            namespace.clone_into(&mut workload.namespace);
        }
        let objects = referred_to(&workload, container, &secrets, &config_maps)?;
        Ok((workload, objects))
    }
}

impl Object {
    /// The containers in the manifest, each with its path.
    fn containers<'a>(&'a self, list: &'static str) -> impl Iterator<Item = (String, &'a Value)> {
        let containers = self.object["spec"]["template"]["spec"][list].as_array().into_iter().flatten();
        containers.enumerate().map(move |(at, container)| (format!("spec.template.spec.{list}[{at}]"), container))
    }

    fn has_container(&self, name: &str) -> bool {
        let mut all = self.containers("initContainers").chain(self.containers("containers"));
        all.any(|(_, container)| container["name"].as_str() == Some(name))
    }

    fn check_name(&self, kind: WorkloadKind) -> Result<(), Problem> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !self.name.is_empty() && self.name.chars().all(plain) {
            return Ok(());
        }
        Err(invalid(format!("{}: a {} without a valid Kubernetes name", self.place, kind.as_str())))
    }

    /// `seeds`: the checked container. Only valid entries of the other containers are used.
    fn workload(&self, kind: WorkloadKind, seeds: &str) -> Result<Workload, Problem> {
        self.check_name(kind)?;
        let containers = |list: &'static str| -> Result<Vec<Container>, Problem> {
            let container = |(path, container): (String, &Value)| {
                let name = container["name"].as_str().unwrap_or_default();
                match typed::container(container, &path) {
                    Err(mistake) if name == seeds => Err(self.mistake(kind.as_str(), &mistake)),
                    Err(_) => Ok(Container { name: name.to_owned(), ..Container::default() }),
                    Ok(container) => Ok(container),
                }
            };
            self.containers(list).map(container).collect()
        };
        let pod = &self.object["spec"]["template"]["spec"];
        Ok(Workload {
            kind,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.object["metadata"]["uid"].as_str().map(str::to_owned),
            pod: PodSpec {
                init_containers: Some(containers("initContainers")?),
                containers: containers("containers")?,
                enable_service_links: pod["enableServiceLinks"].as_bool(),
                ..PodSpec::default()
            },
        })
    }

    fn mistake(&self, kind: &str, mistake: &str) -> Problem {
        invalid(format!("{}: {kind} {}: {mistake}", self.place, redact::name(&self.name)))
    }

    /// Encrypted by sops: the object is complete, but its values are not.
    fn is_encrypted(&self) -> bool {
        let is_encrypted = |value: &Value| value.as_str().is_some_and(|text| text.starts_with("ENC[AES256_GCM,"));
        let values = ["data", "stringData"].map(|field| self.object[field].as_object());
        self.object["sops"].is_object() || values.into_iter().flatten().flat_map(|map| map.values()).any(is_encrypted)
    }

    /// `used`: the keys that are taken and judged.
    fn add_to(&self, objects: &mut Objects, kind: ObjectKind, used: Option<&UsedKeys>) -> Result<(), String> {
        let (data, name) = (&self.object["data"], self.name.clone());
        let used = |key: &str| used.is_some_and(|used| used.contains(key));
        if kind == ObjectKind::ConfigMap {
            objects.config_maps.insert(name, Some(typed::text_data(data, "data", &used)?));
            return Ok(());
        }
        let mut all = typed::binary_data(data, "data", &used)?;
        let texts = typed::text_data(&self.object["stringData"], "stringData", &used)?;
        all.extend(texts.into_iter().map(|(key, text)| (key, text.into_bytes())));
        objects.secrets.insert(name, Some(all));
        Ok(())
    }
}

/// The objects of the container. Valid objects of the other containers are also used, to detect whether those seed.
fn referred_to(
    workload: &Workload,
    seeds: &str,
    secrets: &[Object],
    config_maps: &[Object],
) -> Result<Objects, Problem> {
    let mut objects = Objects { partial: true, ..Objects::default() };
    let (mut of_container, mut of_others) = (Names::default(), Names::default());
    if let Ok(container) = workload.container_for(seeds, Audience::CommandLine) {
        of_container.of_container(container);
    }
    for container in workload.pod.init_containers.iter().flatten().chain(&workload.pod.containers) {
        of_others.of_container(container);
    }
    let kinds = [
        (ObjectKind::Secret, secrets, &of_container.secrets, &of_others.secrets),
        (ObjectKind::ConfigMap, config_maps, &of_container.config_maps, &of_others.config_maps),
    ];
    for (kind, all, judged, others) in kinds {
        for object in last_in_namespace(all, &workload.namespace, others) {
            let of_container = judged.get(&object.name);
            let is_judged = of_container.is_some();
            if object.is_encrypted() {
                objects.encrypted.extend(is_judged.then(|| (kind, object.name.clone())));
                continue;
            }
            match object.add_to(&mut objects, kind, of_container.or(others.get(&object.name))) {
                Err(mistake) if is_judged => return Err(object.mistake(kind.as_str(), &mistake)),
                _ => {}
            }
        }
    }
    Ok(objects)
}

/// Among objects of one name the last counts, as if kubectl applied them.
fn last_in_namespace<'a>(
    objects: &'a [Object],
    namespace: &str,
    names: &BTreeMap<String, UsedKeys>,
) -> impl Iterator<Item = &'a Object> {
    let beside =
        |object: &&Object| object.namespace.is_empty() || namespace.is_empty() || object.namespace == namespace;
    let found: Vec<&Object> = objects.iter().filter(beside).filter(|object| names.contains_key(&object.name)).collect();
    let last = |at: usize, object: &&Object| found[at + 1..].iter().all(|later| later.name != object.name);
    let kept: Vec<&Object> =
        found.iter().enumerate().filter(|(at, object)| last(*at, object)).map(|(_, o)| *o).collect();
    kept.into_iter()
}

/// Among objects of one name the last counts, as if kubectl applied them.
fn last_of_each(workloads: &mut Vec<(WorkloadKind, Object)>) {
    let name = |(kind, object): &(WorkloadKind, Object)| (*kind, object.namespace.clone(), object.name.clone());
    let names: Vec<_> = workloads.iter().map(name).collect();
    let mut at = 0;
    workloads.retain(|workload| {
        at += 1;
        !names[at..].contains(&name(workload))
    });
}

fn list<'a>(workloads: impl Iterator<Item = &'a (WorkloadKind, Object)>) -> String {
    let label = |(kind, object): &(WorkloadKind, Object)| {
        let label = format!("{} {}", kind.as_str(), redact::name(&object.name));
        match object.namespace.as_str() {
            "" => label,
            namespace => format!("{label} in namespace {}", redact::name(namespace)),
        }
    };
    let mut labels: Vec<String> = workloads.map(label).collect();
    if labels.len() > 20 {
        labels.truncate(20);
        labels.push("…".to_owned());
    }
    labels.join(", ")
}

/// A pod, or the template of one, as in workloads of all kinds.
fn has_pod(spec: &Value) -> bool {
    [spec, &spec["template"]["spec"], &spec["jobTemplate"]["spec"]["template"]["spec"]]
        .iter()
        .any(|pod| pod["containers"].is_array() || pod["initContainers"].is_array())
}

fn none(all: &str, documents: usize, others: &[String]) -> Problem {
    let message = match (documents, all) {
        (0, _) => "standard input holds no manifest; did the command before the pipe fail?".to_owned(),
        (_, "") if !others.is_empty() => format!(
            "no Deployment or StatefulSet (of apps/v1) among {}; {} cannot be compared",
            redact::count(documents, "document"),
            others.join(", ")
        ),
        (_, "") => format!(
            "no Deployment or StatefulSet among {}; pipe the manifests of the workload that seeds",
            redact::count(documents, "document")
        ),
        _ => format!("no workload of that name and namespace; available: {all}"),
    };
    Problem::new(Code::WorkloadNotFound, message).variable("--from")
}

fn invalid(message: String) -> Problem {
    Problem::new(Code::ManifestInvalid, message).variable("--from")
}
