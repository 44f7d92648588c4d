//! Finding a server, waiting for it, and classifying its errors.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::{Mode, Options, PgBouncer, Proxy, Server};
use ai_provider_seed::testing::problem::Code;
use ai_provider_seed::testing::store::connect::{
    ConnectionSource, Connector, RetryBudget, Session, SessionIntent, full_jitter,
};
use ai_provider_seed::testing::store::error::{Error, Retry};
use ai_provider_seed::testing::store::url::ConnectOptions;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn options(text: &str) -> ConnectOptions {
    ConnectOptions::parse(&format!("user=postgres dbname=postgres sslmode=disable {text}"), "X", &|_| None).unwrap()
}

fn connector(text: &str) -> Connector {
    Connector::new(ConnectionSource::given(options(text)))
}

async fn once(connector: &Connector, intent: SessionIntent) -> Result<Session, Error> {
    connector.connect_once(tokio::time::Instant::now() + Duration::from_secs(20), intent).await
}

/// The port of the server that was found.
fn port(text: &str, intent: SessionIntent) -> Result<u16, Error> {
    block_on(async { Ok(once(&connector(text), intent).await?.host.port) })
}

fn closed_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Accepts connections and never answers.
fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn session_knows_its_server_without_a_round_trip() {
    let server = Server::shared();
    let proxy = Proxy::new().start(server.port());
    block_on(async {
        let session =
            once(&connector(&format!("host=127.0.0.1 port={}", proxy.port())), SessionIntent::ReadWrite).await.unwrap();
        assert!(session.server_version.is_some_and(|version| version >= 13));
        if session.server_version >= Some(14) {
            assert_eq!((session.in_hot_standby, session.read_only), (Some(false), Some(false)));
        }
        assert!(!session.is_read_only());
        assert_eq!(session.endpoint.to_string(), format!("database postgres at 127.0.0.1:{}", proxy.port()));
        let query = "select application_name from pg_stat_activity where pid = pg_backend_pid()";
        let mut names = Vec::new();
        let answer = session.query(query, &[], |row| {
            names.push(row.get::<_, String>(0));
            Ok(())
        });
        answer.await.unwrap();
        assert_eq!(names, ["ai-provider-seed"]);
        session.close().await;
    });
    assert_eq!(proxy.round_trips(), [1]);
}

#[test]
fn dropped_session_leaves_no_backend() {
    let server = Server::shared();
    let text = format!("host=127.0.0.1 port={} application_name=dropped", server.port());
    block_on(async { drop(once(&connector(&text), SessionIntent::Any).await.unwrap()) });
    let deadline = Instant::now() + Duration::from_secs(10);
    let count = "select count(*) from pg_stat_activity where application_name = 'dropped'";
    while server.attach("postgres").json(count) != 0 {
        assert!(Instant::now() < deadline, "the backend is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn hosts_are_tried_in_order_and_each_failure_is_reported() {
    let (server, closed, (_listener, silent)) = (Server::shared(), closed_port(), silent());
    let open = server.port();
    assert_eq!(port(&format!("host=127.0.0.1,127.0.0.1 port={closed},{open}"), SessionIntent::Any), Ok(open));
    let text = format!("host=127.0.0.1,db.invalid,127.0.0.1 port={silent},{open},{open} connect_timeout=1");
    assert_eq!(port(&text, SessionIntent::Any), Ok(open));

    let text = format!("host=127.0.0.1,db.invalid,127.0.0.1 port={closed},5432,{silent} connect_timeout=1");
    let error = port(&text, SessionIntent::Any).unwrap_err();
    assert_eq!((error.code, error.retry), (Code::Unreachable, Retry::Wait));
    let message = error.to_string();
    assert!(message.starts_with("no host of database postgres can be used: "), "{message}");
    assert!(message.contains(&format!("127.0.0.1:{closed}: connection refused; ")), "{message}");
    assert!(message.contains("db.invalid:5432: its name cannot be resolved ("), "{message}");
    assert!(
        message.contains(&format!("127.0.0.1:{silent}: no answer in time; check that the server runs")),
        "{message}"
    );
}

#[test]
fn failed_host_is_reported_with_cause_and_next_step() {
    let closed = closed_port();
    let message = port(&format!("host=127.0.0.1 port={closed}"), SessionIntent::Any).unwrap_err().to_string();
    let expected = format!(
        "cannot reach database postgres at 127.0.0.1:{closed}: connection refused; \
         check that the server runs and that host, port and network policies are right"
    );
    assert_eq!(message, expected);
    let message = port("host=/nowhere", SessionIntent::Any).unwrap_err().to_string();
    assert!(message.contains("at /nowhere/.s.PGSQL.5432: there is no such socket"), "{message}");
    let message = port("host=db.invalid", SessionIntent::Any).unwrap_err().to_string();
    assert!(message.contains("cannot be resolved") && message.contains("DNS"), "{message}");
}

#[test]
fn target_session_attrs_choose_the_server() {
    let primary = Server::start(Options::new());
    let standby = primary.standby();
    let (p, s) = (primary.port(), standby.port());
    let both = format!("host=127.0.0.1,127.0.0.1 port={s},{p}");
    for (attribute, intent, expected) in [
        ("any", SessionIntent::Any, s),
        ("any", SessionIntent::ReadWrite, p),
        ("read-write", SessionIntent::Any, p),
        ("primary", SessionIntent::Any, p),
        ("read-only", SessionIntent::Any, s),
        ("standby", SessionIntent::Any, s),
        ("prefer-standby", SessionIntent::Any, s),
        ("prefer-standby", SessionIntent::ReadWrite, p),
    ] {
        assert_eq!(
            port(&format!("{both} target_session_attrs={attribute}"), intent),
            Ok(expected),
            "{attribute} {intent:?}"
        );
    }
    let alone = format!("host=127.0.0.1 port={s}");
    for (attribute, intent) in
        [("any", SessionIntent::ReadWrite), ("primary", SessionIntent::Any), ("read-write", SessionIntent::Any)]
    {
        // A single host of version 13 does not report it, and is not asked.
        if attribute == "any" && std::env::var("POSTGRES_VERSION").as_deref() == Ok("13") {
            assert_eq!(port(&alone, intent), Ok(s));
            continue;
        }
        let error = port(&format!("{alone} target_session_attrs={attribute}"), intent).unwrap_err();
        assert_eq!((error.code, error.retry), (Code::ReadOnly, Retry::Wait));
        assert!(error.to_string().contains("it is a standby"), "{error}");
    }
    let alone = format!("host=127.0.0.1 port={p}");
    assert_eq!(port(&format!("{alone} target_session_attrs=prefer-standby"), SessionIntent::Any), Ok(p));
    assert_eq!(
        port(&format!("{alone} target_session_attrs=standby"), SessionIntent::Any).unwrap_err().code,
        Code::ReadOnly
    );

    // A standby refuses a write, even if it reported otherwise before.
    let error = block_on(async {
        let session = once(&connector(&format!("host=127.0.0.1 port={s}")), SessionIntent::Any).await.unwrap();
        session.execute("create table t ()").await.unwrap_err()
    });
    assert_eq!((error.code, error.retry, error.sqlstate.as_deref()), (Code::ReadOnly, Retry::Wait, Some("25006")));
}

#[test]
fn read_only_default_fails_target_read_write() {
    let server = Server::start(Options::new().setting("default_transaction_read_only", "on"));
    let text = format!("host=127.0.0.1 port={}", server.port());
    assert_eq!(port(&format!("{text} target_session_attrs=read-only"), SessionIntent::Any), Ok(server.port()));
    let error = port(&format!("{text} target_session_attrs=read-write"), SessionIntent::Any).unwrap_err();
    assert_eq!(error.retry, Retry::No);
    assert!(error.to_string().contains("default_transaction_read_only is on in the server's configuration"), "{error}");
}

#[test]
fn late_server_is_waited_for() {
    let server = Server::start(Options::new());
    let connector = connector(&format!("host=127.0.0.1 port={}", server.port()));
    server.stop(Mode::Fast);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(700));
            server.start_again();
        });
        let mut budget = RetryBudget::new(Duration::from_secs(60), full_jitter);
        block_on(connector.wait_and_connect(&mut budget, SessionIntent::ReadWrite)).unwrap();
        assert!(budget.attempts() > 0);
    });
}

#[test]
fn waiting_ends_in_time_with_the_last_cause() {
    let (_listener, silent) = silent();
    for text in [format!("host=127.0.0.1 port={}", closed_port()), format!("host=127.0.0.1 port={silent}")] {
        let started = Instant::now();
        let mut budget = RetryBudget::new(Duration::from_secs(1), full_jitter);
        let error = block_on(connector(&text).wait_and_connect(&mut budget, SessionIntent::Any)).unwrap_err();
        assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
        assert_eq!(error.code, Code::Unreachable);
    }
    let mut budget = RetryBudget::new(Duration::from_millis(500), |_| Duration::from_millis(100));
    let connector = connector(&format!("host=127.0.0.1 port={}", closed_port()));
    let error = block_on(connector.wait_and_connect(&mut budget, SessionIntent::Any)).unwrap_err().to_string();
    assert!(error.contains("connection refused (tried ") && error.contains(" times in "), "{error}");
}

#[test]
fn permanent_failure_ends_at_once() {
    let started = Instant::now();
    let text = format!("host=127.0.0.1 port={} sslmode=require", Server::shared().port());
    let mut budget = RetryBudget::new(Duration::from_secs(60), full_jitter);
    let error = block_on(connector(&text).wait_and_connect(&mut budget, SessionIntent::Any)).unwrap_err();
    assert_eq!(error.code, Code::Tls);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn files_are_read_at_each_attempt() {
    let server = Server::start(Options::new().scram());
    let directory = tempfile::tempdir().unwrap();
    let (url, password) = (directory.path().join("url"), directory.path().join("password"));
    let source = ConnectionSource::url_file(&url, "--database-url-file", &|_| None)
        .password_file(&password, "--database-password-file");
    let connector = Connector::new(source);
    let attempt = || block_on(once(&connector, SessionIntent::Any)).map(|session| session.host.port);

    let error = attempt().unwrap_err();
    assert_eq!((error.code, error.retry), (Code::DatabaseUrlMissing, Retry::No));
    assert_eq!(error.variables, ["--database-url-file"]);
    std::fs::write(&url, format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable\n", server.port()))
        .unwrap();
    let error = attempt().unwrap_err();
    assert_eq!((error.code, error.variables), (Code::InvalidOption, vec!["--database-password-file".to_owned()]));
    std::fs::write(&password, "old\n").unwrap();
    let error = attempt().unwrap_err();
    assert_eq!(
        (error.code, error.retry, error.sqlstate.as_deref()),
        (Code::AuthenticationFailed, Retry::Wait, Some("28P01"))
    );
    assert!(error.to_string().contains("the password of role postgres was refused"), "{error}");
    std::fs::write(&password, "postgres\n").unwrap();
    assert_eq!(attempt(), Ok(server.port()));
    std::fs::write(&url, "postgres://u@h:0/d?sslmode=allow").unwrap();
    let problems = attempt().unwrap_err().into_problems();
    assert_eq!(problems.len(), 2);
    assert!(problems.iter().all(|problem| problem.variables == ["--database-url-file"]));
    std::fs::write(&url, [0xff]).unwrap();
    assert!(attempt().unwrap_err().to_string().contains("not UTF-8"));
}

#[test]
fn missing_password_is_reported() {
    let server = Server::start(Options::new().scram());
    let error = port(&format!("host=127.0.0.1 port={}", server.port()), SessionIntent::Any).unwrap_err();
    assert_eq!((error.code, error.retry), (Code::AuthenticationFailed, Retry::Wait));
    assert!(error.to_string().contains("asks for a password and none is given"), "{error}");
}

#[test]
fn missing_role_and_database_are_reported() {
    let place = format!("host=127.0.0.1 port={}", Server::shared().port());
    let error = port(&format!("{place} dbname=nowhere"), SessionIntent::Any).unwrap_err();
    assert_eq!((error.code, error.retry), (Code::Unreachable, Retry::Wait));
    assert!(error.to_string().contains("there is no database nowhere; create it"), "{error}");
    let error = port(&format!("{place} user=nobody"), SessionIntent::Any).unwrap_err();
    assert_eq!((error.code, error.sqlstate.as_deref()), (Code::AuthenticationFailed, Some("28000")));
    assert!(error.to_string().contains("role nobody was refused"), "{error}");
}

#[test]
fn non_postgres_server_is_reported() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let place = format!("host=127.0.0.1 port={}", listener.local_addr().unwrap().port());
    let answers = std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            use std::io::{Read, Write};
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    for sslmode in ["disable", "require"] {
        let error = port(&format!("{place} sslmode={sslmode}"), SessionIntent::Any).unwrap_err();
        assert_eq!(error.code, Code::Unreachable, "{error}");
        assert!(error.to_string().contains("a web server answers there, and no Postgres server"), "{error}");
    }
    answers.join().unwrap();
}

#[test]
fn pgbouncer_takes_a_url_with_settings() {
    let server = Server::shared();
    let Some(bouncer) = PgBouncer::start(server, &[("postgres", "postgres")]) else { return };
    let text = format!("host=127.0.0.1 port={} password=postgres timezone=UTC application_name=x", bouncer.port());
    block_on(async {
        let session = once(&connector(&text), SessionIntent::ReadWrite).await.unwrap();
        session.execute("select 1").await.unwrap();
    });
    let error = port(&text.replace("password=postgres", "password=wrong"), SessionIntent::Any).unwrap_err();
    assert_eq!(error.code, Code::AuthenticationFailed, "{error}");
    let error = port(&format!("{text} dbname=nowhere"), SessionIntent::Any).unwrap_err();
    assert!(error.code == Code::Unreachable && error.to_string().contains("nowhere"), "{error}");
}
