//! Every row that the seed could write, as values: equal snapshots mean that nothing was written in between.

use super::database::{Database, json};
use serde_json::Value;
use std::collections::BTreeMap;

const TABLES: [&str; 4] = ["ai_providers", "ai_provider_keys", "audit_logs", "dbcrypt_keys"];

/// Each row is an object of its columns plus `xmin`, the transaction that wrote it: an UPDATE that changes no value
/// shows as well. Compare snapshots of one database only.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub providers: Vec<Value>,
    pub keys: Vec<Value>,
    pub audit: Vec<Value>,
    pub dbcrypt: Vec<Value>,
}

impl Snapshot {
    /// All current rows; a table that does not exist has none.
    pub fn of(database: &Database) -> Self {
        let mut client = database.client();
        let [providers, keys, audit, dbcrypt] = TABLES.map(|table| rows(&mut client, table));
        Snapshot { providers, keys, audit, dbcrypt }
    }

    /// The live row of this name.
    pub fn live(&self, name: &str) -> Option<&Value> {
        self.providers.iter().find(|row| row["name"] == name && row["deleted"] == false)
    }

    /// The `api_key` columns of a provider as Coder reads them (oldest first).
    pub fn keys_of(&self, provider_id: &Value) -> Vec<String> {
        let mut rows: Vec<&Value> = self.keys.iter().filter(|row| row["provider_id"] == *provider_id).collect();
        rows.sort_by_key(|row| (row["created_at"].to_string(), row["id"].to_string()));
        rows.iter().map(|row| row["api_key"].as_str().expect("api_key is text").to_owned()).collect()
    }

    /// The changes of each row between `before` and this; empty if there are none.
    pub fn changes_since(&self, before: &Snapshot) -> Vec<String> {
        let mut changes = Vec::new();
        for (table, old, new) in [
            (TABLES[0], &before.providers, &self.providers),
            (TABLES[1], &before.keys, &self.keys),
            (TABLES[2], &before.audit, &self.audit),
            (TABLES[3], &before.dbcrypt, &self.dbcrypt),
        ] {
            let (old, new) = (by_key(old), by_key(new));
            for (key, row) in &new {
                match old.get(key) {
                    None => changes.push(format!("{table}: inserted {row}")),
                    Some(before) if before != row => changes.push(format!("{table}: {before} became {row}")),
                    Some(_) => {}
                }
            }
            changes.extend(
                old.iter().filter(|(key, _)| !new.contains_key(*key)).map(|(_, row)| format!("{table}: deleted {row}")),
            );
        }
        changes
    }
}

fn by_key(rows: &[Value]) -> BTreeMap<String, &Value> {
    rows.iter().map(|row| (key(row), row)).collect()
}

fn key(row: &Value) -> String {
    row.get("id").or(row.get("number")).expect("a key column").to_string()
}

fn rows(client: &mut postgres::Client, table: &str) -> Vec<Value> {
    if json(client, &format!("to_json(to_regclass('{table}') is not null)")) == false {
        return Vec::new();
    }
    let rows = json(
        client,
        &format!(
            "coalesce((select json_agg(to_jsonb(t) || jsonb_build_object('xmin', xmin::text)) from {table} t), '[]')"
        ),
    );
    match rows {
        Value::Array(mut rows) => {
            // An update moves a row, so the order on disk has no meaning.
            rows.sort_by_key(key);
            rows
        }
        other => panic!("not a list of rows: {other}"),
    }
}
