//! Options of `diff` alone: repeated checks, and `--from`, the workload to compare.

use std::time::Duration;

use super::args::RawOptions;
use super::from::{self, FromSource};
use super::reader::OptionReader;
use super::words::duration;
use crate::env::Variable;
use crate::problem::Problem;

/// A shorter interval is useless and a burden on a database.
const SHORTEST: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct DiffOptions {
    #[cfg_attr(not(feature = "controller"), allow(dead_code, reason = "there is no cluster to ask"))]
    pub from: Option<FromSource>,
    pub watch: Option<Duration>,
}

pub fn parse(raw: &RawOptions, variables: &[Variable], problems: &mut Vec<Problem>) -> DiffOptions {
    let from = from::parse(raw, variables, problems);
    let mut reader = OptionReader::new(raw, variables);
    let watch = read(&mut reader);
    problems.append(&mut reader.problems);
    DiffOptions { from, watch }
}

pub(super) fn read(reader: &mut OptionReader) -> Option<Duration> {
    reader.read_or("watch", None, |text| match duration(text)? {
        interval if interval < SHORTEST => Err("at least 1s".to_owned()),
        interval => Ok(Some(interval)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::definitions::Command;

    #[test]
    fn interval_of_a_watch_is_at_least_a_second() {
        let options = |texts: &[(&'static str, &str)]| {
            let mut problems = Vec::new();
            let options = parse(&RawOptions::of(Command::Diff, texts), &[], &mut problems);
            (options.watch, problems.len())
        };
        assert_eq!(options(&[("watch", "10ms")]), (None, 1));
        assert_eq!(options(&[("watch", "10s")]), (Some(Duration::from_secs(10)), 0));
    }
}
