//! `ai_provider_sync` as in deploy/postgres/role.sql: a login role that is a member of two of the roles and has no grant
//! of its own. A revoked grant stops exactly the work that needs it, and the refusal names table and privilege.

use crate::support::roles::{DIFF, RESOLVE, ROLE_SQL, SEED};
use crate::support::{Database, Finished, Run, Server, Snapshot, Variant};

const ROLE: &str = "privileges_sync_member";
const URL: &str = "https://api.openai.com/v1/";

/// A row that agrees with every run's environment, without the results of earlier runs.
fn reset(database: &Database, change: &str) {
    database.execute(&format!(
        "delete from ai_provider_keys; delete from ai_providers;
         insert into ai_providers (type, name, base_url) values ('openai', 'openai', '{URL}');
         insert into ai_provider_keys (provider_id, api_key) select id, 'sk-one' from ai_providers; {change}"
    ));
}

fn run(command: &str, database: &Database) -> Run {
    let run = Run::new([command]).json().arg("--wait=0").env("CODER_AIBRIDGE_OPENAI_KEY", "sk-one");
    run.database(database.url_as(ROLE, ""))
}

const OTHER_KEY: &str = "update ai_provider_keys set api_key = 'sk-other'";
const OTHER_URL: &str = "update ai_providers set base_url = 'https://other.example/'";

/// Nothing differs and nothing is missing.
fn read(database: &Database) -> Finished {
    reset(database, "");
    run("diff", database).run()
}

fn insert(database: &Database) -> Finished {
    reset(database, "");
    run("seed", database).env("CODER_AIBRIDGE_ANTHROPIC_KEY", "sk-two").run()
}

fn take_credentials(database: &Database) -> Finished {
    reset(database, OTHER_KEY);
    run("seed", database).arg("--take-environment=credentials").run()
}

fn take_url(database: &Database) -> Finished {
    reset(database, OTHER_URL);
    run("seed", database).arg("--take-environment=all").run()
}

fn resolve(database: &Database) -> Finished {
    reset(database, OTHER_KEY);
    let diff = run("diff", database).database(database.url()).run();
    let id = diff.json()["conflicts"][0]["id"].as_str().expect("there is a conflict").to_owned();
    run("resolve", database).args(["--take=environment", "--yes", "--conflict"]).arg(id).run()
}

type Act = (&'static str, fn(&Database) -> Finished);
const ACTS: [Act; 5] = [
    ("read", read),
    ("insert", insert),
    ("take credentials", take_credentials),
    ("take url", take_url),
    ("resolve", resolve),
];

/// Each grant of the two roles, and the work that fails without it.
const NEEDED_BY: [(&str, &[&str]); 8] = [
    ("select on ai_providers", &["read", "insert", "take credentials", "take url", "resolve"]),
    ("select on ai_provider_keys", &["read", "insert", "take credentials", "take url", "resolve"]),
    ("select on dbcrypt_keys", &["insert", "take credentials", "resolve"]),
    ("insert on ai_providers", &["insert"]),
    ("insert on ai_provider_keys", &["insert", "take credentials", "resolve"]),
    ("insert on audit_logs", &["insert", "take credentials", "take url", "resolve"]),
    ("update on ai_providers", &["take credentials", "take url", "resolve"]),
    ("delete on ai_provider_keys", &["take credentials", "resolve"]),
];

#[test]
fn revoked_grant_of_the_sync_role_stops_only_its_uses() {
    assert!(ROLE_SQL.contains("create role ai_provider_sync login in role ai_provider_seed, ai_provider_resolve;"));
    let database = Server::shared().database(Variant::Current);
    database.grant_roles();
    database.execute(&format!("create role {ROLE} login in role {SEED}, {RESOLVE}"));
    let all_succeed = |when: &str| {
        for (what, act) in ACTS {
            let finished = act(&database);
            assert_eq!(finished.code, 0, "{what} {when}: {finished}");
        }
    };
    all_succeed("with every grant");
    for (grant, needed_by) in NEEDED_BY {
        // Also from the reader, of which it is not a member.
        database.execute(&format!("revoke {grant} from {SEED}, {RESOLVE}, {DIFF}"));
        for (what, act) in ACTS {
            let finished = act(&database);
            if !needed_by.contains(&what) {
                assert_eq!(finished.code, 0, "{what} without {grant}: {finished}");
                continue;
            }
            assert_eq!(finished.code, 5, "{what} without {grant}: {finished}");
            let problems = finished.json()["problems"].clone();
            assert_eq!(finished.codes("problems"), ["permission_denied"], "{what} without {grant}: {finished}");
            let message = problems[0]["message"].as_str().unwrap_or_default();
            assert!(message.contains(&format!("grant {grant} to {ROLE}")), "{what} without {grant}: {message}");
            let rows = Snapshot::of(&database);
            assert_eq!((rows.providers.len(), rows.keys.len()), (1, 1), "{what} without {grant} wrote");
        }
        database.run_role_sql("select");
    }
    all_succeed("after role.sql again");
    database.execute(&format!("drop role {ROLE}"));
}
