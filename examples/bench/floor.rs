//! Programs to compare with in `make bench`: the same stack with the least work, or with another approach.
//!
//!     floor select-1               connect, one `select 1`, say goodbye
//!     floor read                   connect, and read as a seed does that has nothing to do, without a look at what comes
//!     floor through-lock           the same read within Coder's lock
//!     floor as-coder               Coder's lock, all providers, then the keys of each, every statement waiting for its answer
//!     floor per-row N K            N providers with K keys each: one unprepared statement per row, one transaction
//!     floor prepared N K           the same, each kind of statement prepared once
//!
//! The database is in DATABASE_URL; FLOOR_CA, if it is set, names the certificate to check the server's with.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use ai_provider_seed::testing::store::snapshot::statement_of_a_seed;
use ai_provider_seed::testing::store::transaction::begin_read_only;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use uuid::Uuid;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, task) = connect().await;
        match arguments[0].as_str() {
            "select-1" => assert_eq!(client.simple_query("select 1").await.unwrap().len(), 3),
            "read" => read(&client).await,
            "through-lock" => through_lock(&client).await,
            "as-coder" => as_coder(&client).await,
            "per-row" => per_row(&client, number(1), number(2), false).await,
            "prepared" => per_row(&client, number(1), number(2), true).await,
            other => panic!("there is no {other}"),
        }
        drop(client);
        task.await.unwrap();
    });
}

async fn connect() -> (Client, tokio::task::JoinHandle<()>) {
    let url = std::env::var("DATABASE_URL").unwrap();
    let Ok(ca) = std::env::var("FLOOR_CA") else {
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        return (client, tokio::spawn(async { connection.await.unwrap() }));
    };
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_file_iter(ca).unwrap().map(Result::unwrap));
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (client, connection) = tokio_postgres::connect(&url, MakeRustlsConnect::new(config)).await.unwrap();
    (client, tokio::spawn(async { connection.await.unwrap() }))
}

fn names() -> Vec<String> {
    (0..100).map(|n| format!("p{n}")).collect()
}

async fn read(client: &Client) {
    let (begin, rows, names) = (begin_read_only(), statement_of_a_seed(), names());
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&names, Type::TEXT_ARRAY)];
    let (begun, rows, done) = tokio::join!(
        client.batch_execute(&begin),
        client.query_typed(&rows, &parameters),
        client.batch_execute("commit"),
    );
    begun.unwrap();
    assert_eq!(rows.unwrap().len(), 200);
    done.unwrap();
}

/// A seed that always takes the lock: begin, lock and read in one round trip. The transaction ends only after the rows
/// were seen, since only then it is known that there is nothing to insert.
async fn through_lock(client: &Client) {
    let (rows, names) = (statement_of_a_seed(), names());
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&names, Type::TEXT_ARRAY)];
    let (locked, rows) = tokio::join!(
        client.batch_execute("begin; set local lock_timeout = '60s'; select pg_advisory_xact_lock(10)"),
        client.query_typed(&rows, &parameters)
    );
    locked.unwrap();
    assert_eq!(rows.unwrap().len(), 200);
    client.batch_execute("commit").await.unwrap();
}

/// The start of Coder's server, in the releases that compare keys.
async fn as_coder(client: &Client) {
    client.batch_execute("begin").await.unwrap();
    client.batch_execute("select pg_advisory_xact_lock(10)").await.unwrap();
    let providers = "select id, type::text, name, display_name, enabled, deleted, base_url, settings, settings_key_id,
                            created_at, updated_at from ai_providers order by name";
    let rows = client.query_typed(providers, &[]).await.unwrap();
    assert_eq!(rows.len(), 100);
    let keys = "select id, provider_id, api_key, api_key_key_id, created_at, updated_at
                  from ai_provider_keys where provider_id = $1 order by created_at, id";
    for row in rows {
        let id: Uuid = row.get(0);
        assert_eq!(client.query_typed(keys, &[(&id, Type::UUID)]).await.unwrap().len(), 2);
    }
    client.batch_execute("commit").await.unwrap();
}

const PROVIDER: &str = "insert into ai_providers (id, type, name, display_name, enabled, base_url)
                        values ($1::text::uuid, $2::text::ai_provider_type, $3, $3, true, $4)";
const KEY: &str = "insert into ai_provider_keys (id, provider_id, api_key) values ($1::text::uuid, $2::text::uuid, $3)";
const AUDIT: &str = "insert into audit_logs (id, \"time\", user_id, organization_id, resource_type, resource_id, resource_target,
                            action, diff, status_code, additional_fields, request_id, resource_icon)
                     values (gen_random_uuid(), now(), $1::text::uuid, $1::text::uuid, $2::text::resource_type, $3::text::uuid, $4,
                             'create', $5::text::jsonb, 0, '{}', $1::text::uuid, '')";

/// The audit entry of a new key, and one of similar size for a new provider.
fn diff(id: &str, of: &str) -> String {
    let now = "2026-11-20T09:12:00.000001+00:00";
    format!(
        r#"{{"id":{{"old":"","new":"{id}","secret":false}},"provider_id":{{"old":"","new":"{of}","secret":false}},
            "api_key":{{"old":"","new":"","secret":true}},"api_key_key_id":{{"old":null,"new":null,"secret":false}},
            "created_at":{{"old":null,"new":"{now}","secret":false}},"updated_at":{{"old":null,"new":"{now}","secret":false}}}}"#
    )
}

/// As Coder does: a separate statement for each row, and each waits for its answer.
async fn per_row(client: &Client, providers: usize, keys: usize, prepared: bool) {
    let nobody = Uuid::nil().to_string();
    let statements = [Kind::new(PROVIDER, 4), Kind::new(KEY, 3), Kind::new(AUDIT, 5)];
    let mut writer = Writer { client, statements, prepared };
    client.batch_execute("begin; select pg_advisory_xact_lock(10)").await.unwrap();
    if prepared {
        for kind in &mut writer.statements {
            kind.prepared = Some(client.prepare_typed(kind.sql, &kind.types).await.unwrap());
        }
    }
    for n in 0..providers {
        let (id, name) = (Uuid::new_v4().to_string(), format!("p{n}"));
        writer.write(0, &[&id, &"openai", &name, &"https://ai.example/v1"]).await;
        writer.write(2, &[&nobody, &"ai_provider", &id, &name, &diff(&id, &name)]).await;
        for key in 0..keys {
            let key_id = Uuid::new_v4().to_string();
            writer.write(1, &[&key_id, &id, &format!("sk-{n}-{key}")]).await;
            writer.write(2, &[&nobody, &"ai_provider_key", &key_id, &key_id, &diff(&key_id, &id)]).await;
        }
    }
    client.batch_execute("select pg_notify('ai_providers_changed', ''); commit").await.unwrap();
}

struct Kind {
    sql: &'static str,
    types: Vec<Type>,
    prepared: Option<tokio_postgres::Statement>,
}

impl Kind {
    fn new(sql: &'static str, parameters: usize) -> Self {
        Kind { sql, types: vec![Type::TEXT; parameters], prepared: None }
    }
}

struct Writer<'a> {
    client: &'a Client,
    statements: [Kind; 3],
    prepared: bool,
}

impl Writer<'_> {
    async fn write(&self, kind: usize, values: &[&(dyn ToSql + Sync)]) {
        let kind = &self.statements[kind];
        if self.prepared {
            self.client.execute(kind.prepared.as_ref().unwrap(), values).await.unwrap();
        } else {
            // As Coder's driver does with an unprepared statement: parse and describe, then bind and execute.
            self.client.execute(kind.sql, values).await.unwrap();
        }
    }
}
