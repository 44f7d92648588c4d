//! The workload, and its container that seeds.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::container_env::Pod;
use super::objects::Objects;
use crate::env::is_of_provider;
use crate::kubernetes::crd::reason::{Audience, CheckStopped, Reason};
use crate::kubernetes::crd::status::MAX_VARIABLES;
use crate::options::WorkloadKind;
use crate::problem::{Code, Problem};
use crate::provider::redact;

pub struct Workload {
    pub kind: WorkloadKind,
    pub namespace: String,
    pub name: String,
    pub uid: Option<String>,
    pub pod: PodSpec,
}

impl From<Deployment> for Workload {
    fn from(deployment: Deployment) -> Self {
        let meta = deployment.metadata;
        Workload {
            kind: WorkloadKind::Deployment,
            namespace: meta.namespace.unwrap_or_default(),
            name: meta.name.unwrap_or_default(),
            uid: meta.uid,
            pod: deployment.spec.and_then(|spec| spec.template.spec).unwrap_or_default(),
        }
    }
}

impl From<StatefulSet> for Workload {
    fn from(set: StatefulSet) -> Self {
        let meta = set.metadata;
        Workload {
            kind: WorkloadKind::StatefulSet,
            namespace: meta.namespace.unwrap_or_default(),
            name: meta.name.unwrap_or_default(),
            uid: meta.uid,
            pod: set.spec.and_then(|spec| spec.template.spec).unwrap_or_default(),
        }
    }
}

impl Workload {
    /// `Deployment coder`
    pub fn label(&self) -> String {
        format!("{} {}", self.kind.as_str(), self.name)
    }

    /// For the steps after the template was judged, which takes the most memory.
    pub fn without_pod(self) -> Workload {
        Workload { pod: PodSpec::default(), ..self }
    }

    pub fn pod(&self) -> Pod<'_> {
        // Kubernetes' default is true.
        Pod { namespace: &self.namespace, service_links: self.pod.enable_service_links != Some(false) }
    }

    fn containers(&self) -> impl Iterator<Item = &Container> {
        self.pod.init_containers.iter().flatten().chain(&self.pod.containers)
    }

    pub fn container(&self, name: &str) -> Result<&Container, CheckStopped> {
        self.container_for(name, Audience::Resource)
    }

    pub fn container_for(&self, name: &str, audience: Audience) -> Result<&Container, CheckStopped> {
        self.containers().find(|container| container.name == name).ok_or_else(|| {
            let there: Vec<String> =
                self.containers().map(|container| redact::name(&container.name)).take(20).collect();
            let message = format!(
                "{} has no container {}; {} (there are: {})",
                self.label(),
                redact::name(name),
                audience.container(),
                there.join(", ")
            );
            CheckStopped::new(Reason::ContainerNotFound, message)
        })
    }

    /// Coder 2.34 to 2.37 seeds from its own container's environment, and compares the keys.
    pub fn also_seeds(&self, seeding: &Container, objects: &Objects) -> Vec<Problem> {
        let others = self.containers().filter(|container| container.name != seeding.name);
        others.filter_map(|container| also_seeds(container, objects)).collect()
    }
}

/// The limit for names of another container: repeated mentions of a large object do not justify a warning's cost.
const MAX_LOOKED_AT: usize = 8192;

fn also_seeds(container: &Container, objects: &Objects) -> Option<Problem> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let own = container.env.iter().flatten().map(|variable| &variable.name);
    names.extend(own.filter(|name| is_of_provider(name)).take(MAX_LOOKED_AT).cloned());
    let mut looked_at = 0;
    for from in container.env_from.iter().flatten() {
        let prefixed = |key: &String| format!("{}{key}", from.prefix.as_deref().unwrap_or_default());
        // Only Secrets that were read anyway: a warning does not justify further reads.
        let secret = from.secret_ref.as_ref().and_then(|reference| objects.secrets.get(&reference.name)?.as_ref());
        let map = from.config_map_ref.as_ref().and_then(|reference| objects.config_maps.get(&reference.name)?.as_ref());
        let keys = secret.into_iter().flat_map(|data| data.keys()).chain(map.into_iter().flat_map(|data| data.keys()));
        let keys = keys.take(MAX_LOOKED_AT - looked_at).inspect(|_| looked_at += 1);
        names.extend(keys.map(prefixed).filter(|name| is_of_provider(name)));
    }
    if names.is_empty() {
        return None;
    }
    let message = format!(
        "container {} carries provider variables too: Coder 2.34 to 2.37 seeds them itself and compares the keys; \
         keep them in one container",
        redact::name(&container.name)
    );
    let names = names.iter().take(MAX_VARIABLES).map(|name| redact::name(name));
    Some(Problem::new(Code::WorkloadAlsoSeeds, message).variables(names))
}
