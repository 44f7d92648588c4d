//! Brings the AI providers of a Coder environment and its Postgres database together.
//! docs/architecture.md tells what each module is for.

mod arguments;
pub mod cli;
pub mod env;
#[cfg(feature = "controller")]
pub mod kubernetes;
pub mod options;
pub mod plan;
pub mod prepare;
pub mod problem;
pub mod provider;
pub mod report;
pub mod seed;
pub mod store;
