//! Who changed: what is remembered of a provider while both sides agree on it, and what follows once they do not. Functions of
//! values. Nothing is claimed that was not seen: without a memory, or of another row, there is no answer.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::kubernetes::crd::status::{AgreementStatus, Changed, MAX_AGREEMENTS};
use crate::report::minute;

/// Both sides of one provider at one look, as hashes of their canonical records, which hold no credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub provider: String,
    /// The id of the row.
    pub row: String,
    pub environment: String,
    pub database: String,
}

impl Record {
    fn agrees(&self) -> bool {
        self.environment == self.database
    }
}

/// Which side is another one than at the last agreement, and when that was. `None`: nobody knows, or neither.
pub fn who(memory: &[AgreementStatus], record: &Record) -> Option<(Changed, Time)> {
    let last = memory.iter().find(|last| last.name == record.provider && last.id == record.row)?;
    let changed = match (record.environment != last.hash, record.database != last.hash) {
        (true, true) => Changed::Both,
        (true, false) => Changed::Environment,
        (false, true) => Changed::Database,
        (false, false) => return None,
    };
    Some((changed, last.time.clone()))
}

/// ` (the environment changed since 2026-11-20 09:12 UTC)`
pub fn sentence(changed: Changed, since: &Time) -> String {
    let who = match changed {
        Changed::Environment => "the environment",
        Changed::Database => "the database",
        Changed::Both => "both",
        Changed::Unknown => return String::new(),
    };
    format!(" ({who} changed since {})", minute(&since.0.to_string()))
}

/// The memory after a look that found these records, with the times of before where nothing is new. What has another row, or
/// none, or is not in the environment any more, is forgotten. What is remembered stays before what could be.
pub fn remember(memory: &[AgreementStatus], records: &[Record], now: &Time) -> Vec<AgreementStatus> {
    let records = unambiguous(records);
    let of = |last: &AgreementStatus| records.iter().find(|r| r.provider == last.name && r.row == last.id);
    let kept = memory.iter().filter_map(|last| match of(last)? {
        record if record.agrees() && record.environment != last.hash => Some(agreement(record, now)),
        _ => Some(last.clone()),
    });
    let mut all: Vec<AgreementStatus> = kept.collect();
    let known: BTreeSet<String> = all.iter().map(|last| last.name.clone()).collect();
    let new = records.iter().filter(|record| record.agrees() && !known.contains(&record.provider));
    all.extend(new.map(|record| agreement(record, now)));
    all.truncate(MAX_AGREEMENTS);
    all
}

/// The time of what agrees now is now. Apart from [`remember`], because time alone is not worth a write.
pub fn renew(memory: &mut [AgreementStatus], records: &[Record], now: &Time) {
    for last in memory {
        let agrees =
            |r: &Record| r.agrees() && (&r.provider, &r.row, &r.environment) == (&last.name, &last.id, &last.hash);
        if records.iter().any(agrees) {
            last.time = now.clone();
        }
    }
}

fn agreement(record: &Record, now: &Time) -> AgreementStatus {
    let Record { provider, row, environment, .. } = record.clone();
    AgreementStatus { name: provider, id: row, hash: environment, time: now.clone() }
}

/// Names as they are shown may be cut: of two that look the same nothing is remembered.
fn unambiguous(records: &[Record]) -> Vec<&Record> {
    let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for record in records {
        if !once.insert(&record.provider) {
            twice.insert(&record.provider);
        }
    }
    records.iter().filter(|record| !twice.contains(&record.provider)).collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(1_800_000_000 + second).unwrap())
    }

    fn record(provider: &str, row: &str, environment: &str, database: &str) -> Record {
        let text = str::to_owned;
        Record { provider: text(provider), row: text(row), environment: text(environment), database: text(database) }
    }

    #[test]
    fn who_changed() {
        let memory = remember(&[], &[record("a", "1", "x", "x")], &at(0));
        let who =
            |record: Record| who(&memory, &record).map(|(changed, time)| (changed, time.0.as_second() - 1_800_000_000));
        assert_eq!(who(record("a", "1", "y", "x")), Some((Changed::Environment, 0)));
        assert_eq!(who(record("a", "1", "x", "y")), Some((Changed::Database, 0)));
        assert_eq!(who(record("a", "1", "y", "z")), Some((Changed::Both, 0)));
        // Only keys differ, of which nothing is remembered.
        assert_eq!(who(record("a", "1", "x", "x")), None);
        // Another row, another provider.
        assert_eq!(who(record("a", "2", "y", "x")), None);
        assert_eq!(who(record("b", "1", "y", "x")), None);
        let since = Time("2026-11-20T09:12:31Z".parse().unwrap());
        assert_eq!(sentence(Changed::Both, &since), " (both changed since 2026-11-20 09:12 UTC)");
    }

    #[test]
    fn what_is_forgotten() {
        let agreed = record("a", "1", "x", "x");
        let memory = remember(&[], std::slice::from_ref(&agreed), &at(0));
        assert_eq!(remember(&memory, &[record("a", "1", "y", "x")], &at(9)), memory, "it stays through a conflict");
        assert_eq!(remember(&memory, std::slice::from_ref(&agreed), &at(9)), memory, "time alone changes nothing");
        assert_eq!(remember(&memory, &[record("a", "2", "y", "x")], &at(9)), [], "another row");
        assert_eq!(remember(&memory, &[], &at(9)), [], "no row, or not in the environment");
        let moved = remember(&memory, &[record("a", "1", "y", "y")], &at(9));
        assert_eq!((moved[0].hash.as_str(), &moved[0].time), ("y", &at(9)));
        assert_eq!(remember(&[], &[agreed.clone(), record("a", "2", "x", "x")], &at(0)), [], "two of one name");
        let mut renewed = memory.clone();
        renew(&mut renewed, &[agreed], &at(9));
        assert_eq!(renewed[0].time, at(9));
        renew(&mut renewed, &[record("a", "1", "y", "x")], &at(20));
        assert_eq!(renewed[0].time, at(9), "not while they disagree");
    }

    #[test]
    fn what_is_remembered_is_not_pushed_out() {
        let some = |range: std::ops::Range<usize>| -> Vec<Record> {
            range.map(|number| record(&format!("p-{number}"), "1", "x", "x")).collect()
        };
        let memory = remember(&[], &some(200..456), &at(0));
        assert_eq!(memory.len(), MAX_AGREEMENTS);
        assert_eq!(remember(&memory, &some(0..1000), &at(9)), memory);
    }

    proptest! {
        /// Against a model that knows when each row of each provider was last seen in agreement, and on what.
        #[test]
        fn no_false_claim(looks in prop::collection::vec(prop::collection::vec(
            (prop::sample::select(vec!["a", "b"]), prop::sample::select(vec!["1", "2"]),
             prop::sample::select(vec!["x", "y", "z"]), prop::sample::select(vec!["x", "y", "z"])), 0..3), 1..12)) {
            let mut memory = Vec::new();
            let mut model: std::collections::BTreeMap<String, (String, String, i64)> = Default::default();
            for (second, look) in (0..).zip(looks) {
                let mut records: Vec<Record> = look.into_iter().map(|(p, r, e, d)| record(p, r, e, d)).collect();
                records.sort_by(|a, b| a.provider.cmp(&b.provider));
                records.dedup_by(|a, b| a.provider == b.provider);
                for record in &records {
                    let known = model.get(&record.provider).filter(|(row, ..)| *row == record.row);
                    let expected = known.and_then(|(_, hash, time)| match (&record.environment != hash, &record.database != hash) {
                        (true, true) => Some((Changed::Both, at(*time))),
                        (true, false) => Some((Changed::Environment, at(*time))),
                        (false, true) => Some((Changed::Database, at(*time))),
                        (false, false) => None,
                    });
                    prop_assert_eq!(who(&memory, record), expected);
                }
                memory = remember(&memory, &records, &at(second));
                renew(&mut memory, &records, &at(second));
                model.retain(|name, (row, ..)| records.iter().any(|r| r.provider == *name && r.row == *row));
                for record in records.iter().filter(|record| record.environment == record.database) {
                    model.insert(record.provider.clone(), (record.row.clone(), record.environment.clone(), second));
                }
            }
        }
    }
}
