//! The edits of `--take database` as text: environment lines, patches of a Secret and of a ConfigMap, values of Coder's chart.

use std::fmt::Write;

use serde_json::{Map, json};

use crate::env::dotenv_quote;
use crate::plan::{Edit, VariableEdit};

/// The variables that the edits leave open: `, except for CODER_AIBRIDGE_PROVIDER_0_KEYS`.
pub fn except(edits: &[VariableEdit]) -> String {
    let open = edits.iter().filter_map(|edit| match edit.edit {
        Edit::SetSecret => Some(edit.variable.as_str()),
        Edit::Redescribe => Some(edit.provider.as_str()),
        _ => None,
    });
    let open: Vec<&str> = open.collect();
    if open.is_empty() { String::new() } else { format!(", except for {}", open.join(", ")) }
}

pub fn text(out: &mut String, edits: &[VariableEdit]) {
    out.push('\n');
    for VariableEdit { provider, variable, edit } in edits {
        let _ = match edit {
            Edit::Set { value } => writeln!(out, "  {variable}={}", dotenv_quote::quote(value)),
            Edit::Unset => writeln!(out, "  # unset {variable}"),
            Edit::SetSecret => writeln!(
                out,
                "  # {variable}: the value that Coder holds; ai-provider-seed export {provider} --secrets-file FILE writes it\n  \
                 #   down, under a prefix and number of its own: take the value alone"
            ),
            Edit::Redescribe => writeln!(
                out,
                "  # {provider}: no variables can describe it; ai-provider-seed export {provider} says why"
            ),
        };
    }
    let plain: Vec<(&str, Option<&str>)> = edits.iter().filter(|edit| !waits(edit, edits)).filter_map(plain).collect();
    if plain.is_empty() {
        return;
    }
    patches(out, &plain);
    let set: Vec<(&str, &str)> = plain.into_iter().filter_map(|(variable, value)| Some((variable, value?))).collect();
    if set.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n  Or in the chart's values, under the init container's env:\n");
    for (variable, value) in set {
        let _ = writeln!(out, "    - name: {variable}\n      value: {}", json!(value.replace('$', "$$")));
    }
}

fn patches(out: &mut String, plain: &[(&str, Option<&str>)]) {
    let mut set = Map::new();
    let mut unset = Map::new();
    for (variable, value) in plain {
        match value {
            Some(value) => _ = set.insert((*variable).to_owned(), json!(value)),
            None => _ = unset.insert((*variable).to_owned(), json!(null)),
        }
    }
    let mut patch = Map::new();
    if !unset.is_empty() {
        patch.insert("data".to_owned(), unset.clone().into());
    }
    if !set.is_empty() {
        patch.insert("stringData".to_owned(), set.clone().into());
    }
    let patch = serde_json::Value::Object(patch).to_string().replace('\'', "'\\''");
    let _ = writeln!(out, "\n  If they are in a Secret:\n");
    let _ = writeln!(out, "    kubectl -n coder patch secret coder-ai-providers --type merge --patch '{patch}'");
    let mut data = set;
    data.append(&mut unset);
    let patch = json!({"data": data}).to_string().replace('\'', "'\\''");
    let _ = writeln!(out, "\n  If they are in a ConfigMap:\n");
    let _ = writeln!(out, "    kubectl -n coder patch configmap coder-ai-providers --type merge --patch '{patch}'");
}

/// A variable is unset only together with its replacement, which the patch cannot contain.
fn waits(edit: &VariableEdit, edits: &[VariableEdit]) -> bool {
    let replacement = format!("{}S", edit.variable);
    edit.edit == Edit::Unset && edits.iter().any(|other| other.variable == replacement && other.edit == Edit::SetSecret)
}

fn plain(edit: &VariableEdit) -> Option<(&str, Option<&str>)> {
    match &edit.edit {
        Edit::Set { value } => Some((&edit.variable, Some(value))),
        Edit::Unset => Some((&edit.variable, None)),
        _ => None,
    }
}
