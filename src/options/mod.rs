//! The meaning of the options. A flag overrides its variable `AI_PROVIDER_SEED_<OPTION>`; an empty variable is unset.

pub mod args;
pub mod at_terminal;
mod block_on;
#[cfg_attr(not(feature = "controller"), allow(dead_code, reason = "there is no cluster to ask"))]
pub mod cluster;
pub mod command_help;
#[cfg(feature = "controller")]
pub mod controller;
#[cfg_attr(not(feature = "controller"), allow(dead_code, reason = "the command line is not restricted"))]
pub mod database_hosts;
pub mod definitions;
pub mod diff;
pub mod export;
#[cfg_attr(not(feature = "controller"), allow(dead_code, reason = "there is no cluster to ask"))]
pub mod from;
mod reader;
mod require_auth;
pub mod resolve;
#[cfg(feature = "controller")]
pub mod resources;
mod seed;
pub mod usage;
pub mod words;
#[cfg(feature = "controller")]
pub mod workload;
mod workload_kind;

pub use args::RawOptions;
pub use block_on::BlockOn;
pub use definitions::{Command, variable_name};
pub use require_auth::{AuthMethod, RequireAuth};
pub use seed::{
    Compare, DatabaseSource, IfSchemaMissing, LogFormat, Options, OutputFormat, TakeEnvironment, Undescribed, parse,
};
#[cfg(feature = "controller")]
pub use words::PREFIX;
#[cfg(feature = "controller")]
pub use workload_kind::WorkloadKind;

#[cfg(test)]
mod tests;
