//! Postgres. The only module with SQL.

pub mod connect;
pub mod dbcrypt;
pub mod error;
pub mod failpoint;
pub mod insert;
pub(crate) mod lock;
#[cfg(feature = "controller")]
pub mod pool;
pub(crate) mod schema;
pub mod snapshot;
pub mod tls;
pub(crate) mod transaction;
pub mod update;
pub mod url;

pub use error::{Error, Retry};
