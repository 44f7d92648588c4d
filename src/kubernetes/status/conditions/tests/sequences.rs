//! Any sequence of looks, against a model that remembers little.

use proptest::prelude::*;

use super::*;

/// Which decision was handled and what is said of it, and what is said of the mode Seed.
type Asked = (Option<String>, Answer, Answer);

fn answer() -> impl Strategy<Value = Answer> {
    let say = prop::sample::select(Word::ALL.to_vec()).prop_map(|word| Answer::Say(Deed::new(word, "m")));
    prop_oneof![Just(Answer::Keep), Just(Answer::Forget), say]
}

/// What can happen between two looks.
fn step() -> impl Strategy<Value = (Observed, i64, Option<String>, Asked)> {
    let asked = (prop::option::of("[ab]"), answer(), answer());
    let sides = prop::option::of((prop::sample::select(vec!["x", "y"]), prop::sample::select(vec!["x", "y"])));
    let reason = prop::sample::select(Reason::ALL.to_vec());
    let one = (
        prop::sample::select(vec!["a", "b"]),
        prop::sample::select(vec!["type", "base_url"]),
        prop::sample::select(vec!["1", "2"]),
    );
    let conflicts = prop::collection::vec(one, 0..4);
    (reason, any::<bool>(), conflicts, 0..3i64, prop::option::of("[12]"), sides, asked).prop_map(
        |(reason, blocked, conflicts, more, token, sides, asked)| {
            let conflicts: Vec<_> = match reason {
                Reason::Conflict | Reason::CredentialsDiffer => {
                    conflicts.into_iter().map(|(provider, field, value)| conflict(provider, field, value)).collect()
                }
                _ => Vec::new(),
            };
            let records: Vec<Record> =
                sides.into_iter().map(|(environment, database)| record(environment, database)).collect();
            let observed = observed(reason, blocked && reason == Reason::Conflict, &conflicts);
            (with_records(observed, &records), more, token, asked)
        },
    )
}

proptest! {
    /// Against a model that remembers only statuses and which conflicts were told.
    #[test]
    fn sequences(steps in prop::collection::vec(step(), 1..12)) {
        let mut old: Option<AIProviderSeedStatus> = None;
        let mut told: std::collections::BTreeMap<(String, String), String> = Default::default();
        let mut agreed: Option<(String, i64)> = None;
        let (mut generation, mut reason) = (1, None);
        for (number, (observed, more, token, asked)) in steps.into_iter().enumerate() {
            generation += more;
            let (handled, resolved, seeded) = asked;
            let look = Look { token: token.clone(), handled, resolved, seeded, ..look(generation, 30 * i64::try_from(number).unwrap()) };
            let Next { status, notices, write } = next(old.as_ref(), &observed, &look);

            // Conditions: valid, for this generation, and InSync only for a database that was read.
            prop_assert!(status.conditions.iter().all(|c| c.observed_generation == Some(generation)));
            let kinds: Vec<&str> = status.conditions.iter().map(|c| c.type_.as_str()).collect();
            prop_assert!(kinds[..2] == ["Ready", "InSync"] && kinds.len() <= 5);
            let looked = matches!(observed.seen, Seen::Found { .. });
            prop_assert!(status.conditions[1].status != "True" || looked && observed.reason == Reason::InSync);
            prop_assert!(status.conditions.iter().all(|c| !c.message.is_empty() && c.message.len() <= 32_768));
            // The time of a transition changes exactly with the status.
            for condition in &status.conditions {
                let before = old.iter().flat_map(|old| &old.conditions).find(|c| c.type_ == condition.type_);
                let same = before.filter(|before| before.status == condition.status);
                let expected = same.map_or(&look.now, |before| &before.last_transition_time);
                prop_assert_eq!(&condition.last_transition_time, expected);
            }
            // Events: what the model says.
            let mut expected = Vec::new();
            if let Seen::Found { conflicts, .. } = &observed.seen {
                let mut now: std::collections::BTreeMap<(String, String), String> = Default::default();
                for conflict in conflicts {
                    let key = (conflict.status.provider.clone(), conflict.status.field.clone());
                    if let std::collections::btree_map::Entry::Vacant(entry) = now.entry(key.clone()) {
                        entry.insert(conflict.status.environment.clone());
                        if told.get(&key) != Some(&conflict.status.environment) {
                            expected.push(("ConflictDetected", key.0));
                        }
                    }
                }
                let gone = told.keys().filter(|key| !now.contains_key(*key));
                expected.extend(gone.map(|key| ("ConflictResolved", key.0.clone())));
                told = now;
            }
            if observed.reason.is_failure() && reason != Some(observed.reason) {
                expected.push((observed.reason.as_str(), String::new()));
            }
            reason = Some(observed.reason);
            // What was asked for: the condition stays, goes or says it; an Event for what is new.
            let before = |kind: &str| old.iter().flat_map(|old| &old.conditions).find(|c| c.type_ == kind).map(|c| c.reason.clone());
            for (kind, answer) in [(RESOLVED, &look.resolved), (SEEDED, &look.seeded)] {
                let now = status.conditions.iter().find(|c| c.type_ == kind).map(|c| c.reason.clone());
                match answer {
                    Answer::Keep => prop_assert_eq!(now, before(kind)),
                    Answer::Forget => prop_assert_eq!(now, None),
                    Answer::Say(deed) => {
                        prop_assert_eq!(now.as_deref(), Some(deed.word.as_str()));
                        let another = kind == RESOLVED && old.as_ref().and_then(|old| old.last_handled_resolve.clone()) != look.handled;
                        let quiet = [Word::NothingMissing, Word::Waiting, Word::ResolveWaiting].contains(&deed.word);
                        if !quiet && (another || before(kind) != now || deed.word == Word::Seeded) {
                            expected.push((deed.word.as_str(), String::new()));
                        }
                    }
                }
            }
            prop_assert_eq!(&status.last_handled_resolve, &look.handled);
            let mut events: Vec<(&str, String)> = notices
                .iter()
                .map(|notice| match notice.what {
                    What::Failed(_) | What::Told(_) => (notice.what.as_str(), String::new()),
                    _ => (notice.what.as_str(), notice.note[..1].to_owned()),
                })
                .collect();
            expected.sort();
            events.sort();
            prop_assert_eq!(events, expected);
            prop_assert!(write || notices.is_empty());
            // What both sides last agreed on, and when; with the times of now, whether they were written or not.
            if let Seen::Found { records, .. } = &observed.seen {
                agreed = match records.first() {
                    None => None,
                    Some(record) if record.environment == record.database => {
                        Some((record.environment.clone(), look.now.0.as_second()))
                    }
                    Some(_) => agreed,
                };
            }
            let remembered = status.agreements.first().map(|last| (last.hash.clone(), last.time.0.as_second()));
            prop_assert_eq!(&remembered, &agreed);
            // The token is remembered, also by a later look without one.
            let handled = token.or_else(|| old.and_then(|old| old.last_handled_reconcile_at));
            prop_assert_eq!(&status.last_handled_reconcile_at, &handled);
            // A second pass, to which nobody has anything to add, writes nothing.
            let look = Look { resolved: Answer::Keep, seeded: Answer::Keep, ..look };
            let again = next(Some(&status), &observed, &look);
            prop_assert!(!again.write && again.notices.is_empty(), "{:?}", again);
            prop_assert_eq!(&again.status, &status);
            // And what is written is read back as it was.
            let text = serde_json::to_string(&status).unwrap();
            prop_assert_eq!(&serde_json::from_str::<AIProviderSeedStatus>(&text).unwrap(), &status);
            old = Some(status);
        }
    }
}
