//! `diff`: for this process's environment or, with `--from`, for a workload's; once, or repeatedly with `--watch`.

#[cfg(feature = "controller")]
mod remote;
mod screen;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use self::screen::Screen;
use super::live_line::with_live_line;
use super::watchdog::{Watchdog, signal};
use super::{apply_block_on, block_on, finish, leave_message, log_end, log_to_stderr, look, watchdog};
use crate::env::Variable;
use crate::options::at_terminal::wait_less;
use crate::options::diff::parse;
use crate::options::{self, BlockOn, Options, RawOptions};
use crate::plan::Access;
use crate::problem::{Findings, Problem};
use crate::report::{self, Command, Report};
use crate::run::prepare::prepare;

pub fn command(raw: &RawOptions, variables: &[Variable]) -> u8 {
    let mut problems = Vec::new();
    let own = parse(raw, variables, &mut problems);
    #[cfg(feature = "controller")]
    if let Some(from) = own.from {
        return remote::command(from, own.watch, raw, variables, problems);
    }
    let watch = own.watch;
    let (mut options, of_options) = options::parse(raw, variables);
    if std::io::stderr().is_terminal() {
        wait_less(&mut options, raw, variables);
    }
    log_to_stderr(options.log_format, options.log_level);
    let is_of_flag = |problem: &Problem| problem.variables.iter().any(|variable| variable.starts_with("--"));
    if !problems.is_empty() || of_options.problems.iter().any(is_of_flag) {
        // `--block-on` is about the result of a start, not about mistakes on this command line.
        options.block_on = BlockOn::all();
    }
    if !problems.is_empty() {
        // With `--from`, problems of this process's environment are irrelevant.
        problems.extend(of_options.problems.into_iter().filter(|problem| is_of_flag(problem)));
        return finish(Report::new(Command::Diff, problems), &options, None);
    }
    let mut findings = Findings::from(problems);
    findings.extend(of_options);
    let local = Local { options, variables, findings };
    match watch.filter(|_| local.findings.problems.is_empty()) {
        Some(every) => again(local, every),
        None => once(local, Duration::ZERO),
    }
}

/// A source of results, with the options for judging and printing them.
trait Look {
    async fn look(&mut self) -> (Report, Options);
    fn options(&mut self) -> &mut Options;
}

/// This process's environment.
struct Local<'a> {
    options: Options,
    variables: &'a [Variable],
    findings: Findings,
}

impl Look for Local<'_> {
    async fn look(&mut self) -> (Report, Options) {
        let prepared = prepare(&self.options, Access::Read, self.variables, self.findings.clone());
        (look(Command::Diff, &self.options, prepared).await.0, self.options.clone())
    }

    fn options(&mut self) -> &mut Options {
        &mut self.options
    }
}

/// `more`: the time for steps other than the database.
fn once(mut looker: impl Look, more: Duration) -> u8 {
    let started = Instant::now();
    let watchdog = watchdog(looker.options(), more);
    let of_line = looker.options().clone();
    let (report, options) = block_on(with_live_line(&of_line, looker.look()))
        .unwrap_or_else(|problem| (Report::new(Command::Diff, vec![problem]), looker.options().clone()));
    log_end(&report, started);
    finish(report, &options, Some(&watchdog))
}

/// Repeats until a signal arrives or the output is closed. The exit code is that of the last state.
fn again(mut looker: impl Look, every: Duration) -> u8 {
    let options = looker.options();
    // Each look already repeats the previous one, so none waits for the database.
    options.wait = Duration::ZERO;
    let (termination_log, mut screen) = (options.termination_log.clone(), Screen::new(options.output, every));
    let watchdog = Watchdog::of_a_watch();
    let mut last: Option<Report> = None;
    let ended = block_on(async {
        let mut signal = std::pin::pin!(signal());
        loop {
            let (report, options) = tokio::select! {
                looked = looker.look() => looked,
                number = &mut signal => return 128 + number,
            };
            let report = apply_block_on(report, &options);
            watchdog.set_exit_code(report.exit_code());
            let taken = screen.show(&report);
            last = Some(report);
            if !taken {
                return 0;
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                number = &mut signal => return 128 + number,
            }
        }
    });
    let ended = match ended {
        Ok(ended) => ended,
        Err(problem) => return finish(Report::new(Command::Diff, vec![problem]), looker.options(), None),
    };
    let Some(report) = last else { return ended };
    if let Some(path) = termination_log {
        leave_message(&path, &report::termination_message(&report));
    }
    report.exit_code()
}
