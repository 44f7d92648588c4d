//! Postgres. The only module with SQL.

pub mod url;
