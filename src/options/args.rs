//! The command line: turns arguments into a command and the texts of its options. One code gives these texts a meaning,
//! whether they come from a flag, a variable or a pod that the controller checks.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction};

use super::command_help;
use super::definitions::{Command, OptionRow, Takes, rows_of};

const PROGRAM: &str = "ai-provider-seed";
const ABOUT: &str = "Brings the AI providers of a Coder environment and its Postgres database together";
const AFTER_HELP: &str = "Options are those of a command: ai-provider-seed seed --help, or ai-provider-seed help seed.\n\
     Every option is also a variable: --lock-timeout is AI_PROVIDER_SEED_LOCK_TIMEOUT. A flag beats its variable.\n\
     Exit codes: 0 ok, 1 changes (diff only), 2 invalid, 3 conflict, 4 unavailable, 5 unusable, 6 locked, 70 internal, \
     74 output_failed. What a code or an outcome means: ai-provider-seed explain WORD.";

/// The options of a command line, unparsed. No `Debug`: one of them may be a URL with a password.
#[derive(Clone, Default)]
pub struct RawOptions {
    pub command: Command,
    pub(super) texts: BTreeMap<&'static str, Vec<String>>,
}

impl RawOptions {
    /// The command that `arguments` name (the first is the program), with its options. `width`: columns of a requested
    /// help text.
    pub fn read(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
        width: usize,
    ) -> Result<RawOptions, clap::Error> {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let matches = match tolerant(width).try_get_matches_from(&arguments) {
            // The help has the arguments as they are meant.
            Err(error) if error.kind() == ErrorKind::DisplayHelp => program(width).try_get_matches_from(&arguments)?,
            read => read?,
        };
        let named = matches.subcommand().and_then(|(name, matches)| {
            let command = Command::ALL.iter().find(|command| command.as_str() == name)?;
            Some((*command, matches))
        });
        let (command, matches) = named.ok_or_else(|| clap::Error::new(ErrorKind::MissingSubcommand))?;
        let texts = |row: &'static OptionRow| {
            let texts: Vec<String> = match row.takes {
                Takes::Nothing => matches.get_flag(row.name).then(|| "true".to_owned()).into_iter().collect(),
                _ => matches.get_many::<String>(row.name).into_iter().flatten().cloned().collect(),
            };
            (!texts.is_empty()).then_some((row.name, texts))
        };
        Ok(RawOptions { command, texts: rows_of(command).filter_map(texts).collect() })
    }

    /// The options that can be found in otherwise unparsable arguments: they determine the form of the answer.
    pub fn salvage(command: Command, arguments: &[OsString]) -> RawOptions {
        let arguments: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
        let value = |row: &'static OptionRow| {
            let flag = format!("--{}", row.name);
            let at = arguments.iter().position(|argument| argument.split('=').next() == Some(&flag))?;
            let text = arguments[at].split_once('=').map(|(_, text)| text);
            let text = text.or_else(|| arguments.get(at + 1).copied())?;
            Some((row.name, vec![text.to_owned()]))
        };
        RawOptions { command, texts: rows_of(command).filter_map(value).collect() }
    }

    #[cfg(test)]
    pub fn of(command: Command, texts: &[(&'static str, &str)]) -> RawOptions {
        let mut raw = RawOptions { command, texts: BTreeMap::new() };
        for (name, text) in texts {
            raw.texts.entry(name).or_default().push((*text).to_owned());
        }
        raw
    }

    pub fn text(&self, option: &str) -> Option<&str> {
        self.texts(option).last().map(String::as_str)
    }

    pub fn texts(&self, option: &str) -> &[String] {
        self.texts.get(option).map_or(&[], Vec::as_slice)
    }

    pub fn is_given(&self, option: &str) -> bool {
        self.texts.contains_key(option)
    }
}

/// The same but for how many arguments a command takes: it says itself which one is missing.
fn tolerant(width: usize) -> clap::Command {
    program_of(width, |command| {
        with_options(command, |row, command| match argument(row, command) {
            arg if row.takes.is_positional() => arg.required(false).action(ArgAction::Append).num_args(1..),
            arg => arg,
        })
    })
}

/// `width`: columns of the help.
pub fn program(width: usize) -> clap::Command {
    program_of(width, |command| with_options(command, argument))
}

/// `with_options` runs only for the command that is used: the options of all commands would be a quarter of a short run.
fn program_of(width: usize, with_options: fn(clap::Command) -> clap::Command) -> clap::Command {
    let commands = Command::ALL.iter();
    let commands =
        commands.map(|command| clap::Command::new(command.as_str()).about(command.about()).defer(with_options));
    clap::Command::new(PROGRAM)
        .term_width(width)
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(AFTER_HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(commands)
}

fn with_options(program: clap::Command, argument: fn(&OptionRow, Command) -> Arg) -> clap::Command {
    let Some(command) = Command::ALL.iter().find(|command| command.as_str() == program.get_name()) else {
        return program;
    };
    let is_hidden = |row: &OptionRow| row.ignored_by.contains(command) || !applies(row, *command);
    program
        .override_usage(usage(*command))
        .after_help(command_help::after(*command))
        .args(rows_of(*command).map(|row| argument(row, *command).hide(is_hidden(row))))
}

/// The build for init containers cannot query a cluster, and its option only reports that.
fn applies(row: &OptionRow, command: Command) -> bool {
    cfg!(feature = "controller") || command_help::heading(row.name, command) != Some("Cluster")
}

/// `ai-provider-seed resolve [OPTIONS] [PROVIDER]...`, without clap's additions to the name.
fn usage(command: Command) -> String {
    let positional = rows_of(command).find_map(|row| match row.takes {
        Takes::Positional(value) => Some(format!(" [{value}]...")),
        Takes::OptionalPositional(value) => Some(format!(" [{value}]")),
        Takes::OnePositional(value) => Some(format!(" <{value}>")),
        _ => None,
    });
    let options = rows_of(command).any(|row| !row.takes.is_positional());
    let options = if options { " [OPTIONS]" } else { "" };
    format!("{PROGRAM} {}{options}{}", command.as_str(), positional.unwrap_or_default())
}

fn argument(row: &OptionRow, command: Command) -> Arg {
    let help = match row.default {
        Some(default) => format!("{} [default: {default}]", row.help),
        None => row.help.to_owned(),
    };
    let arg = Arg::new(row.name).help(help).help_heading(command_help::heading(row.name, command));
    let option = |arg: Arg, value: &'static str| arg.long(row.name).value_name(value).short(row.short);
    match row.takes {
        // `-` is a value of `--from`; no other option takes a value that looks like an option.
        Takes::Value(value) => option(arg, value).action(ArgAction::Set).allow_hyphen_values(row.name == "from"),
        Takes::List(value) => option(arg, value).action(ArgAction::Append),
        Takes::OptionalValue(value, missing) => option(arg, value)
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value(missing),
        Takes::Nothing => arg.long(row.name).short(row.short).action(ArgAction::SetTrue),
        Takes::Positional(value) => arg.value_name(value).action(ArgAction::Append).num_args(1..),
        Takes::OptionalPositional(value) => arg.value_name(value),
        Takes::OnePositional(value) => arg.value_name(value).required(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_a_command_line_that_clap_accepts() {
        program(80).debug_assert();
    }

    #[test]
    fn option_names_are_unique_within_a_command() {
        for command in Command::ALL {
            let mut names: Vec<&str> = rows_of(*command).map(|row| row.name).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{}", command.as_str());
        }
    }
}
