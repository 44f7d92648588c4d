//! Postgres. The only module with SQL.

pub mod connect;
pub mod error;
pub mod tls;
pub mod url;
