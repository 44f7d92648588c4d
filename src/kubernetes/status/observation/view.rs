//! A report's findings about the database in terms of the status.

use super::ReportSubject;
use crate::kubernetes::crd::status::{ConflictStatus, ProviderState, ProviderStatus};
use crate::kubernetes::status::last_agreed::{self, ProviderHashes};
use crate::plan::{Conflict, State};
use crate::provider::{Class, Presence, Source, redact};
use crate::report::{Provider, Report, conflict_sentence, value};

/// The known state of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseView {
    /// It was read, or there was nothing to query.
    Found { providers: Vec<ProviderStatus>, conflicts: Vec<ObservedConflict>, records: Vec<ProviderHashes> },
    /// It is unreadable: the providers in sync are unknown, and conflicts stay until a read shows their end.
    Unread,
    /// No check ran; the last result stays.
    NotLooked,
}

impl DatabaseView {
    pub fn conflicts(&self) -> &[ObservedConflict] {
        match self {
            DatabaseView::Found { conflicts, .. } => conflicts,
            DatabaseView::Unread | DatabaseView::NotLooked => &[],
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedConflict {
    pub status: ConflictStatus,
    /// The sentence about this conflict, the same everywhere.
    pub sentence: String,
}

pub(super) fn found(report: &Report, of: &ReportSubject<'_>) -> DatabaseView {
    let records: Vec<ProviderHashes> = report.providers.iter().filter_map(record).collect();
    DatabaseView::Found {
        providers: report.providers.iter().map(provider).collect(),
        conflicts: differences(report).map(|conflict| observed_conflict(conflict, &records, of)).collect(),
        records,
    }
}

/// Remaining differences, and those that the next start would resolve: environment and database disagree on both.
fn differences(report: &Report) -> impl Iterator<Item = &Conflict> {
    report.conflicts.iter().chain(&report.updates)
}

/// `None`: there is no row to compare with, or it is deleted.
pub(super) fn record(provider: &Provider) -> Option<ProviderHashes> {
    Some(ProviderHashes {
        provider: redact::provider(&provider.name),
        row: provider.id?.to_string(),
        environment: provider.environment_hash.clone()?,
        database: provider.database_hash.clone()?,
        credentials: provider.credential_sides.clone(),
    })
}

fn provider(provider: &Provider) -> ProviderStatus {
    ProviderStatus {
        name: redact::provider(&provider.name),
        r#type: provider.kind.clone(),
        state: match provider.state {
            State::InSync => ProviderState::InSync,
            State::Created => ProviderState::Created,
            State::Updated => ProviderState::Updated,
            State::WouldUpdate => ProviderState::WouldUpdate,
            State::Missing => ProviderState::Missing,
            State::Conflict => ProviderState::Conflict,
            State::CredentialsDiffer => ProviderState::CredentialsDiffer,
            State::SettingsDiffer => ProviderState::SettingsDiffer,
            State::Deleted => ProviderState::Deleted,
            State::Unsupported => ProviderState::Unsupported,
        },
        id: provider.id.map(|id| id.to_string()),
    }
}

fn observed_conflict(conflict: &Conflict, records: &[ProviderHashes], of: &ReportSubject<'_>) -> ObservedConflict {
    let source = match (conflict.origin.presence, &conflict.origin.source) {
        (Presence::Default, _) => "Coder's default".to_owned(),
        (Presence::Unset, _) => "not set".to_owned(),
        (Presence::Set, Source::Container | Source::Process | Source::EnvFile) => of.pod_template(),
        (Presence::Set, source) => source.to_string(),
    };
    let name = redact::provider(&conflict.provider);
    // Only the hash of the canonical record is recorded.
    let known = conflict.field.class() == Class::Canonical;
    let record = records.iter().find(|record| known && record.provider == name);
    let who = record.and_then(|record| last_agreed::changed_side(of.agreements, record));
    let since = who.as_ref().map(|(changed, since)| last_agreed::sentence(*changed, since)).unwrap_or_default();
    let status = ConflictStatus {
        id: conflict.id.clone(),
        provider: name,
        field: conflict.field.as_str().to_owned(),
        blocking: conflict.blocking,
        environment: value(conflict.field, &conflict.environment),
        database: value(conflict.field, &conflict.database),
        variable: conflict.origin.variable.to_string(),
        source,
        changed: who.as_ref().map(|(changed, _)| *changed),
        since: who.map(|(_, since)| since),
    };
    ObservedConflict { status, sentence: conflict_sentence(conflict) + &since }
}
