//! The repository itself: pages, chart, manifests, images, layers. No server is started.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)] // helpers outside #[test] functions

#[path = "../support/mod.rs"]
mod support;

mod book;
#[cfg(feature = "controller")]
mod chart;
mod codes;
#[cfg(feature = "controller")]
mod deploy;
mod docs;
mod docs_options;
mod explain;
mod identity;
mod image;
mod layers;
mod licences;
mod names;
mod proof;
mod quickstart;
mod release;
mod rust_version;
mod threat_model;
