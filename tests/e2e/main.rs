//! Real pods on a real cluster: `make e2e`, which builds the image and finds or starts a cluster. `cargo test` does not
//! include these tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)] // helpers outside #[test] functions

#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod cluster;
mod controller;
mod decision;
mod examples;
mod init_container;
mod password;
mod quickstart;
mod shown;
