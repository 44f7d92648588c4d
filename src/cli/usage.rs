//! Arguments that cannot be parsed. Help and version are not errors; any other case is an invalid option. Clap's own text
//! would echo the argument, and a misplaced argument may be a key.

use std::ffi::OsString;

use clap::error::ErrorKind;

use super::output::{print_error, print_result};
use super::{export, finish, log_to_stderr, resolve};
use crate::env::{Variable, nearest};
use crate::explain::pointer;
use crate::options::usage::usage_message;
use crate::options::{self, BlockOn, Command, RawOptions};
use crate::problem::{Code, Outcome, Problem};
use crate::report::{self, Report};

pub fn command(error: &clap::Error, arguments: &[OsString], variables: &[Variable]) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return print_result(&error.render().to_string());
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            print_error(&error.to_string());
            return Outcome::Invalid.exit_code();
        }
        _ => {}
    }
    let named = named(arguments);
    let problem = Problem::new(Code::InvalidOption, usage_message(error, named));
    let as_options = RawOptions::salvage(Command::Seed, arguments);
    let (mut options, ..) = options::parse(&as_options, variables);
    match named {
        Some(Command::Seed) => {
            log_to_stderr(options.log_format, options.log_level);
            finish(Report::new(report::Command::Seed, vec![problem]), &options, None)
        }
        // A container with a mistyped command should seed, so `--block-on` may let it pass.
        None if is_nearly_seed(arguments) => {
            log_to_stderr(options.log_format, options.log_level);
            finish(Report::new(report::Command::Seed, vec![problem]), &options, None)
        }
        None | Some(Command::Diff) => {
            log_to_stderr(options.log_format, options.log_level);
            // These commands start nothing, so `--block-on` does not apply.
            options.block_on = BlockOn::all();
            finish(Report::new(report::Command::Diff, vec![problem]), &options, None)
        }
        Some(Command::Resolve) => resolve::refuse(problem, &options),
        Some(Command::Export) => export::refuse(problem, &options),
        // These commands start nothing and have no report.
        Some(
            Command::Controller
            | Command::Decide
            | Command::Status
            | Command::Check
            | Command::Crd
            | Command::Explain
            | Command::Completion
            | Command::Man
            | Command::Probe
            | Command::Version,
        ) => {
            print_error(&format!(
                "error: {} ({}) · {}\n",
                problem.message,
                problem.code,
                pointer(problem.code.as_str())
            ));
            Outcome::Invalid.exit_code()
        }
    }
}

/// The command among arguments that cannot be parsed: a mistyped decision must not look like one that was carried out.
/// After options with unknown values, the first word that names a command counts.
fn named(arguments: &[OsString]) -> Option<Command> {
    let mut words = arguments.iter().skip(1).filter_map(|word| word.to_str());
    let of = |word: &str| Command::ALL.iter().copied().find(|command| command.as_str() == word);
    match words.next() {
        Some(option) if option.starts_with('-') => words.find_map(of),
        first => first.and_then(of),
    }
}

fn is_nearly_seed(arguments: &[OsString]) -> bool {
    let word = arguments.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    nearest(word, Command::ALL.iter().map(|command| command.as_str())) == Some(Command::Seed.as_str())
}
