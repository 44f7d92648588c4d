//! The report for people.

use std::fmt::Write;

use super::sentence::{START_ANYWAY, keep_database, minute, origin, take_environment, value};
use super::{Command, DOCS, Provider, Report};
use crate::plan::{Conflict, State};
use crate::problem::{Outcome, Problem};
use crate::provider::shown::count;

/// Colour, only on a terminal.
#[derive(Clone, Copy)]
pub struct Style {
    pub colour: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn error(self) -> String {
        self.paint("1;31", "error:")
    }

    fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }
}

pub fn text(report: &Report, style: Style) -> String {
    let mut out = format!("{}\n", headline(report, style));
    if matches!(report.outcome, Outcome::Ok | Outcome::Changes) {
        providers(&mut out, report, style);
    }
    if !report.problems.is_empty() {
        out.push('\n');
        problems(&mut out, &report.problems);
    }
    if !report.conflicts.is_empty() {
        conflicts(&mut out, report, style);
    }
    if !report.warnings.is_empty() {
        let _ = writeln!(out, "\n{}", style.paint("33", &count(report.warnings.len(), "warning")));
        problems(&mut out, &report.warnings);
    }
    if !matches!(report.outcome, Outcome::Ok | Outcome::Changes) {
        footer(&mut out, report);
    }
    out
}

fn headline(report: &Report, style: Style) -> String {
    let written = written(report);
    let anyway = if report.blocked { "" } else { ", but this does not stop the start (--block-on)" };
    let sentence = match report.outcome {
        Outcome::Ok | Outcome::Changes => return good(report),
        Outcome::Invalid => format!("{} in the environment; {written}", count(report.problems.len(), "problem")),
        Outcome::Conflict => {
            let disagree = report.count(State::Conflict);
            let verb = if disagree == 1 { "disagrees" } else { "disagree" };
            format!("{disagree} of {} {verb} with the database; {written}", count(report.providers.len(), "provider"))
        }
        Outcome::Unavailable => format!("no usable connection to the database; {written}"),
        Outcome::Unusable => format!("connected, but this cannot be carried out there; {written}"),
        Outcome::Locked => format!("another seeder holds the lock; {written}"),
        Outcome::Internal => format!("a bug in ai-provider-seed; {written}"),
    };
    format!("{} {sentence}{anyway}", style.error())
}

/// Never claims what is not known.
pub fn written(report: &Report) -> &'static str {
    match (report.unknown, report.written) {
        (true, _) => "the answer to the commit was lost, so the rows may be there or not; the next start finds out",
        (false, true) => "but the missing rows were written",
        (false, false) => "nothing was written",
    }
}

/// The headline of a run that found nothing wrong.
pub fn good(report: &Report) -> String {
    let n = |state| report.count(state);
    let there = n(State::InSync) + n(State::CredentialsDiffer);
    let (created, missing) = (n(State::Created), n(State::Missing));
    let already = match there {
        0 => String::new(),
        1 => ", 1 was already there".to_owned(),
        there => format!(", {there} were already there"),
    };
    let mut rest = String::new();
    for (number, what) in [(n(State::Deleted), "left deleted"), (n(State::Unsupported), "skipped")] {
        if number > 0 {
            let _ = write!(rest, ", {number} {what}");
        }
    }
    match (created, missing) {
        (0, 0) if report.desired == 0 => "nothing to do: no providers in the environment".to_owned(),
        (0, 0) if report.providers.is_empty() => {
            format!("the environment is valid: {}; no database was asked", count(report.desired, "provider"))
        }
        (0, 0) => format!("nothing to do: {} in sync{rest}", count(there, "provider")),
        (0, missing) if report.outcome == Outcome::Changes => {
            format!("a seed would insert {}{already}{rest}", count(missing, "provider"))
        }
        (0, missing) => format!("{} missing, nothing was inserted{already}{rest}", count(missing, "provider")),
        (created, _) => format!("seeded {}{already}{rest}", count(created, "provider")),
    }
}

fn providers(out: &mut String, report: &Report, style: Style) {
    let rows: Vec<[String; 5]> = report.providers.iter().map(|provider| row(provider, report.command)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).min(40);
    let (name, kind, keys) = (width(1), width(2), width(3));
    for [state, provider, type_, key_count, from] in &rows {
        let state = style.strong(&format!("{state:<12}"));
        let line = format!("  {state} {provider:<name$}  {type_:<kind$}  {key_count:<keys$}  from {from}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn row(provider: &Provider, command: Command) -> [String; 5] {
    let state = match (provider.state, command) {
        (State::InSync, _) => "in sync",
        (State::Created, _) => "created",
        (State::Missing, Command::Diff) => "would insert",
        (State::Missing, Command::Seed) => "missing",
        (State::Conflict, _) => "conflict",
        (State::CredentialsDiffer, _) => "keys differ",
        (State::Deleted, _) => "deleted",
        (State::Unsupported, _) => "unsupported",
    };
    let type_ = format!("type {}", provider.kind);
    [state.to_owned(), provider.name.clone(), type_, count(provider.keys, "key"), provider.pattern.clone()]
}

/// One line each: variable, sentence, code; further variables below the first.
fn problems(out: &mut String, problems: &[Problem]) {
    let place = |problem: &Problem| -> Vec<String> {
        if problem.variables.is_empty() {
            problem.provider.clone().into_iter().collect()
        } else {
            problem.variables.clone()
        }
    };
    let widest = problems.iter().flat_map(&place).map(|text| text.chars().count()).max().unwrap_or(0);
    let width = widest.min(52);
    for problem in problems {
        let mut places = place(problem).into_iter();
        let first = places.next().unwrap_or_default();
        if width == 0 {
            let _ = writeln!(out, "  {}  ({})", problem.message, problem.code);
        } else {
            let _ = writeln!(out, "  {first:<width$}  {}  ({})", problem.message, problem.code);
        }
        places.for_each(|place| out.extend(["  ", place.as_str(), "\n"]));
    }
}

fn conflicts(out: &mut String, report: &Report, style: Style) {
    for of_provider in report.conflicts.chunk_by(|a, b| a.provider == b.provider) {
        let blocking = of_provider.iter().any(|conflict| conflict.blocking);
        let remark = if blocking { "" } else { "  (differs, but does not stop the start)" };
        let _ = writeln!(out, "\n  {}{remark}", style.strong(&of_provider[0].provider));
        let width = of_provider.iter().map(|conflict| conflict.field.as_str().len()).max().unwrap_or(0);
        for conflict in of_provider {
            fields(out, conflict, width);
        }
        let keep: Vec<String> = of_provider.iter().map(keep_database).collect();
        let _ = writeln!(out, "\n    Keep the database     {}, or unset this provider's variables", keep.join(" and "));
        let take = if blocking { take_environment(of_provider) } else { take_environment_keys() };
        let _ = writeln!(out, "    Take the environment  {take}");
    }
}

/// Without `--compare-credentials=fail` nothing stops Coder from starting, so this is short.
fn take_environment_keys() -> String {
    "change the keys in Coder (Admin settings, AI, Providers)".to_owned()
}

fn fields(out: &mut String, conflict: &Conflict, width: usize) {
    let (environment, database) = (value(&conflict.environment), value(&conflict.database));
    let values = environment.chars().count().max(database.chars().count()).min(72);
    let field = conflict.field.as_str();
    let _ =
        writeln!(out, "    {field:<width$}  environment  {environment:<values$}  from {}", origin(&conflict.origin));
    let since = minute(&conflict.updated_at);
    let _ = writeln!(out, "    {:<width$}  database     {database:<values$}  since {since}", "");
    if conflict.differs_out_of_sight() {
        let _ = writeln!(out, "    {:<width$}  the two differ in what is not shown", "");
    }
}

fn footer(out: &mut String, report: &Report) {
    out.push('\n');
    if report.blocked && report.outcome != Outcome::Internal {
        let _ = writeln!(out, "  Start anyway  {START_ANYWAY}");
    }
    let ids = match report.outcome {
        Outcome::Conflict => format!("conflict {} · ", report.conflict_ids().join(" ")),
        _ => String::new(),
    };
    let page = match report.outcome {
        Outcome::Conflict => "conflicts".to_owned(),
        outcome => format!("outcomes#{}", outcome.as_str()),
    };
    let _ = writeln!(out, "  {ids}exit {} · {DOCS}/{page}", report.exit_code());
}
