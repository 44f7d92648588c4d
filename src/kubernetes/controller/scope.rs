//! The scope of the watch: one namespace, or all.

use k8s_openapi::NamespaceResourceScope;
use kube::api::Api;
use kube::{Client, Resource};

use super::index::Key;

/// The watched namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    Namespace(String),
    All,
}

impl Scope {
    pub fn label(&self) -> String {
        match self {
            Scope::Namespace(name) => format!("namespace {name}"),
            Scope::All => "all namespaces".to_owned(),
        }
    }

    pub fn contains(&self, resource: &Key) -> bool {
        match self {
            Scope::Namespace(namespace) => resource.0 == *namespace,
            Scope::All => true,
        }
    }

    pub fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        match self {
            Scope::Namespace(name) => Api::namespaced(client.clone(), name),
            Scope::All => Api::all(client.clone()),
        }
    }
}
