//! What a plan is made of, and what it says.

use serde::Serialize;
use uuid::Uuid;

use super::conflict::Conflict;
use super::update::Resolution;
use crate::options::{Compare, TakeEnvironment};
use crate::problem::Findings;

/// Who asks: only a writer fails because a row cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Write,
    /// `diff` and the controller: another role may be the one that writes.
    Read,
}

#[derive(Clone, Copy, Debug)]
pub struct PlanOptions {
    pub compare_credentials: Compare,
    pub compare_settings: Compare,
    pub take: TakeEnvironment,
    /// `--audit=auto`
    pub audit: bool,
    pub access: Access,
    /// Keep fingerprints of the credentials that were compared, for a memory of what both sides agreed on.
    pub fingerprints: bool,
    /// Keep the hashes of both sides' canonical records: a report in JSON has them, and the memory of what both sides agreed on.
    pub hashes: bool,
    /// Was `CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS` given?
    pub keys_given: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    InSync,
    Created,
    /// It was there, and took from the environment what `--take-environment` covers.
    Updated,
    /// The same of a run that wrote nothing.
    WouldUpdate,
    /// No row, and none was written now.
    Missing,
    Conflict,
    /// Only credentials differ, and they do not block.
    CredentialsDiffer,
    /// Only optional fields differ, and they do not block.
    SettingsDiffer,
    /// An operator deleted it; left deleted.
    Deleted,
    /// This database does not know the type.
    Unsupported,
}

/// What the plan says of one desired provider.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Position among the desired providers.
    pub desired: usize,
    pub state: State,
    pub id: Option<Uuid>,
    /// Both where [`PlanOptions::hashes`] asks for them.
    pub environment_hash: Option<String>,
    pub database_hash: Option<String>,
    /// Of the role that this run wrote into the row.
    pub external_id: Option<String>,
    /// Of a live row whose credentials were compared, where [`PlanOptions::fingerprints`] asks for it.
    pub credentials: Option<CredentialSides>,
}

/// Fingerprints of both sides' credentials, keyed with the row's id, 16 hex digits each: keys sorted, then access key and its
/// secret. Equal lists are equal credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialSides {
    pub environment: Vec<String>,
    pub database: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub entries: Vec<Entry>,
    pub conflicts: Vec<Conflict>,
    pub findings: Findings,
    /// Live rows that no variable describes, as they may be shown; at most [`super::undescribed::LISTED`].
    pub undescribed: Vec<String>,
    /// The schema was not read, and this plan is only final with it.
    pub needs_schema: bool,
    /// What to insert: `None` if nothing is missing or a problem prevents it.
    pub insert: Option<Insert>,
    /// What to write into rows that are there (`--take-environment`): its conflicts are the differences that it ends.
    pub update: Resolution,
}

impl Plan {
    pub fn missing(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().filter(|entry| entry.state == State::Missing).map(|entry| entry.desired)
    }

    /// Something is to be written, as far as the schema was read.
    pub fn writes(&self) -> bool {
        self.insert.is_some() || !self.update.updates.is_empty()
    }

    pub fn blocks(&self) -> bool {
        !self.findings.problems.is_empty() || self.conflicts.iter().any(|conflict| conflict.blocking)
    }
}

/// What to insert, and what the live schema asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insert {
    /// Positions among the desired providers.
    pub providers: Vec<usize>,
    pub bedrock_label: bool,
    pub icon: bool,
    pub audit: bool,
    /// The digest of the key to encrypt with; `None`: this database is not encrypted.
    pub encrypt_with: Option<String>,
}
