//! Faults at every step, races and arbitrary bytes; `make stress` repeats them far more often.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)] // helpers outside #[test] functions

#[path = "../support/mod.rs"]
mod support;

mod common;
mod concurrency;
mod crash;
mod fuzz;
mod gate;
mod killed;
mod point;
mod server;
mod together;
