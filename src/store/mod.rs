//! Access to Postgres. The only module with SQL.

mod audit;
mod columns;
pub mod connect;
pub mod dbcrypt;
pub mod error;
mod external_id;
pub mod failpoint;
pub mod insert;
mod keys;
#[cfg(feature = "controller")]
pub mod listen;
pub(crate) mod lock;
#[cfg(feature = "controller")]
pub mod pool;
pub(crate) mod schema;
mod seal;
pub mod snapshot;
pub mod tls;
pub(crate) mod transaction;
pub mod update;
pub mod url;

pub use error::{Error, Retry};
