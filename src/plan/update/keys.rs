//! The keys of a row as the environment lists them.

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::plan::snapshot::StoredProvider;

/// How the key rows of a provider change. A key row is never changed in place: Coder does not do so either, and its
/// encryption rotation, which reads all rows before it writes, would silently restore an old key.
#[derive(Clone)]
pub struct KeyChange {
    /// How many of its key rows stay.
    pub kept: usize,
    pub removed: Vec<Uuid>,
    /// In this order, behind those that stay.
    pub added: Vec<SecretString>,
}

impl KeyChange {
    /// How many key rows it had.
    pub fn had(&self) -> usize {
        self.kept + self.removed.len()
    }
}

/// Coder reads keys by their age, and a new row is the youngest. So the rows that stay are those of the environment's first
/// keys, as far as they are in the same order.
pub fn key_change(wanted: &[SecretString], row: &StoredProvider) -> KeyChange {
    let stored = row.keys.as_deref().unwrap_or_default();
    let mut kept: Vec<usize> = Vec::new();
    for key in wanted {
        let from = kept.last().map_or(0, |last| last + 1);
        let is_same =
            |at: &usize| stored[*at].as_ref().is_ok_and(|stored| stored.expose_secret() == key.expose_secret());
        match (from..stored.len()).find(is_same) {
            Some(at) => kept.push(at),
            None => break,
        }
    }
    let gone = row.key_ids.iter().enumerate().filter(|(at, _)| !kept.contains(at));
    KeyChange { kept: kept.len(), removed: gone.map(|(_, id)| *id).collect(), added: wanted[kept.len()..].to_vec() }
}
