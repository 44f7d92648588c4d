//! deploy/postgres/role.sql grants what is needed and nothing else: each grant is revoked once, and the command in the
//! program's message makes it work again.

use crate::support::roles::{DIFF, RESOLVE, SEED};
use crate::support::{Database, Finished, Run, Server, Snapshot, Variant};
use serde_json::{Value, json};

/// The grants of a role in this database according to aclexplode, such as `insert on ai_providers`.
fn grants(database: &Database, role: &str) -> Vec<String> {
    let query = format!(
        "select coalesce(json_agg(what order by what), '[]') from (
           select lower(privilege_type) || ' on ' || relname from pg_class, aclexplode(relacl) where grantee = '{role}'::regrole
           union all
           select lower(privilege_type) || ' on schema ' || nspname from pg_namespace, aclexplode(nspacl)
            where grantee = '{role}'::regrole
           union all
           select lower(privilege_type) || ' on database ' || datname from pg_database, aclexplode(datacl)
            where grantee = '{role}'::regrole and datname = current_database()
           union all
           select 'column ' || attname from pg_attribute, aclexplode(attacl) where grantee = '{role}'::regrole
           union all
           select 'default for ' || privilege_type from pg_default_acl, aclexplode(defaclacl) where grantee = '{role}'::regrole
           union all
           select 'member of ' || roleid::regrole from pg_auth_members where member = '{role}'::regrole
         ) as found (what)"
    );
    let list = database.json(&query);
    list.as_array().unwrap().iter().map(|what| what.as_str().unwrap().to_owned()).collect()
}

fn readers_grants(database: &Database) -> Vec<String> {
    let name = database.name();
    vec![
        format!("connect on database {name}"),
        "select on ai_provider_keys".into(),
        "select on ai_providers".into(),
        "select on dbcrypt_keys".into(),
        "usage on schema public".into(),
    ]
}

fn seeders_grants(database: &Database) -> Vec<String> {
    let inserts = ["ai_provider_keys", "ai_providers", "audit_logs"].map(|table| format!("insert on {table}"));
    let mut all = [readers_grants(database), inserts.to_vec()].concat();
    all.sort();
    all
}

fn resolvers_grants(database: &Database) -> Vec<String> {
    let changes =
        ["update on ai_providers", "insert on ai_provider_keys", "delete on ai_provider_keys", "insert on audit_logs"];
    let mut all = [readers_grants(database), changes.map(str::to_owned).to_vec()].concat();
    all.sort();
    all
}

fn database() -> Database<'static> {
    let database = Server::shared().database(Variant::Current);
    database.grant_roles();
    database
}

const URL: &str = "https://api.openai.com/v1/";

/// `openai` exists and equals the environment of `run`.
fn seeded() -> Database<'static> {
    let database = database();
    database.execute(&format!(
        "insert into ai_providers (type, name, base_url) values ('openai', 'openai', '{URL}');
         insert into ai_provider_keys (provider_id, api_key) select id, 'sk-one' from ai_providers"
    ));
    database
}

fn run(command: &str, database: &Database, role: &str) -> Run {
    Run::new([command])
        .json()
        .env("CODER_AIBRIDGE_OPENAI_KEY", "sk-one")
        .arg("--wait=0")
        .database(database.url_of(role))
}

fn problem(finished: &Finished) -> String {
    let json = finished.json();
    let (code, outcome) =
        if finished.code == 4 { ("unreachable", "unavailable") } else { ("permission_denied", "unusable") };
    assert_eq!(finished.codes("problems"), [code], "{finished}");
    assert_eq!((&json["outcome"], &json["blocked"], &json["written"]), (&json!(outcome), &json!(true), &json!(false)));
    json["problems"][0]["message"].as_str().unwrap().to_owned()
}

/// The `run: grant …` of the message.
fn advice(message: &str) -> String {
    let (_, advice) = message.split_once("run: ").unwrap_or_else(|| panic!("no advice in: {message}"));
    advice.split([',', '(', ';']).next().unwrap().trim().to_owned()
}

#[test]
fn role_file_grants_exactly_this() {
    let database = database();
    assert_eq!(grants(&database, SEED), seeders_grants(&database));
    assert_eq!(grants(&database, DIFF), readers_grants(&database));
    assert_eq!(grants(&database, RESOLVE), resolvers_grants(&database));
    let roles = "select json_agg(distinct rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls)
                   from pg_roles where rolname in ('ai_provider_seed', 'ai_provider_diff', 'ai_provider_resolve')";
    assert_eq!(database.json(roles), json!([false]));
}

/// Without CONNECT there is no session, which is retried; any other missing grant is found on a session.
fn exit_without(grant: &str) -> i32 {
    if grant.starts_with("connect ") { 4 } else { 5 }
}

#[test]
fn each_grant_is_needed_and_named_when_missing() {
    for (command, role, all) in [
        ("seed", SEED, seeders_grants as fn(&Database) -> Vec<String>),
        ("diff", DIFF, readers_grants as fn(&Database) -> Vec<String>),
    ] {
        for position in 0..all(&database()).len() {
            let database = database();
            let grant = all(&database).swap_remove(position);
            database.execute(&format!("revoke {grant} from {role}"));
            let before = Snapshot::of(&database);
            let refused = run(command, &database, role).run().expect(exit_without(&grant));
            let message = problem(&refused);
            assert!(message.contains(&format!("role {role} may not ")), "{message}");
            assert_eq!(advice(&message), format!("grant {grant} to {role}"), "{message}");
            assert!(refused.termination.as_ref().unwrap().contains(&advice(&message)), "{refused}");
            assert_eq!(Snapshot::of(&database).changes_since(&before), [""; 0]);

            database.execute(&advice(&message));
            run(command, &database, role).run().expect(if command == "seed" { 0 } else { 1 });
        }
    }
}

/// Another URL and other keys: everything that resolve ever writes.
fn changed() -> (Database<'static>, Run) {
    let database = seeded();
    database.execute(
        "update ai_providers set base_url = 'https://other.example/'; update ai_provider_keys set api_key = 'sk-other'",
    );
    let diff = run("diff", &database, DIFF).database(database.url()).run();
    let id = diff.json()["conflicts"][0]["id"].as_str().unwrap().to_owned();
    let run = run("resolve", &database, RESOLVE).arg("--take=environment").arg("--yes").arg("--conflict").arg(id);
    (database, run)
}

#[test]
fn each_resolve_grant_is_needed_and_named_when_missing() {
    for position in 0..resolvers_grants(&database()).len() {
        let (database, run) = changed();
        let grant = resolvers_grants(&database).swap_remove(position);
        database.execute(&format!("revoke {grant} from {RESOLVE}"));
        let before = Snapshot::of(&database);
        let message = problem(&run.run().expect(exit_without(&grant)));
        assert_eq!(advice(&message), format!("grant {grant} to {RESOLVE}"), "{message}");
        assert_eq!(Snapshot::of(&database).changes_since(&before), [""; 0]);
        database.execute(&advice(&message));
        run.run().expect(0);
        assert_eq!(Snapshot::of(&database).keys_of(&before.providers[0]["id"]), ["sk-one"]);
    }
}

/// `ai_provider_sync` as in role.sql: a login role in two of the roles.
fn syncers_grants(database: &Database) -> Vec<String> {
    let mut all = [seeders_grants(database), resolvers_grants(database)].concat();
    all.sort();
    all.dedup();
    all
}

/// A missing row beside one whose URL and keys change: everything that `--take-environment` ever writes.
#[test]
fn each_grant_of_the_sync_role_is_needed_and_named() {
    let shown = "create role ai_provider_sync login in role ai_provider_seed, ai_provider_resolve;";
    assert!(crate::support::roles::ROLE_SQL.contains(shown));
    let role = "privileges_sync";
    // The grants belong to the role itself, so that each can be revoked.
    let granted = |database: &Database| {
        database.execute(&format!("create role {role} login in role ai_provider_seed, ai_provider_resolve"));
        let changes = |run: Run| {
            run.arg("--take-environment=all")
                .env("CODER_AIBRIDGE_ANTHROPIC_KEY", "sk-two")
                .database(database.url_as(role, ""))
        };
        changes(run("seed", database, SEED)).run().expect(0);
        database.execute(&format!("revoke ai_provider_seed, ai_provider_resolve from {role}"));
        for grant in syncers_grants(database) {
            database.execute(&format!("grant {grant} to {role}"));
        }
        changes(run("seed", database, SEED))
    };
    for position in 0..syncers_grants(&database()).len() {
        let (database, _) = changed();
        let change = "delete from ai_provider_keys where provider_id in (select id from ai_providers where name <> 'openai');
            delete from ai_providers where name <> 'openai';
            update ai_providers set base_url = 'https://other.example/'; update ai_provider_keys set api_key = 'sk-other'";
        let run = granted(&database);
        database.execute(change);
        let grant = syncers_grants(&database).swap_remove(position);
        database.execute(&format!("revoke {grant} from {role}"));
        let before = Snapshot::of(&database);
        let refused = run.run().expect(exit_without(&grant));
        let messages: Vec<String> = refused.json()["problems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|problem| problem["message"].as_str().unwrap().to_owned())
            .collect();
        assert!(messages.iter().all(|message| advice(message) == format!("grant {grant} to {role}")), "{messages:?}");
        assert_eq!(Snapshot::of(&database).changes_since(&before), [""; 0]);
        database.execute(&advice(&messages[0]));
        let finished = run.run().expect(0);
        assert_eq!(finished.json()["written"], true, "{finished}");
        let after = Snapshot::of(&database);
        assert_eq!(after.keys_of(&after.live("openai").unwrap()["id"]), ["sk-one"]);
        database.execute(&format!("drop owned by {role}; drop role {role}"));
    }
}

#[test]
fn seed_role_cannot_resolve_and_reader_can_export() {
    let (database, changing) = changed();
    for role in [SEED, DIFF] {
        let refused = changing.clone().database(database.url_of(role)).run().expect(5);
        assert_eq!(refused.codes("problems")[0], "permission_denied");
        assert!(
            advice(refused.json()["problems"][0]["message"].as_str().unwrap())
                .starts_with("grant update on ai_providers")
        );
    }
    // Only the grants for this decision are checked: the keys are equal now.
    database.execute("update ai_provider_keys set api_key = 'sk-one'");
    database.execute("revoke insert, delete on ai_provider_keys from ai_provider_resolve");
    let id = run("diff", &database, DIFF).run().json()["conflicts"][0]["id"].as_str().unwrap().to_owned();
    let resolve = run("resolve", &database, RESOLVE).arg("--take=environment").arg("--yes").arg("--conflict").arg(id);
    resolve.run().expect(0);
    let export = Run::new(["export"]).arg("--show-secrets").arg("--wait=0").database(database.url_of(DIFF));
    assert!(export.run().expect(0).stdout.contains("sk-one"));
}

#[test]
fn all_missing_grants_are_reported_at_once() {
    let database = database();
    // It may insert into one table: a role that may insert nowhere is meant to be a reader.
    database.execute(&format!("revoke insert on ai_providers, audit_logs from {SEED}"));
    let refused = run("seed", &database, SEED).run().expect(5);
    let json = refused.json();
    let advices: Vec<String> =
        json["problems"].as_array().unwrap().iter().map(|p| advice(p["message"].as_str().unwrap())).collect();
    let grant = |table: &str| format!("grant insert on {table} to {SEED}");
    assert_eq!(advices, ["ai_providers", "audit_logs"].map(grant));
}

#[test]
fn suggested_grant_quotes_the_role_name() {
    let database = database();
    database.execute(
        "create role \"seed-er@example.com\" login; grant ai_provider_diff to \"seed-er@example.com\";
         grant insert on ai_provider_keys to \"seed-er@example.com\"",
    );
    let run = run("seed", &database, DIFF).arg("--audit=off").database(database.url_as("seed-er%40example.com", ""));
    let json = run.run().expect(5).json();
    for problem in json["problems"].as_array().unwrap() {
        let advice = advice(problem["message"].as_str().unwrap());
        assert!(advice.ends_with("to \"seed-er@example.com\""), "{advice}");
        database.execute(&advice);
    }
    run.run().expect(0);
    database.execute("drop owned by \"seed-er@example.com\"; drop role \"seed-er@example.com\"");
}

#[test]
fn server_refuses_statements_without_a_grant() {
    let database = seeded();
    database.execute("create table users (id int); insert into users values (1)");
    let provider = "insert into ai_providers (type, name, base_url) values ('openai', 'x', '')";
    let never = [
        "update ai_providers set enabled = false",
        "update ai_providers set deleted = true",
        "delete from ai_providers",
        "truncate ai_providers cascade",
        "update ai_provider_keys set api_key = ''",
        "delete from ai_provider_keys",
        "insert into dbcrypt_keys (number, test) values (1, '')",
        "update dbcrypt_keys set revoked_key_digest = active_key_digest",
        "select from audit_logs",
        "delete from audit_logs",
        "select from users",
        "insert into users values (2)",
        "drop table ai_providers",
        "create table mine (id int)",
    ];
    let inserts = [provider, "insert into ai_provider_keys (provider_id, api_key) select id, '' from ai_providers"];
    let before = Snapshot::of(&database);
    let resolve: Vec<&str> = never
        .iter()
        .copied()
        .filter(|sql| !sql.starts_with("update ai_providers ") && *sql != "delete from ai_provider_keys")
        .collect();
    let resolve = [&resolve[..], &[provider]].concat();
    for (role, refused) in [(SEED, &never[..]), (DIFF, &[&never[..], &inserts[..]].concat()), (RESOLVE, &resolve)] {
        for sql in refused {
            let mut client = postgres::Client::connect(&database.url_of(role), postgres::NoTls).unwrap();
            let error = client.batch_execute(sql).expect_err(sql);
            assert_eq!(
                error.code(),
                Some(&postgres::error::SqlState::INSUFFICIENT_PRIVILEGE),
                "{role}: {sql}: {error:?}"
            );
        }
    }
    assert_eq!(Snapshot::of(&database).changes_since(&before), [""; 0]);
}

#[test]
fn reader_can_seed_while_nothing_is_missing() {
    let database = seeded();
    let finished = run("seed", &database, DIFF).run().expect(0);
    assert_eq!(finished.json()["providers"][0]["state"], "in_sync");
    assert_eq!(finished.codes("warnings"), [""; 0]);
    run("diff", &database, DIFF).run().expect(0);
}

#[test]
fn conflict_is_reported_without_insert_rights() {
    let database = seeded();
    database.execute("update ai_providers set base_url = 'https://other.example/'; revoke insert on ai_providers from ai_provider_seed");
    assert_eq!(run("seed", &database, SEED).run().expect(3).json()["outcome"], "conflict");
}

#[test]
fn diff_warns_of_inserts_only_with_partial_grants() {
    let database = database();
    let finished = run("diff", &database, DIFF).run().expect(1);
    assert_eq!(finished.codes("warnings"), [""; 0]);
    database.execute("revoke insert on audit_logs from ai_provider_seed");
    let finished = run("diff", &database, SEED).run().expect(1);
    assert_eq!(finished.codes("warnings"), ["cannot_insert"]);
    assert!(finished.stdout.contains("grant insert on audit_logs to ai_provider_seed, or turn audit rows off"));
}

/// Only the needs of this plan can fail it.
#[test]
fn unneeded_grant_is_not_reported_missing() {
    let created = |run: Run, database: &Database, audit: usize| {
        let finished = run.run().expect(0);
        assert_eq!(finished.json()["providers"][0]["state"], "created", "{finished}");
        assert_eq!(finished.codes("warnings"), [""; 0]);
        assert_eq!(Snapshot::of(database).audit.len(), audit);
    };
    let none = "revoke select on dbcrypt_keys, ai_provider_keys from ai_provider_seed";
    let copilot = |database: &Database, role: &str| {
        let variables = [("CODER_AIBRIDGE_PROVIDER_0_TYPE", "copilot"), ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", URL)];
        Run::seed().json().envs(variables).database(database.url_of(role)).arg("--wait=0")
    };

    // No row is missing: no encryption key is read, and nothing is inserted.
    let in_sync = seeded();
    in_sync.execute(
        "revoke select on dbcrypt_keys from ai_provider_seed;
         revoke insert on ai_providers, ai_provider_keys, audit_logs from ai_provider_seed",
    );
    assert_eq!(run("seed", &in_sync, SEED).run().expect(0).codes("warnings"), [""; 0]);

    // Keys are not compared: they are not read, but may be written.
    let ignoring = database();
    ignoring.execute("revoke select on ai_provider_keys from ai_provider_seed");
    created(run("seed", &ignoring, SEED).arg("--compare-credentials=ignore"), &ignoring, 2);

    // No secret value is missing.
    let open = database();
    open.execute(&format!("{none}; revoke insert on ai_provider_keys from ai_provider_seed"));
    created(copilot(&open, SEED).arg("--compare-credentials=ignore"), &open, 1);

    // No audit rows.
    let silent = database();
    silent.execute("revoke insert on audit_logs from ai_provider_seed");
    let message = problem(&run("seed", &silent, SEED).run().expect(5));
    assert!(message.ends_with(", or turn audit rows off with --audit=off"), "{message}");
    created(run("seed", &silent, SEED).arg("--audit=off"), &silent, 0);
}

/// Reads are refused one table at a time, for any role.
#[test]
fn permission_denied_names_each_table() {
    for command in ["seed", "diff"] {
        for table in ["ai_providers", "ai_provider_keys", "dbcrypt_keys"] {
            let database = database();
            database.execute(&format!("revoke select on {table} from ai_provider_seed"));
            let finished = run(command, &database, SEED).run().expect(5);
            let message = problem(&finished);
            assert!(message.contains(&format!("role ai_provider_seed may not read {table}")), "{message}");
            assert_eq!(advice(&message), format!("grant select on {table} to ai_provider_seed"));
            assert!(finished.elapsed.as_secs() < 20, "waiting does not help: {finished}");
        }
    }
}

#[test]
fn json_of_a_refusal_keeps_its_keys() {
    let database = database();
    database.execute("revoke select on ai_providers from ai_provider_seed");
    let json = run("seed", &database, SEED).run().expect(5).json();
    let lists = ["providers", "conflicts", "warnings"].map(|list| json[list].clone());
    assert_eq!(lists, [json!([]), json!([]), json!([])]);
    assert_eq!(json["problems"][0]["variables"], Value::Array(Vec::new()));
}

#[test]
fn reading_role_is_not_offered_a_grant_to_write() {
    let database = database();
    let refused = run("seed", &database, DIFF).run().expect(5);
    let message = problem(&refused);
    assert!(message.contains("may only read; connect as the role that seeds"), "{message}");
    assert!(!message.contains("grant "), "{message}");
}
