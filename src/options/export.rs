//! The options that `export` has beside those of every command.

use std::path::PathBuf;

use super::args::ExportTexts;
use super::word;
use crate::problem::{Code, Problem};
use crate::provider::{check_name, redact};
use crate::report::export::{Format, Secrets};

pub struct Wanted {
    /// Names; none: all.
    pub providers: Vec<String>,
    pub format: Format,
    pub secrets: Secrets,
    pub file: Option<PathBuf>,
}

pub fn parse(texts: &ExportTexts, problems: &mut Vec<Problem>) -> Wanted {
    let mut problem = |option: &str, message: String| {
        problems.push(Problem::new(Code::InvalidOption, message).variable(option));
    };
    let formats = [Format::Env, Format::Helm, Format::Manifest].map(|format| (format.as_str(), format));
    let format = match texts.format.as_deref().map(|text| word(text, &formats)) {
        None => Format::Env,
        Some(Ok(format)) => format,
        Some(Err(message)) => {
            problem("--format", message);
            Format::Env
        }
    };
    for (at, name) in texts.providers.iter().enumerate() {
        if check_name(name).is_err() {
            let length = redact::count(name.chars().count(), "character");
            problem("PROVIDER", format!("the {} name, of {length}, is no provider's name", redact::ordinal(at + 1)));
        }
    }
    let file = texts.secrets_file.as_ref().filter(|path| !path.is_empty()).map(PathBuf::from);
    if texts.secrets_file.as_deref() == Some("-") {
        let message = "is no file; for secrets on standard output give --show-secrets, for a file of that name ./-";
        problem("--secrets-file", message.to_owned());
    }
    let secrets = match (&file, texts.show_secrets) {
        (Some(_), true) => {
            problem(
                "--show-secrets",
                "secrets go into the file or onto standard output, not both; keep one".to_owned(),
            );
            Secrets::File
        }
        (Some(_), false) => Secrets::File,
        (None, true) => Secrets::Shown,
        (None, false) => Secrets::Named,
    };
    Wanted { providers: texts.providers.clone(), format, secrets, file }
}
