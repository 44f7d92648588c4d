//! Any sequence of checks, compared with a model that remembers little.

use proptest::prelude::*;

use super::*;

/// The handled decision, its condition, and the condition of the mode Seed.
type Asked = (Option<String>, ConditionUpdate, ConditionUpdate);

fn answer() -> impl Strategy<Value = ConditionUpdate> {
    let say = prop::sample::select(WriteReason::ALL.to_vec())
        .prop_map(|word| ConditionUpdate::Set(WriteResult::new(word, "m")));
    prop_oneof![Just(ConditionUpdate::Keep), Just(ConditionUpdate::Remove), say]
}

/// Possible events between two checks.
fn step() -> impl Strategy<Value = (Observation, i64, Option<String>, Asked)> {
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
            let records: Vec<ProviderHashes> =
                sides.into_iter().map(|(environment, database)| record(environment, database)).collect();
            let observation = observed(reason, blocked && reason == Reason::Conflict, &conflicts);
            (with_records(observation, &records), more, token, asked)
        },
    )
}

proptest! {
    /// Compared with a model that remembers only statuses and reported conflicts.
    #[test]
    fn sequences(steps in prop::collection::vec(step(), 1..12)) {
        let mut old: Option<AIProviderSeedStatus> = None;
        let mut told: std::collections::BTreeMap<(String, String), String> = Default::default();
        let mut agreed: Option<(String, i64)> = None;
        let (mut generation, mut reason) = (1, None);
        for (number, (observation, more, token, asked)) in steps.into_iter().enumerate() {
            generation += more;
            let (handled, resolved, seeded) = asked;
            let input = ReconcileInput { token: token.clone(), handled, resolved, seeded, ..input(generation, 30 * i64::try_from(number).unwrap()) };
            let StatusUpdate { status, events, write } = next(old.as_ref(), &observation, &input);

            // Conditions: valid, for this generation, and InSync only for a database that was read.
            prop_assert!(status.conditions.iter().all(|c| c.observed_generation == Some(generation)));
            let kinds: Vec<&str> = status.conditions.iter().map(|c| c.type_.as_str()).collect();
            prop_assert!(kinds[..2] == ["Ready", "InSync"] && kinds.len() <= 5);
            let looked = matches!(observation.database, DatabaseView::Found { .. });
            prop_assert!(status.conditions[1].status != "True" || looked && observation.reason == Reason::InSync);
            prop_assert!(status.conditions.iter().all(|c| !c.message.is_empty() && c.message.len() <= 32_768));
            // The time of a transition changes exactly with the status.
            for condition in &status.conditions {
                let before = old.iter().flat_map(|old| &old.conditions).find(|c| c.type_ == condition.type_);
                let same = before.filter(|before| before.status == condition.status);
                let expected = same.map_or(&input.now, |before| &before.last_transition_time);
                prop_assert_eq!(&condition.last_transition_time, expected);
            }
            // Events: those of the model.
            let mut expected = Vec::new();
            if let DatabaseView::Found { conflicts, .. } = &observation.database {
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
            if observation.reason.is_failure() && reason != Some(observation.reason) {
                expected.push((observation.reason.as_str(), String::new()));
            }
            reason = Some(observation.reason);
            // Requested writes: the condition stays, goes or is set; an Event for each new result.
            let before = |kind: &str| old.iter().flat_map(|old| &old.conditions).find(|c| c.type_ == kind).map(|c| c.reason.clone());
            for (kind, answer) in [(RESOLVED, &input.resolved), (SEEDED, &input.seeded)] {
                let now = status.conditions.iter().find(|c| c.type_ == kind).map(|c| c.reason.clone());
                match answer {
                    ConditionUpdate::Keep => prop_assert_eq!(now, before(kind)),
                    ConditionUpdate::Remove => prop_assert_eq!(now, None),
                    ConditionUpdate::Set(result) => {
                        prop_assert_eq!(now.as_deref(), Some(result.reason.as_str()));
                        let another = kind == RESOLVED && old.as_ref().and_then(|old| old.last_handled_resolve.clone()) != input.handled;
                        let quiet = [WriteReason::NothingMissing, WriteReason::Waiting, WriteReason::ResolveWaiting].contains(&result.reason);
                        if !quiet && (another || before(kind) != now || result.reason == WriteReason::Seeded) {
                            expected.push((result.reason.as_str(), String::new()));
                        }
                    }
                }
            }
            prop_assert_eq!(&status.last_handled_resolve, &input.handled);
            let mut published: Vec<(&str, String)> = events
                .iter()
                .map(|event| match event.reason {
                    EventReason::Failed(_) | EventReason::Write(_) | EventReason::EventsSuppressed => (event.reason.as_str(), String::new()),
                    _ => (event.reason.as_str(), event.note[..1].to_owned()),
                })
                .collect();
            expected.sort();
            published.sort();
            prop_assert_eq!(published, expected);
            prop_assert!(write || events.is_empty());
            // The last agreement and its time; with the current times, whether they were written or not.
            if let DatabaseView::Found { records, .. } = &observation.database {
                agreed = match records.first() {
                    None => None,
                    Some(record) if record.environment == record.database => {
                        Some((record.environment.clone(), input.now.0.as_second()))
                    }
                    Some(_) => agreed,
                };
            }
            let remembered = status.agreements.first().map(|last| (last.hash.clone(), last.time.0.as_second()));
            prop_assert_eq!(&remembered, &agreed);
            // The token is kept, also by a later check without one.
            let handled = token.or_else(|| old.and_then(|old| old.last_handled_reconcile_at));
            prop_assert_eq!(&status.last_handled_reconcile_at, &handled);
            // A second pass without new input writes nothing.
            let input = ReconcileInput { resolved: ConditionUpdate::Keep, seeded: ConditionUpdate::Keep, ..input };
            let again = next(Some(&status), &observation, &input);
            prop_assert!(!again.write && again.events.is_empty(), "{:?}", again);
            prop_assert_eq!(&again.status, &status);
            // A written status is read back unchanged.
            let text = serde_json::to_string(&status).unwrap();
            prop_assert_eq!(&serde_json::from_str::<AIProviderSeedStatus>(&text).unwrap(), &status);
            old = Some(status);
        }
    }
}
