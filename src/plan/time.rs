//! When a row was written.

use std::fmt::{Display, Formatter, Result};
use std::time::{Duration, SystemTime};

/// Microseconds since 2000, as Postgres counts them. Shown as RFC 3339 in UTC with seconds; times outside that format (before
/// 1970, after 9999, infinity) are shown as an empty text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        const UNIX_TO_2000: i64 = 946_684_800;
        const YEAR_10000: u64 = 253_402_300_800;
        let seconds = u64::try_from(self.0.div_euclid(1_000_000) + UNIX_TO_2000);
        match seconds.ok().filter(|seconds| *seconds < YEAR_10000) {
            Some(seconds) => {
                humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).fmt(f)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_server_as_text() {
        for (microseconds, text) in [
            (0, "2000-01-01T00:00:00Z"),
            (-1, "1999-12-31T23:59:59Z"),
            (848_481_120_999_999, "2026-11-20T09:12:00Z"),
            (-946_684_800_000_000, "1970-01-01T00:00:00Z"),
            (-946_684_800_000_001, ""),
            (252_455_615_999_999_999, "9999-12-31T23:59:59Z"),
            (252_455_616_000_000_000, ""),
            (i64::MAX, ""),
            (i64::MIN, ""),
        ] {
            assert_eq!(Time(microseconds).to_string(), text, "{microseconds}");
        }
    }
}
