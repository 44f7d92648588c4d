use proptest::prelude::*;

use super::*;
use crate::provider::Canonical;

/// Few values, so that both sides often agree.
fn provider() -> impl Strategy<Value = (&'static str, &'static str, Vec<&'static str>)> {
    let kind = prop::sample::select(vec!["openai", "anthropic", "azure", "google"]);
    let url = prop::sample::select(vec![URL, "https://other.example/", ""]);
    let keys = prop::sample::subsequence(vec!["a", "b", "c"], 1..=3).prop_shuffle();
    (kind, url, keys)
}

type Facts = (&'static str, &'static str, Vec<&'static str>);

fn environment(facts: &[Facts]) -> Vec<DesiredProvider> {
    let pairs: Vec<(String, String)> = facts
        .iter()
        .enumerate()
        .flat_map(|(n, (kind, url, keys))| {
            [
                ("TYPE", (*kind).to_owned()),
                ("NAME", format!("p{n}")),
                ("BASE_URL", (*url).to_owned()),
                ("KEYS", keys.join(",")),
            ]
            .map(|(suffix, value)| (format!("{n}_{suffix}"), value))
        })
        .collect();
    desired(&pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>())
}

fn database(facts: &[(Option<Facts>, bool)]) -> Snapshot {
    let rows = facts.iter().enumerate().filter_map(|(n, (facts, gone))| {
        let (kind, url, keys) = facts.as_ref()?;
        Some((format!("p{n}"), StoredProvider { deleted: *gone, ..row(kind, url, keys) }))
    });
    Snapshot { rows: rows.collect(), schema: None }
}

proptest! {
    #[test]
    fn plan_is_deterministic_with_one_state_per_provider(
        wanted in prop::collection::vec(provider(), 1..6),
        there in prop::collection::vec((prop::option::of(provider()), any::<bool>()), 1..6),
        newest: bool, fail: bool,
    ) {
        let (desired, rows) = (environment(&wanted), database(&there));
        let options = if fail { FAIL } else { WRITE };
        let snapshot = with(if newest { schema() } else { first_schema() }, rows);
        let first = plan(&desired, &snapshot, &options);
        prop_assert_eq!(format!("{first:?}"), format!("{:?}", plan(&desired, &snapshot, &options)));
        prop_assert_eq!(first.entries.len(), desired.len());
        prop_assert!(!first.needs_schema);
        for entry in &first.entries {
            let conflicts = first.conflicts.iter().filter(|c| c.provider == desired[entry.desired].name);
            let blocking = conflicts.clone().any(|conflict| conflict.blocking);
            prop_assert_eq!(entry.state == State::Conflict, blocking);
            prop_assert_eq!(entry.state == State::CredentialsDiffer, !blocking && conflicts.count() > 0);
        }
        // Inserted is all that is missing, or nothing.
        let missing: Vec<usize> = first.missing().collect();
        match &first.insert {
            Some(insert) => prop_assert!(insert.providers == missing && !first.blocks()),
            None => prop_assert!(missing.is_empty() || first.blocks()),
        }
    }

    #[test]
    fn the_plan_without_the_schema_agrees_where_it_is_certain(
        wanted in prop::collection::vec(provider(), 1..6),
        there in prop::collection::vec((prop::option::of(provider()), any::<bool>()), 1..6),
    ) {
        let (desired, rows) = (environment(&wanted), database(&there));
        let light = plan(&desired, &rows, &WRITE);
        if !light.needs_schema {
            let whole = plan(&desired, &with(first_schema(), rows), &WRITE);
            prop_assert_eq!(format!("{light:?}"), format!("{whole:?}"));
        }
    }

    #[test]
    fn equal_records_have_equal_hashes_and_others_do_not(
        a in ("[a-z]{0,3}", ".{0,4}", "[a-z]{0,3}"), b in ("[a-z]{0,3}", ".{0,4}", "[a-z]{0,3}"),
    ) {
        let hash = |(kind, url, region): &(String, String, String)| {
            let settings = BedrockSettings { region: region.clone(), ..BedrockSettings::default() };
            Canonical::new(kind, url, Some(&settings)).hash()
        };
        prop_assert_eq!(hash(&a) == hash(&b), a == b);
        prop_assert_eq!(hash(&a), hash(&a));
    }

    #[test]
    fn the_order_of_keys_changes_nothing(keys in prop::sample::subsequence(vec!["a", "b", "c", "d"], 2..=4).prop_shuffle()) {
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        let plan_of = |keys: &[&str]| {
            let desired = desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL), ("0_KEYS", &keys.join(","))]);
            plan(&desired, &snapshot([("openai", row("openai", "https://other/", &["x", "a"]))]), &FAIL)
        };
        prop_assert_eq!(format!("{:?}", plan_of(&keys)), format!("{:?}", plan_of(&sorted)));
    }
}
