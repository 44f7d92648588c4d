//! Which side changed: the record of a provider while both sides agree, and the conclusion once they do not. Functions of
//! values. It claims only what was observed: without an earlier agreement, or for another row, there is no answer.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::kubernetes::crd::status::{AgreementStatus, Changed, MAX_AGREEMENTS, MAX_CREDENTIALS};
use crate::plan::CredentialSides;
use crate::report::minute;

/// Both sides of one provider at one check: hashes of their canonical records, and fingerprints of their credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderHashes {
    pub provider: String,
    /// The id of the row.
    pub row: String,
    pub environment: String,
    pub database: String,
    /// `None`: they were not compared.
    pub credentials: Option<CredentialSides>,
}

impl ProviderHashes {
    fn agrees(&self) -> bool {
        self.environment == self.database
    }

    /// The credentials that both sides have.
    fn agreed_credentials(&self) -> Option<&Vec<String>> {
        let sides = self.credentials.as_ref()?;
        let agree = self.agrees() && sides.environment == sides.database && sides.database.len() <= MAX_CREDENTIALS;
        agree.then_some(&sides.database)
    }
}

/// The side that has changed since the last agreement, and the time of that agreement. `None`: unknown, or neither.
pub fn changed_side(agreements: &[AgreementStatus], record: &ProviderHashes) -> Option<(Changed, Time)> {
    let last = agreements.iter().find(|last| last.name == record.provider && last.id == record.row)?;
    let changed = match (record.environment != last.hash, record.database != last.hash) {
        (true, true) => Changed::Both,
        (true, false) => Changed::Environment,
        (false, true) => Changed::Database,
        (false, false) => return None,
    };
    Some((changed, last.time.clone()))
}

/// Whether the controller may overwrite the credentials of the row by itself: only if it is still the row of the last
/// agreement and contains exactly the agreed credentials, so that the environment is the side that changed.
pub fn may_carry(agreements: &[AgreementStatus], record: &ProviderHashes) -> bool {
    let last = agreements.iter().find(|last| last.name == record.provider && last.id == record.row);
    let (Some(last), Some(sides)) = (last, &record.credentials) else { return false };
    record.agrees()
        && record.database == last.hash
        && last.credentials.as_ref() == Some(&sides.database)
        && sides.environment != sides.database
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

/// The agreements after a check with these records; an unchanged agreement keeps its time. An entry is dropped if its
/// provider has another row or none, or is no longer in the environment. Existing entries take precedence over new ones.
pub fn update(agreements: &[AgreementStatus], records: &[ProviderHashes], now: &Time) -> Vec<AgreementStatus> {
    let records = unambiguous(records);
    let of = |last: &AgreementStatus| records.iter().find(|r| r.provider == last.name && r.row == last.id);
    let kept = agreements.iter().filter_map(|last| {
        let record = of(last)?;
        let is_new_hash = record.agrees() && record.environment != last.hash;
        let is_new_pair = record.agreed_credentials().is_some_and(|agreed| last.credentials.as_ref() != Some(agreed));
        Some(if is_new_hash || is_new_pair { agreement(record, now) } else { last.clone() })
    });
    let mut all: Vec<AgreementStatus> = kept.collect();
    let known: BTreeSet<String> = all.iter().map(|last| last.name.clone()).collect();
    let new = records.iter().filter(|record| record.agrees() && !known.contains(&record.provider));
    all.extend(new.map(|record| agreement(record, now)));
    all.truncate(MAX_AGREEMENTS);
    all
}

/// Sets the time of current agreements. Separate from [`update`], because time alone does not justify a write.
pub fn touch(agreements: &mut [AgreementStatus], records: &[ProviderHashes], now: &Time) {
    for last in agreements {
        let agrees = |r: &ProviderHashes| {
            r.agrees() && (&r.provider, &r.row, &r.environment) == (&last.name, &last.id, &last.hash)
        };
        if records.iter().any(agrees) {
            last.time = now.clone();
        }
    }
}

fn agreement(record: &ProviderHashes, now: &Time) -> AgreementStatus {
    let credentials = record.agreed_credentials().cloned();
    let ProviderHashes { provider, row, environment, .. } = record.clone();
    AgreementStatus { name: provider, id: row, hash: environment, credentials, time: now.clone() }
}

/// Shown names may be cut: if two look the same, neither is recorded.
fn unambiguous(records: &[ProviderHashes]) -> Vec<&ProviderHashes> {
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

    fn record(provider: &str, row: &str, environment: &str, database: &str) -> ProviderHashes {
        let text = str::to_owned;
        ProviderHashes {
            provider: text(provider),
            row: text(row),
            environment: text(environment),
            database: text(database),
            credentials: None,
        }
    }

    #[test]
    fn who_changed() {
        let agreements = update(&[], &[record("a", "1", "x", "x")], &at(0));
        let who = |record: ProviderHashes| {
            changed_side(&agreements, &record).map(|(changed, time)| (changed, time.0.as_second() - 1_800_000_000))
        };
        assert_eq!(who(record("a", "1", "y", "x")), Some((Changed::Environment, 0)));
        assert_eq!(who(record("a", "1", "x", "y")), Some((Changed::Database, 0)));
        assert_eq!(who(record("a", "1", "y", "z")), Some((Changed::Both, 0)));
        // Only keys differ, which are not part of the record.
        assert_eq!(who(record("a", "1", "x", "x")), None);
        // Another row, another provider.
        assert_eq!(who(record("a", "2", "y", "x")), None);
        assert_eq!(who(record("b", "1", "y", "x")), None);
        let since = Time("2026-11-20T09:12:31Z".parse().unwrap());
        assert_eq!(sentence(Changed::Both, &since), " (both changed since 2026-11-20 09:12 UTC)");
    }

    fn with_keys(environment: &[&str], database: &[&str]) -> ProviderHashes {
        let texts = |side: &[&str]| side.iter().map(ToString::to_string).collect();
        let credentials = CredentialSides { environment: texts(environment), database: texts(database) };
        ProviderHashes { credentials: Some(credentials), ..record("a", "1", "x", "x") }
    }

    /// The property as a function of values: each line but the first is a reason against it.
    #[test]
    fn only_credentials_of_the_last_agreement_may_be_carried() {
        let agreed = update(&[], &[with_keys(&["k"], &["k"])], &at(0));
        assert_eq!(agreed[0].credentials.as_deref(), Some(&["k".to_owned()][..]));
        let may = |record: ProviderHashes| may_carry(&agreed, &record);
        assert!(may(with_keys(&["n"], &["k"])));
        assert!(!may(with_keys(&["k"], &["k"])), "nothing to carry");
        assert!(!may(with_keys(&["n"], &["other"])), "the row was changed");
        assert!(!may(with_keys(&["k"], &["other"])), "the row alone was changed");
        assert!(!may(ProviderHashes { row: "2".to_owned(), ..with_keys(&["n"], &["k"]) }), "another row");
        assert!(!may(ProviderHashes { database: "y".to_owned(), ..with_keys(&["n"], &["k"]) }), "another URL");
        let both = ProviderHashes { environment: "y".into(), database: "y".into(), ..with_keys(&["n"], &["k"]) };
        assert!(!may(both), "agreed on another URL");
        assert!(!may(ProviderHashes { credentials: None, ..with_keys(&["n"], &["k"]) }), "not compared");
        assert!(!may_carry(&[], &with_keys(&["n"], &["k"])), "no memory");
        // The record survives a difference and a check that compared nothing, but not a new URL.
        let later = update(&agreed, &[with_keys(&["n"], &["other"])], &at(1));
        assert_eq!(update(&later, &[record("a", "1", "x", "x")], &at(2)), agreed);
        let both = ProviderHashes { environment: "y".into(), database: "y".into(), ..with_keys(&["n"], &["k"]) };
        assert_eq!(update(&agreed, &[both], &at(3))[0].credentials, None);
        let renewed = update(&agreed, &[with_keys(&["n"], &["n"])], &at(4));
        assert_eq!((renewed[0].credentials.as_deref(), &renewed[0].time), (Some(&["n".to_owned()][..]), &at(4)));
        let many: Vec<String> = (0..=MAX_CREDENTIALS).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(update(&[], &[with_keys(&many, &many)], &at(0))[0].credentials, None);
    }

    #[test]
    fn agreement_stays_through_a_conflict() {
        let agreed = record("a", "1", "x", "x");
        let agreements = update(&[], std::slice::from_ref(&agreed), &at(0));
        assert_eq!(
            update(&agreements, &[record("a", "1", "y", "x")], &at(9)),
            agreements,
            "it stays through a conflict"
        );
        assert_eq!(
            update(&agreements, std::slice::from_ref(&agreed), &at(9)),
            agreements,
            "time alone changes nothing"
        );
        assert_eq!(update(&agreements, &[record("a", "2", "y", "x")], &at(9)), [], "another row");
        assert_eq!(update(&agreements, &[], &at(9)), [], "no row, or not in the environment");
        let moved = update(&agreements, &[record("a", "1", "y", "y")], &at(9));
        assert_eq!((moved[0].hash.as_str(), &moved[0].time), ("y", &at(9)));
        assert_eq!(update(&[], &[agreed.clone(), record("a", "2", "x", "x")], &at(0)), [], "two of one name");
        let mut renewed = agreements.clone();
        touch(&mut renewed, &[agreed], &at(9));
        assert_eq!(renewed[0].time, at(9));
        touch(&mut renewed, &[record("a", "1", "y", "x")], &at(20));
        assert_eq!(renewed[0].time, at(9), "not while they disagree");
    }

    #[test]
    fn recorded_agreements_are_not_displaced() {
        let some = |range: std::ops::Range<usize>| -> Vec<ProviderHashes> {
            range.map(|number| record(&format!("p-{number}"), "1", "x", "x")).collect()
        };
        let agreements = update(&[], &some(200..456), &at(0));
        assert_eq!(agreements.len(), MAX_AGREEMENTS);
        assert_eq!(update(&agreements, &some(0..1000), &at(9)), agreements);
    }

    proptest! {
        /// Compared with a model that knows when each row of each provider was last in agreement, and on which values.
        #[test]
        fn no_false_claim(looks in prop::collection::vec(prop::collection::vec(
            (prop::sample::select(vec!["a", "b"]), prop::sample::select(vec!["1", "2"]),
             prop::sample::select(vec!["x", "y", "z"]), prop::sample::select(vec!["x", "y", "z"])), 0..3), 1..12)) {
            let mut agreements = Vec::new();
            let mut model: std::collections::BTreeMap<String, (String, String, i64)> = Default::default();
            for (second, look) in (0..).zip(looks) {
                let mut records: Vec<ProviderHashes> = look.into_iter().map(|(p, r, e, d)| record(p, r, e, d)).collect();
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
                    prop_assert_eq!(changed_side(&agreements, record), expected);
                }
                agreements = update(&agreements, &records, &at(second));
                touch(&mut agreements, &records, &at(second));
                model.retain(|name, (row, ..)| records.iter().any(|r| r.provider == *name && r.row == *row));
                for record in records.iter().filter(|record| record.environment == record.database) {
                    model.insert(record.provider.clone(), (record.row.clone(), record.environment.clone(), second));
                }
            }
        }
    }
}
