//! The options of `seed`, which most commands share.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::args::RawOptions;
use super::block_on::BlockOn;
use super::definitions::{Command, variable_name};
use super::reader::OptionReader;
use super::require_auth::RequireAuth;
use super::words::{boolean, duration, level, path, word};
use crate::env::{DATABASE_URL_VARIABLES, Variable};
use crate::problem::{Code, Findings, Problem};
use crate::provider::redact;

const TERMINATION_LOG: &str = "/dev/termination-log";

#[derive(Clone)]
pub struct Options {
    pub wait: Duration,
    pub lock_timeout: Duration,
    pub compare_credentials: Compare,
    pub compare_settings: Compare,
    pub take_environment: TakeEnvironment,
    pub block_on: BlockOn,
    /// The value comes from a flag, so the variable has no effect.
    pub block_on_is_flag: bool,
    pub strict: bool,
    pub require_providers: usize,
    /// The option or variable that set it.
    pub require_origin: String,
    pub if_schema_missing: IfSchemaMissing,
    /// `None`: not given, so the default depends on the command.
    pub undescribed: Option<Undescribed>,
    pub audit: bool,
    pub env_file: Option<PathBuf>,
    pub offline: bool,
    pub output: OutputFormat,
    pub termination_log: Option<PathBuf>,
    pub log_format: LogFormat,
    /// `None`: not given, so the level depends on the output.
    pub log_level: Option<tracing::Level>,
    pub database: DatabaseSource,
    pub password_file: Option<PathBuf>,
    /// Overrides PGREQUIREAUTH.
    pub require_auth: Option<RequireAuth>,
}

impl Options {
    /// The options that `resolve` needs to compare the same fields as this run, and so to compute the same conflict ids.
    pub fn needed_by_resolve(&self) -> Vec<String> {
        let compared = [("credentials", self.compare_credentials), ("settings", self.compare_settings)].into_iter();
        let ignored = compared.filter(|(_, compare)| *compare == Compare::Ignore);
        let ignored = ignored.map(|(what, _)| format!("--compare-{what}=ignore"));
        let file = self.env_file.as_ref().map(|path| format!("--env-file {}", redact::name(&path.to_string_lossy())));
        ignored.chain(file).collect()
    }
}

/// The source of the connection, and its spelling by the operator.
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
    /// Only `PGHOST`, `PGPORT`, …, or no variable at all.
    PgVariables,
}

/// `--compare-credentials`, `--compare-settings`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Ignore,
    /// A difference is reported, not applied, and does not stop the start.
    Warn,
    /// A difference is a conflict like any other.
    Fail,
}

impl Compare {
    fn parse(text: &str) -> Result<Compare, String> {
        word(text, &[("ignore", Compare::Ignore), ("warn", Compare::Warn), ("fail", Compare::Fail)])
    }
}

/// `--undescribed`: live rows that no variable describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undescribed {
    Ignore,
    Warn,
}

/// `--take-environment`: the fields that a start overwrites in an existing row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeEnvironment {
    None,
    /// API keys and Bedrock credentials.
    Credentials,
    /// All fields that the environment sets, within the limits of the plan.
    All,
}

impl TakeEnvironment {
    fn parse(text: &str) -> Result<TakeEnvironment, String> {
        use TakeEnvironment::{All, Credentials, None};
        word(text, &[("none", None), ("credentials", Credentials), ("all", All)])
    }

    pub fn as_str(self) -> &'static str {
        match self {
            TakeEnvironment::None => "none",
            TakeEnvironment::Credentials => "credentials",
            TakeEnvironment::All => "all",
        }
    }

    /// Taken fields must be compared. Returns the contradicting option, if any.
    pub fn contradicts(self, credentials: Compare, settings: Compare) -> Option<&'static str> {
        match self {
            TakeEnvironment::None => None,
            _ if credentials == Compare::Ignore => Some("compare-credentials"),
            TakeEnvironment::All if settings == Compare::Ignore => Some("compare-settings"),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfSchemaMissing {
    Auto,
    Fail,
    Wait,
}

/// The format of the report on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    Text,
    Json,
    /// Annotations of GitHub Actions; `diff` only.
    Github,
}

impl OutputFormat {
    pub(super) const fn words(command: Command) -> &'static [(&'static str, OutputFormat)] {
        const WORDS: &[(&str, OutputFormat)] =
            &[("text", OutputFormat::Text), ("json", OutputFormat::Json), ("github", OutputFormat::Github)];
        match command {
            Command::Diff => WORDS,
            _ => WORDS.split_at(2).0,
        }
    }
}

/// The format of the log on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl LogFormat {
    pub(super) const WORDS: &'static [(&'static str, LogFormat)] =
        &[("text", LogFormat::Text), ("json", LogFormat::Json)];
}

/// Reads all options; an invalid option keeps its default and adds a problem.
pub fn parse(raw: &RawOptions, variables: &[Variable]) -> (Options, Findings) {
    let mut reader = OptionReader::new(raw, variables);
    let options = read(&mut reader, raw);
    let warnings = reader.unknown_variables(raw.command);
    (options, Findings { problems: reader.problems, warnings })
}

pub(super) fn read(reader: &mut OptionReader, raw: &RawOptions) -> Options {
    use IfSchemaMissing as Missing;
    let require_origin = if raw.is_given("require-providers") {
        "--require-providers".to_owned()
    } else {
        variable_name("require-providers")
    };
    let compare_credentials = reader.read("compare-credentials", Compare::parse);
    let compare_settings = reader.read("compare-settings", Compare::parse);
    Options {
        require_origin,
        wait: reader.read("wait", duration),
        lock_timeout: reader.read("lock-timeout", duration),
        compare_credentials,
        compare_settings,
        take_environment: take_environment(reader, compare_credentials, compare_settings),
        block_on: reader.read("block-on", BlockOn::parse),
        block_on_is_flag: raw.is_given("block-on"),
        strict: reader.read_or("strict", false, boolean),
        require_providers: reader.read("require-providers", |text| {
            text.parse().map_err(|_| "a whole number from 0 up is expected".to_owned())
        }),
        if_schema_missing: reader.read("if-schema-missing", |text| {
            word(text, &[("auto", Missing::Auto), ("fail", Missing::Fail), ("wait", Missing::Wait)])
        }),
        undescribed: reader.read_or("undescribed", None, |text| {
            word(text, &[("ignore", Some(Undescribed::Ignore)), ("warn", Some(Undescribed::Warn))])
        }),
        audit: reader.read("audit", |text| word(text, &[("auto", true), ("off", false)])),
        env_file: reader.read_or("env-file", None, path),
        // A variable that turned `seed` into a dry run would be a trap.
        offline: raw.command == Command::Diff && reader.read_or("offline", false, boolean),
        output: reader.read("output", |text| word(text, OutputFormat::words(raw.command))),
        termination_log: termination_log(reader),
        log_format: reader.read("log-format", |text| word(text, LogFormat::WORDS)),
        log_level: reader.read_or("log-level", None, |text| level(text).map(Some)),
        database: database(reader),
        password_file: reader.read_or("database-password-file", None, path),
        require_auth: reader.read_or("require-auth", None, |text| RequireAuth::parse(text).map(Some)),
    }
}

fn take_environment(reader: &mut OptionReader, credentials: Compare, settings: Compare) -> TakeEnvironment {
    let take = reader.read("take-environment", TakeEnvironment::parse);
    if let Some(option) = take.contradicts(credentials, settings) {
        let spelled = |reader: &mut OptionReader, option| reader.given(option).map(|given| given.origin);
        let origins = [spelled(reader, "take-environment"), spelled(reader, option)];
        let message =
            format!("fields that are taken from the environment must be compared; take fewer, or set --{option}=warn");
        let problem = Problem::new(Code::InvalidOption, message);
        reader.problems.push(problem.variables(origins.into_iter().flatten()));
    }
    take
}

/// An empty flag or variable turns it off.
fn termination_log(reader: &mut OptionReader) -> Option<PathBuf> {
    match reader.flag_or_variable("termination-log") {
        Some(given) => Some(given.text).filter(|text| !text.is_empty()).map(PathBuf::from),
        None => Some(PathBuf::from(TERMINATION_LOG)).filter(|path| path.exists()),
    }
}

fn database(reader: &mut OptionReader) -> DatabaseSource {
    let (url, file) = (reader.given("database-url"), reader.given("database-url-file"));
    match (url, file) {
        (Some(url), Some(file)) if url.is_flag == file.is_flag => {
            let message = "a URL and a file with a URL were given; keep one of them";
            let problem = Problem::new(Code::InvalidOption, message).variables([url.origin.clone(), file.origin]);
            reader.problems.push(problem);
            DatabaseSource::Url { text: url.text.into(), origin: url.origin }
        }
        (Some(url), file) if url.is_flag || file.is_none() => {
            DatabaseSource::Url { text: url.text.into(), origin: url.origin }
        }
        (_, Some(file)) => DatabaseSource::File { path: file.text.into(), origin: file.origin },
        _ => database_of_others(reader),
    }
}

fn database_of_others(reader: &mut OptionReader) -> DatabaseSource {
    for name in DATABASE_URL_VARIABLES {
        if let Some(text) = reader.variable(name).filter(|text| !text.trim().is_empty()) {
            return DatabaseSource::Url { text: text.into(), origin: name.to_owned() };
        }
    }
    DatabaseSource::PgVariables
}
