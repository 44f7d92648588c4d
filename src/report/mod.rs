//! Turns a finished run into text, JSON and the termination message. These are functions of values; the caller prints.

mod environment_source;
pub mod export;
mod github;
mod headline;
mod json;
mod layout;
mod model;
mod resolve;
mod sentence;
mod take_database;
mod terminal;
mod termination;
mod watch;

pub use environment_source::EnvironmentSource;
pub use github::github;
#[cfg(feature = "controller")]
pub use headline::good;
pub use json::json;
pub use layout::Style;
#[cfg(feature = "controller")]
pub use layout::paragraph;
#[cfg(feature = "controller")]
pub use model::Provider;
#[cfg(feature = "controller")]
pub use model::external_id_fact;
pub use model::{Command, Report, RunResult};
pub use resolve::ResolveReport;
#[cfg(feature = "controller")]
pub use sentence::{advice, conflict_facts, conflict_sentence, minute, problem_sentence, value};
pub use terminal::{remarks, text};
pub use termination::termination_message;
pub use watch::{TimedReport, table};

#[cfg(test)]
mod tests;
