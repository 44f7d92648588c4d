//! The report for people.

use std::fmt::Write;

use super::layout::{beside, room, wrap};
use super::model::{Command, Provider, Report};
use super::sentence::{START_ANYWAY, keep_database_of, minute, origin, take_environment, value};
use crate::env::UnknownProvider;
use crate::explain::pointer;
use crate::plan::{Conflict, State};
use crate::problem::{Code, Outcome, Problem};
use crate::provider::redact::count;

/// Variables that are listed for people; the JSON document has all of them.
const LISTED: usize = 60;

/// Colour, only on a terminal.
#[derive(Clone, Copy)]
pub struct Style {
    pub colour: bool,
}

impl Style {
    pub(super) fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn error(self) -> String {
        self.paint("1;31", "error:")
    }

    pub(super) fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }
}

pub fn text(report: &Report, style: Style) -> String {
    let good = matches!(report.outcome, Outcome::Ok | Outcome::Changes);
    let mut out = format!("{}\n", headline(report, style));
    if good {
        providers(&mut out, report, style);
    }
    if !good {
        unknown(&mut out, report, style);
    }
    if !report.findings.problems.is_empty() {
        out.push('\n');
        problems(&mut out, &report.findings.problems);
    }
    conflicts(&mut out, report, style);
    if !report.findings.warnings.is_empty() {
        let _ = writeln!(out, "\n{}", style.paint("33", &count(report.findings.warnings.len(), "warning")));
        problems(&mut out, &report.findings.warnings);
    }
    source(&mut out, report);
    if !good || !report.conflicts.is_empty() {
        footer(&mut out, report);
    }
    out
}

/// Problems and warnings alone, for standard error: what is printed beside them is for a program.
pub fn remarks(report: &Report, style: Style) -> String {
    let mut out = String::new();
    for (title, list) in [("problem", &report.findings.problems), ("warning", &report.findings.warnings)] {
        if !list.is_empty() {
            let _ = writeln!(out, "\n{}", style.paint("33", &count(list.len(), title)));
            problems(&mut out, list);
        }
    }
    out
}

pub(super) fn headline(report: &Report, style: Style) -> String {
    let written = written(report);
    let anyway = if report.blocked { "" } else { ", but this does not stop the start (--block-on)" };
    let sentence = match report.outcome {
        Outcome::Ok | Outcome::Changes => return good(report),
        Outcome::Invalid => {
            format!(
                "{} in the {}",
                count(report.findings.problems.len(), "problem"),
                place_of(&report.findings.problems)
            )
        }
        Outcome::Conflict if report.command == Command::Resolve => {
            "the decision no longer matches the database".to_owned()
        }
        Outcome::Conflict => disagreement(report),
        Outcome::Unavailable if report.has_no_workload() => "the workload cannot be read".to_owned(),
        Outcome::Unavailable => "no usable connection to the database".to_owned(),
        Outcome::Unusable if !report.command.guards_a_start() => {
            "connected, but the database does not allow this operation".to_owned()
        }
        Outcome::Unusable => "connected, but the database does not allow the seed".to_owned(),
        Outcome::Locked => "another session holds the lock for seeding".to_owned(),
        Outcome::OutputFailed => "the result could not be written".to_owned(),
        Outcome::Internal => "a bug in ai-provider-seed".to_owned(),
    };
    format!("{} {sentence}; {written}{anyway}", style.error())
}

fn place_of(problems: &[Problem]) -> &'static str {
    use Code::{
        AuthenticationUnsupported, DatabaseUrlInvalid, DatabaseUrlMissing, EncryptionKeyInvalid, InvalidOption,
    };
    let options =
        [InvalidOption, EncryptionKeyInvalid, DatabaseUrlInvalid, DatabaseUrlMissing, AuthenticationUnsupported];
    if problems.iter().any(|problem| Code::NO_WORKLOAD.contains(&problem.code)) {
        return "workload";
    }
    if problems.iter().any(|problem| options.contains(&problem.code)) { "configuration" } else { "environment" }
}

fn disagreement(report: &Report) -> String {
    let (disagree, all) = (report.count(State::Conflict), report.providers.len());
    let who = match disagree {
        1 if all == 1 => "the provider disagrees".to_owned(),
        1 => format!("1 of {all} providers disagrees"),
        _ => format!("{disagree} of {all} providers disagree"),
    };
    match report.count(State::Missing) {
        0 => format!("{who} with the database"),
        missing => format!("{who} with the database, {missing} more missing there"),
    }
}

/// Never claims what is not known.
pub fn written(report: &Report) -> &'static str {
    match (report.commit_unknown, report.written) {
        (true, _) if report.command == Command::Resolve => {
            "the answer to the commit was lost, so the change may be there or not; ai-provider-seed diff finds out"
        }
        (true, _) => "the answer to the commit was lost, so the rows may be there or not; the next start finds out",
        (false, true) => "but the missing rows were written",
        (false, false) => "nothing was written",
    }
}

/// The headline of a run that found nothing wrong.
pub fn good(report: &Report) -> String {
    let n = |state| report.count(state);
    let (created, missing) = (n(State::Created), n(State::Missing));
    let unknown = !report.unknown_providers.is_empty() || report.has_warning(Code::NotInManifests);
    let rest = [
        (n(State::CredentialsDiffer), "with other credentials"),
        (n(State::Deleted), "left deleted"),
        (n(State::Unsupported), "skipped"),
        (report.unknown_providers.len(), "unknown"),
    ];
    let listed = |first: String, others: &[(usize, &str)]| {
        let others = others.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}"));
        [first].into_iter().filter(|first| !first.is_empty()).chain(others).collect::<Vec<_>>().join(", ")
    };
    let there = match n(State::InSync) {
        1 => (1, "was already there"),
        more => (more, "were already there"),
    };
    let written = |first: String| listed(first, &[&[there], &rest[..]].concat());
    match (created, missing) {
        (0, 0) if report.desired == 0 && report.source.is_some() && unknown => {
            "nothing was compared: the providers are not known from these manifests".to_owned()
        }
        (0, 0) if report.desired == 0 => "nothing to do: no providers in the environment".to_owned(),
        (0, 0) if report.providers.is_empty() => {
            let known = count(report.desired, "provider");
            format!("the environment is valid: {}; no database was asked", listed(known, &rest))
        }
        (0, 0) if n(State::InSync) == report.providers.len() && report.unknown_providers.is_empty() => {
            format!("nothing to do: {} in sync", count(report.providers.len(), "provider"))
        }
        (0, 0) => {
            let parts = [&[(n(State::InSync), "in sync")], &rest[..]].concat();
            format!("nothing to do: {} ({})", count(report.providers.len(), "provider"), listed(String::new(), &parts))
        }
        (0, missing) if report.outcome == Outcome::Changes => {
            written(format!("a seed would insert {}", count(missing, "provider")))
        }
        (0, missing) => written(format!("{} missing, nothing was inserted", count(missing, "provider"))),
        (created, _) => written(format!("seeded {}", count(created, "provider"))),
    }
}

pub(super) fn providers(out: &mut String, report: &Report, style: Style) {
    let known = report.providers.iter().map(|provider| row(provider, report.command));
    rows(out, known.chain(report.unknown_providers.iter().map(unknown_row)).collect(), style);
}

fn unknown(out: &mut String, report: &Report, style: Style) {
    rows(out, report.unknown_providers.iter().map(unknown_row).collect(), style);
}

fn rows(out: &mut String, rows: Vec<[String; 5]>, style: Style) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).min(40);
    let (state, name, kind, credentials) = (width(0), width(1), width(2), width(3));
    for [of_state, provider, type_, of_credentials, from] in &rows {
        let of_state = style.strong(&format!("{of_state:<state$}"));
        let line =
            format!("  {of_state}  {provider:<name$}  {type_:<kind$}  {of_credentials:<credentials$}  from {from}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn unknown_row(provider: &UnknownProvider) -> [String; 5] {
    let type_ = provider.kind.as_ref().map_or_else(|| "type unknown".to_owned(), |kind| format!("type {kind}"));
    ["unknown".to_owned(), provider.name.clone(), type_, "–".to_owned(), provider.pattern.clone()]
}

fn row(provider: &Provider, command: Command) -> [String; 5] {
    let state = match (provider.state, command) {
        (State::InSync, _) => "in sync",
        (State::Created, _) => "created",
        (State::Missing, Command::Diff) => "would insert",
        (State::Missing, _) => "missing",
        (State::Conflict, _) => "conflict",
        (State::CredentialsDiffer, _) => "credentials differ",
        (State::Deleted, _) => "deleted",
        (State::Unsupported, _) => "unsupported",
    };
    let type_ = format!("type {}", provider.kind);
    [state.to_owned(), provider.name.clone(), type_, provider.credentials.clone(), provider.pattern.clone()]
}

/// Variables on the left, the sentence and the code on the right.
pub(super) fn problems(out: &mut String, problems: &[Problem]) {
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
        if width == 0 {
            out.push_str(&beside(0, &[], 0, &with_code(problem, room(2, 0))));
        } else {
            out.push_str(&beside(2, &places, width, &with_code(problem, room(2, width))));
        }
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

/// The labels of the ways out, as wide as the widest.
const WAY: usize = "Take the environment".len();

pub(super) fn conflicts(out: &mut String, report: &Report, style: Style) {
    for of_provider in report.conflicts.chunk_by(|a, b| a.provider == b.provider) {
        let blocking = of_provider.iter().any(|conflict| conflict.blocking);
        let remark = if blocking { "" } else { "  (differs, but does not stop the start)" };
        let _ = writeln!(out, "\n  {}{remark}", style.strong(&of_provider[0].provider));
        let width = of_provider.iter().map(|conflict| conflict.field.as_str().len()).max().unwrap_or(0);
        for conflict in of_provider {
            fields(out, conflict, width, blocking && !conflict.blocking);
        }
        let keep = keep_database_of(of_provider);
        let unset =
            if keep.iter().all(|way| way.starts_with("unset")) { "" } else { ", or unset this provider's variables" };
        out.push('\n');
        way(out, "Keep the database", &format!("{}{unset}", keep.join("; ")));
        let unknown = |provider: &Provider| provider.credentials_unknown && provider.name == of_provider[0].provider;
        if report.providers.iter().any(unknown) {
            // The id belongs to a comparison without the keys; another one is the pod's.
            way(out, "Take the environment", WHERE_KEYS_ARE);
        } else {
            way(out, "Take the environment", &take_environment(of_provider));
        }
    }
    if starts(report) && report.outcome == Outcome::Conflict {
        if report.conflicts.iter().any(|conflict| conflict.provider != report.conflicts[0].provider) {
            out.push('\n');
        }
        way(out, "Start anyway", START_ANYWAY);
    }
}

const WHERE_KEYS_ARE: &str = "run ai-provider-seed diff where the credentials are known, for example in the pod, and resolve \
                              with the id that it prints; or change the provider in Coder (Admin settings, AI, Providers)";

/// Is there a start that it stops?
fn starts(report: &Report) -> bool {
    report.blocked && report.command.guards_a_start() && !report.has_no_workload()
}

fn way(out: &mut String, label: &str, text: &str) {
    out.push_str(&beside(4, &[label], WAY, &wrap(text, room(4, WAY))));
}

fn fields(out: &mut String, conflict: &Conflict, width: usize, alone: bool) {
    let (environment, database) =
        (value(conflict.field, &conflict.environment), value(conflict.field, &conflict.database));
    let values = environment.chars().count().max(database.chars().count()).min(72);
    let field = conflict.field.as_str();
    let _ =
        writeln!(out, "    {field:<width$}  environment  {environment:<values$}  from {}", origin(&conflict.origin));
    let since = minute(&conflict.updated_at);
    let _ = writeln!(out, "    {:<width$}  database     {database:<values$}  since {since}", "");
    if conflict.differs_only_in_redacted_part() {
        let _ = writeln!(out, "    {:<width$}  the difference is in a part that is hidden", "");
    }
    if alone {
        let _ = writeln!(out, "    {:<width$}  this alone does not stop the start (--compare-credentials=warn)", "");
    }
}

fn footer(out: &mut String, report: &Report) {
    out.push('\n');
    if starts(report) && !matches!(report.outcome, Outcome::Internal | Outcome::Conflict) {
        let _ = writeln!(out, "  Start anyway  {START_ANYWAY}");
    }
    let is_about_conflicts = matches!(report.outcome, Outcome::Conflict | Outcome::Ok | Outcome::Changes);
    let ids = report.conflict_ids();
    let ids =
        if ids.is_empty() || !is_about_conflicts { String::new() } else { format!("conflict {} · ", ids.join(" ")) };
    let _ = writeln!(out, "  {ids}exit {} · {}", report.exit_code(), pointer(report.explained_by()));
}

/// `--from`: the container, and where each of its variables is.
fn source(out: &mut String, report: &Report) {
    let Some(source) = &report.source else { return };
    let _ = writeln!(out, "\n  from {}", source.label());
    let listed = source.variables.iter().take(LISTED);
    let width = listed.clone().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(52);
    for (name, origin) in listed {
        let _ = writeln!(out, "    {name:<width$}  {origin}");
    }
    if let Some(more) = source.variables.len().checked_sub(LISTED).filter(|more| *more > 0) {
        let _ = writeln!(out, "    and {}; --output json lists all", count(more, "more variable"));
    }
}
