//! Maps arguments to an exit code, with one function per command. All printing happens here.

mod diff;
mod explain;
mod export;
#[cfg(feature = "controller")]
mod from;
mod live_line;
mod log;
mod output;
#[cfg(feature = "controller")]
mod pages;
#[cfg(feature = "controller")]
mod probe;
mod resolve;
#[cfg(feature = "controller")]
mod resources;
mod terminal;
mod usage;
mod version;
mod watchdog;

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use self::live_line::with_live_line;
use self::log::{log_end, log_to_stderr};
#[cfg(feature = "controller")]
use self::output::print_result;
use self::output::{print, print_error};
pub use self::terminal::style;
use self::terminal::width;
use self::watchdog::Watchdog;
use crate::env::Variable;
use crate::options::{self, Command, Options, OutputFormat, RawOptions};
use crate::plan::Snapshot;
use crate::problem::{Code, Findings, Outcome, Problem};
use crate::provider::DesiredProvider;
use crate::report::{self, Report, RunResult};
use crate::run::may_commit::MayCommit;
use crate::run::prepare::Prepared;
use crate::run::seed::{self, RunOutcome, SeedRun};
use crate::run::wait_for_files::prepare_waiting;

/// The whole program; returns its exit code. A panic in any thread ends it with exit code 70 and without the panic's text,
/// which may contain secrets.
pub fn run(arguments: Vec<OsString>, variables: &[Variable]) -> u8 {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        print_error(&format!("internal error at {place}; please report it, nothing more was written\n"));
        std::process::exit(i32::from(Outcome::Internal.exit_code()));
    }));
    terminal::heed(variables);
    match RawOptions::read(&arguments, width(&std::io::stdout())) {
        Ok(raw) => command(&raw, variables),
        Err(error) => usage::command(&error, &arguments, variables),
    }
}

fn command(raw: &RawOptions, variables: &[Variable]) -> u8 {
    match raw.command {
        Command::Seed => seed(raw, variables),
        Command::Diff => diff::command(raw, variables),
        Command::Resolve => resolve::command(raw, variables),
        Command::Export => export::command(raw, variables),
        Command::Explain => explain::command(raw),
        Command::Version => version::command(),
        #[cfg(feature = "controller")]
        Command::Crd => crd(),
        #[cfg(feature = "controller")]
        Command::Completion => pages::completion(raw),
        #[cfg(feature = "controller")]
        Command::Man => pages::man(raw),
        #[cfg(feature = "controller")]
        Command::Status => resources::status(raw, variables),
        #[cfg(feature = "controller")]
        Command::Check => resources::check(raw, variables),
        #[cfg(feature = "controller")]
        Command::Decide => resources::decide(raw, variables),
        #[cfg(feature = "controller")]
        Command::Controller => controller(raw, variables),
        #[cfg(feature = "controller")]
        Command::Probe => probe::command(raw),
        // This build does not have the command, so the arguments cannot name it.
        #[cfg(not(feature = "controller"))]
        Command::Crd
        | Command::Controller
        | Command::Completion
        | Command::Man
        | Command::Probe
        | Command::Status
        | Command::Check
        | Command::Decide => Outcome::Invalid.exit_code(),
    }
}

/// Runs until a signal arrives. Its results are in the log and in the status of the resources.
#[cfg(feature = "controller")]
fn controller(raw: &RawOptions, variables: &[Variable]) -> u8 {
    use crate::kubernetes::{self, End};
    let (options, problems) = options::controller::parse(raw, variables);
    log_to_stderr(options.log_format, Some(options.log_level));
    if !problems.is_empty() {
        for problem in &problems {
            tracing::error!("{}", report::problem_sentence(problem));
        }
        return Outcome::Invalid.exit_code();
    }
    let end = match block_on(kubernetes::run(options)) {
        Ok(end) => end,
        Err(problem) => {
            tracing::error!("{}", problem.message);
            return Outcome::Internal.exit_code();
        }
    };
    match end {
        End::Requested => 0,
        End::LeaseLost | End::Unauthorized => Outcome::Unavailable.exit_code(),
        End::CannotStart(message) => {
            tracing::error!("{message}");
            Outcome::Invalid.exit_code()
        }
        End::Broken(part) => {
            tracing::error!("{part} stopped unexpectedly; please report it");
            Outcome::Internal.exit_code()
        }
    }
}

#[cfg(feature = "controller")]
fn crd() -> u8 {
    match crate::kubernetes::crd::spec::definition_yaml() {
        Ok(yaml) => print_result(&yaml),
        Err(error) => {
            print_error(&format!("the definition could not be printed: {error}\n"));
            Outcome::Internal.exit_code()
        }
    }
}

fn seed(raw: &RawOptions, variables: &[Variable]) -> u8 {
    let (mut options, findings) = options::parse(raw, variables);
    log_to_stderr(options.log_format, options.log_level);
    let started = Instant::now();
    let watchdog = watchdog(&options, Duration::ZERO);
    let prepared = prepare_waiting(&mut options, variables, findings);
    // Boxed: the work is large, and it would move over the stack several times.
    let work = Box::pin(look(report::Command::Seed, &options, prepared));
    let (report, remains) = block_on(with_live_line(&options, work))
        .unwrap_or_else(|problem| (Report::new(report::Command::Seed, vec![problem]), Remains::default()));
    leave_to_the_kernel(remains);
    log_end(&report, started);
    finish(report, &options, Some(&watchdog))
}

/// The time limit for printing.
const OUTPUT: Duration = Duration::from_secs(3);

/// `more`: the time for steps other than the database.
fn watchdog(options: &Options, more: Duration) -> Watchdog {
    let unavailable = Outcome::Unavailable;
    let exit = if options.block_on.blocks(unavailable) { unavailable.exit_code() } else { 0 };
    Watchdog::start(seed::limit(options.wait, options.lock_timeout) + more + OUTPUT, exit)
}

/// Runs the work on this thread until it ends.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // The default of the standard library, which would look for it in all variables.
        .thread_stack_size(2 << 20)
        .build()
        .map_err(|error| Problem::new(Code::Internal, format!("no runtime ({}); please report it", error.kind())))?;
    let ended = runtime.block_on(work);
    // A name look-up that hangs in its thread must not delay the end of the process.
    runtime.shutdown_background();
    Ok(ended)
}

/// Both sides of a finished look, which are not read any more.
#[derive(Default)]
struct Remains {
    _desired: Vec<DesiredProvider>,
    _snapshot: Option<Snapshot>,
}

/// Does not free a value of a process that is about to end. The kernel takes back all memory at once and clears it, which
/// costs less than to free hundreds of providers one by one. Its secrets, those of the database too, stay in memory while the
/// report is printed.
fn leave_to_the_kernel<T>(value: T) {
    std::mem::forget(value);
}

/// Queries the database, if the environment describes any provider.
async fn look(command: report::Command, options: &Options, prepared: Result<Prepared, Findings>) -> (Report, Remains) {
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(findings) => return (Report::new(command, findings), Remains::default()),
    };
    let (mut report, snapshot) = match &prepared.connector {
        None => {
            let findings = Findings { warnings: prepared.warnings, ..Findings::default() };
            (Report { desired: prepared.desired.len(), ..Report::new(command, findings) }, None)
        }
        Some(connector) => {
            let run = SeedRun {
                desired: &prepared.desired,
                keyring: &prepared.keyring,
                plan: prepared.plan,
                wait: options.wait,
                lock_timeout: options.lock_timeout,
                if_schema_missing: options.if_schema_missing,
                undescribed: prepared.undescribed,
                decided: None,
                may_commit: MayCommit::default(),
            };
            let outcome = run.run(connector).await;
            let RunOutcome { plan, snapshot, error, written, commit_unknown, database, warnings } = outcome;
            let problems = error.map(|error| error.into_problems()).unwrap_or_default();
            let result = RunResult { plan, problems, written, commit_unknown, database };
            let warnings = [prepared.warnings, warnings].concat();
            let report = Report::of_run(command, &prepared.desired, warnings, result);
            (report.with_pending_as_changes(), snapshot)
        }
    };
    report.unknown_providers = prepared.unknown;
    (report, Remains { _desired: prepared.desired, _snapshot: snapshot })
}

/// Decides whether the report stops the start, and adds the options that the next steps need.
fn apply_block_on(mut report: Report, options: &Options) -> Report {
    report.block_on_is_flag = options.block_on_is_flag;
    report.resolve_options = resolve_options(&report, options);
    report.blocked = match report.outcome {
        Outcome::Ok | Outcome::Changes => false,
        outcome => !report.command.guards_a_start() || options.block_on.blocks(outcome),
    };
    report
}

/// The options that `resolve` needs to compare the same fields as this run.
fn resolve_options(report: &Report, options: &Options) -> Vec<String> {
    let source = report.source.iter().flat_map(|source| source.options.iter().cloned());
    source.chain(options.needed_by_resolve()).collect()
}

/// Ends a command: prints the report, writes the termination message, and returns the exit code.
fn finish(report: Report, options: &Options, watchdog: Option<&Watchdog>) -> u8 {
    let report = apply_block_on(report, options);
    if let Some(watchdog) = watchdog {
        watchdog.set_exit_code(report.exit_code());
    }
    print(&match options.output {
        OutputFormat::Json => report::json(&report) + "\n",
        OutputFormat::Github => report::github(&report),
        OutputFormat::Text => report::text(&report, style(&std::io::stdout())),
    });
    if report.exit_code() == 0 && report.outcome != Outcome::Ok && report.outcome != Outcome::Changes {
        tracing::error!(
            outcome = report.outcome.as_str(),
            "{} does not stop the start (--block-on)",
            report.outcome.as_str()
        );
    }
    if let Some(path) = &options.termination_log {
        leave_message(path, &report::termination_message(&report));
    }
    let code = report.exit_code();
    leave_to_the_kernel(report);
    code
}

fn leave_message(path: &Path, message: &str) {
    if message.is_empty() {
        return;
    }
    if let Err(error) = std::fs::write(path, message) {
        tracing::warn!("the termination message cannot be written: {}; see --termination-log", error.kind());
    }
}
