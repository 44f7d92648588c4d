//! Rows that a statement receives as arrays of text, one array per column. Each column is described once; statement,
//! parameters and audit log follow from the description.

use serde_json::{Map, Value as Json, json};
use tokio_postgres::types::{ToSql, Type};

/// A column of the rows of type `R`.
pub struct Column<R> {
    pub name: &'static str,
    /// The type to which its text is cast.
    pub cast: &'static str,
    pub value: fn(&R) -> Option<String>,
    pub audit: Audit<R>,
}

/// The audit log entry of a column.
pub enum Audit<R> {
    /// No entry: the column is not the row's own, the server creates the entry, or Coder's audit log leaves it out.
    None,
    /// The entry says that the value was written, and nothing about the value, not even masked.
    Secret,
    Shown {
        old: Json,
        new: fn(&R) -> Json,
    },
}

/// The audit log entry of one row: old and new value of each column.
pub fn audit_diff<'a, R: 'a>(columns: impl IntoIterator<Item = &'a Column<R>>, row: &R) -> String {
    let mut fields = Map::new();
    for column in columns {
        let field = match &column.audit {
            Audit::None => continue,
            Audit::Secret => json!({"old": "", "new": "", "secret": true}),
            Audit::Shown { old, new } => json!({"old": old, "new": new(row), "secret": false}),
        };
        fields.insert(column.name.to_owned(), field);
    }
    Json::Object(fields).to_string()
}

/// The arrays of a statement, in the order of their numbers.
#[derive(Default)]
pub struct Parameters(Vec<Vec<Option<String>>>);

impl Parameters {
    /// Adds an array for each column. Returns the part `name` of a `with`, whose rows are `rows`; `at` is the number of a
    /// row, from 1. `extra`: further columns, each preceded by a comma.
    pub fn given<R>(&mut self, name: &str, columns: &[&Column<R>], rows: &[R], extra: &str) -> String {
        let mut numbers = Vec::new();
        for column in columns {
            self.0.push(rows.iter().map(column.value).collect());
            numbers.push(format!("${}", self.0.len()));
        }
        let cast: Vec<String> =
            columns.iter().map(|column| format!("{0}::{1} as {0}", column.name, column.cast)).collect();
        format!(
            "{name} as (
               select {}{extra}
                 from unnest({}) with ordinality as t ({}, at))",
            cast.join(", "),
            numbers.join(", "),
            names(columns)
        )
    }

    /// For the client: all are arrays of text, so that it looks up no type.
    pub fn typed(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.0.iter().map(|array| (array as &(dyn ToSql + Sync), Type::TEXT_ARRAY)).collect()
    }
}

/// `id, type, name`
pub fn names<R>(columns: &[&Column<R>]) -> String {
    columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}
