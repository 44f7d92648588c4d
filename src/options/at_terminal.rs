//! Defaults for a user who waits at a terminal.

use std::time::Duration;

use super::args::RawOptions;
use super::definitions::variable_name;
use super::seed::Options;
use crate::env::Variable;

/// The user wants to know soon that the database is unreachable from there.
const WAIT: Duration = Duration::from_secs(10);

/// Waits 10 s, unless an option sets the time.
pub fn wait_less(options: &mut Options, raw: &RawOptions, variables: &[Variable]) {
    let is_wait = |v: &Variable| v.name == variable_name("wait") && v.value() != Some("");
    if !raw.is_given("wait") && !variables.iter().any(is_wait) {
        options.wait = WAIT;
    }
}
