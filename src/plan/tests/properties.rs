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
    Snapshot { rows: rows.collect(), ..Snapshot::default() }
}

/// Base URL and keys of environment and database.
type Sides = (String, String, Vec<String>, Vec<String>);

fn sides() -> impl Strategy<Value = Sides> {
    let keys = || prop::collection::vec("[a-z0]{1,3}", 1..4);
    ("https://[a-z]{1,3}", "[a-z:/]{0,4}", keys(), keys())
}

fn sorted(keys: &[String]) -> Vec<String> {
    let mut sorted = keys.to_vec();
    sorted.sort();
    sorted
}

/// The type always differs, so that there is a conflict.
fn id_of((url, stored_url, keys, stored_keys): &Sides) -> String {
    let mut environment = openai();
    environment[0].base_url.clone_from(url);
    environment[0].keys = keys.iter().map(|key| SecretString::from(key.as_str())).collect();
    let stored: Vec<&str> = stored_keys.iter().map(String::as_str).collect();
    let plan = plan(&environment, &snapshot([("openai", row("azure", stored_url, &stored))]), &FAIL);
    plan.conflicts[0].id.clone()
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
        // An insert contains all missing providers, or there is no insert.
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

    /// Both sides as texts that a hostile side could choose; moving text between fields, sides or keys is a change.
    #[test]
    fn one_change_on_either_side_is_another_conflict_id(
        a in sides(), at in 0_usize..7, letter in "[a-z,;0]",
    ) {
        let mut b = a.clone();
        match at {
            0 => b.0.push_str(&letter),
            1 => b.1.push_str(&letter),
            2 => b.2.push(letter),
            3 => b.3.push(letter),
            4 => b.2[0].push_str(&letter),
            5 => b.3[0].push_str(&letter),
            _ => std::mem::swap(&mut b.0, &mut b.1),
        }
        let changed = a.0 != b.0 || a.1 != b.1 || sorted(&a.2) != sorted(&b.2) || sorted(&a.3) != sorted(&b.3);
        prop_assert_eq!(id_of(&a) != id_of(&b), changed);
        prop_assert_eq!(id_of(&a), id_of(&a));
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
