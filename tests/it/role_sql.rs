//! deploy/postgres/role.sql itself: before and after the tables exist, repeatedly, through psql as the owner of Coder's
//! tables. privileges.rs tests the roles' grants.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::postgres::CHECKS;
use crate::support::roles::{DIFF, RESOLVE, SEED};
use crate::support::{Database, Run, Server, Variant};
use serde_json::{Value, json};

fn may(database: &Database, role: &str, table: &str) -> Value {
    database.json(&format!(
        "select coalesce(json_agg(what), '[]') from unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as what
          where has_table_privilege('{role}', '{table}', what)"
    ))
}

fn default_privileges(database: &Database) -> Value {
    database.json("select count(*) from pg_default_acl")
}

fn exact(database: &Database) {
    for table in ["ai_providers", "ai_provider_keys"] {
        assert_eq!(may(database, SEED, table), json!(["select", "insert"]));
        assert_eq!(may(database, DIFF, table), json!(["select"]));
    }
    assert_eq!(may(database, RESOLVE, "ai_providers"), json!(["select", "update"]));
    assert_eq!(may(database, RESOLVE, "ai_provider_keys"), json!(["select", "insert", "delete"]));
    assert_eq!(may(database, RESOLVE, "dbcrypt_keys"), json!(["select"]));
    assert_eq!(may(database, RESOLVE, "audit_logs"), json!(["insert"]));
    assert_eq!(may(database, SEED, "dbcrypt_keys"), json!(["select"]));
    assert_eq!(may(database, DIFF, "dbcrypt_keys"), json!(["select"]));
    assert_eq!(may(database, SEED, "audit_logs"), json!(["insert"]));
    assert_eq!(may(database, DIFF, "audit_logs"), json!([]));
    assert_eq!(default_privileges(database), 0);
}

fn seed(database: &Database) -> Run {
    let run = Run::seed().json().env("CODER_AIBRIDGE_OPENAI_KEY", "sk-one").arg("--wait=0");
    run.database(database.url_of(SEED))
}

/// Default privileges are wide, so they are revoked as soon as the tables exist.
#[test]
fn role_file_works_before_and_after_the_tables_exist() {
    let database = Server::shared().database(Variant::Empty);
    database.grant_roles();
    database.grant_roles();
    assert_eq!(seed(&database).run().expect(0).codes("warnings"), ["schema_pending"]);

    database.create_tables(Variant::Current);
    database.execute("create table users (id int)");
    assert_eq!(may(&database, SEED, "users"), json!(["select", "insert"]));
    assert_eq!(may(&database, DIFF, "users"), json!(["select"]));
    assert_eq!(may(&database, RESOLVE, "users"), json!([]));
    seed(&database).run().expect(0);

    database.grant_roles();
    assert_eq!(may(&database, SEED, "users"), json!([]));
    assert_eq!(may(&database, DIFF, "users"), json!([]));
    exact(&database);
    database.grant_roles();
    exact(&database);
    assert_eq!(seed(&database).run().expect(0).json()["providers"][0]["state"], "in_sync");
}

#[test]
fn missing_default_privileges_block_until_the_file_is_rerun() {
    let database = Server::shared().database(Variant::Empty);
    database.grant_roles();
    let narrow = format!("set ai_provider_seed.owner = '{CHECKS}'; set ai_provider_seed.default_privileges = 'off'");
    database.run_role_sql(&narrow);
    assert_eq!(default_privileges(&database), 0);
    assert_eq!(seed(&database).run().expect(0).codes("warnings"), ["schema_pending"]);
    database.create_tables(Variant::Current);
    assert_eq!(seed(&database).run().expect(5).codes("problems"), ["permission_denied"]);
    database.run_role_sql("select");
    exact(&database);
    seed(&database).run().expect(0);
}

/// An older release of Coder without the tables: the owner is known.
#[test]
fn role_file_survives_an_upgrade_that_creates_the_tables() {
    let database = Server::shared().database(Variant::Empty);
    database.execute("create table schema_migrations (version bigint); create table users (id int)");
    database.run_role_sql("select");
    assert_eq!((may(&database, SEED, "users"), default_privileges(&database)), (json!([]), json!(1)));
    database.create_tables(Variant::Initial);
    assert_eq!(may(&database, SEED, "ai_providers"), json!(["select", "insert"]));
    database.run_role_sql("select");
    exact(&database);
}

#[test]
fn role_file_grants_on_tables_in_another_schema() {
    let database = Server::shared().database(Variant::Empty);
    database.execute("create schema \"Coder's\"");
    database.execute(&format!("set search_path to \"Coder's\"; {}", include_str!("../data/schema-initial.sql")));
    database.grant_roles();
    let has =
        |role: &str| database.json(&format!("select to_json(has_schema_privilege('{role}', 'Coder''s', 'usage'))"));
    assert_eq!((has(SEED), has(DIFF)), (json!(true), json!(true)));
    assert_eq!(may(&database, SEED, "\"Coder''s\".ai_providers"), json!(["select", "insert"]));
}

#[test]
fn role_file_keeps_login_and_password() {
    let server = Server::start(crate::support::Options::new());
    let database = server.database(Variant::Current);
    let state = "select json_agg(json_build_array(rolname, rolcanlogin, rolpassword) order by rolname)
                   from pg_authid where rolname like 'ai\\_provider%'";
    database.run_role_sql("select");
    assert_eq!(
        database.json(state),
        json!([[DIFF, false, null], [RESOLVE, false, null], [SEED, false, null]]),
        "no role logs in by default"
    );
    database.execute("alter role ai_provider_seed login password 'mine'");
    let before = database.json(state);
    database.run_role_sql("select");
    assert_eq!(database.json(state), before);

    let all = "ai_provider_seed, ai_provider_diff, ai_provider_resolve";
    database.execute(&format!("drop owned by {all}; drop role {all}"));
}

/// As the file's header says: psql, as Coder's own role, which is not a superuser.
#[test]
fn role_file_runs_in_psql_as_the_table_owner() {
    if Command::new("psql").arg("--version").output().is_err() {
        crate::support::skip("psql is not installed (Debian: postgresql-client)");
        return;
    }
    let server = Server::start(crate::support::Options::new());
    server.attach("postgres").execute("create role coder login createrole; create role other login");
    let database = server.database(Variant::Empty);
    let name = database.name();
    database.execute(&format!(
        "alter database {name} owner to coder; revoke all on database {name} from public;
         grant connect on database {name} to other; alter schema public owner to coder; revoke all on schema public from public"
    ));
    let psql = |user: &str, before: &str| -> Output {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/postgres/role.sql");
        let mut psql = Command::new("psql");
        psql.args([
            "--no-psqlrc",
            "--set",
            "ON_ERROR_STOP=1",
            "--dbname",
            &database.url_as(user, "x"),
            "--command",
            before,
        ]);
        psql.arg("--file").arg(file).env("LC_ALL", "C").output().unwrap()
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();

    let unknown = psql("postgres", "");
    assert!(!unknown.status.success());
    assert!(
        said(&unknown).contains("Say which role Coder connects as: set ai_provider_seed.owner = 'coder';"),
        "{}",
        said(&unknown)
    );

    let first = psql("coder", "");
    assert!(first.status.success(), "{}", said(&first));
    assert!(said(&first).contains("Run this file again after Coder's first start"), "{}", said(&first));
    database.execute(&format!("set role coder; {}", include_str!("../data/schema-initial.sql")));
    let stranger = psql("other", "");
    assert!(
        said(&stranger).contains("only role coder or a superuser can give access to its tables"),
        "{}",
        said(&stranger)
    );
    assert!(said(&stranger).contains("grant coder to other;"), "{}", said(&stranger));

    let second = psql("coder", "");
    assert!(second.status.success(), "{}", said(&second));
    assert!(said(&second).contains("granted on the tables of role coder in schema public"), "{}", said(&second));
    exact(&database);
    let third = psql("postgres", "set ai_provider_seed.schema = 'public'");
    assert!(third.status.success() && !said(&third).contains("WARNING"), "{}", said(&third));
    exact(&database);
    database.execute("alter role ai_provider_seed login");
    seed(&database).run().expect(0);
}
