//! What is wrong with arguments that cannot be understood.

use super::definitions::{OPTIONS, Takes};
use crate::env::nearest;
use crate::provider::redact;

/// The option of any command that comes nearest to this one.
fn nearest_option(flag: &str) -> Option<String> {
    let options = OPTIONS.iter().filter(|row| !matches!(row.takes, Takes::Positional(_)));
    let flags: Vec<String> = options.map(|row| format!("--{}", row.name)).collect();
    nearest(flag, flags.iter().map(String::as_str)).map(str::to_owned)
}

/// What is wrong with the arguments, without an argument in it: one in the wrong place may be a key.
pub fn usage_message(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ErrorKind};
    let context = |kind| error.get(kind).map(ToString::to_string);
    // Only the name of an option is repeated, or a near miss: anything else may be a key, of small letters too.
    let option = context(ContextKind::InvalidArg).and_then(|text| {
        let name = text.split(['=', ' ']).next().unwrap_or_default().to_owned();
        nearest_option(&name).map(|meant| (name, meant))
    });
    let what = match (error.kind(), option) {
        (ErrorKind::UnknownArgument, Some((option, meant))) if option == meant => {
            format!("{option} is an option of another command")
        }
        (ErrorKind::UnknownArgument, Some((option, meant))) => {
            format!("unknown option {}; did you mean {meant}?", redact::escape(&option))
        }
        (ErrorKind::UnknownArgument, None) => "unexpected argument".to_owned(),
        (ErrorKind::InvalidSubcommand, _) => "unknown command".to_owned(),
        (ErrorKind::ArgumentConflict, Some((_, option))) => format!("{option} was given twice"),
        (ErrorKind::InvalidUtf8, _) => "an argument is not Unicode (UTF-8)".to_owned(),
        (_, Some((_, option))) => format!("{option} needs a value"),
        _ => "the arguments cannot be understood".to_owned(),
    };
    format!("{what}; see ai-provider-seed --help")
}
