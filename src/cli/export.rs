//! `export`: reads all providers, describes them, and keeps secrets off the terminal.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use secrecy::ExposeSecret;
use serde::Serialize;
use uuid::Uuid;

use super::log_to_stderr;
use super::output::{print_error, print_result};
use super::resolve::in_runtime;
use super::terminal::style;
use crate::env::Variable;
use crate::options::export::{ExportFormat, ExportOptions};
use crate::options::{self, Options, OutputFormat, RawOptions};
use crate::plan::resolve::unknown_name;
use crate::plan::{Export, Stored, export, imports};
use crate::problem::{Code, Findings, Outcome, Problem};
use crate::provider::redact;
use crate::report::export::{HEAD, render};
use crate::report::{self, Command, Report};
use crate::run::export::ExportRun;
use crate::run::prepare::prepare_reader;
use crate::store::snapshot::Live;

pub fn command(raw: &RawOptions, variables: &[Variable]) -> u8 {
    let (options, Findings { mut problems, warnings }) = options::parse(raw, variables);
    log_to_stderr(options.log_format, options.log_level);
    let wanted = options::export::parse(raw, &mut problems);
    let (keyring, connector) = match prepare_reader(&options, variables, problems) {
        Ok(ready) => ready,
        Err(problems) => return failed(Findings { problems, warnings }, &wanted, &options),
    };
    let run = ExportRun { keyring: &keyring, wait: options.wait };
    let live = match in_runtime(run.run(&connector)) {
        Ok(Ok(live)) => live,
        Ok(Err(error)) => {
            return failed(Findings { problems: error.into_problems(), warnings }, &wanted, &options);
        }
        Err(exit_code) => return exit_code,
    };
    let (stored, mut unknown) = choose(&live, &wanted);
    if stored.is_empty() && !unknown.is_empty() {
        // A file without a provider would look like the export of a database without providers.
        return failed(Findings { problems: unknown, warnings }, &wanted, &options);
    }
    let mut found = match wanted.format {
        ExportFormat::Terraform => imports(&stored),
        _ => export(&stored, wanted.secrets),
    };
    found.findings.problems.append(&mut unknown);
    found.findings.warnings.splice(0..0, warnings);
    finish(&found, &wanted, &options)
}

fn choose<'a>(live: &'a [Live], wanted: &ExportOptions) -> (Vec<Stored<'a>>, Vec<Problem>) {
    let is_wanted = |live: &&Live| wanted.providers.is_empty() || wanted.providers.contains(&live.name);
    let stored = |live: &'a Live| Stored { name: &live.name, row: &live.row };
    let unknown = wanted.providers.iter().enumerate().filter(|(_, name)| live.iter().all(|live| live.name != **name));
    let unknown = unknown.map(|(at, _)| {
        let known: Vec<String> = live.iter().map(|live| redact::provider(&live.name)).collect();
        let message = format!(
            "the database has no live provider of the {} name; {}",
            redact::ordinal(at + 1),
            unknown_name(&wanted.providers[at], &known)
        );
        Problem::new(Code::CannotExport, message).variable("PROVIDER")
    });
    (live.iter().filter(is_wanted).map(stored).collect(), unknown.collect())
}

fn finish(found: &Export, wanted: &ExportOptions, options: &Options) -> u8 {
    let rendered = render(found, wanted.format, wanted.secrets);
    let mut findings = found.findings.clone();
    if let Some(path) = &wanted.file
        && let Err(what) = write_private(path, rendered.secrets.expose_secret())
    {
        let message = format!("{what}; nothing was exported");
        findings.problems.push(Problem::new(Code::InvalidOption, message).variable("--secrets-file"));
        return failed(findings, wanted, options);
    }
    let mut report = Report::new(Command::Export, findings);
    report.blocked = !report.findings.problems.is_empty();
    let text = rendered.text.expose_secret();
    let printed = match options.output {
        OutputFormat::Json => print_result(&(json(found, wanted, &report, text) + "\n")),
        OutputFormat::Text if std::io::stdout().is_terminal() && !printable(text) => {
            print_error(
                "not printed: a value has control characters in it; use --secrets-file, or send this into a file\n",
            );
            Outcome::OutputFailed.exit_code()
        }
        OutputFormat::Text | OutputFormat::Github => print_result(text),
    };
    if options.output == OutputFormat::Text
        && !(report.findings.problems.is_empty() && report.findings.warnings.is_empty())
    {
        print_error(&report::remarks(&report, style(&std::io::stderr())));
    }
    match report.exit_code() {
        0 => printed,
        failed => failed,
    }
}

/// Reports arguments that cannot be parsed.
pub fn refuse(problem: Problem, options: &Options) -> u8 {
    log_to_stderr(options.log_format, options.log_level);
    let nothing = options::export::parse(&RawOptions::default(), &mut Vec::new());
    failed(vec![problem].into(), &nothing, options)
}

/// Reports that nothing was exported. The document is that of every export, with empty lists.
fn failed(findings: Findings, wanted: &ExportOptions, options: &Options) -> u8 {
    let mut report = Report::new(Command::Export, findings);
    report.blocked = true;
    match options.output {
        // A write error changes nothing: the exit code already reports the missing result.
        OutputFormat::Json => _ = print_result(&(json(&Export::default(), wanted, &report, "") + "\n")),
        // Standard output is reserved for the export itself.
        OutputFormat::Text | OutputFormat::Github => print_error(&report::text(&report, style(&std::io::stderr()))),
    }
    report.exit_code()
}

fn printable(text: &str) -> bool {
    text.chars().all(|c| matches!(c, ' '..='~' | '\n'))
}

fn json(found: &Export, wanted: &ExportOptions, report: &Report, text: &str) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        version: u32,
        command: &'a str,
        outcome: crate::problem::Outcome,
        format: &'a str,
        providers: Vec<Provider<'a>>,
        text: &'a str,
        secrets_file: Option<String>,
        problems: &'a [Problem],
        warnings: &'a [Problem],
    }
    #[derive(Serialize)]
    struct Provider<'a> {
        name: &'a str,
        id: Uuid,
        index: usize,
        variables: Vec<&'a str>,
        secrets: Vec<&'a str>,
    }
    let providers = found.providers.iter().map(|provider| {
        let names = |secret: bool| {
            let of = provider.variables.iter().filter(move |variable| variable.value.is_secret() == secret);
            of.map(|variable| variable.name.as_str()).collect()
        };
        let (variables, secrets) = (names(false), names(true));
        Provider { name: &provider.name, id: provider.id, index: provider.index, variables, secrets }
    });
    let document = Document {
        version: 1,
        command: report.command.as_str(),
        outcome: report.outcome,
        format: wanted.format.as_str(),
        providers: providers.collect(),
        text,
        secrets_file: wanted.file.as_ref().map(|path| redact::name(&path.to_string_lossy())),
        problems: &report.findings.problems,
        warnings: &report.findings.warnings,
    };
    serde_json::to_string(&document).unwrap_or_default()
}

/// Writes a new or empty file, or a file from an earlier export. It never follows a link, makes the file readable for
/// others, or leaves it half written.
fn write_private(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        match folder.filter(|folder| !folder.is_dir()) {
            Some(folder) => format!(
                "the folder {} does not exist; create it, or name a file in one that does",
                redact::name(&folder.to_string_lossy())
            ),
            None => format!("the file cannot be written: {}", error.kind()),
        }
    };
    let create = |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let fill = |mut file: File| file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let file = create(path).map_err(failed)?;
            return fill(file).map_err(|error| {
                let _ = std::fs::remove_file(path);
                failed(error)
            });
        }
        Err(error) => return Err(failed(error)),
        Ok(there) if !there.is_file() => return Err("it is not a regular file; name a new one".to_owned()),
        Ok(_) => {}
    }
    let mut head = vec![0; HEAD.len()];
    let mut file = File::open(path).map_err(failed)?;
    let ours = match file.read(&mut head).map_err(failed)? {
        0 => true,
        read => read == HEAD.len() && head == HEAD.as_bytes(),
    };
    if !ours {
        return Err("the file exists, and this program did not write it; name a new one".to_owned());
    }
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = create(&beside).and_then(fill).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        failed(error)
    })
}
