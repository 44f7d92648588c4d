//! `resolve`: reads the decision, shows the change, asks, and carries it out.

#[cfg(feature = "controller")]
mod remote;

use std::io::{BufRead, IsTerminal};
use std::time::Instant;

use super::output::{print, print_error, print_result};
use super::terminal::style;
use super::watchdog::signal;
use super::{block_on, leave_message, log_end, log_to_stderr, resolve_options};
use crate::env::Variable;
use crate::options::resolve::{self, Action, Request};
use crate::options::{self, Options, OutputFormat, RawOptions, from};
use crate::plan::Access;
use crate::plan::resolve::Resolution;
use crate::problem::{Code, Findings, Outcome, Problem};
use crate::report::{Command, EnvironmentSource, Report, ResolveReport, RunResult};
use crate::run::may_commit::MayCommit;
use crate::run::prepare::{Prepared, prepare, prepare_reader};
use crate::run::resolve::{ResolveOutcome, ResolveRun};
use crate::store::connect::Connector;

pub fn command(raw: &RawOptions, variables: &[Variable]) -> u8 {
    let mut problems = Vec::new();
    let from = from::parse(raw, variables, &mut problems);
    let can_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let request = resolve::parse(raw, can_ask, &mut problems);
    #[cfg(feature = "controller")]
    if let Some(from) = from {
        return remote::command(&from, &request, raw, variables, problems);
    }
    let (options, mut findings) = options::parse(raw, variables);
    log_to_stderr(options.log_format, options.log_level);
    if from.is_some() || raw.is_given("from") {
        // With `--from`, findings about this process's environment are irrelevant.
        findings = Findings::default();
    }
    findings.problems.extend(problems);
    settle(raw, &request, ready(&options, &request, variables, findings), options)
}

/// The basis of a decision: the environment and the connection to the database.
struct Ready {
    prepared: Prepared,
    connector: Connector,
    source: Source,
}

/// `--from`: the workload, and whether the connection is the container's own.
#[derive(Default)]
struct Source {
    place: Option<EnvironmentSource>,
    #[cfg_attr(not(feature = "controller"), allow(dead_code, reason = "there is no workload"))]
    database_of_container: bool,
}

/// Shows the change and asks, as the options require, carries it out, and returns the exit code.
fn settle(raw: &RawOptions, request: &Request, ready: Result<Ready, Findings>, options: Options) -> u8 {
    let started = Instant::now();
    let dry_run = raw.is_given("dry-run");
    let ask = request.action != Action::TakeDatabase && !raw.is_given("yes") && !dry_run;
    let settled = match ready {
        Err(findings) => {
            let report = Report::new(Command::Resolve, findings);
            Ok(ResolveReport::new(report, request.action, dry_run, None, Vec::new()))
        }
        Ok(ready) => {
            let decided = Decided { options: &options, request, ready: &ready };
            if ask { decided.ask_and_do() } else { decided.run(dry_run, None).map(|(settled, _)| settled) }
        }
    };
    match settled {
        Ok(settled) => {
            log_end(&settled.report, started);
            show(&settled, request, &options)
        }
        Err(exit_code) => exit_code,
    }
}

/// Reports arguments that cannot be parsed, in the same document as a refused decision.
pub fn refuse(problem: Problem, options: &Options) -> u8 {
    log_to_stderr(options.log_format, options.log_level);
    let action = Action::TakeDatabase;
    let settled = ResolveReport::new(Report::new(Command::Resolve, vec![problem]), action, false, None, Vec::new());
    let nothing = Request { action, providers: Vec::new(), conflicts: Vec::new() };
    show(&settled, &nothing, options)
}

/// Prints the report, writes the termination message, and returns the exit code. With `--take database` the printed edits
/// are the result; with a change of the database the report is not.
fn show(settled: &ResolveReport, request: &Request, options: &Options) -> u8 {
    let text = match options.output {
        OutputFormat::Json => settled.json() + "\n",
        OutputFormat::Text | OutputFormat::Github => settled.text(style(&std::io::stdout())),
    };
    let printed = if request.action == Action::TakeDatabase {
        print_result(&text)
    } else {
        print(&text);
        0
    };
    if let Some(path) = &options.termination_log {
        leave_message(path, &settled.termination_message());
    }
    match settled.exit_code() {
        0 => printed,
        failed => failed,
    }
}

/// Every check that needs no database. A deleted provider need not be in the environment.
fn ready(
    options: &Options,
    request: &Request,
    variables: &[Variable],
    of_options: Findings,
) -> Result<Ready, Findings> {
    let mut prepared = prepare(options, Access::Read, variables, of_options)?;
    let source = Source::default();
    if let Some(connector) = prepared.connector.take() {
        return Ok(Ready { prepared, connector, source });
    }
    let (nothing, warnings) = nothing_desired(&mut prepared);
    if request.action != Action::Restore {
        return Err(Findings { problems: nothing, warnings });
    }
    match prepare_reader(options, variables, Vec::new()) {
        Ok((keyring, connector)) => {
            Ok(Ready { prepared: Prepared { keyring, warnings, ..prepared }, connector, source })
        }
        Err(problems) => Err(Findings { problems, warnings }),
    }
}

/// Separates the warning that the environment describes no provider, which ends most decisions, from the other warnings.
fn nothing_desired(prepared: &mut Prepared) -> (Vec<Problem>, Vec<Problem>) {
    std::mem::take(&mut prepared.warnings).into_iter().partition(|w| w.code == Code::NothingDesired)
}

struct Decided<'a> {
    options: &'a Options,
    request: &'a Request,
    ready: &'a Ready,
}

impl Decided<'_> {
    /// Makes only the change that was shown: the second run compares its findings with the first.
    fn ask_and_do(&self) -> Result<ResolveReport, u8> {
        let (shown, resolution) = self.run(true, None)?;
        let Some(resolution) = resolution.filter(|r| !r.updates.is_empty() && shown.report.outcome == Outcome::Ok)
        else {
            return Ok(shown);
        };
        print_error(&shown.text(style(&std::io::stderr())));
        print_error("\nChange this in the database? Only \"yes\" does it: ");
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        if read.is_err() || answer.trim() != "yes" {
            return Ok(shown.decline());
        }
        self.run(false, Some(&resolution)).map(|(settled, _)| settled)
    }

    fn run(&self, dry_run: bool, shown: Option<&Resolution>) -> Result<(ResolveReport, Option<Resolution>), u8> {
        let Decided { options, request, ready: Ready { prepared, connector, source } } = self;
        let run = ResolveRun {
            desired: &prepared.desired,
            keyring: &prepared.keyring,
            plan: prepared.plan,
            request,
            wait: options.wait,
            lock_timeout: options.lock_timeout,
            dry_run: dry_run || request.action == Action::TakeDatabase,
            shown,
            may_commit: MayCommit::default(),
        };
        let outcome = in_runtime(run.run(connector))?;
        let ResolveOutcome { plan, resolution, edits, error, written, commit_unknown, database } = outcome;
        let failed = error.map(|error| error.into_problems());
        let problems = failed.or_else(|| resolution.as_ref().map(|r| r.findings.problems.clone())).unwrap_or_default();
        let of_resolution = resolution.iter().flat_map(|resolution| &resolution.findings.warnings);
        let warnings = prepared.warnings.iter().chain(of_resolution).cloned().collect();
        let result = RunResult { plan, problems, written, commit_unknown, database };
        let mut report = Report::of_run(Command::Resolve, &prepared.desired, warnings, result);
        report.source.clone_from(&source.place);
        #[cfg(feature = "controller")]
        if source.database_of_container {
            super::from::meant_for_the_pod(&mut report);
        }
        report.resolve_options = resolve_options(&report, options);
        Ok((ResolveReport::new(report, request.action, dry_run, resolution.as_ref(), edits), resolution))
    }
}

/// Runs the work on this thread until it ends. `Err`: the exit code after a signal, or without a runtime.
pub fn in_runtime<T>(work: impl Future<Output = T>) -> Result<T, u8> {
    let ended = block_on(async {
        tokio::select! {
            ended = work => Ok(ended),
            signal = signal() => {
                tracing::error!(signal, "stopped by a signal; uncommitted changes are rolled back");
                Err(128 + signal)
            }
        }
    });
    ended.unwrap_or_else(|problem| {
        tracing::error!("{}", problem.message);
        Err(Outcome::Internal.exit_code())
    })
}
