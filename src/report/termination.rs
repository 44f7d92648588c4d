//! The termination message: what `kubectl describe pod` shows. Verdict first, next step and conflict id always there.

use super::sentence::{advice, conflict_sentence, problem_sentence as sentence};
use super::{DOCS, Report};
use crate::plan::{Conflict, State};
use crate::problem::Outcome;
use crate::provider::shown::{count, fit};

/// Kubernetes takes 4096 bytes of a container and 12 KiB of a pod together; a pod has other containers too.
pub const LIMIT: usize = 1024;

/// Empty: nothing worth a message.
pub fn termination_message(report: &Report) -> String {
    let anyway = match report.outcome {
        Outcome::Ok | Outcome::Changes => "",
        _ if report.blocked => "",
        _ => "started anyway, nothing was written: ",
    };
    match report.outcome {
        Outcome::Ok | Outcome::Changes => warnings(report),
        Outcome::Conflict => conflicts(report, anyway),
        outcome => {
            let facts: Vec<String> = report.problems.iter().map(sentence).collect();
            let tail = format!(". {DOCS}/outcomes#{}", outcome.as_str());
            fit(&format!("{anyway}{}: ", outcome.as_str()), &facts.join("; "), &tail, LIMIT)
        }
    }
}

fn conflicts(report: &Report, anyway: &str) -> String {
    let blocking: Vec<Conflict> = report.conflicts.iter().filter(|conflict| conflict.blocking).cloned().collect();
    let facts: Vec<String> = blocking.iter().map(conflict_sentence).collect();
    let written = if anyway.is_empty() { "; nothing was written" } else { "" };
    let mut ids: Vec<&str> = blocking.iter().map(|conflict| conflict.id.as_str()).collect();
    ids.dedup();
    let more = if ids.len() > 8 { format!(" and {} more", ids.len() - 8) } else { String::new() };
    ids.truncate(8);
    let tail = format!("{written}. {}. conflict {}{more} {DOCS}/conflicts", advice(&blocking), ids.join(" "));
    fit(&format!("{anyway}conflict: "), &facts.join("; "), &tail, LIMIT)
}

/// After a success with warnings, or with differing credentials that do not block.
fn warnings(report: &Report) -> String {
    let differing = report.conflicts.iter().map(conflict_sentence);
    let facts: Vec<String> = differing.chain(report.warnings.iter().map(sentence)).collect();
    if facts.is_empty() {
        return String::new();
    }
    let written = match report.count(State::Created) {
        0 => String::new(),
        created => format!(", {} seeded", count(created, "provider")),
    };
    let head = format!("ok with {}{written}: ", count(facts.len(), "warning"));
    fit(&head, &facts.join("; "), &format!(". {DOCS}/codes"), LIMIT)
}
