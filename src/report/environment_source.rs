//! `--from`: whose environment a report is about, and where in the cluster each variable is.

use std::collections::BTreeMap;

use serde::Serialize;

/// A container of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnvironmentSource {
    /// `Deployment coder`
    pub workload: String,
    pub namespace: Option<String>,
    pub container: String,
    /// Each variable that matters, and where its value comes from: `Secret coder-ai, key openai`.
    pub variables: BTreeMap<String, String>,
    /// The options that make another command look at the same workload.
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
