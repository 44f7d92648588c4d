//! Common parts of the integration tests. README.md beside this file shows how to write a test with them.
//!
//! Each target compiles its own copy and uses a part of it, hence `dead_code`; a helper that fails should end the test.
#![allow(dead_code, unused_imports, clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod archive;
pub mod binary;
mod case_checks;
pub mod cases;
pub mod certificates;
#[cfg(feature = "controller")]
pub mod clock;
#[cfg(feature = "controller")]
pub mod controller;
pub mod database;
pub mod deaf_proxy;
pub mod fake_server;
pub mod files;
pub mod floods;
#[cfg(feature = "controller")]
pub mod helm;
pub mod hostile;
pub mod http_proxy;
#[cfg(feature = "controller")]
pub mod kubernetes;
pub mod markdown;
pub mod pgbouncer;
pub mod postgres;
mod process;
pub mod promtool;
pub mod proxy;
pub mod resolution;
pub mod roles;
pub mod rows;
pub mod skip;
pub mod terminal;
mod user;

pub use binary::{Finished, Run, Started};
pub use database::{Database, Variant};
pub use hostile::{Caller, Hostile};
#[cfg(feature = "controller")]
pub use kubernetes::{Cluster, Namespace, ServiceAccount, block_on};
pub use pgbouncer::PgBouncer;
pub use postgres::{Mode, Options, Server};
pub use proxy::{Fault, Proxy};
pub use rows::Snapshot;
pub use skip::skip;
