//! values.yaml from the reader's view: one row per documented value.

use serde_json::Value;

pub struct Row {
    pub path: Vec<String>,
    pub description: String,
    pub default: Value,
}

impl Row {
    pub fn name(&self) -> String {
        self.path.join(".")
    }
}

/// A comment directly above a key describes it and all keys below; a key with neither comment nor children is an error.
pub fn rows(text: &str) -> Vec<Row> {
    let values = crate::support::helm::yaml(text);
    let mut rows = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut documented_at: Option<usize> = None;
    for line in text.lines() {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let line = line.trim();
        if documented_at.is_some_and(|at| depth > at && !line.is_empty()) {
            continue;
        }
        documented_at = None;
        if line.is_empty() {
            comment.clear();
        } else if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim());
        } else {
            let (key, rest) = line.split_once(':').unwrap_or_else(|| panic!("not a key: {line}"));
            path.truncate(depth);
            path.push(key.to_owned());
            if comment.is_empty() {
                assert!(rest.trim().is_empty(), "{} has no description", path.join("."));
            } else {
                let pointer = format!("/{}", path.join("/"));
                let default = values.pointer(&pointer).cloned().unwrap_or_else(|| panic!("there is no {pointer}"));
                rows.push(Row { path: path.clone(), description: comment.join(" "), default });
                comment.clear();
                documented_at = Some(depth);
            }
        }
    }
    rows
}

pub fn table(rows: &[Row]) -> String {
    let mut table = String::from("| Value | Default | Meaning |\n|---|---|---|\n");
    for row in rows {
        let default = row.default.to_string().replace('|', "\\|");
        table += &format!("| `{}` | `{default}` | {} |\n", row.name(), row.description.replace('|', "\\|"));
    }
    table
}
