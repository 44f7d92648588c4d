//! Brings the AI providers of a Coder environment and its Postgres database together.
//! docs/architecture.md tells what each module is for.

pub mod cli;
pub mod env;
pub mod explain;
pub mod identity;
#[cfg(feature = "controller")]
pub mod kubernetes;
pub mod options;
pub mod plan;
pub mod problem;
pub mod provider;
pub mod report;
pub mod run;
pub mod store;
mod words;
