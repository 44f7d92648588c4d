//! The parts of a plan and its results.

use serde::Serialize;
use uuid::Uuid;

use super::conflict::Conflict;
use super::update::Resolution;
use crate::options::{Compare, TakeEnvironment};
use crate::problem::Findings;

/// Who uses the plan: only a writer fails because a row cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Write,
    /// `diff` and the controller: another role may be the writer.
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
    /// Keep fingerprints of the compared credentials, for the record of the last agreement.
    pub fingerprints: bool,
    /// Keep the hashes of both sides' canonical records, for a JSON report and for the record of the last agreement.
    pub hashes: bool,
    /// Whether `CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS` was given.
    pub keys_given: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    InSync,
    Created,
    /// The row existed and took the values from the environment that `--take-environment` covers.
    Updated,
    /// The same for a run that wrote nothing.
    WouldUpdate,
    /// No row exists, and none was written now.
    Missing,
    Conflict,
    /// Only credentials differ, and they do not block.
    CredentialsDiffer,
    /// Only optional fields differ, and they do not block.
    SettingsDiffer,
    /// An operator deleted it; it stays deleted.
    Deleted,
    /// This database does not know the type.
    Unsupported,
}

/// The plan for one desired provider.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Index among the desired providers.
    pub desired: usize,
    pub state: State,
    pub id: Option<Uuid>,
    /// Both are set if [`PlanOptions::hashes`] is.
    pub environment_hash: Option<String>,
    pub database_hash: Option<String>,
    /// The external id of the role that this run wrote into the row.
    pub external_id: Option<String>,
    /// For a live row whose credentials were compared, if [`PlanOptions::fingerprints`] is set.
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
    /// Live rows that no variable describes, redacted; at most [`super::undescribed::LISTED`].
    pub undescribed: Vec<String>,
    /// The schema was not read, and the plan is final only with it.
    pub needs_schema: bool,
    /// The rows to insert; `None` if nothing is missing or a problem prevents the insert.
    pub insert: Option<Insert>,
    /// The changes to existing rows (`--take-environment`): its conflicts are the differences that it resolves.
    pub update: Resolution,
}

impl Plan {
    pub fn missing(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().filter(|entry| entry.state == State::Missing).map(|entry| entry.desired)
    }

    /// Whether the plan writes anything, as far as the schema was read.
    pub fn writes(&self) -> bool {
        self.insert.is_some() || !self.update.updates.is_empty()
    }

    pub fn blocks(&self) -> bool {
        !self.findings.problems.is_empty() || self.conflicts.iter().any(|conflict| conflict.blocking)
    }
}

/// The rows to insert, and the requirements of the live schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insert {
    /// Indexes among the desired providers.
    pub providers: Vec<usize>,
    pub bedrock_label: bool,
    pub icon: bool,
    pub audit: bool,
    /// The digest of the key to encrypt with; `None`: this database is not encrypted.
    pub encrypt_with: Option<String>,
}
