//! `--watch`: the state as one table, printed repeatedly.

use std::fmt::Write;

use super::headline::headline;
use super::layout::{Style, paragraph};
use super::model::Report;
use super::sentence::{conflict_sentence, problem_sentence};
use super::terminal::providers;
use crate::explain::pointer;
use crate::problem::Outcome;

/// An observation and its time: `09:12:07 UTC`.
pub struct TimedReport {
    pub report: Report,
    pub at: String,
}

/// `before`: the last result, if the database is unreadable now.
pub fn table(now: &TimedReport, before: Option<&TimedReport>, style: Style) -> String {
    let report = &now.report;
    let mut out = paragraph(0, &headline(report, style), style);
    let shown = match before {
        Some(before) if now.is_away() => {
            let _ = writeln!(out, "  as last seen at {}:", before.at);
            &before.report
        }
        _ => report,
    };
    providers(&mut out, shown, style);
    let lines = report.findings.problems.iter().map(problem_sentence);
    let lines = lines.chain(shown.conflicts.iter().map(conflict_sentence));
    let lines = lines.chain(report.findings.warnings.iter().map(problem_sentence));
    for line in lines {
        out.push('\n');
        out.push_str(&paragraph(2, &line, style));
    }
    let ids = shown.conflict_ids();
    if !ids.is_empty() {
        out.push('\n');
        out.push_str(&paragraph(2, &format!("conflict {} · {}", ids.join(" "), pointer("conflict")), style));
    }
    let place = report.source.as_ref().map(|place| format!("from {} · ", place.label())).unwrap_or_default();
    let database = shown.database.as_ref().map(|database| format!("{database} · ")).unwrap_or_default();
    out.push('\n');
    out.push_str(&paragraph(2, &format!("{place}{database}exit {}", report.exit_code()), style));
    out
}

impl TimedReport {
    /// The database or the workload cannot be read now.
    fn is_away(&self) -> bool {
        matches!(self.report.outcome, Outcome::Unavailable | Outcome::Unusable | Outcome::Locked)
            && self.report.providers.is_empty()
    }

    /// Whether the database was read, or did not need to be.
    pub fn is_whole(&self) -> bool {
        matches!(self.report.outcome, Outcome::Ok | Outcome::Changes | Outcome::Conflict)
    }
}
