//! Entries of `env` or `envFrom` that the API server refuses or silently drops: without a name, with two sources, or with
//! an unknown source.

use serde_json::Value;

use crate::provider::redact;

const OF_VALUE: [&str; 5] = ["secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef"];
const OF_ALL: [&str; 2] = ["secretRef", "configMapRef"];

/// One entry; `path`: its place. An entry that is not a map is judged by its type.
pub fn check(entry: &Value, path: &str) -> Result<(), String> {
    let Some(fields) = entry.as_object() else { return Ok(()) };
    let of_env = ["name", "value", "valueFrom"].iter().any(|field| fields.contains_key(*field));
    if !of_env {
        return check_names(entry, path, &OF_ALL, &OF_VALUE);
    }
    if entry["name"].is_null() || entry["name"] == "" {
        return Err(format!("{path} has no name"));
    }
    if !entry["valueFrom"].is_object() {
        return Ok(());
    }
    if entry["value"].as_str().is_some_and(|value| !value.is_empty()) {
        return Err(format!("{path} has value and valueFrom, which exclude each other; keep one"));
    }
    check_names(&entry["valueFrom"], &format!("{path}.valueFrom"), &OF_VALUE, &OF_ALL)
}

/// `known`: the sources of this list. `other`: those of the other list, to detect confusions.
fn check_names(sources: &Value, path: &str, known: &[&str], other: &[&str]) -> Result<(), String> {
    let names = || sources.as_object().into_iter().flat_map(|map| map.keys());
    for name in names().filter(|name| !known.contains(&name.as_str())) {
        let place = format!("{path}.{}", redact::name(name));
        if let Some(meant) = known.iter().find(|known| known.eq_ignore_ascii_case(name)) {
            return Err(format!("{place} is not a Kubernetes field; write {meant}"));
        }
        if other.contains(&name.as_str()) {
            return Err(format!("{place} does not belong here; write {}", known[..2].join(" or ")));
        }
    }
    // A newer release may have further sources.
    if names().any(|name| name.ends_with("Ref")) {
        return Ok(());
    }
    Err(format!("{path} names no source; write {}", known[..2].join(" or ")))
}
