//! The report for people.

use std::borrow::Cow;
use std::fmt::Write;

use super::headline::headline;
use super::layout::{Style, characters, labelled, pad, paragraph, with_remark, wrap};
use super::model::{Command, Provider, Report, external_id_fact};
use super::sentence::{keep_database_of, minute, origin, take_environment, value};
use crate::env::UnknownProvider;
use crate::explain::pointer;
use crate::plan::{Conflict, State};
use crate::problem::{Outcome, Problem};
use crate::provider::VariableName;
use crate::provider::redact::count;

/// The most variables in the text report; the JSON document has all of them.
const LISTED: usize = 60;

pub fn text(report: &Report, style: Style) -> String {
    let good = matches!(report.outcome, Outcome::Ok | Outcome::Changes);
    let mut out = paragraph(0, &headline(report, style), style);
    if good {
        providers(&mut out, report, style);
    }
    if !good {
        unknown(&mut out, report, style);
    }
    if !report.findings.problems.is_empty() {
        out.push('\n');
        problems(&mut out, &report.findings.problems, style);
    }
    updates(&mut out, report, style);
    conflicts(&mut out, report, style);
    if !report.findings.warnings.is_empty() {
        let _ = writeln!(out, "\n{}", style.paint("33", &count(report.findings.warnings.len(), "warning")));
        problems(&mut out, &report.findings.warnings, style);
    }
    source(&mut out, report, style);
    footer(&mut out, report, good, style);
    out
}

/// Only problems and warnings, for standard error: standard output belongs to a program.
pub fn remarks(report: &Report, style: Style) -> String {
    let mut out = String::new();
    for (title, list) in [("problem", &report.findings.problems), ("warning", &report.findings.warnings)] {
        if !list.is_empty() {
            let _ = writeln!(out, "\n{}", style.paint("33", &count(list.len(), title)));
            problems(&mut out, list, style);
        }
    }
    out
}

pub(super) fn providers(out: &mut String, report: &Report, style: Style) {
    let known = report.providers.iter().map(|provider| row(provider, report.command));
    rows(out, known.chain(report.unknown_providers.iter().map(unknown_row)).collect(), style);
    external_ids(out, report);
}

/// The external ids of roles that this run wrote.
pub(super) fn external_ids(out: &mut String, report: &Report) {
    for provider in &report.providers {
        if let Some(id) = &provider.external_id {
            let _ = writeln!(out, "  {}  {}", provider.name, external_id_fact(id));
        }
    }
}

fn unknown(out: &mut String, report: &Report, style: Style) {
    rows(out, report.unknown_providers.iter().map(unknown_row).collect(), style);
}

/// The cells of one provider's line, and the common pattern of its variables.
type Row<'a> = ([&'a str; 4], Cow<'a, VariableName>);

fn rows(out: &mut String, rows: Vec<Row<'_>>, style: Style) {
    let width = |column: usize| rows.iter().map(|(cells, _)| characters(cells[column])).max().unwrap_or(0).min(40);
    let (state, name, kind, credentials) = (width(0), width(1), width(2), width(3));
    // There may be hundreds of lines, so this avoids `format!`, which pads character by character.
    let (mut label, mut cells, mut remark) = (String::new(), String::new(), String::new());
    for ([of_state, provider, type_, of_credentials], from) in rows {
        [&mut label, &mut cells, &mut remark].into_iter().for_each(String::clear);
        pad(&mut cells, of_state, state);
        label.push_str("  ");
        label.push_str(&style.strong(&cells));
        label.push_str("  ");
        cells.clear();
        pad(&mut cells, provider, name);
        cells.push_str("  type ");
        pad(&mut cells, type_, kind);
        cells.push_str("  ");
        pad(&mut cells, of_credentials, credentials);
        remark.push_str("from ");
        from.append_to(&mut remark);
        with_remark(out, &label, &cells, 0, &remark, style);
    }
}

fn unknown_row(provider: &UnknownProvider) -> Row<'_> {
    let cells = ["unknown", &provider.name, provider.kind.as_deref().unwrap_or("unknown"), "–"];
    (cells, Cow::Owned(provider.pattern.as_str().into()))
}

fn row(provider: &Provider, command: Command) -> Row<'_> {
    let state = match (provider.state, command) {
        (State::InSync, _) => "in sync",
        (State::Created, _) => "created",
        (State::Updated, _) => "updated",
        (State::WouldUpdate, _) => "would update",
        (State::Missing, Command::Diff) => "would insert",
        (State::Missing, _) => "missing",
        (State::Conflict, _) => "conflict",
        (State::CredentialsDiffer, _) => "credentials differ",
        (State::SettingsDiffer, _) => "settings differ",
        (State::Deleted, _) => "deleted",
        (State::Unsupported, _) => "unsupported",
    };
    ([state, &provider.name, &provider.kind, &provider.credentials], Cow::Borrowed(&provider.pattern))
}

/// Variables on the left, the sentence and the code on the right.
pub(super) fn problems(out: &mut String, problems: &[Problem], style: Style) {
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
        let places = place(problem);
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        let indent = if width == 0 { 0 } else { 2 };
        out.push_str(&labelled(indent, &places, width, style, |room| with_code(problem, room)));
    }
}

fn with_code(problem: &Problem, width: usize) -> Vec<String> {
    let mut lines = wrap(&problem.message, width);
    let code = format!("({})", problem.code);
    match lines.last_mut() {
        Some(last) if last.chars().count() + 2 + code.len() <= width => last.push_str(&format!("  {code}")),
        _ => lines.push(code),
    }
    lines
}

/// The labels of the ways out have the width of the widest one.
const WAY: usize = "Take the environment".len();

pub(super) fn conflicts(out: &mut String, report: &Report, style: Style) {
    for of_provider in report.conflicts.chunk_by(|a, b| a.provider == b.provider) {
        let blocking = of_provider.iter().any(|conflict| conflict.blocking);
        let remark = if blocking { "" } else { "  (differs, but does not stop the start)" };
        let _ = writeln!(out, "\n  {}{remark}", style.strong(&of_provider[0].provider));
        let width = of_provider.iter().map(|conflict| conflict.field.as_str().len()).max().unwrap_or(0);
        for conflict in of_provider {
            fields(out, conflict, width, blocking && !conflict.blocking, style);
        }
        let keep = keep_database_of(of_provider);
        let unset = match keep.iter().all(|way| way.starts_with("unset")) {
            true => String::new(),
            false => format!(", or unset this provider's variables{}", renumber(report, &of_provider[0].provider)),
        };
        out.push('\n');
        way(out, "Keep the database", &format!("{}{unset}", keep.join("; ")), style);
        let unknown = |provider: &Provider| provider.credentials_unknown && provider.name == of_provider[0].provider;
        if report.providers.iter().any(unknown) {
            // The shown id belongs to a comparison without the keys; the pod's id differs.
            way(out, "Take the environment", WHERE_KEYS_ARE, style);
        } else {
            way(out, "Take the environment", &take_environment(of_provider, &report.resolve_options), style);
        }
    }
    if let Some(anyway) = report.start_anyway().filter(|_| report.outcome == Outcome::Conflict) {
        if report.conflicts.iter().any(|conflict| conflict.provider != report.conflicts[0].provider) {
            out.push('\n');
        }
        way(out, "Start anyway", anyway, style);
    }
}

/// Changes that were made, or would be made, to existing rows.
fn updates(out: &mut String, report: &Report, style: Style) {
    for of_provider in report.updates.chunk_by(|a, b| a.provider == b.provider) {
        let _ = writeln!(out, "\n  {}", style.strong(&of_provider[0].provider));
        let width = of_provider.iter().map(|conflict| conflict.field.as_str().len()).max().unwrap_or(0);
        for conflict in of_provider {
            let (from, to) = (value(conflict.field, &conflict.database), value(conflict.field, &conflict.environment));
            let values = from.chars().count().max(to.chars().count()).min(72);
            let (field, since) = (conflict.field.as_str(), minute(&conflict.updated_at));
            let label = format!("    {field:<width$}  from  ");
            with_remark(out, &label, &from, values, &format!("since {since}"), style);
            let label = format!("    {:<width$}  to    ", "");
            with_remark(out, &label, &to, values, &format!("from {}", origin(&conflict.origin)), style);
        }
    }
}

/// Providers are numbered without gaps, so the others must be renumbered if one in the middle goes.
fn renumber(report: &Report, provider: &str) -> &'static str {
    let numbered = |pattern: &str| -> Option<(String, u64)> {
        let start = pattern.strip_suffix("_*")?;
        let digits = start.rfind(|c: char| !c.is_ascii_digit()).map(|at| at + 1)?;
        Some((start[..digits].to_owned(), start[digits..].parse().ok()?))
    };
    let of = report.providers.iter().find(|known| known.name == provider);
    let Some((prefix, index)) = of.and_then(|known| numbered(&String::from(&known.pattern))) else { return "" };
    let known = report.providers.iter().map(|known| String::from(&known.pattern));
    let others = known.chain(report.unknown_providers.iter().map(|unknown| unknown.pattern.clone()));
    let is_later = |pattern: String| numbered(&pattern).is_some_and(|(of, number)| of == prefix && number > index);
    if others.into_iter().any(is_later) { " and renumber the providers after it" } else { "" }
}

const WHERE_KEYS_ARE: &str = "run ai-provider-seed diff where the credentials are known, for example in the pod, and resolve \
                              with the id that it prints; or change the provider in Coder (Admin settings, AI, Providers)";

fn way(out: &mut String, label: &str, text: &str, style: Style) {
    out.push_str(&labelled(4, &[label], WAY, style, |room| wrap(text, room)));
}

fn fields(out: &mut String, conflict: &Conflict, width: usize, alone: bool, style: Style) {
    let (environment, database) =
        (value(conflict.field, &conflict.environment), value(conflict.field, &conflict.database));
    let values = environment.chars().count().max(database.chars().count()).min(72);
    let field = conflict.field.as_str();
    let from = format!("from {}", origin(&conflict.origin));
    with_remark(out, &format!("    {field:<width$}  environment  "), &environment, values, &from, style);
    let since = format!("since {}", minute(&conflict.updated_at));
    with_remark(out, &format!("    {:<width$}  database     ", ""), &database, values, &since, style);
    if conflict.differs_only_in_redacted_part() {
        let _ = writeln!(out, "    {:<width$}  the difference is in a part that is hidden", "");
    }
    if alone {
        let option = if conflict.field.is_credential() { "--compare-credentials" } else { "--compare-settings" };
        let _ = writeln!(out, "    {:<width$}  this alone does not stop the start ({option}=warn)", "");
    }
}

/// The next steps for the whole report, and the compared database.
fn footer(out: &mut String, report: &Report, good: bool, style: Style) {
    let is_about_conflicts = matches!(report.outcome, Outcome::Conflict | Outcome::Ok | Outcome::Changes);
    let ids = report.conflict_ids();
    let explains = !good || !ids.is_empty() || !report.findings.warnings.is_empty();
    let shows_ids = is_about_conflicts && !ids.is_empty();
    let parts = [
        shows_ids.then(|| format!("conflict {}", ids.join(" "))),
        (!good || !ids.is_empty()).then(|| format!("exit {}", report.exit_code())),
        report.database.clone(),
        explains.then(|| pointer(report.explained_by())),
    ];
    // Beside an id, the rest does not fit most terminals.
    let first = if shows_ids { 2 } else { 0 };
    let lines = [&parts[..first], &parts[first..]];
    let lines = lines.map(|parts| parts.iter().flatten().cloned().collect::<Vec<String>>());
    if parts.iter().any(Option::is_some) {
        out.push('\n');
    }
    if let Some(anyway) = report.start_anyway().filter(|_| report.outcome != Outcome::Conflict) {
        let _ = writeln!(out, "  Start anyway  {anyway}");
    }
    for parts in lines.iter().filter(|parts| !parts.is_empty()) {
        parts_of_line(out, parts, style);
    }
}

/// One line with dots between the parts, or several lines if they do not fit.
fn parts_of_line(out: &mut String, parts: &[String], style: Style) {
    let mut line = String::new();
    for part in parts {
        let longer = if line.is_empty() { part.clone() } else { format!("{line} · {part}") };
        if longer.chars().count() + 2 > style.width && !line.is_empty() {
            out.push_str(&paragraph(2, &line, style));
            line.clone_from(part);
        } else {
            line = longer;
        }
    }
    out.push_str(&paragraph(2, &line, style));
}

/// `--from`: the container, and the source of each of its variables.
pub(super) fn source(out: &mut String, report: &Report, style: Style) {
    let Some(source) = &report.source else { return };
    let _ = writeln!(out, "\n  from {}", source.label());
    let listed = source.variables.iter().take(LISTED);
    let width = listed.clone().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(52);
    for (name, origin) in listed {
        out.push_str(&labelled(4, &[name.as_str()], width, style, |room| wrap(&origin.to_string(), room)));
    }
    if let Some(more) = source.variables.len().checked_sub(LISTED).filter(|more| *more > 0) {
        let _ = writeln!(out, "    and {}; --output json lists all", count(more, "more variable"));
    }
}
