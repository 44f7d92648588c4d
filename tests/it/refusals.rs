//! Refusals of a server or a pooler before the session is ready: SQLSTATE and the state of the login decide, words only
//! hint.

use std::time::Duration;

use crate::support::certificates::self_signed;
use crate::support::{Options, PgBouncer, Server, fake_server};
use ai_provider_seed::testing::problem::Code;
use ai_provider_seed::testing::store::connect::{ConnectionSource, Connector, Session, SessionIntent};
use ai_provider_seed::testing::store::error::{Error, Retry};
use ai_provider_seed::testing::store::url::ConnectOptions;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn connect(port: u16, parameters: &str) -> Result<Session, Error> {
    let text = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=disable {parameters}");
    let options = ConnectOptions::parse(&text, "X", &|_| None).expect("valid parameters");
    let connector = Connector::new(ConnectionSource::given(options));
    connector.connect_once(tokio::time::Instant::now() + Duration::from_secs(20), SessionIntent::Any).await
}

fn refused(port: u16, parameters: &str) -> Error {
    match block_on(connect(port, parameters)) {
        Ok(_) => panic!("connected with {parameters}"),
        Err(error) => error,
    }
}

/// Any SQLSTATE: exit 4, retried. Class 28 is a failed login, and names the method.
#[test]
fn refusal_before_ready_is_retried_with_a_hint() {
    use Code::{AuthenticationFailed as Login, Unreachable};
    let rows = [
        ("XX000", "Max client connections reached", Unreachable, "no free connection slot"),
        ("XX000", "MaxClientsInSessionMode: max clients reached", Unreachable, "no free connection slot"),
        ("XX000", "Tenant or user not found", Unreachable, "postgres.<project-ref>"),
        ("58000", "could not get connection from the pool - AllServersDown", Unreachable, "no server that answers"),
        ("55000", "database \"x\" is not currently accepting connections", Unreachable, "datallowconn"),
        (
            "42501",
            "permission denied for database \"x\"",
            Unreachable,
            "grant connect on database postgres to postgres",
        ),
        ("53400", "sk-1", Unreachable, "SQLSTATE 53400 configuration_limit_exceeded; look at the log"),
        ("ZZ123", "sk-1", Unreachable, "SQLSTATE ZZ123; look at the log"),
        ("08P01", "bouncer config error", Unreachable, "the pooler's configuration is wrong"),
        ("08P01", "client_login_timeout (server down)", Unreachable, "client_login_timeout"),
        (
            "08P01",
            "server login failed: FATAL password authentication failed",
            Unreachable,
            "the pooler cannot log in to its server",
        ),
        ("28000", "PAM authentication failed for user \"x\"", Login, "15 minutes, or run: grant rds_iam to postgres"),
        ("28000", "PAM-Authentifizierung für Benutzer »x« fehlgeschlagen", Login, "PAM refused role postgres"),
        ("28000", "LDAP authentication failed for user \"x\"", Login, "LDAP refused role postgres"),
        ("28000", "Peer authentication failed for user \"x\"", Login, "the name of the operating system's user"),
        ("28000", "Ident authentication failed for user \"x\"", Login, "ident authentication refused role"),
        ("28000", "échec de l'authentification par RADIUS pour l'utilisateur « x »", Login, "RADIUS refused role"),
        ("28000", "Azure AD user token for role \"x\" is expired", Login, "Entra ID (Azure AD) refused role postgres"),
        (
            "28P01",
            "The access token has expired or is not yet valid",
            Login,
            "the password of role postgres was refused",
        ),
        ("28000", "Cloud SQL IAM user authentication failed for user \"x\"", Login, "Cloud SQL IAM refused"),
        ("28000", "Zertifikatauthentifizierung für Benutzer »x« fehlgeschlagen", Login, "a valid client certificate"),
        // A role may have the name of a method.
        ("28000", "role \"pam ldap\" does not exist", Login, "role postgres was refused; check that the role exists"),
        ("28000", "Rolle »peer« existiert nicht", Login, "role postgres was refused; check that the role exists"),
    ];
    for (state, message, code, expected) in rows {
        let error = refused(fake_server::answering(fake_server::error(state, message)), "");
        assert_eq!((error.code, error.retry), (code, Retry::Wait), "{message}: {error}");
        assert_eq!(error.sqlstate.as_deref(), Some(state));
        assert!(error.to_string().contains(expected) && !error.to_string().contains("sk-1"), "{message}: {error}");
    }
}

/// The server's words are German; the message comes from SQLSTATE, from names in those words, and from known facts.
#[test]
fn german_server_is_understood_as_an_english_one() {
    let pair = self_signed(&["127.0.0.1"], true);
    let Some(german) = Options::new().german() else { return };
    let server = Server::start(
        german
            .tls(&pair.certificates, &pair.key)
            .hba("hostssl all +strict 127.0.0.1/32 trust")
            .hba("host all pammy 127.0.0.1/32 ldap ldapserver=127.0.0.1 ldapport=1 ldapprefix=x")
            .hba("host all certain 127.0.0.1/32 reject")
            .hba("host all postgres 127.0.0.1/32 scram-sha-256"),
    );
    let create = "create role strict; create role hidden login in role strict; create role pammy login; \
                  create role certain login; \
                  create table ai_providers (name text); alter table ai_providers enable row level security; \
                  grant select on ai_providers to hidden; revoke connect on database template1 from public";
    server.client("postgres").batch_execute(create).unwrap();
    server.client("postgres").batch_execute("create database closed allow_connections false").unwrap();
    let spoken = server.client("postgres").batch_execute("select nothing").unwrap_err();
    assert!(spoken.as_db_error().unwrap().message().contains("existiert nicht"), "{spoken:?}");

    let port = server.port();
    let encrypted = "sslmode=require user=hidden";
    for (parameters, code, expected) in [
        ("user=hidden", Code::AuthenticationFailed, "from here without TLS; use sslmode=require"),
        ("user=certain sslmode=require", Code::AuthenticationFailed, "from here with TLS; add a host"),
        (
            "user=nobody sslmode=require",
            Code::AuthenticationFailed,
            "role nobody into database postgres from here with TLS",
        ),
        ("user=pammy password=x", Code::AuthenticationFailed, "LDAP refused role pammy"),
        ("password=wrong", Code::AuthenticationFailed, "the password of role postgres was refused"),
        ("password=postgres dbname=nowhere", Code::Unreachable, "there is no database nowhere; create it"),
        ("password=postgres dbname=closed", Code::Unreachable, "database closed takes no connections"),
        (&format!("{encrypted} dbname=template1"), Code::Unreachable, "role hidden may not connect to it"),
    ] {
        let error = refused(port, parameters);
        assert_eq!((error.code, error.retry), (code, Retry::Wait), "{parameters}: {error}");
        assert!(error.to_string().contains(expected), "{parameters}: {error}");
    }
    block_on(async {
        let session = connect(port, encrypted).await.unwrap();
        for (statement, code, expected) in [
            (
                "set row_security = off; select * from ai_providers",
                Code::PermissionDenied,
                "row-level security of ai_providers hides",
            ),
            ("select * from pg_authid", Code::PermissionDenied, "role hidden lacks a privilege"),
            (
                "select p.base_url from ai_providers p",
                Code::SchemaUnsupported,
                "there is no column ai_providers.base_url",
            ),
            ("select * from ai_provider_keys", Code::SchemaMissing, "there is no table ai_provider_keys"),
            ("begin read only; create table t ()", Code::ReadOnly, "read-only"),
        ] {
            let error = session.execute(statement).await.unwrap_err();
            assert!(error.code == code && error.to_string().contains(expected), "{statement}: {error}");
            session.execute("rollback").await.unwrap();
        }
    });
}

#[test]
fn pgbouncer_refusals_are_distinguished() {
    let (server, roles) = (Server::shared(), [("postgres", "postgres")]);
    let pair = self_signed(&["127.0.0.1"], true);
    let files = [("client.crt", pair.certificates.as_str()), ("client.key", pair.key.as_str())];
    let tls = "client_tls_sslmode = require\nclient_tls_cert_file = client.crt\nclient_tls_key_file = client.key\n";
    let Some(strict) = PgBouncer::start_with(server, &roles, tls, &files) else { return };
    let error = refused(strict.port(), "password=postgres");
    assert!(error.to_string().contains("the pooler takes connections with TLS only; use sslmode=require"), "{error}");
    block_on(connect(strict.port(), "password=postgres sslmode=require")).unwrap();

    let small = PgBouncer::start_with(server, &roles, "max_client_conn = 1\n", &[]).unwrap();
    block_on(async {
        let _held = connect(small.port(), "password=postgres").await.unwrap();
        let error = connect(small.port(), "password=postgres").await.unwrap_err();
        assert_eq!((error.code, error.retry), (Code::Unreachable, Retry::Wait));
        assert!(error.to_string().contains("raise max_client_conn"), "{error}");
    });

    let busy = PgBouncer::start_with(server, &roles, "query_wait_timeout = 1\n", &[]).unwrap();
    block_on(async {
        let mut held = Vec::new();
        for _ in 0..2 {
            let session = connect(busy.port(), "password=postgres").await.unwrap();
            session.execute("begin").await.unwrap();
            held.push(session);
        }
        let session = connect(busy.port(), "password=postgres").await.unwrap();
        let error = session.execute("select 1").await.unwrap_err();
        assert_eq!((error.code, error.retry), (Code::Unreachable, Retry::Wait));
        assert!(error.connection_lost && error.to_string().contains("(query_wait_timeout)"), "{error}");
    });

    let error = refused(busy.port(), "password=postgres dbname=nowhere");
    assert_eq!((error.code, error.retry), (Code::Unreachable, Retry::Wait), "{error}");
    let error = refused(busy.port(), "password=wrong");
    assert_eq!((error.code, error.retry), (Code::AuthenticationFailed, Retry::Wait), "{error}");
}
