//! Postgres. The only module with SQL.
