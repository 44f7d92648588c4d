//! `--take database`: what to change in the environment. Made of what a conflict shows, so a key cannot be in it.

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Map, json};

use super::description::{Descriptions, secret_of};
use super::{Conflict, Field, Snapshot, Value};
use crate::env::dotenv_quote;
use crate::provider::{DesiredProvider, ProviderType};
use crate::report::sentence::{falls_back, is_older};

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    pub provider: String,
    pub variable: String,
    #[serde(flatten)]
    pub change: Change,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    Set {
        value: String,
    },
    Unset,
    /// To what Coder holds, which is not shown.
    SetSecret,
    /// No variables can say it.
    DescribeAnew,
}

pub fn lines(conflicts: &[Conflict], desired: &[DesiredProvider], snapshot: &Snapshot) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut descriptions = Descriptions::new(desired, snapshot);
    for of_provider in conflicts.chunk_by(|a, b| a.provider == b.provider) {
        let found: Vec<Line> = of_provider.iter().flat_map(of_field).collect();
        // Described anew, nothing else of it need be said.
        lines.extend(match found.iter().find(|line| line.change == Change::DescribeAnew) {
            None => found,
            Some(anew) => descriptions.describe(&anew.provider).unwrap_or_else(|| vec![anew.clone()]),
        });
    }
    lines
}

fn of_field(conflict: &Conflict) -> Vec<Line> {
    let variable = &conflict.origin.variable;
    let line =
        |variable: &str, change| Line { provider: conflict.provider.clone(), variable: variable.to_owned(), change };
    let one = |change| vec![line(variable, change)];
    let older = is_older(variable);
    match (conflict.field, &conflict.database) {
        (Field::Type, Value::Text(kind)) if !older && says_it_all(conflict, kind) => {
            let mut lines = one(Change::Set { value: kind.clone() });
            // A name that is not set is the type's.
            if matches!(&conflict.environment, Value::Text(text) if *text == conflict.provider)
                && let Some(start) = variable.strip_suffix("TYPE")
            {
                lines.push(line(&format!("{start}NAME"), Change::Set { value: conflict.provider.clone() }));
            }
            lines
        }
        (Field::Type, _) => one(Change::DescribeAnew),
        (_, Value::Text(text)) if text.is_empty() && falls_back(conflict) => one(Change::DescribeAnew),
        // One of the older variables holds one key.
        (Field::ApiKeys, Value::Credentials { count, .. }) if older && *count != 1 => one(Change::DescribeAnew),
        (_, Value::Text(text)) if text.is_empty() => one(Change::Unset),
        (_, Value::Text(text)) => {
            let readable = !text.ends_with("not shown") && !text.contains("***") && !text.contains("\\u{");
            let shown = readable && !conflict.differs_out_of_sight();
            one(if shown { Change::Set { value: text.clone() } } else { Change::SetSecret })
        }
        (Field::BedrockCredentials, Value::Credentials { count, .. }) => {
            let change = if *count == 0 { Change::Unset } else { Change::SetSecret };
            vec![line(variable, change.clone()), line(&secret_of(variable), change)]
        }
        (_, Value::Credentials { count: 0, .. }) => one(Change::Unset),
        (_, Value::Credentials { count, .. }) => match variable.strip_suffix("_KEY").filter(|_| *count > 1) {
            Some(start) => vec![line(variable, Change::Unset), line(&format!("{start}_KEYS"), Change::SetSecret)],
            None => one(Change::SetSecret),
        },
    }
}

/// Both types are known and take keys, so that TYPE alone is what differs between them.
fn says_it_all(conflict: &Conflict, kind: &str) -> bool {
    let takes_keys =
        |text: &str| ProviderType::ALL.into_iter().any(|known| known.as_str() == text && known.allows_keys());
    matches!(&conflict.environment, Value::Text(text) if takes_keys(text)) && takes_keys(kind)
}

/// `, except for CODER_AIBRIDGE_PROVIDER_0_KEYS`: what the lines leave open.
pub fn except(lines: &[Line]) -> String {
    let open = lines.iter().filter_map(|line| match line.change {
        Change::SetSecret => Some(line.variable.as_str()),
        Change::DescribeAnew => Some(line.provider.as_str()),
        _ => None,
    });
    let open: Vec<&str> = open.collect();
    if open.is_empty() { String::new() } else { format!(", except for {}", open.join(", ")) }
}

/// As environment lines, as a patch of a Secret, and as values of Coder's chart.
pub fn text(out: &mut String, lines: &[Line]) {
    out.push('\n');
    for Line { provider, variable, change } in lines {
        let _ = match change {
            Change::Set { value } => writeln!(out, "  {variable}={}", dotenv_quote::quote(value)),
            Change::Unset => writeln!(out, "  # unset {variable}"),
            Change::SetSecret => writeln!(
                out,
                "  # {variable}: what Coder holds; ai-provider-seed export {provider} --secrets-file FILE writes it down"
            ),
            Change::DescribeAnew => writeln!(
                out,
                "  # {provider}: no variables can describe it; ai-provider-seed export {provider} says why"
            ),
        };
    }
    let plain: Vec<(&str, Option<&str>)> = lines.iter().filter(|line| !waits(line, lines)).filter_map(plain).collect();
    if plain.is_empty() {
        return;
    }
    let mut set = Map::new();
    let mut unset = Map::new();
    for (variable, value) in &plain {
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
    let mut data = set.clone();
    data.append(&mut unset);
    let patch = json!({"data": data}).to_string().replace('\'', "'\\''");
    let _ = writeln!(out, "\n  If they are in a ConfigMap:\n");
    let _ = writeln!(out, "    kubectl -n coder patch configmap coder-ai-providers --type merge --patch '{patch}'");
    if set.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n  Or in the chart's values, under the init container's env:\n");
    for (variable, value) in plain.into_iter().filter_map(|(variable, value)| Some((variable, value?))) {
        let _ = writeln!(out, "    - name: {variable}\n      value: {}", json!(value.replace('$', "$$")));
    }
}

/// Unset only together with its replacement, which the patch cannot hold.
fn waits(line: &Line, lines: &[Line]) -> bool {
    let replacement = format!("{}S", line.variable);
    line.change == Change::Unset
        && lines.iter().any(|other| other.variable == replacement && other.change == Change::SetSecret)
}

fn plain(line: &Line) -> Option<(&str, Option<&str>)> {
    match &line.change {
        Change::Set { value } => Some((&line.variable, Some(value))),
        Change::Unset => Some((&line.variable, None)),
        _ => None,
    }
}
