//! An error of Postgres or of the connection to it: a code, whether to retry, and this program's own sentence.
//!
//! The server's text is never passed on: a detail contains the failing row, and so a key. Only SQLSTATE, constraint,
//! table, and the presence of known words in the message are used.

mod before_ready;
mod classify;
mod conditions;
mod kinds;
mod login;
mod message;
mod opening;
mod pooler;
mod server;

use std::fmt;

pub(super) use opening::{Channel, Opening};

use super::url::{ConnectOptions, Host};
pub use crate::problem::Retry;
use crate::problem::{Code, Problem};
use crate::provider::redact;

/// The server's description for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `db.coder.svc:5432`
    pub host: String,
    pub database: String,
    pub role: String,
}

impl Endpoint {
    pub fn new(options: &ConnectOptions, host: &Host) -> Self {
        Endpoint {
            host: host.to_string(),
            database: redact::database(options.database()),
            role: redact::name(options.user()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database {} at {}", self.database, self.host)
    }
}

/// One failure. Its Display is safe to show and ends with the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub code: Code,
    pub retry: Retry,
    pub sqlstate: Option<String>,
    /// The connection is gone. After COMMIT was sent, it is unknown whether it took effect.
    pub connection_lost: bool,
    /// The variables, options or files to check.
    pub variables: Vec<String>,
    words: Box<Words>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Words {
    summary: String,
    /// The summary without the server's name, for a list of servers.
    cause: String,
    next: String,
    /// Further problems of the same attempt, such as several in one URL.
    others: Vec<Problem>,
}

impl Error {
    pub(super) const NO_ANSWER: &'static str = "no answer in time";

    pub(super) fn new(code: Code, retry: Retry, summary: String, cause: String, next: impl Into<String>) -> Self {
        Error {
            code,
            retry,
            sqlstate: None,
            connection_lost: false,
            variables: Vec::new(),
            words: Box::new(Words { summary, cause, next: next.into(), others: Vec::new() }),
        }
    }

    /// A fault of a database that answers. A retry does not help.
    pub(super) fn of_database(code: Code, endpoint: &Endpoint, what: &str, next: &str) -> Self {
        Error::new(code, Retry::No, format!("{endpoint}: {what}"), what.to_owned(), next)
    }

    pub(super) fn cannot_encrypt(endpoint: &Endpoint) -> Self {
        Error::of_database(Code::Internal, endpoint, "a value could not be encrypted", "please report it")
    }

    /// An error of a statement on an established connection.
    pub fn statement(error: &tokio_postgres::Error, endpoint: &Endpoint) -> Self {
        classify::statement(error, endpoint)
    }

    /// Another program answers at the port.
    pub(super) fn not_postgres(endpoint: &Endpoint) -> Self {
        classify::not_postgres(endpoint)
    }

    /// The tables are not those that this release knows.
    pub(super) fn other_type(endpoint: &Endpoint) -> Self {
        classify::other_type(endpoint)
    }

    /// An address was not found or cannot be reached.
    pub(super) fn dialing(error: &std::io::Error, endpoint: &Endpoint) -> Self {
        classify::dialing(error, endpoint)
    }

    /// An error of opening a session.
    pub(super) fn connecting(error: &tokio_postgres::Error, opening: &Opening<'_>) -> Self {
        classify::connecting(error, opening)
    }

    /// A server that was reached did not answer in time.
    pub fn timed_out(endpoint: &Endpoint) -> Self {
        let cause = Self::NO_ANSWER.to_owned();
        let summary = format!("{endpoint} does not answer: {cause}");
        let mut error = Error::new(Code::Unreachable, Retry::Wait, summary, cause, kinds::CHECK_SERVER);
        error.connection_lost = true;
        error
    }

    /// A wrong configuration, which no retry can fix: URL, files, TLS.
    pub fn from_problems(problems: Vec<Problem>) -> Self {
        let mut problems = problems.into_iter();
        let first = problems
            .next()
            .unwrap_or_else(|| Problem::new(Code::Internal, "a failure without a cause; please report it"));
        let mut error = Error::new(first.code, Retry::No, first.message.clone(), first.message, "");
        error.variables = first.variables;
        error.words.others = problems.collect();
        error
    }

    pub(super) fn cause(&self) -> &str {
        &self.words.cause
    }

    /// The same error for a list of servers, with the cause of each.
    #[must_use]
    pub(super) fn summed_up(mut self, summary: String) -> Self {
        self.words.cause.clone_from(&summary);
        self.words.summary = summary;
        self
    }

    /// The same error about the same host for another caller, without the names of the first one.
    #[cfg(feature = "controller")]
    #[must_use]
    pub(super) fn of_same_host(&self, asking: &Endpoint) -> Self {
        let Words { cause, next, .. } = self.words.as_ref();
        let summary = format!("cannot reach {asking}: {cause}");
        Error::new(self.code, self.retry, summary, cause.clone(), next.clone())
    }

    /// The same for several hosts, without their causes, which name hosts.
    #[cfg(feature = "controller")]
    #[must_use]
    pub(super) fn of_same_hosts(&self, asking: &Endpoint) -> Self {
        let cause = "neither it nor another host of the URL can be reached".to_owned();
        let summary = format!("cannot reach {asking}: {cause}");
        Error::new(self.code, self.retry, summary, cause, kinds::CHECK_SERVER)
    }

    /// The server did not answer within the time.
    pub fn is_no_answer(&self) -> bool {
        self.words.cause == Self::NO_ANSWER
    }

    /// SQLSTATE 42P01: the caller determines the kind of this database.
    pub fn is_undefined_table(&self) -> bool {
        self.sqlstate.as_deref() == Some("42P01")
    }

    /// The statement waits for the lock for seeding.
    #[must_use]
    pub(super) fn of_advisory_lock(self) -> Self {
        if self.sqlstate.as_deref() != Some("55P03") {
            return self;
        }
        let cause = "another session held the lock for seeding too long".to_owned();
        Error {
            code: Code::LockTimeout,
            retry: Retry::No,
            words: Box::new(Words {
                summary: self.words.summary.replace(&self.words.cause, &cause),
                cause,
                next: "see who holds it in pg_locks (another seeder, a starting Coder), or raise --lock-timeout"
                    .to_owned(),
                others: Vec::new(),
            }),
            ..self
        }
    }

    #[must_use]
    pub fn with_retry(self, retry: Retry) -> Self {
        Error { retry, ..self }
    }

    /// The same error with a description of previous events.
    #[must_use]
    pub fn after(mut self, what: &str) -> Self {
        self.words.summary = format!("{} ({what})", self.words.summary);
        self
    }

    pub fn into_problems(self) -> Vec<Problem> {
        let first = Problem::new(self.code, self.to_string()).variables(self.variables);
        let mut problems = vec![first];
        problems.extend(self.words.others);
        problems
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Words { summary, next, .. } = self.words.as_ref();
        if next.is_empty() { f.write_str(summary) } else { write!(f, "{summary}; {next}") }
    }
}

impl std::error::Error for Error {}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Error::from_problems(vec![problem])
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Problem::new(error.code, error.to_string()).variables(error.variables)
    }
}
