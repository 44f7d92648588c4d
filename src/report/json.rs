use serde::Serialize;
use uuid::Uuid;

use super::environment_source::EnvironmentSource;
use super::model::Report;
use crate::plan::{Field, FieldValue, State};
use crate::problem::{Outcome, Problem};

/// Readers must accept new keys, codes and states; `version` changes only when a key is removed or changes its meaning.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    version: u32,
    outcome: Outcome,
    blocked: bool,
    written: bool,
    providers: Vec<Provider<'a>>,
    conflicts: Vec<Conflict<'a>>,
    problems: &'a [Problem],
    warnings: &'a [Problem],
    /// Live rows that no variable describes: names, at most 64.
    undescribed: &'a [String],
    /// The command that explains more: `ai-provider-seed explain conflict`.
    explain: String,
    /// Only with `--from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a EnvironmentSource>,
}

#[derive(Serialize)]
struct Provider<'a> {
    name: &'a str,
    r#type: &'a str,
    state: StateOrUnknown,
    id: Option<Uuid>,
    /// Only for a row that this run gave a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
    hash: Hash<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum StateOrUnknown {
    Known(State),
    Unknown(&'static str),
}

#[derive(Serialize)]
struct Hash<'a> {
    environment: Option<&'a str>,
    database: Option<&'a str>,
}

#[derive(Serialize)]
struct Conflict<'a> {
    id: &'a str,
    provider: &'a str,
    field: Field,
    blocking: bool,
    environment: EnvironmentSide<'a>,
    database: DatabaseSide<'a>,
}

#[derive(Serialize)]
struct EnvironmentSide<'a> {
    value: &'a FieldValue,
    variable: String,
}

#[derive(Serialize)]
struct DatabaseSide<'a> {
    value: &'a FieldValue,
    updated_at: &'a str,
}

/// One object on one line, so that a log collector reads it as one record.
pub fn json(report: &Report) -> String {
    serde_json::to_string(&document(report)).unwrap_or_default()
}

pub(super) fn document(report: &Report) -> Document<'_> {
    let providers = report.providers.iter().map(|provider| Provider {
        name: &provider.name,
        r#type: &provider.kind,
        state: StateOrUnknown::Known(provider.state),
        id: provider.id,
        external_id: provider.external_id.as_deref(),
        hash: Hash { environment: provider.environment_hash.as_deref(), database: provider.database_hash.as_deref() },
    });
    let unknown = report.unknown_providers.iter().map(|provider| Provider {
        name: &provider.name,
        r#type: provider.kind.as_deref().unwrap_or_default(),
        state: StateOrUnknown::Unknown("unknown"),
        id: None,
        external_id: None,
        hash: Hash { environment: None, database: None },
    });
    let conflicts = report.conflicts.iter().map(|conflict| Conflict {
        id: &conflict.id,
        provider: &conflict.provider,
        field: conflict.field,
        blocking: conflict.blocking,
        environment: EnvironmentSide { value: &conflict.environment, variable: conflict.origin.variable.to_string() },
        database: DatabaseSide { value: &conflict.database, updated_at: &conflict.updated_at },
    });
    Document {
        version: 1,
        outcome: report.outcome,
        blocked: report.blocked,
        written: report.written,
        providers: providers.chain(unknown).collect(),
        conflicts: conflicts.collect(),
        problems: &report.findings.problems,
        warnings: &report.findings.warnings,
        undescribed: &report.undescribed,
        explain: format!("ai-provider-seed explain {}", report.explained_by()),
        from: report.source.as_ref(),
    }
}
