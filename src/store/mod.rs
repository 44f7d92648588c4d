//! Postgres. The only module with SQL.

pub mod connect;
pub mod dbcrypt;
pub mod error;
pub mod failpoint;
pub mod insert;
#[cfg(feature = "controller")]
pub mod pool;
mod schema;
pub mod snapshot;
pub mod tls;
pub mod update;
pub mod url;

pub use error::{Error, Retry};
