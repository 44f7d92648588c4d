//! Postgres. The only module with SQL.

pub mod apply;
pub mod connect;
pub mod dbcrypt;
pub mod error;
#[cfg(feature = "controller")]
pub mod pool;
pub mod resolve;
mod schema;
pub mod snapshot;
pub mod step;
pub mod tls;
pub mod url;

pub use error::{Error, Retry};
