//! Possible databases: without tables, of another program, with tables elsewhere, with more or fewer columns than
//! expected.

use std::time::Duration;

use crate::support::roles::SEED;
use crate::support::{Database, Finished, PgBouncer, Run, Server, Snapshot, Variant};
use serde_json::{Value, json};

const TABLES: &str = include_str!("../data/schema-initial.sql");

fn openai(command: &str, url: &str) -> Run {
    let run = Run::new([command])
        .json()
        .env("CODER_AIBRIDGE_OPENAI_KEY", "sk-one")
        .env("CODER_AIBRIDGE_OPENAI_BASE_URL", "https://one.example/");
    run.env("AI_PROVIDER_SEED_WAIT", "0").database(url)
}

fn seed(database: &Database) -> Run {
    openai("seed", &database.url())
}

fn message(finished: &Finished) -> String {
    let problems = &finished.json()["problems"];
    assert_eq!(problems.as_array().unwrap().len(), 1, "{finished}");
    problems[0]["message"].as_str().unwrap().to_owned()
}

fn says(finished: &Finished, code: &str, words: &[&str]) {
    assert_eq!(finished.codes("problems"), [code], "{finished}");
    let message = message(finished);
    assert!(words.iter().all(|word| message.contains(word)), "{message}\nsays not {words:?}");
}

struct Absent {
    what: &'static str,
    sql: &'static str,
    /// `auto` lets the pod start, or reports this code and text.
    auto: Option<(&'static str, &'static [&'static str])>,
    /// The text of `fail`.
    fail: &'static [&'static str],
}

const ABSENT: [Absent; 7] = [
    Absent { what: "empty", sql: "", auto: None, fail: &["is empty", "start Coder"] },
    Absent {
        what: "only what an extension brought along",
        sql: "create table topology (id int); alter extension plpgsql add table topology",
        auto: None,
        fail: &["is empty", "start Coder"],
    },
    Absent {
        what: "empty schemas and types",
        sql: "create schema audit; create type mood as enum ('good'); create sequence numbers",
        auto: None,
        fail: &["is empty", "start Coder"],
    },
    Absent {
        what: "Coder before the tables",
        sql: "create table schema_migrations (version bigint, dirty bool); create table users (id uuid)",
        auto: None,
        fail: &["no table ai_providers yet", "start Coder"],
    },
    Absent {
        what: "another program's",
        sql: "create table orders (id int)",
        auto: Some(("schema_missing", &["not Coder's", "check the database name"])),
        fail: &["not Coder's", "check the database name"],
    },
    Absent {
        what: "in another schema",
        sql: "create schema coder; grant usage on schema coder to public; create table coder.schema_migrations (version bigint);
              create table coder.ai_providers (id int)",
        auto: Some(("schema_missing", &["is in schema coder", "not in the search_path", "search_path=coder"])),
        fail: &["is in schema coder", "search_path=coder"],
    },
    Absent {
        what: "in two other schemas",
        sql: "create schema a; create schema b; grant usage on schema a, b to public;
              create table a.ai_providers (id int); create table b.ai_providers (id int)",
        auto: Some(("schema_missing", &["in several schemas (a, b)", "search_path="])),
        fail: &["in several schemas (a, b)", "search_path="],
    },
];

#[test]
fn missing_tables_follow_the_option_for_each_role() {
    for absent in ABSENT {
        let database = Server::shared().database(Variant::Empty);
        database.grant_roles();
        database.execute(absent.sql);
        for url in [database.url(), database.url_of(SEED)] {
            for command in ["seed", "diff"] {
                let run = |word: &str| openai(command, &url).arg("--if-schema-missing").arg(word).run();
                let auto = run("auto");
                match absent.auto {
                    None => {
                        assert_eq!(
                            (auto.code, auto.codes("warnings")),
                            (i32::from(command == "diff"), vec!["schema_pending".to_owned()]),
                            "{}: {auto}",
                            absent.what
                        );
                        assert_eq!(auto.json()["providers"][0]["state"], "missing");
                    }
                    Some((code, words)) => says(&auto.expect(5), code, words),
                }
                for word in ["fail", "wait"] {
                    says(&run(word).expect(5), "schema_missing", absent.fail);
                }
            }
        }
    }
}

#[test]
fn second_table_of_the_name_is_a_warning_of_an_insert() {
    let database = Server::shared().database(Variant::Current);
    database.execute("create schema backup; create table backup.ai_providers (id int)");
    let seed = openai("seed", &database.url()).run().expect(0);
    assert_eq!(seed.codes("warnings"), ["schema_unsupported"], "{seed}");
    assert!(seed.stdout.contains("schema backup has a table ai_providers too"), "{seed}");
    // A row in sync needs no look at the catalog.
    assert_eq!(openai("seed", &database.url()).run().expect(0).codes("warnings"), [""; 0]);
}

#[test]
fn waiting_ends_when_the_tables_appear() {
    for small in [false, true] {
        let database = Server::shared().database(Variant::Empty);
        database.grant_roles();
        let url = if small { database.url_of(SEED) } else { database.url() };
        let run = openai("seed", &url).arg("--if-schema-missing=wait").arg("--wait=30s");
        let started = run.start();
        std::thread::sleep(Duration::from_secs(1));
        database.create_tables(Variant::Current);
        let finished = started.wait().expect(0);
        assert_eq!(finished.json()["providers"][0]["state"], "created");
        assert!(finished.elapsed > Duration::from_secs(1), "{finished}");
        assert!(finished.stderr.contains("start Coder") && finished.stderr.contains("retrying"), "{finished}");
    }
}

#[test]
fn waiting_for_missing_tables_ends() {
    let database = Server::shared().database(Variant::Empty);
    let finished = seed(&database).arg("--if-schema-missing=wait").arg("--wait=1s").run().expect(5);
    says(&finished, "schema_missing", &["is empty", "tried", "start Coder"]);
    assert!(finished.elapsed < Duration::from_secs(5), "{finished}");
}

#[test]
fn tables_in_another_schema_are_found_by_search_path() {
    let database = Server::shared().database(Variant::Empty);
    database.execute(&format!("create schema coder; set search_path to coder; {TABLES}"));
    database.grant_roles();
    for url in [database.url(), database.url_of(SEED)] {
        says(&openai("seed", &url).run().expect(5), "schema_missing", &["is in schema coder", "search_path=coder"]);
        openai("seed", &format!("{url}&search_path=coder")).run().expect(0);
        openai("diff", &format!("{url}&search_path=other,coder")).run().expect(0);
    }
    assert_eq!(database.json("select count(*) from coder.ai_providers"), 1);
    assert_eq!(database.json("select count(*) from coder.audit_logs"), 2);
}

/// The first schema in the path may contain a table of the same name that this role must not use.
#[test]
fn missing_usage_on_the_schema_is_reported() {
    for schema in ["public", "coder"] {
        let database = Server::shared().database(Variant::Empty);
        database.execute(&format!("create schema if not exists coder; set search_path to {schema}; {TABLES}"));
        database.grant_roles();
        database.execute(&format!("revoke usage on schema {schema} from ai_provider_seed"));
        for word in ["auto", "fail", "wait"] {
            let url = format!("{}&search_path={schema}", database.url_of(SEED));
            let finished = openai("seed", &url).arg("--if-schema-missing").arg(word).run().expect(5);
            let grant = format!("run: grant usage on schema {schema} to ai_provider_seed");
            says(&finished, "permission_denied", &["role ai_provider_seed may not use schema", &grant]);
        }
    }
}

/// Nothing is missing: `(sql, run)` succeeds then, and is refused when a row must be inserted.
#[test]
fn column_needed_only_by_inserts_blocks_only_inserts() {
    let rows = [
        ("alter table audit_logs drop column resource_icon", "audit_logs has no column resource_icon"),
        ("alter table ai_provider_keys drop column updated_at", "ai_provider_keys has no column updated_at"),
        (
            "alter table ai_providers add column tenant int not null default 1; alter table ai_providers alter tenant drop default",
            "ai_providers.tenant must have a value and has no default",
        ),
        ("alter table audit_logs add column tenant int not null", "audit_logs.tenant must have a value"),
    ];
    for (sql, said) in rows {
        let database = Server::shared().database(Variant::Current);
        seed(&database).run().expect(0);
        database.execute("delete from audit_logs");
        database.execute(sql);
        let before = Snapshot::of(&database);
        assert_eq!(seed(&database).run().expect(0).codes("warnings"), [""; 0], "{sql}");
        let more = |command: &str| {
            let variables = [("TYPE", "anthropic"), ("KEY", "sk-two"), ("BASE_URL", "https://two.example/")];
            let variables = variables.map(|(name, value)| (format!("CODER_AIBRIDGE_PROVIDER_0_{name}"), value));
            openai(command, &database.url()).envs(variables)
        };
        for command in ["seed", "diff"] {
            says(&more(command).run().expect(5), "schema_unsupported", &[said]);
        }
        if said.starts_with("audit_logs") {
            assert!(message(&more("seed").run()).ends_with(", or turn audit rows off with --audit=off"));
            more("seed").arg("--audit=off").run().expect(0);
        } else {
            assert_eq!(Snapshot::of(&database).changes_since(&before), [""; 0], "{sql}");
        }
    }
}

#[test]
fn columns_with_defaults_do_not_matter() {
    let database = Server::shared().database(Variant::Current);
    database.execute(
        "alter table ai_providers add column note text, add column weight int not null default 1,
                                  add column serial bigint generated always as identity,
                                  add column upper_name text not null generated always as (upper(name)) stored;
         alter table ai_provider_keys add column note text; alter table audit_logs add column note text default 'x'",
    );
    assert_eq!(seed(&database).run().expect(0).codes("warnings"), [""; 0]);
    assert_eq!(
        database.json("select json_agg(json_build_array(upper_name, weight)) from ai_providers"),
        json!([["OPENAI", 1]])
    );
}

#[test]
fn missing_column_that_is_read_is_reported() {
    for (column, sql) in [
        ("ai_providers.base_url", "alter table ai_providers drop column base_url"),
        ("ai_providers.display_name", "alter table ai_providers drop column display_name"),
        ("ai_providers.settings", "alter table ai_providers rename column settings to options"),
        ("ai_providers.deleted", "alter table ai_providers drop column deleted cascade"),
        ("ai_providers.updated_at", "alter table ai_providers drop column updated_at"),
        ("ai_provider_keys.api_key_key_id", "alter table ai_provider_keys drop column api_key_key_id"),
        ("dbcrypt_keys.test", "alter table dbcrypt_keys drop column test"),
        ("ai_provider_keys.created_at", "alter table ai_provider_keys drop column created_at"),
    ] {
        let database = Server::shared().database(Variant::Current);
        database.execute(sql);
        for command in ["seed", "diff"] {
            let finished = openai(command, &database.url()).run().expect(5);
            says(&finished, "schema_unsupported", &[&format!("no column {column}"), "release"]);
        }
    }
    let database = Server::shared().database(Variant::Current);
    database.execute("alter table ai_providers alter base_url type bytea using ''");
    database.execute("insert into ai_providers (type, name, base_url) values ('openai', 'openai', '')");
    says(&seed(&database).run().expect(5), "schema_unsupported", &["a column has another type", "release"]);
}

#[test]
fn icon_may_be_absent_optional_or_required() {
    for (sql, stored) in [
        ("alter table ai_providers drop column icon", Value::Null),
        ("select", json!("")),
        ("alter table ai_providers alter icon set default 'd'", json!("d")),
        ("alter table ai_providers alter icon drop default", json!("")),
        ("alter table ai_providers alter icon drop default, alter icon drop not null", json!("")),
    ] {
        let database = Server::shared().database(Variant::Current);
        database.execute(sql);
        seed(&database).run().expect(0);
        assert_eq!(database.json("select coalesce(to_json(p)->'icon', 'null') from ai_providers p"), stored, "{sql}");
    }
}

#[test]
fn audit_rows_are_written_only_if_the_table_fits() {
    let labels = |sql: &str| {
        format!("alter table audit_logs alter resource_type type text; drop type resource_type; {sql};
                                      alter table audit_logs alter resource_type type resource_type using 'user'::resource_type")
    };
    for sql in [
        "drop table audit_logs".to_owned(),
        labels("create type resource_type as enum ('user')"),
        labels("create type resource_type as enum ('user', 'ai_provider')"),
        labels("create type resource_type as enum ('user', 'ai_provider_key')"),
    ] {
        let database = Server::shared().database(Variant::Current);
        database.execute(&sql);
        assert_eq!(seed(&database).run().expect(0).codes("warnings"), [""; 0]);
        assert!(Snapshot::of(&database).audit.is_empty());
    }
}

#[test]
fn half_of_the_tables_is_reported() {
    let database = Server::shared().database(Variant::Current);
    database.execute("drop table ai_provider_keys");
    let copilot = Run::seed()
        .json()
        .env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "copilot")
        .env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://c.example/");
    let copilot = copilot.arg("--wait=0").database(database.url()).arg("--compare-credentials=ignore");
    for run in [
        seed(&database),
        seed(&database).arg("--compare-credentials=ignore"),
        seed(&database).arg("--if-schema-missing=wait"),
    ] {
        says(&run.run().expect(5), "schema_unsupported", &["there is no table ai_provider_keys", "Coder"]);
    }
    copilot.run().expect(0);

    let database = Server::shared().database(Variant::Current);
    database.execute("drop table dbcrypt_keys cascade");
    says(&seed(&database).run().expect(5), "schema_missing", &["there is no table dbcrypt_keys"]);
}

#[test]
fn seed_works_through_pgbouncer() {
    let server = Server::shared();
    let database = server.database(Variant::Empty);
    database.grant_roles();
    let Some(bouncer) = PgBouncer::start(server, &[(SEED, SEED)]) else { return };
    let url = database.url_at(bouncer.port(), SEED, SEED);
    assert_eq!(openai("seed", &url).run().expect(0).codes("warnings"), ["schema_pending"]);
    database.create_tables(Variant::Current);
    assert_eq!(openai("seed", &url).run().expect(0).json()["written"], true);
    assert_eq!(openai("seed", &url).run().expect(0).json()["providers"][0]["state"], "in_sync");
    openai("seed", &url).env("CODER_AIBRIDGE_OPENAI_BASE_URL", "https://other.example/").run().expect(3);
    database.execute("create schema other; alter table ai_providers set schema other");
    says(&openai("seed", &url).run().expect(5), "permission_denied", &["grant usage on schema other"]);
    database.execute("grant usage on schema other to ai_provider_seed");
    says(&openai("seed", &url).run().expect(5), "schema_missing", &["search_path=other"]);
    // As with Coder's driver: PgBouncer accepts no such parameter at start-up, so the role must set it.
    let refused = openai("seed", &format!("{url}&search_path=other,public")).arg("--wait=0").run().expect(4);
    says(
        &refused,
        "unreachable",
        &["parameter search_path is refused", "run: alter role ai_provider_seed set search_path"],
    );
    let name = database.name();
    database.execute(&format!("alter role {SEED} in database {name} set search_path = other, public"));
    let Some(fresh) = PgBouncer::start(server, &[(SEED, SEED)]) else { return };
    openai("seed", &database.url_at(fresh.port(), SEED, SEED)).run().expect(0);
}
