//! The options of `export` beside the common ones.

use std::path::PathBuf;

use super::args::RawOptions;
use super::resolve::invalid_names;
use super::words::word;
use crate::problem::{Code, Problem};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Dotenv lines.
    Env,
    /// Values of Coder's chart.
    Helm,
    /// ConfigMap, Secret and AIProviderSeed.
    Manifest,
    /// `import` blocks.
    Terraform,
}

impl ExportFormat {
    pub fn as_str(self) -> &'static str {
        match self {
            ExportFormat::Env => "env",
            ExportFormat::Helm => "helm",
            ExportFormat::Manifest => "manifest",
            ExportFormat::Terraform => "terraform",
        }
    }
}

/// The treatment of secret values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// Only their variables are named.
    Named,
    /// They go into a file.
    File,
    /// They are shown with the rest.
    Shown,
}

pub struct ExportOptions {
    /// Names; an empty list means all.
    pub providers: Vec<String>,
    pub format: ExportFormat,
    pub secrets: Secrets,
    pub file: Option<PathBuf>,
}

pub fn parse(raw: &RawOptions, problems: &mut Vec<Problem>) -> ExportOptions {
    problems.extend(invalid_names(raw.texts("provider")));
    let mut problem = |option: &str, message: String| {
        problems.push(Problem::new(Code::InvalidOption, message).variable(option));
    };
    let formats = [ExportFormat::Env, ExportFormat::Helm, ExportFormat::Manifest, ExportFormat::Terraform];
    let formats = formats.map(|format| (format.as_str(), format));
    let format = raw.text("format").map_or(Ok(ExportFormat::Env), |text| word(text, &formats));
    let format = format.unwrap_or_else(|message| {
        problem("--format", message);
        ExportFormat::Env
    });
    let file = raw.text("secrets-file").filter(|path| !path.is_empty()).map(PathBuf::from);
    if raw.text("secrets-file") == Some("-") {
        let message = "not a file; for secrets on standard output give --show-secrets, for a file of that name ./-";
        problem("--secrets-file", message.to_owned());
    }
    let secrets = match (&file, raw.is_given("show-secrets")) {
        (Some(_), true) => {
            let message = "secrets go into the file or onto standard output, not both; keep one";
            problem("--show-secrets", message.to_owned());
            Secrets::File
        }
        (Some(_), false) => Secrets::File,
        (None, true) => Secrets::Shown,
        (None, false) => Secrets::Named,
    };
    if format == ExportFormat::Terraform && secrets != Secrets::Named {
        let option = if file.is_some() { "--secrets-file" } else { "--show-secrets" };
        problem(option, "blocks for Terraform hold no secret; leave it out, or choose another --format".to_owned());
    }
    ExportOptions { providers: raw.texts("provider").to_vec(), format, secrets, file }
}
