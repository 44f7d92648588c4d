//! The built program beside a real Postgres: commands, options, connections, privileges, output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)] // helpers outside #[test] functions

#[path = "../support/mod.rs"]
mod support;

mod authentication;
mod canary;
mod cases;
mod choosing;
mod codes;
mod command_line;
mod connect;
mod demo;
mod docs_examples;
mod edges;
mod export;
mod external_id;
mod golden;
mod golden_resolve;
mod help;
mod hostile;
mod limits;
mod one_provider;
mod options;
mod output;
mod parameters;
mod pictures;
mod postgres_errors;
mod privileges;
mod privileges_sync;
mod read_only;
mod refusals;
mod reports;
mod resolve;
mod resolve_database;
mod resolve_races;
mod resolve_settings;
mod resolve_suspicious;
mod role_sql;
mod row_order;
mod schema;
mod support_postgres;
mod support_proxy;
mod take;
mod take_bedrock;
mod take_races;
mod terminal;
mod tls;
mod tls_reasons;
mod waiting;
mod watch;
