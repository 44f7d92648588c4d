//! `--from`: whose environment a report is about, and where in the cluster each variable stands.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::Report;
use crate::provider::redact;

/// Variables that are listed for people; the JSON document has all of them.
const LISTED: usize = 60;

/// A container of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnvironmentSource {
    /// `Deployment coder`
    pub workload: String,
    pub namespace: Option<String>,
    pub container: String,
    /// Each variable that matters, and where its value comes from: `Secret coder-ai, key openai`.
    pub variables: BTreeMap<String, String>,
}

impl EnvironmentSource {
    /// `Deployment coder in namespace coder, container ai-provider-seed`
    pub fn label(&self) -> String {
        let namespace = self.namespace.as_ref().map(|name| format!(" in namespace {name}")).unwrap_or_default();
        format!("{}{namespace}, container {}", self.workload, self.container)
    }
}

pub(super) fn place(out: &mut String, report: &Report) {
    let Some(place) = &report.source else { return };
    let _ = writeln!(out, "\n  from {}", place.label());
    let listed = place.variables.iter().take(LISTED);
    let width = listed.clone().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(52);
    for (name, origin) in listed {
        let _ = writeln!(out, "    {name:<width$}  {origin}");
    }
    if let Some(more) = place.variables.len().checked_sub(LISTED).filter(|more| *more > 0) {
        let _ = writeln!(out, "    and {}; --output json lists all", redact::count(more, "more variable"));
    }
}
