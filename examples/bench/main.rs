//! `make bench`: the cost of a start, compared with programs that do less or use another approach, and the cost of the
//! controller, all within one run. Prints each measurement at once, and writes the pages docs/performance*.md with their
//! plots. The programs must already be built; see the Makefile.
//!
//! `BENCH_PART=seed` or `BENCH_PART=controller` writes one page; a part of the controller's ([`controller::PARTS`]) is
//! only printed.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::unwrap_used)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod controller;
mod measure;
mod page;
mod plot;
mod programs;
mod seed;

use std::time::Instant;

use page::Page;
use programs::Programs;
use support::{Options, Server};

/// Rounds of each measurement of a start; every number in that page is their median.
const ROUNDS: usize = 21;
/// `BENCH_ROUNDS=5` is a quick trial that writes nothing.
const TRIAL: &str = "BENCH_ROUNDS";
const PART: &str = "BENCH_PART";

fn main() {
    let (programs, began) = (Programs::find(), Instant::now());
    let trial: Option<usize> = std::env::var(TRIAL).ok().map(|text| text.parse().expect("a number of rounds"));
    let part = std::env::var(PART).ok();
    let part = part.as_deref();
    let known = ["seed", "controller"].iter().chain(&controller::PARTS);
    assert!(
        part.is_none_or(|part| known.clone().any(|known| *known == part)),
        "{PART} is one of {:?}",
        known.collect::<Vec<_>>()
    );
    let server = Server::start(Options::new().setting("max_connections", "400"));
    if part.is_none_or(|part| part == "seed") {
        let (mut page, rounds) = (Page::default(), trial.unwrap_or(ROUNDS));
        seed::measure(&programs, &server, &mut page, rounds);
        if trial.is_none() {
            page.write(rounds);
        }
    }
    if part != Some("seed") {
        let (mut page, is_whole) = (Page::default(), part.is_none_or(|part| part == "controller"));
        let is_wanted = |name: &str| is_whole || part == Some(name);
        controller::measure(&programs.with_controller(), &server, &mut page, is_wanted, trial.is_some());
        if is_whole && trial.is_none() {
            page.write_controller();
        }
    }
    println!("\nmeasured for {} minutes", began.elapsed().as_secs().div_ceil(60));
}
