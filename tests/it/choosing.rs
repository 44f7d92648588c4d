//! docs/choosing.md: each cell of its table, with the options and the role that the table names.

use crate::support::resolution::{OLD_URL, URL, openai, run};
use crate::support::roles::{RESOLVE, SEED};
use crate::support::{Database, Finished, Server, Snapshot, Variant};
use serde_json::json;

const PAGE: &str = include_str!("../../docs/choosing.md");
const SYNC: &str = "choosing_sync";

/// One column of the table: its options in the page, and the role of the container.
struct Column {
    options: &'static [&'static str],
    role: &'static str,
}

const BOOTSTRAP: Column =
    Column { options: &["--compare-credentials=ignore", "--compare-settings=ignore"], role: SEED };
const TELL: Column = Column { options: &[], role: SEED };
const CREDENTIALS: Column = Column { options: &["--take-environment=credentials"], role: SYNC };
const ALL: Column = Column { options: &["--take-environment=all"], role: SYNC };

fn fresh() -> Database<'static> {
    let database = Server::shared().database(Variant::Current);
    database.grant_roles();
    database
}

fn start(database: &Database, column: &Column) -> Finished {
    run("seed", database)
        .env("CODER_AIBRIDGE_PROVIDER_0_DISPLAY_NAME", "Our OpenAI")
        .args(column.options)
        .database(database.url_as(column.role, column.role))
        .run()
}

/// One row of the table: the state of the database, and for each column the exit code, the state, and whether anything is
/// written.
type Row = (&'static str, String, [(i32, &'static str, bool); 4]);

fn rows() -> Vec<Row> {
    let same = || openai(URL, &["sk-canary-new"]);
    let with = |change: &str| same() + change;
    vec![
        ("| A row is missing |", String::new(), [(0, "created", true); 4]),
        ("| A row was deleted in Coder |", with("update ai_providers set deleted = true"), [(0, "deleted", false); 4]),
        (
            "| Different keys |",
            openai(URL, &["sk-canary-old"]),
            [(0, "in_sync", false), (0, "credentials_differ", false), (0, "updated", true), (0, "updated", true)],
        ),
        (
            "| Different URL, region or type |",
            openai(OLD_URL, &["sk-canary-new"]),
            [(3, "conflict", false), (3, "conflict", false), (3, "conflict", false), (0, "updated", true)],
        ),
        (
            "| Different URL, region or type |",
            with("update ai_providers set type = 'anthropic'"),
            [(3, "conflict", false); 4],
        ),
        (
            "| A display name, an icon or `enabled` changed in Coder |",
            with("update ai_providers set display_name = 'Theirs'"),
            [(0, "in_sync", false), (0, "settings_differ", false), (0, "settings_differ", false), (0, "updated", true)],
        ),
    ]
}

#[test]
fn every_cell_of_the_choosing_table_is_true() {
    for option in [BOOTSTRAP.options, CREDENTIALS.options].concat() {
        assert!(PAGE.contains(option), "the page does not name {option}");
    }
    fresh().execute(&format!("create role {SYNC} login in role {SEED}, {RESOLVE}"));
    for (line, sql, cells) in rows() {
        assert!(PAGE.contains(&format!("\n{line}")), "the page has no row {line}");
        for (column, (code, state, writes)) in [BOOTSTRAP, TELL, CREDENTIALS, ALL].iter().zip(cells) {
            let database = fresh();
            database.execute(&sql);
            let before = Snapshot::of(&database);
            let finished = start(&database, column);
            let what = format!("{line} {sql} {:?}: {finished}", column.options);
            let told = &finished.json()["providers"][0]["state"];
            assert_eq!((finished.code, told), (code, &json!(state)), "{what}");
            assert_eq!(finished.json()["written"], writes, "{what}");
            let after = Snapshot::of(&database);
            if !writes {
                assert_eq!(after.changes_since(&before), [""; 0], "{what}");
                continue;
            }
            let row = after.live("openai").expect("a live row");
            let found = (&row["base_url"], &row["display_name"], after.keys_of(&row["id"]));
            assert_eq!(found, (&json!(URL), &json!("Our OpenAI"), vec!["sk-canary-new".to_owned()]), "{what}");
        }
    }
    fresh().execute(&format!("drop role {SYNC}"));
}
