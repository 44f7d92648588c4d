//! Brings the AI providers of a Coder environment and its Postgres database together.
//! docs/architecture.md tells what each module is for.

mod arguments;
pub mod cli;
pub mod dotenv;
pub mod env;
pub mod export;
#[cfg(feature = "controller")]
pub mod kubernetes;
pub mod options;
pub mod plan;
pub mod prepare;
pub mod problem;
pub mod provider;
pub mod read_live;
pub mod report;
pub mod resolve;
pub mod seed;
pub mod store;
