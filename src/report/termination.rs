//! The termination message, which `kubectl describe pod` shows: the outcome first, always with the next step and the
//! conflict id.

use super::headline::written;
use super::model::Report;
use super::sentence::{advice, conflict_facts, conflict_sentence, problem_sentence as sentence};
use crate::explain::pointer;
use crate::plan::{Conflict, State};
use crate::problem::Outcome;
use crate::provider::redact::{count, fit_bytes};

/// Kubernetes accepts 4096 bytes from a container and 12 KiB from a whole pod, which has other containers too.
pub const LIMIT: usize = 1024;
/// This number of conflict ids leaves room for the conflicts' text.
const IDS: usize = 8;

/// An empty text means that there is nothing to report.
pub fn termination_message(report: &Report) -> String {
    match report.outcome {
        Outcome::Ok | Outcome::Changes => success(report),
        Outcome::Conflict if report.findings.problems.is_empty() => conflicts(report),
        outcome => problems(report, outcome),
    }
}

fn problems(report: &Report, outcome: Outcome) -> String {
    let number = if report.findings.problems.len() > 1 {
        count(report.findings.problems.len(), "problem") + ": "
    } else {
        String::new()
    };
    let anyway = report.start_anyway().map(|how| format!(" Start anyway: {how} ·")).unwrap_or_default();
    let facts: Vec<String> = report.findings.problems.iter().map(sentence).collect();
    // This is stated only where a reader would expect otherwise.
    let written = if report.blocked && (report.commit_unknown || report.written) {
        format!("; {}", written(report))
    } else {
        String::new()
    };
    let tail = match &report.conflicts[..] {
        // The ids of the current conflicts.
        found if outcome == Outcome::Conflict && !found.is_empty() => format!("{written}. {}", ids(found)),
        _ => format!("{written}.{anyway} {}", pointer(report.explained_by())),
    };
    fit_bytes(&format!("{}{number}", verdict(report)), &facts.join("; "), &tail, LIMIT)
}

fn conflicts(report: &Report) -> String {
    let blocking: Vec<Conflict> = report.conflicts.iter().filter(|conflict| conflict.blocking).cloned().collect();
    let told: Vec<(&Conflict, String)> = report.conflicts.iter().map(|c| (c, conflict_sentence(c))).collect();
    let facts = conflict_facts(&told);
    let written = if report.blocked { format!("; {}", written(report)) } else { String::new() };
    let advice = advice(&blocking, report.start_anyway(), &report.resolve_options);
    let tail = format!("{written}. {advice}. {}", ids(&blocking));
    fit_bytes(&verdict(report), &facts.join("; "), &tail, LIMIT)
}

/// After a success: the warnings, starting with differing credentials that do not block.
fn success(report: &Report) -> String {
    let differing = report.conflicts.iter().map(conflict_sentence);
    let facts: Vec<String> = differing.chain(report.findings.warnings.iter().map(sentence)).collect();
    if facts.is_empty() {
        return String::new();
    }
    let written = match report.count(State::Created) {
        0 => String::new(),
        created => format!(", {} seeded", count(created, "provider")),
    };
    let tail = match &report.conflicts[..] {
        [] => format!(". {}", pointer(report.explained_by())),
        differing => format!(". {}. {}", advice(differing, None, &report.resolve_options), ids(differing)),
    };
    let head = format!("{} with {}{written}: ", report.outcome.as_str(), count(facts.len(), "warning"));
    fit_bytes(&head, &facts.join("; "), &tail, LIMIT)
}

/// `conflict: `, or that the run continued anyway.
fn verdict(report: &Report) -> String {
    let outcome = report.outcome.as_str();
    if report.blocked { format!("{outcome}: ") } else { format!("started anyway, {}: {outcome}: ", written(report)) }
}

fn ids(conflicts: &[Conflict]) -> String {
    let mut ids: Vec<&str> = conflicts.iter().map(|conflict| conflict.id.as_str()).collect();
    ids.dedup();
    let more = if ids.len() > IDS { format!(" and {} more", ids.len() - IDS) } else { String::new() };
    ids.truncate(IDS);
    format!("conflict {}{more} · {}", ids.join(" "), pointer(Outcome::Conflict.as_str()))
}
