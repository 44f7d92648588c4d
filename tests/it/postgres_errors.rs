//! The classification of a real server's errors.

use std::time::Duration;

use crate::support::{Proxy, Server};
use ai_provider_seed::testing::problem::{Code, Problem};
use ai_provider_seed::testing::store::connect::{ConnectionSource, Connector, Session, SessionIntent};
use ai_provider_seed::testing::store::error::Retry;
use ai_provider_seed::testing::store::url::ConnectOptions;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn session(port: u16) -> Session {
    let text = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=disable");
    let connector = Connector::new(ConnectionSource::given(ConnectOptions::parse(&text, "X", &|_| None).unwrap()));
    connector.connect_once(tokio::time::Instant::now() + Duration::from_secs(20), SessionIntent::Any).await.unwrap()
}

/// Any message of the server, and its classification.
#[test]
fn statement_error_has_code_and_retry_and_no_secret() {
    use Retry::{Again, No, Wait};
    let rows = [
        (
            "42501",
            "permission denied for table ai_provider_keys",
            "",
            Code::PermissionDenied,
            No,
            "run: grant select on ai_provider_keys to postgres (all grants",
        ),
        ("42501", "sk-1", "", Code::PermissionDenied, No, "lacks a privilege; run deploy"),
        ("42P01", "relation \"ai_providers\" does not exist", "", Code::SchemaMissing, No, "no table ai_providers"),
        ("42703", "column sk-1 of ai_providers", "", Code::SchemaUnsupported, No, "table ai_providers lacks a column"),
        ("25006", "sk-1", "", Code::ReadOnly, Wait, "it is read-only"),
        ("55P03", "sk-1", "", Code::ServerError, Wait, "pg_locks"),
        ("40001", "sk-1", "", Code::ServerError, Again, "another transaction"),
        ("40P01", "sk-1", "", Code::ServerError, Again, "another transaction"),
        ("23505", "sk-1", "ai_providers_name_unique", Code::ServerError, Again, "the same row"),
        ("23505", "sk-1", "ai_provider_keys_pkey", Code::ServerError, Again, "the same row"),
        ("23505", "sk-1", "other_key", Code::ServerError, No, "23505 unique_violation"),
        ("23514", "sk-1", "ai_providers_name_check", Code::ServerError, No, "constraint ai_providers_name_check"),
        ("57014", "sk-1", "", Code::ServerError, No, "57014 query_canceled; see who"),
        ("53100", "sk-1", "", Code::ServerError, No, "53100 disk_full; free space"),
        ("53300", "sk-1", "", Code::Unreachable, Wait, "no free connection slot"),
        ("57P01", "sk-1", "", Code::Unreachable, Wait, "shutting down"),
        ("08006", "sk-1", "", Code::Unreachable, Wait, "broken connection"),
        ("P0001", "sk-1", "", Code::ServerError, No, "P0001 raise_exception; look at the server's log"),
        ("ZZ123", "sk-1", "", Code::ServerError, No, "SQLSTATE ZZ123; look at"),
    ];
    block_on(async {
        let session = session(Server::shared().port()).await;
        for (state, message, constraint, code, retry, expected) in rows {
            let statement = format!(
                "do $$ begin raise exception using errcode = '{state}', message = '{message}', constraint = '{constraint}', \
                 detail = 'Failing row contains sk-1', hint = 'sk-1'; end $$"
            );
            let error = session.execute(&statement).await.unwrap_err();
            assert_eq!((error.code, error.retry, error.sqlstate.as_deref()), (code, retry, Some(state)), "{error}");
            assert_eq!(error.is_undefined_table(), state == "42P01");
            assert_eq!(error.connection_lost, state.starts_with("08") || state == "57P01");
            let shown = format!("{error} {error:?} {:?}", Problem::from(error.clone()));
            assert!(shown.contains(expected), "{state}: {shown}");
            assert!(!shown.contains("sk-1"), "{shown}");
        }
    });
}

#[test]
fn broken_connection_is_classified_as_lost() {
    let server = Server::shared();
    let proxy = Proxy::new().start(server.port());
    let error = block_on(async {
        let session = session(proxy.port()).await;
        proxy.cut();
        session.execute("select 1").await.unwrap_err()
    });
    assert!(error.connection_lost);
    assert_eq!((error.code, error.retry, error.sqlstate), (Code::Unreachable, Retry::Wait, None));

    let error = block_on(async {
        let session = session(server.port()).await;
        let end = "select pg_terminate_backend(pg_backend_pid())";
        session.execute(end).await.unwrap_err()
    });
    assert!(error.connection_lost, "{error:?}");
    assert_eq!((error.code, error.retry), (Code::Unreachable, Retry::Wait));
}
