//! The faults of invalid arguments.

use super::definitions::{Command, OPTIONS, OptionRow, rows_of};
use crate::env::nearest;
use crate::provider::redact;

/// The fault of the arguments, without any argument in it: a misplaced one may be a key. `command`: the command that they
/// name, if any.
pub fn usage_message(error: &clap::Error, command: Option<Command>) -> String {
    use clap::error::{ContextKind, ErrorKind};
    let context = |kind| error.get(kind).map(ToString::to_string);
    let name = || {
        let text = context(ContextKind::InvalidArg)?;
        Some(text.split(['=', ' ']).next().unwrap_or_default().to_owned())
    };
    let what = match error.kind() {
        ErrorKind::UnknownArgument => name().and_then(|name| unknown_option(&name, command)),
        ErrorKind::InvalidSubcommand => context(ContextKind::InvalidSubcommand).map(|word| unknown_command(&word)),
        ErrorKind::ArgumentConflict => known(name(), command).map(|option| format!("{option} was given twice")),
        ErrorKind::TooManyValues => known(name(), command).map(|option| format!("{option} takes no value")),
        ErrorKind::InvalidUtf8 => Some("an argument is not Unicode (UTF-8)".to_owned()),
        _ => known(name(), command).map(|option| format!("{option} needs a value")),
    };
    let what = what.unwrap_or_else(|| match error.kind() {
        ErrorKind::UnknownArgument => "unexpected argument".to_owned(),
        _ => "the arguments cannot be understood".to_owned(),
    });
    let of = command.map(|command| format!("{} ", command.as_str())).unwrap_or_default();
    format!("{what}; see ai-provider-seed {of}--help")
}

/// Only a near miss, or the name of another command's option, is repeated: any other text may be a key, even in lower
/// case.
fn unknown_option(name: &str, command: Option<Command>) -> Option<String> {
    let is_named = |row: &OptionRow| flag(row) == name || short(row).is_some_and(|short| short == name);
    let long = OPTIONS.iter().find(|row| is_named(row) && flag(row) != name).map(flag);
    let takes_long = |command: Command| rows_of(command).any(|row| Some(flag(row)) == long);
    if let (Some(command), Some(long)) = (command, &long)
        && takes_long(command)
        && !rows_of(command).any(is_named)
    {
        return Some(format!("unknown option {name}; write {long}"));
    }
    let others: Vec<&str> =
        Command::ALL.iter().filter(|of| rows_of(**of).any(is_named)).map(|of| of.as_str()).collect();
    let name = &long.map_or_else(|| name.to_owned(), |long| format!("{name} ({long})"));
    match command {
        Some(command) if others.contains(&command.as_str()) => {
            Some(format!("{name} comes after the command ({})", command.as_str()))
        }
        Some(command) if !others.is_empty() => {
            Some(format!("{name} is an option of {}, not of {}", others.join(", "), command.as_str()))
        }
        None if !others.is_empty() => Some(format!("{name} comes after a command ({})", others.join(", "))),
        _ => {
            let meant = known(Some(name.clone()), command)?;
            Some(format!("unknown option {}; did you mean {meant}?", redact::escape(name)))
        }
    }
}

fn unknown_command(word: &str) -> String {
    let names: Vec<&str> = Command::ALL.iter().map(|command| command.as_str()).chain(["help"]).collect();
    match nearest(word, names.iter().copied()) {
        Some(meant) => format!("unknown command {}; did you mean {meant}?", redact::escape(word)),
        None => format!("unknown command{}; the commands are {}", shown_word(word), names.join(", ")),
    }
}

/// A short word in lower case is not a key.
fn shown_word(word: &str) -> String {
    const LONGEST: usize = 12;
    let is_plain = word.len() <= LONGEST && word.bytes().all(|b| b.is_ascii_lowercase());
    if is_plain { format!(" {word}") } else { String::new() }
}

/// The nearest option of the command.
fn known(name: Option<String>, command: Option<Command>) -> Option<String> {
    let is_meant =
        |row: &&OptionRow| !row.takes.is_positional() && command.is_none_or(|command| row.is_taken_by(command));
    let flags: Vec<String> = OPTIONS.iter().filter(is_meant).map(flag).chain(["--help".to_owned()]).collect();
    nearest(&name?, flags.iter().map(String::as_str)).map(str::to_owned)
}

fn short(row: &OptionRow) -> Option<String> {
    row.short.map(|letter| format!("-{letter}"))
}

fn flag(row: &OptionRow) -> String {
    format!("--{}", row.name)
}
