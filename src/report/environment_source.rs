//! `--from`: the workload whose environment a report describes, and the source of each variable in the cluster.

use std::collections::BTreeMap;

use serde::Serialize;

/// A container of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnvironmentSource {
    /// `Deployment coder`
    pub workload: String,
    pub namespace: Option<String>,
    pub container: String,
    /// The source of each relevant variable: `Secret coder-ai, key openai`.
    pub variables: BTreeMap<String, String>,
    /// The options by which another command uses the same workload.
    #[serde(skip)]
    pub options: Vec<String>,
}

impl EnvironmentSource {
    /// `Deployment coder in namespace coder, container ai-provider-seed`
    pub fn label(&self) -> String {
        let namespace = self.namespace.as_ref().map(|name| format!(" in namespace {name}")).unwrap_or_default();
        format!("{}{namespace}, container {}", self.workload, self.container)
    }
}
