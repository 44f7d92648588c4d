//! Changes a row's keys to those of the environment.

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::plan::snapshot::StoredProvider;

/// How the key rows of a provider change. A key row is never changed in place: Coder does not do so either, and its key
/// rotation, which reads all rows before it writes, would silently restore an old key.
#[derive(Clone)]
pub struct KeyChange {
    /// The number of key rows that stay.
    pub kept: usize,
    pub removed: Vec<Uuid>,
    /// In this order, after the rows that stay.
    pub added: Vec<SecretString>,
}

impl KeyChange {
    /// The number of key rows before the change.
    pub fn had(&self) -> usize {
        self.kept + self.removed.len()
    }
}

/// Coder orders keys by the age of their rows, and a new row is the youngest. So only rows for the environment's first
/// keys stay, as long as they are in the same order.
pub fn key_change(wanted: &[SecretString], row: &StoredProvider) -> KeyChange {
    let stored = row.keys.as_deref().unwrap_or_default();
    let mut kept: Vec<usize> = Vec::new();
    for key in wanted {
        let from = kept.last().map_or(0, |last| last + 1);
        let is_same =
            |at: &usize| stored[*at].secret.as_ref().is_ok_and(|stored| stored.expose_secret() == key.expose_secret());
        match (from..stored.len()).find(is_same) {
            Some(at) => kept.push(at),
            None => break,
        }
    }
    let gone = stored.iter().enumerate().filter(|(at, _)| !kept.contains(at));
    KeyChange { kept: kept.len(), removed: gone.map(|(_, key)| key.id).collect(), added: wanted[kept.len()..].to_vec() }
}
