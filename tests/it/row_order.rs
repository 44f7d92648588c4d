//! The server returns rows in any order, and only the plan that it chose decides whether the keys of one provider follow
//! each other.

use crate::support::hostile::numbered;
use crate::support::{Hostile, Run};

/// Two live providers with two keys each, one without keys, an older deleted one of the same name, and a row that was not
/// requested.
fn rows() -> [Vec<u8>; 7] {
    let key = |(name, row), number, key: &str| numbered((name, row), number, false, None, Some(key.as_bytes()));
    [
        key(("a", 10), 1, "sk-a-1"),
        key(("a", 10), 2, "sk-a-2"),
        key(("b", 20), 3, "sk-b-1"),
        key(("b", 20), 4, "sk-b-2"),
        numbered(("c", 30), 5, false, None, None),
        numbered(("b", 40), 6, true, None, None),
        key(("x", 50), 7, "sk-x-1"),
    ]
}

#[test]
fn rows_in_any_order_give_the_same_result() {
    for order in [
        [0, 1, 2, 3, 4, 5, 6],
        [6, 5, 4, 3, 2, 1, 0],
        [0, 2, 1, 3, 6, 5, 4],
        [5, 2, 0, 3, 4, 1, 6],
        [4, 3, 5, 0, 6, 1, 2],
        [2, 5, 3, 6, 0, 4, 1],
    ] {
        let server = Hostile::start(move |caller| {
            caller.log_in(&[])?;
            caller.until_query(0)?;
            caller.begin_rows()?;
            let rows = rows();
            order.iter().try_for_each(|at: &usize| caller.send(&rows[*at]))?;
            caller.end_rows()?;
            caller.go_on()
        });
        let mut run = Run::new(["seed"]).json().database(server.url()).arg("--wait=0");
        for (at, (name, keys)) in
            [("a", Some("sk-a-1,sk-a-2")), ("b", Some("sk-b-1,sk-b-2")), ("c", None)].into_iter().enumerate()
        {
            let given = [("TYPE", "openai"), ("NAME", name), ("BASE_URL", "https://ai.example/v1")];
            for (field, value) in given.into_iter().chain(keys.map(|keys| ("KEYS", keys))) {
                run = run.env(format!("CODER_AIBRIDGE_PROVIDER_{at}_{field}"), value);
            }
        }
        let finished = run.run().expect(0);
        let report = finished.json();
        let states = report["providers"].as_array().unwrap().iter().map(|provider| provider["state"].as_str().unwrap());
        assert_eq!(states.collect::<Vec<_>>(), ["in_sync"; 3], "{order:?}: {finished}");
    }
}
