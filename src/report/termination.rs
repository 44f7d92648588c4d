//! The termination message: what `kubectl describe pod` shows. Verdict first, next step and conflict id always there.

use super::sentence::{advice, conflict_sentence};
use super::{DOCS, Report};
use crate::plan::{Conflict, State};
use crate::problem::{Outcome, Problem};
use crate::provider::shown::count;

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
            fit(&format!("{anyway}{}: ", outcome.as_str()), &facts.join("; "), &tail)
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
    fit(&format!("{anyway}conflict: "), &facts.join("; "), &tail)
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
    fit(&format!("ok with {}{written}: ", count(facts.len(), "warning")), &facts.join("; "), &format!(". {DOCS}/codes"))
}

fn sentence(problem: &Problem) -> String {
    let place = match (&problem.provider, problem.variables.first()) {
        (_, Some(variable)) => format!("{variable}: "),
        (Some(provider), None) => format!("{provider}: "),
        (None, None) => String::new(),
    };
    format!("{place}{} ({})", problem.message, problem.code)
}

/// The middle gives way, on a character boundary.
fn fit(head: &str, middle: &str, tail: &str) -> String {
    let room = LIMIT.saturating_sub(head.len() + tail.len());
    if middle.len() <= room {
        return format!("{head}{middle}{tail}");
    }
    let cut = middle.floor_char_boundary(room.saturating_sub('…'.len_utf8()));
    format!("{head}{}…{tail}", &middle[..cut])
}
