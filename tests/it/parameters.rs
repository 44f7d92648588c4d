//! Run-time parameters of a URL: sent at start-up as Coder's driver sends them, and named when the server refuses one.

use std::time::Duration;

use crate::support::{Options, PgBouncer, Server, fake_server};
use ai_provider_seed::testing::problem::Code;
use ai_provider_seed::testing::store::connect::{ConnectionSource, Connector, Session, SessionIntent};
use ai_provider_seed::testing::store::error::{Error, Retry};
use ai_provider_seed::testing::store::url::ConnectOptions;
use std::io::Write;
use std::sync::mpsc;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn connect(port: u16, query: &str) -> Result<Session, Error> {
    let url = format!("postgres://postgres:postgres@127.0.0.1:{port}/postgres?sslmode=disable{query}");
    let options = ConnectOptions::parse(&url, "X", &|_| None).expect("valid parameters");
    let connector = Connector::new(ConnectionSource::given(options));
    connector.connect_once(tokio::time::Instant::now() + Duration::from_secs(20), SessionIntent::Any).await
}

#[test]
fn refused_parameter_is_named() {
    let server = Server::start(Options::new());
    server.client("postgres").batch_execute("create role plain login").unwrap();
    for (query, expected) in [
        ("&pgbouncer=true", "parameter pgbouncer is refused: the server does not know it"),
        ("&schema=public", "parameter schema is refused"),
        ("&ssl=true", "parameter ssl is refused: it cannot be set by a client"),
        ("&user=plain&log_statement=all", "parameter log_statement is refused: the role may not set it"),
        ("&TimeZone=Mars", "parameter TimeZone is refused: its value is not valid"),
        ("&statement_timeout=5sec", "parameter statement_timeout is refused: its value is not valid"),
        ("&search_path=public&work_mem=1x", "parameter work_mem is refused"),
        ("&options=-c%20lock_timeout%3Dx%20-c%20geqo%3Doff", "parameter lock_timeout is refused"),
        ("&options=endpoint%3Dep-x-1", "parameter options is refused: it is not written as -c name=value"),
    ] {
        let error = block_on(connect(server.port(), query)).map(|_| ()).unwrap_err();
        assert_eq!((error.code, error.retry), (Code::Unreachable, Retry::Wait), "{query}: {error}");
        assert!(error.to_string().contains(expected), "{query}: {error}");
    }
}

#[test]
fn accepted_parameters_hold_for_the_session() {
    let options = "&options=-c%20application_name%3Dx%20-c%20geqo%3Doff&TimeZone=Asia/Tokyo&search_path=a,public";
    let shown = block_on(async {
        let session = connect(Server::shared().port(), options).await.unwrap();
        let query = "select current_setting('application_name'), current_setting('geqo'), current_setting('timezone'),
                            current_setting('search_path')";
        let mut shown = Vec::new();
        let each = |row: &tokio_postgres::Row| {
            shown = (0..4).map(|at| row.get::<_, String>(at)).collect();
            Ok(())
        };
        session.query(query, &[], each).await.unwrap();
        shown
    });
    assert_eq!(shown, ["x", "off", "Asia/Tokyo", "a,public"]);
}

/// The parameters that Neon, Supavisor and others read from the start-up packet.
#[test]
fn startup_packet_has_the_parameters_of_the_url() {
    let (sender, packets) = mpsc::channel();
    let port = fake_server::serve(move |mut stream| {
        sender.send(fake_server::start_up(&mut stream).unwrap()).unwrap();
        let _ = stream.write_all(&fake_server::error("57P03", "later"));
    });
    block_on(connect(port, "&options=endpoint%3Dep-x-1&timezone=UTC&geqo=off")).map(|_| ()).unwrap_err();
    let packet = packets.recv().unwrap().join(" ");
    assert_eq!(
        packet.trim_end(),
        "client_encoding UTF8 user postgres database postgres options endpoint=ep-x-1 application_name ai-provider-seed \
         geqo off timezone UTC"
    );
}

#[test]
fn pgbouncer_takes_or_names_a_parameter() {
    let server = Server::shared();
    let lenient = "ignore_startup_parameters = search_path\n";
    let Some(bouncer) = PgBouncer::start_with(server, &[("postgres", "postgres")], lenient, &[]) else { return };
    block_on(connect(bouncer.port(), "&timezone=UTC&search_path=public")).unwrap();
    for (query, expected) in [
        ("&statement_timeout=5s", "run: alter role postgres set statement_timeout = …"),
        ("&options=-c%20geqo%3Doff", "parameter options is refused"),
    ] {
        let error = block_on(connect(bouncer.port(), query)).map(|_| ()).unwrap_err();
        assert_eq!((error.code, error.retry), (Code::Unreachable, Retry::Wait), "{query}: {error}");
        assert!(error.to_string().contains(expected), "{query}: {error}");
    }
}
