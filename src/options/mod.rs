//! What the options mean. A flag beats its variable `AI_PROVIDER_SEED_<OPTION>`; an empty variable is unset.

pub(crate) mod args;
mod block_on;
#[cfg(feature = "controller")]
pub mod controller;

pub use block_on::BlockOn;

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::env::{Variable, nearest};
use crate::options::args::Texts;
use crate::plan::CompareCredentials;
use crate::problem::{Code, Findings, Problem};
use crate::provider::redact;

pub const PREFIX: &str = "AI_PROVIDER_SEED_";
const TERMINATION_LOG: &str = "/dev/termination-log";
/// Nobody waits longer for a pod; and sums of durations stay far from overflowing.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone)]
pub struct Options {
    pub wait: Duration,
    pub lock_timeout: Duration,
    pub compare_credentials: CompareCredentials,
    pub block_on: BlockOn,
    pub strict: bool,
    pub require_providers: usize,
    /// How it was given.
    pub require_origin: String,
    pub if_schema_missing: IfSchemaMissing,
    pub audit: bool,
    pub env_file: Option<PathBuf>,
    pub offline: bool,
    pub output: Format,
    pub termination_log: Option<PathBuf>,
    pub log_format: Format,
    pub log_level: tracing::Level,
    pub database: DatabaseSource,
    pub password_file: Option<PathBuf>,
}

/// Where the connection is described, and how the operator spelled that place.
#[derive(Clone)]
pub enum DatabaseSource {
    Url {
        text: SecretString,
        origin: String,
    },
    File {
        path: PathBuf,
        origin: String,
    },
    /// Only `PGHOST`, `PGPORT`, …, or nothing at all.
    PgVariables,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfSchemaMissing {
    Auto,
    Fail,
    Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// Reads all options, as far as they can be read: what cannot keeps its default and adds a problem.
///
/// `offline` is the flag of a command that has it: for `seed`, a variable that turned it into a dry run would be a trap.
pub fn parse(texts: Texts, offline: Option<Option<String>>, variables: &[Variable]) -> (Options, Findings) {
    let mut reader = Reader { variables, known: Vec::new(), problems: Vec::new() };
    // Exhaustive on purpose: an option that is declared but not read does not compile.
    let Texts {
        database_url,
        database_url_file,
        database_password_file,
        wait,
        lock_timeout,
        compare_credentials,
        block_on,
        strict,
        require_providers,
        if_schema_missing,
        audit,
        env_file,
        output,
        termination_log,
        log_format,
        log_level,
    } = texts;
    let require_origin = match &require_providers {
        Some(_) => "--require-providers".to_owned(),
        None => variable_name("require-providers"),
    };
    let options = Options {
        require_origin,
        wait: reader.read("wait", wait, Duration::from_secs(120), duration),
        lock_timeout: reader.read("lock-timeout", lock_timeout, Duration::from_secs(30), duration),
        compare_credentials: reader.read(
            "compare-credentials",
            compare_credentials,
            CompareCredentials::Warn,
            |text| {
                use CompareCredentials::{Fail, Ignore, Warn};
                word(text, &[("ignore", Ignore), ("warn", Warn), ("fail", Fail)])
            },
        ),
        block_on: reader.read("block-on", block_on, BlockOn::all(), BlockOn::parse),
        strict: reader.read("strict", strict, false, boolean),
        require_providers: reader.read("require-providers", require_providers, 0, |text| {
            text.parse().map_err(|_| "a whole number from 0 up is expected".to_owned())
        }),
        if_schema_missing: reader.read("if-schema-missing", if_schema_missing, IfSchemaMissing::Auto, |text| {
            use IfSchemaMissing::{Auto, Fail, Wait};
            word(text, &[("auto", Auto), ("fail", Fail), ("wait", Wait)])
        }),
        audit: reader.read("audit", audit, true, |text| word(text, &[("auto", true), ("off", false)])),
        env_file: reader.read("env-file", env_file, None, path),
        offline: offline.is_some_and(|flag| reader.read("offline", flag, false, boolean)),
        output: reader.read("output", output, Format::Text, format),
        termination_log: reader.termination_log(termination_log),
        log_format: reader.read("log-format", log_format, Format::Text, format),
        log_level: reader.read("log-level", log_level, tracing::Level::INFO, level),
        database: reader.database(database_url, database_url_file),
        password_file: reader.read("database-password-file", database_password_file, None, path),
    };
    let warnings = reader.unknown_variables();
    (options, Findings { problems: reader.problems, warnings })
}

/// How the variable of an option is called.
pub fn variable_name(option: &str) -> String {
    format!("{PREFIX}{}", option.to_ascii_uppercase().replace('-', "_"))
}

/// "Did you mean" for a flag.
pub fn nearest_option(flag: &str) -> Option<String> {
    use clap::CommandFactory;
    let command = crate::options::args::Arguments::command();
    let flags = command.get_subcommands().flat_map(clap::Command::get_arguments).filter_map(clap::Arg::get_long);
    let flags: Vec<String> = flags.map(|long| format!("--{long}")).collect();
    nearest(flag, flags.iter().map(String::as_str)).map(str::to_owned)
}

struct Given {
    text: String,
    /// `--wait` or `AI_PROVIDER_SEED_WAIT`.
    origin: String,
    is_flag: bool,
}

struct Reader<'a> {
    variables: &'a [Variable],
    known: Vec<String>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn read<T>(
        &mut self,
        option: &str,
        flag: Option<String>,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let Some(given) = self.given(option, flag) else { return default };
        match parse(&given.text) {
            Ok(value) => value,
            Err(message) => {
                self.problems.push(Problem::new(Code::InvalidOption, message).variable(given.origin));
                default
            }
        }
    }

    /// The flag, or else the variable if it is not empty.
    fn given(&mut self, option: &str, flag: Option<String>) -> Option<Given> {
        let name = variable_name(option);
        self.known.push(name.clone());
        if let Some(text) = flag {
            return Some(Given { text, origin: format!("--{option}"), is_flag: true });
        }
        let text = self.text_of(&name)?;
        (!text.is_empty()).then_some(Given { text, origin: name, is_flag: false })
    }

    fn text_of(&mut self, name: &str) -> Option<String> {
        let variable = self.variables.iter().rfind(|variable| variable.name == name)?;
        self.problems.extend(variable.unreadable());
        variable.value().map(str::to_owned)
    }

    /// Empty, flag or variable, turns it off.
    fn termination_log(&mut self, flag: Option<String>) -> Option<PathBuf> {
        let name = variable_name("termination-log");
        self.known.push(name.clone());
        let text = flag.or_else(|| self.text_of(&name));
        match text {
            Some(text) => Some(text).filter(|text| !text.is_empty()).map(PathBuf::from),
            None => Some(PathBuf::from(TERMINATION_LOG)).filter(|path| path.exists()),
        }
    }

    fn database(&mut self, url: Option<String>, file: Option<String>) -> DatabaseSource {
        let (url, file) = (self.given("database-url", url), self.given("database-url-file", file));
        match (url, file) {
            (Some(url), Some(file)) if url.is_flag == file.is_flag => {
                let message = "a URL and a file with a URL were given; keep one of them";
                self.problems
                    .push(Problem::new(Code::InvalidOption, message).variables([url.origin.clone(), file.origin]));
                DatabaseSource::Url { text: url.text.into(), origin: url.origin }
            }
            (Some(url), file) if url.is_flag || file.is_none() => {
                DatabaseSource::Url { text: url.text.into(), origin: url.origin }
            }
            (_, Some(file)) => DatabaseSource::File { path: file.text.into(), origin: file.origin },
            _ => self.database_of_others(),
        }
    }

    fn database_of_others(&mut self) -> DatabaseSource {
        for name in ["CODER_PG_CONNECTION_URL", "DATABASE_URL"] {
            if let Some(text) = self.text_of(name).filter(|text| !text.trim().is_empty()) {
                return DatabaseSource::Url { text: text.into(), origin: name.to_owned() };
            }
        }
        DatabaseSource::PgVariables
    }

    /// A typing error in the variable that should let the pod start tonight must not go unnoticed.
    fn unknown_variables(&self) -> Vec<Problem> {
        let mut unknown: Vec<&Variable> =
            self.variables.iter().filter(|v| v.name.starts_with(PREFIX) && !self.known.contains(&v.name)).collect();
        unknown.retain(|v| !is_service_variable(&v.name) && !OF_OTHER_COMMANDS.contains(&&v.name[PREFIX.len()..]));
        let warning = |variable: &&Variable| {
            let meant = nearest(&variable.name, self.known.iter().map(String::as_str)).map(str::to_owned);
            let message = match &meant {
                Some(meant) => format!("there is no such option; did you mean {meant}?"),
                None => "there is no such option; see ai-provider-seed seed --help".to_owned(),
            };
            Problem::new(Code::UnknownVariable, message).variable(redact::name(&variable.name)).suggestion(meant)
        };
        unknown.iter().map(warning).collect()
    }
}

/// Options of the controller and of `diff` alone, which may stand in an environment that containers share.
const OF_OTHER_COMMANDS: [&str; 12] = [
    "NAMESPACE",
    "ALL_NAMESPACES",
    "LISTEN",
    "LEADER_ELECT",
    "LEASE_NAME",
    "ALLOW_WRITES",
    "CONCURRENCY",
    "OFFLINE",
    "FROM",
    "CONTAINER",
    "CONTEXT",
    "WATCH",
];

/// Kubernetes sets such variables for a Service named `ai-provider-seed`.
fn is_service_variable(name: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    rest == "PORT" || rest.starts_with("PORT_") || rest == "SERVICE_HOST" || rest.starts_with("SERVICE_PORT")
}

fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text);
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| unknown_word(text, &words.iter().map(|(word, _)| *word).collect::<Vec<_>>()))
}

/// A text is only quoted when it is nearly one of the words: it may be a secret in the wrong place.
fn unknown_word(text: &str, words: &[&str]) -> String {
    match nearest(text, words.iter().copied()) {
        Some(meant) => format!("unknown value \"{}\"; did you mean \"{meant}\"?", redact::escape(text)),
        None => format!(
            "unknown value of {}; one of {} is expected",
            redact::count(text.chars().count(), "character"),
            words.join(", ")
        ),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    word(text, &[("true", true), ("false", false), ("1", true), ("0", false), ("yes", true), ("no", false)])
}

fn format(text: &str) -> Result<Format, String> {
    word(text, &[("text", Format::Text), ("json", Format::Json)])
}

fn level(text: &str) -> Result<tracing::Level, String> {
    use tracing::Level;
    let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
    word(text, &["error", "warn", "info", "debug", "trace"].into_iter().zip(levels).collect::<Vec<_>>())
}

fn path(text: &str) -> Result<Option<PathBuf>, String> {
    Ok(Some(text).filter(|text| !text.is_empty()).map(PathBuf::from))
}

/// `120s`, `2m`, `1m 30s`, `500ms`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parsed = if bare { humantime::parse_duration(&format!("{text}s")) } else { humantime::parse_duration(text) };
    match parsed {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => Err("longer than 24 hours".to_owned()),
        Err(_) => Err("not a duration; write for example 120s, 2m or 0".to_owned()),
    }
}

pub mod diff;
pub mod export;
pub mod resolve;
#[cfg(test)]
mod tests;
