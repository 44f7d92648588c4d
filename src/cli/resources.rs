//! `status`, `check` and `decide`: the resources of a cluster, as their controller reports them.

use std::io::IsTerminal;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::block_on;
use super::output::{print_error, print_result};
use super::terminal::style;
use crate::env::Variable;
use crate::explain::pointer;
use crate::kubernetes::crd::spec::AIProviderSeed;
use crate::kubernetes::resources::Resources;
use crate::kubernetes::status::shown::{Shown, ShownStatus, first, shown};
use crate::options::resources::{ResourceOptions, parse, parse_decision};
use crate::options::{OutputFormat, RawOptions};
use crate::problem::{Outcome, Problem};
use crate::report::{Style, paragraph, problem_sentence};

pub fn status(raw: &RawOptions, variables: &[Variable]) -> u8 {
    let mut problems = Vec::new();
    let options = parse(raw, variables, &mut problems);
    if !problems.is_empty() {
        return refuse(&problems);
    }
    let found = run(async {
        let resources = Resources::open(&options).await?;
        match &options.name {
            Some(name) => resources.get(name).await.map(|resource| vec![resource]),
            None => resources.list().await,
        }
    });
    match found {
        Err(problem) => refuse(&[problem]),
        Ok(found) => show(&found, &options),
    }
}

pub fn check(raw: &RawOptions, variables: &[Variable]) -> u8 {
    let mut problems = Vec::new();
    let options = parse(raw, variables, &mut problems);
    let (Some(name), []) = (&options.name, &problems[..]) else { return refuse(&problems) };
    waiting(&options);
    match run(async { Resources::open(&options).await?.check(name).await }) {
        Err(problem) => refuse(&[problem]),
        Ok(found) => show(&[found], &options),
    }
}

pub fn decide(raw: &RawOptions, variables: &[Variable]) -> u8 {
    let mut problems = Vec::new();
    let options = parse(raw, variables, &mut problems);
    let request = parse_decision(raw, &mut problems);
    let (Some(name), []) = (&options.name, &problems[..]) else { return refuse(&problems) };
    waiting(&options);
    let note = |message: &str| print_error(&format!("waiting: {message}\n"));
    match run(async { Resources::open(&options).await?.decide(name, &request, note).await }) {
        Err(problem) => refuse(&[problem]),
        Ok(message) => print_result(&paragraph(0, &message, style(&std::io::stdout()))),
    }
}

fn run<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    block_on(work).and_then(|ended| ended)
}

/// Tells the user at a terminal why the command waits.
fn waiting(options: &ResourceOptions) {
    if std::io::stderr().is_terminal() {
        let most = humantime::format_duration(options.wait);
        print_error(&format!("waiting for the controller, at most {most} · Ctrl-C ends\n"));
    }
}

/// Prints the problems to standard error; the exit code is that of the first one.
fn refuse(problems: &[Problem]) -> u8 {
    for problem in problems {
        let text = format!("{} · {}", problem_sentence(problem), pointer(problem.code.as_str()));
        let style = style(&std::io::stderr());
        print_error(&paragraph(0, &format!("{} {text}", style.error()), style));
    }
    problems.first().map_or(Outcome::Internal, |problem| problem.code.outcome()).exit_code()
}

fn show(found: &[AIProviderSeed], options: &ResourceOptions) -> u8 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let rows: Vec<Shown> =
        found.iter().map(|resource| shown(resource, i64::try_from(now).unwrap_or_default())).collect();
    let outcome = first(rows.iter().map(|row| row.outcome));
    let text = match options.output {
        OutputFormat::Json => json(found, outcome),
        OutputFormat::Text | OutputFormat::Github if rows.is_empty() => "no AIProviderSeed found\n".to_owned(),
        OutputFormat::Text | OutputFormat::Github => text(&rows, options, style(&std::io::stdout())),
    };
    match print_result(&text) {
        0 => outcome.exit_code(),
        failed => failed,
    }
}

fn json(found: &[AIProviderSeed], outcome: Outcome) -> String {
    #[derive(Serialize)]
    struct Whole<'a> {
        version: u32,
        outcome: Outcome,
        resources: Vec<ShownStatus<'a>>,
    }
    let resources = found.iter().map(|resource| ShownStatus {
        namespace: resource.metadata.namespace.as_deref().unwrap_or_default(),
        name: resource.metadata.name.as_deref().unwrap_or_default(),
        status: resource.status.as_ref(),
    });
    let whole = Whole { version: 1, outcome, resources: resources.collect() };
    serde_json::to_string(&whole).unwrap_or_default() + "\n"
}

/// The columns of `kubectl get`, followed by the next steps.
fn text(rows: &[Shown], options: &ResourceOptions, style: Style) -> String {
    let heads = ["NAMESPACE", "NAME", "READY", "IN SYNC", "PROVIDERS", "CONFLICTS", "REASON", "AGE"];
    let skipped = usize::from(!options.all_namespaces);
    let cells = |row: &Shown| {
        [&row.namespace, &row.name, &row.ready, &row.in_sync, &row.providers, &row.conflicts, &row.reason, &row.age]
            .map(Clone::clone)
    };
    let lines: Vec<[String; 8]> = std::iter::once(heads.map(str::to_owned)).chain(rows.iter().map(cells)).collect();
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (at, cell) in line.iter().enumerate().skip(skipped) {
            let width = lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
            text.push_str(&format!("{cell:<width$}   "));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    for row in rows.iter().filter(|row| row.outcome != Outcome::Ok || options.name.is_some()) {
        let place = if options.all_namespaces { format!("{}/", row.namespace) } else { String::new() };
        out.push_str(&format!("\n{}\n", style.strong(&format!("{place}{}", row.name))));
        out.push_str(&paragraph(2, &row.message, style));
    }
    out
}
