//! The helpers of tests/support themselves: a helper that fails silently would invalidate every other test.

use crate::support::{Mode, Options, Run, Server, Snapshot, Variant};
use std::time::Duration;

#[test]
fn each_variant_has_its_tables() {
    let server = Server::shared();
    let describe = "select json_build_object(
        'providers', to_regclass('ai_providers')::text, 'audit', to_regclass('audit_logs')::text,
        'labels', (select count(*) from pg_enum e join pg_type t on t.oid = enumtypid where typname = 'ai_provider_type'),
        'icon', (select count(*) from pg_attribute where attrelid = to_regclass('ai_providers') and attname = 'icon'))";
    let tables = |labels: u32, icon: u32| serde_json::json!({"providers": "ai_providers", "audit": "audit_logs", "labels": labels, "icon": icon});
    assert_eq!(server.database(Variant::Initial).json(describe), tables(2, 0));
    assert_eq!(server.database(Variant::Current).json(describe), tables(9, 1));
    let empty = server.database(Variant::Empty);
    assert_eq!(empty.json(describe)["providers"], serde_json::Value::Null);
    empty.create_tables(Variant::Current);
    assert_eq!(empty.json(describe), tables(9, 1));
}

#[test]
fn databases_are_dropped_and_share_no_rows() {
    let server = Server::shared();
    let insert = "insert into ai_providers (type, name, base_url) values ('openai', 'openai', '')";
    let (one, two) = (server.database(Variant::Initial), server.database(Variant::Initial));
    one.execute(insert);
    assert_eq!(one.json("select count(*) from ai_providers"), 1);
    assert_eq!(two.json("select count(*) from ai_providers"), 0);
    let name = one.name().to_owned();
    drop(one);
    let there = format!("select count(*) from pg_database where datname = '{name}'");
    assert_eq!(server.attach("postgres").json(&there), 0);
}

#[test]
fn server_has_the_requested_version() {
    let version = std::env::var("POSTGRES_VERSION").unwrap_or_else(|_| "15".into());
    let shown = Server::shared().attach("postgres").json("select to_json(current_setting('server_version'))");
    assert!(shown.as_str().unwrap().starts_with(&version), "{shown}");
}

#[test]
fn data_survives_a_restart_and_a_crash() {
    let server = Server::start(Options::new());
    let database = server.database(Variant::Empty);
    database.execute("create table t (n int); insert into t values (1)");
    server.restart(Mode::Fast);
    server.attach("postgres").execute("checkpoint");
    server.restart(Mode::Immediate);
    assert_eq!(database.json("select count(*) from t"), 1);
}

#[test]
fn standby_follows_refuses_writes_and_can_be_promoted() {
    let primary = Server::start(Options::new());
    let database = primary.database(Variant::Empty);
    let standby = primary.standby();
    database.execute("create table t (n int)");
    let copy = standby.attach(database.name());
    let arrived = || copy.json("select to_json(to_regclass('t') is not null)") == true;
    assert!(within_10_s(arrived), "the table did not reach the standby");
    let refused = copy.client().batch_execute("insert into t values (1)").unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "25006");
    primary.stop(Mode::Immediate);
    standby.promote();
    copy.execute("insert into t values (1)");
}

#[test]
fn server_has_the_requested_passwords_and_settings() {
    let server = Server::start(Options::new().scram().setting("default_transaction_read_only", "on"));
    let connect = |url: String| ::postgres::Client::connect(&url, ::postgres::NoTls);
    let database = server.database(Variant::Current);
    assert!(connect(database.url_as("postgres", "wrong")).is_err());
    let mut client = connect(database.url()).unwrap();
    let refused = client.batch_execute("insert into ai_providers (type, name, base_url) values ('openai', 'a', '')");
    assert_eq!(refused.unwrap_err().code().unwrap().code(), "25006");
}

#[test]
fn tls_is_served_and_failed_start_has_a_reason() {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let server = Server::start(Options::new().tls(&certificate.cert.pem(), &certificate.signing_key.serialize_pem()));
    assert_eq!(server.attach("postgres").json("select to_json(current_setting('ssl'))"), "on");
    let broken = std::panic::catch_unwind(|| Server::start(Options::new().setting("ssl", "on")));
    assert!(broken.err().unwrap().downcast_ref::<String>().unwrap().contains("server.crt"));
}

#[test]
fn snapshot_shows_every_kind_of_write() {
    let database = Server::shared().database(Variant::Current);
    database.execute(
        "insert into ai_providers (type, name, base_url) values ('openai', 'one', ''), ('openai', 'two', '');
         insert into ai_provider_keys (provider_id, api_key) select id, 'sk' from ai_providers where name = 'one';
         insert into dbcrypt_keys (number, test) values (1, 'x')",
    );
    let before = Snapshot::of(&database);
    assert_eq!(before, Snapshot::of(&database));
    assert_eq!(before.keys_of(&before.live("one").unwrap()["id"]), ["sk"]);
    for (write, shown) in [
        ("update ai_providers set base_url = base_url where name = 'one'", "became"),
        ("update ai_provider_keys set api_key = 'other'", "became"),
        ("update dbcrypt_keys set revoked_at = now()", "became"),
        ("delete from ai_providers where name = 'two'", "deleted"),
        ("insert into ai_providers (type, name, base_url) values ('openai', 'three', '')", "inserted"),
    ] {
        let before = Snapshot::of(&database);
        database.execute(write);
        let changes = Snapshot::of(&database).changes_since(&before);
        assert!(changes.len() == 1 && changes[0].contains(shown), "{write}: {changes:?}");
        assert_ne!(before, Snapshot::of(&database));
    }
    let empty = Server::shared().database(Variant::Empty);
    assert!(Snapshot::of(&empty).providers.is_empty());
}

#[test]
fn run_has_only_its_own_environment() {
    let finished = Run::new(["crd"]).env("PATH", "/nowhere").run();
    assert_ne!(finished.code, -1, "{finished}");
    assert!(finished.termination.is_some());
}

/// Not a test by itself: the process that the next test kills.
#[test]
#[ignore = "run by the next test, which kills it"]
fn helper_process_with_a_server() {
    if let Some(path) = std::env::var_os("TELL_WHERE_THE_SERVER_IS") {
        let server = Server::start(Options::new());
        std::fs::write(path, format!("{} {}", server.port(), server.data().display())).unwrap();
        std::thread::sleep(Duration::from_secs(60));
    }
}

#[test]
fn server_ends_with_a_killed_test_process() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut process = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "support_postgres::helper_process_with_a_server"])
        .env("TELL_WHERE_THE_SERVER_IS", file.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let told = || std::fs::read_to_string(file.path()).unwrap();
    assert!(within_10_s(|| told().contains(' ')), "the other process did not start its server");
    let told = told();
    let (port, data) = told.split_once(' ').unwrap();
    let address = format!("127.0.0.1:{port}");
    assert!(std::net::TcpStream::connect(&address).is_ok());
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(within_10_s(|| std::net::TcpStream::connect(&address).is_err()), "the server still runs");
    assert!(within_10_s(|| !std::path::Path::new(data).exists()), "its data is still there");
}

fn within_10_s(condition: impl Fn() -> bool) -> bool {
    (0..1000).any(|_| {
        condition() || {
            std::thread::sleep(Duration::from_millis(10));
            false
        }
    })
}
