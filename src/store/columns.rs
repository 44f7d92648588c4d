//! Rows that a statement receives as arrays of text, one array per column. Each column is described once; statement,
//! parameters and audit log follow from the description.

use serde::{Serialize, Serializer};
use serde_json::Value as Json;
use tokio_postgres::types::{ToSql, Type};

/// A column of the rows of type `R`.
pub struct Column<R> {
    pub name: &'static str,
    /// The type to which its text is cast.
    pub cast: &'static str,
    pub value: for<'a> fn(&'a R) -> Option<&'a str>,
    pub audit: Audit<R>,
}

/// The text of a boolean in Postgres.
pub fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
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

/// Old and new value of a column in the audit log.
#[derive(Serialize)]
struct Change<'a> {
    old: &'a Json,
    new: Json,
    secret: bool,
}

pub const EMPTY: Json = Json::String(String::new());
static NOTHING: Json = EMPTY;

/// The audit log entry of one row, written without a tree of values: there may be thousands.
struct Diff<'a, R> {
    columns: &'a [&'a Column<R>],
    row: &'a R,
}

impl<R> Serialize for Diff<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.columns.iter().filter_map(|column| match &column.audit {
            Audit::None => None,
            Audit::Secret => Some((column.name, Change { old: &NOTHING, new: EMPTY, secret: true })),
            Audit::Shown { old, new } => Some((column.name, Change { old, new: new(self.row), secret: false })),
        }))
    }
}

/// The audit log entry of one row: old and new value of each column.
pub fn audit_diff<R>(columns: &[&Column<R>], row: &R) -> String {
    serde_json::to_string(&Diff { columns, row }).unwrap_or_default()
}

/// The arrays of a statement, in the order of their numbers.
#[derive(Default)]
pub struct Parameters<'a>(Vec<Vec<Option<&'a str>>>);

impl<'a> Parameters<'a> {
    /// Adds an array for each column. Returns the part `name` of a `with`, whose rows are `rows`; `at` is the number of a
    /// row, from 1. `extra`: further columns, each preceded by a comma.
    pub fn given<R>(&mut self, name: &str, columns: &[&Column<R>], rows: &'a [R], extra: &str) -> String {
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
