//! Every `sslmode` with a real server and real certificates.

use std::time::Duration;

use crate::support::certificates::{Authority, Pair, self_signed, version_one};
use crate::support::{Options, Server};
use ai_provider_seed::testing::problem::Code;
use ai_provider_seed::testing::store::connect::{ConnectionSource, Connector, Session, SessionIntent};
use ai_provider_seed::testing::store::error::{Error, Retry};
use ai_provider_seed::testing::store::url::{ConnectOptions, Identity, Pem};
use tempfile::TempDir;

const HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];

fn options(server: &Server, parameters: &str) -> ConnectOptions {
    let text = format!("host=127.0.0.1 port={} user=postgres dbname=postgres {parameters}", server.port());
    ConnectOptions::parse(&text, "DATABASE_URL", &|_| None).expect("valid parameters")
}

fn try_options(options: ConnectOptions) -> Result<Option<bool>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connector = Connector::new(ConnectionSource::given(options));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        let session = connector.connect_once(deadline, SessionIntent::Any).await?;
        let encrypted = is_encrypted(&session).await?;
        session.close().await;
        Ok(encrypted)
    })
}

async fn is_encrypted(session: &Session) -> Result<Option<bool>, Error> {
    let query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let mut encrypted = None;
    let answer = session.query(query, &[], |row| {
        encrypted = Some(row.get(0));
        Ok(())
    });
    answer.await?;
    Ok(encrypted)
}

/// Connects with TLS.
fn connects(server: &Server, parameters: &str) {
    assert_eq!(try_options(options(server, parameters)), Ok(Some(true)), "{parameters}");
}

/// Is refused without a retry, with this text in the message.
fn refused(server: &Server, parameters: &str, expected: &str) {
    let error = try_options(options(server, parameters)).expect_err(parameters);
    assert_eq!((error.code, error.retry), (Code::Tls, Retry::No), "{parameters}: {error}");
    assert!(error.to_string().contains(expected), "{parameters}: {error}");
}

fn start(pair: &Pair) -> Server {
    Server::start(Options::new().tls(&pair.certificates, &pair.key))
}

fn file(directory: &TempDir, name: &str, contents: &str) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, contents).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn right_certificate_passes_every_mode() {
    let (ca, other, directory) = (Authority::new("db"), Authority::new("other"), TempDir::new().unwrap());
    let server = start(&ca.issue(&HOSTS));
    let root = file(&directory, "ca.crt", &ca.pem);
    let bundle = file(&directory, "bundle.crt", &format!("{}{}", other.pem, ca.pem));
    let stranger = file(&directory, "other.crt", &other.pem);
    for parameters in ["", "sslmode=require", "sslmode=prefer", "sslmode=require sslsni=0", "channel_binding=disable"] {
        connects(&server, parameters);
    }
    for parameters in ["sslmode=verify-full", "sslmode=verify-ca", "sslmode=require", ""] {
        connects(&server, &format!("{parameters} sslrootcert={root}"));
        connects(&server, &format!("{parameters} sslrootcert={bundle}"));
        refused(
            &server,
            &format!("{parameters} sslrootcert={stranger}"),
            &format!("not signed by a CA in sslrootcert {stranger}"),
        );
    }
    connects(&server, &format!("host=localhost sslmode=verify-full sslrootcert={root}"));
    // The name is checked, even if the address is given with it.
    refused(
        &server,
        &format!("host=db.example hostaddr=127.0.0.1 sslmode=verify-full sslrootcert={root}"),
        "is for 127.0.0.1, localhost, not for db.example",
    );
    assert_eq!(try_options(options(&server, "sslmode=disable")), Ok(Some(false)));
    // Certificates given as bytes instead of files.
    let mut given = options(&server, "sslmode=verify-full");
    given.set_root(Pem::Bytes(ca.pem.clone().into_bytes()));
    assert_eq!(try_options(given), Ok(Some(true)));
    let mut given = options(&server, "");
    given.set_root(Pem::Bytes(other.pem.clone().into_bytes()));
    let error = try_options(given).unwrap_err();
    assert!(error.to_string().contains("not signed by a CA in the given CA bundle"), "{error}");
}

#[test]
fn certificate_for_another_host_fails_only_verify_full() {
    let (ca, directory) = (Authority::new("db"), TempDir::new().unwrap());
    let server = start(&ca.issue(&["db.example"]));
    let root = format!("sslrootcert={}", file(&directory, "ca.crt", &ca.pem));
    refused(&server, &format!("sslmode=verify-full {root}"), "is for db.example, not for 127.0.0.1");
    connects(&server, &format!("sslmode=verify-ca {root}"));
    connects(&server, &format!("sslmode=require {root}"));
    connects(&server, "sslmode=require");
}

#[test]
fn common_name_alone_is_refused() {
    let (ca, directory) = (Authority::new("db"), TempDir::new().unwrap());
    let server = start(&ca.issue(&[]));
    let root = format!("sslrootcert={}", file(&directory, "ca.crt", &ca.pem));
    refused(&server, &format!("sslmode=verify-full {root}"), "no subject alternative name for 127.0.0.1");
    connects(&server, &format!("sslmode=verify-ca {root}"));
}

#[test]
fn certificate_dates_count_only_when_verifying() {
    let (ca, directory) = (Authority::new("db"), TempDir::new().unwrap());
    let root = format!("sslrootcert={}", file(&directory, "ca.crt", &ca.pem));
    for (years, expected) in [((2001, 2002), "has expired"), ((2999, 3000), "is not valid yet")] {
        let server = start(&ca.issue_between(&HOSTS, years));
        refused(&server, &format!("sslmode=verify-full {root}"), expected);
        refused(&server, &format!("sslmode=verify-ca {root}"), expected);
        connects(&server, "sslmode=require");
    }
}

#[test]
fn self_signed_certificate_may_be_its_own_root() {
    let directory = TempDir::new().unwrap();
    for is_ca in [true, false] {
        let pair = self_signed(&HOSTS, is_ca);
        let server = start(&pair);
        let root = format!("sslrootcert={}", file(&directory, "own.crt", &pair.certificates));
        connects(&server, &format!("sslmode=verify-full {root}"));
        let other = format!("sslrootcert={}", file(&directory, "other.crt", &self_signed(&HOSTS, is_ca).certificates));
        let expected = if is_ca { "a CA's own certificate" } else { "the server's certificate" };
        refused(&server, &format!("sslmode=verify-full {other}"), expected);
    }
    let pair = self_signed(&["db.example"], true);
    let server = start(&pair);
    let root = format!("sslrootcert={}", file(&directory, "name.crt", &pair.certificates));
    refused(&server, &format!("sslmode=verify-full {root}"), "not for 127.0.0.1");
    connects(&server, &format!("sslmode=verify-ca {root}"));
}

#[test]
fn version_1_certificate_encrypts_but_is_not_verified() {
    let directory = TempDir::new().unwrap();
    let pair = version_one();
    let server = start(&pair);
    connects(&server, "sslmode=require");
    let root = format!("sslrootcert={}", file(&directory, "ca.crt", &Authority::new("db").pem));
    refused(&server, &format!("sslmode=verify-ca {root}"), "X.509 version 1");
}

#[test]
fn system_store_is_read_from_ssl_cert_file() {
    let (ca, directory) = (Authority::new("db"), TempDir::new().unwrap());
    let server = start(&ca.issue(&HOSTS));
    let other = Authority::new("other");
    for (pem, expected) in
        [(&ca.pem, "connected"), (&other.pem, "not signed by a CA in the system's certificate store")]
    {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tls::helper_process_with_its_own_store", "--ignored", "--nocapture"])
            .env("SSL_CERT_FILE", file(&directory, "store.crt", pem))
            .env("SSL_CERT_DIR", directory.path().join("none"))
            .env("TEST_PORT", server.port().to_string())
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.matches(expected).count(), 3, "{output}");
    }
}

#[test]
#[ignore = "run by the test above, because the environment of a process is shared by all its tests"]
fn helper_process_with_its_own_store() {
    let port = std::env::var("TEST_PORT").unwrap();
    for parameters in ["sslrootcert=system", "sslrootcert=system sslmode=verify-full", "sslmode=verify-full"] {
        let text = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres {parameters}");
        match try_options(ConnectOptions::parse(&text, "X", &|_| None).unwrap()) {
            Ok(_) => println!("connected"),
            Err(error) => println!("{error}"),
        }
    }
}

#[test]
fn client_certificate_is_sent_on_request() {
    let (ca, stranger, directory) = (Authority::new("db"), Authority::new("stranger"), TempDir::new().unwrap());
    let pair = ca.issue(&HOSTS);
    let server = Server::start(
        Options::new()
            .tls(&pair.certificates, &pair.key)
            .file("clients.crt", ca.pem.as_str())
            .setting("ssl_ca_file", "clients.crt")
            .hba("hostssl all all 127.0.0.1/32 cert"),
    );
    let error = try_options(options(&server, "")).unwrap_err();
    assert_eq!((error.code, error.sqlstate.as_deref()), (Code::AuthenticationFailed, Some("28000")), "{error}");
    assert!(error.to_string().contains("asks for a valid client certificate"), "{error}");

    let client = ca.issue_named("postgres");
    let (certificate, key) = (file(&directory, "c.crt", &client.certificates), file(&directory, "c.key", &client.key));
    connects(&server, &format!("sslcert={certificate} sslkey={key}"));
    let mut given = options(&server, "");
    given.set_identity(Identity {
        certificate: Pem::Bytes(client.certificates.into_bytes()),
        key: Pem::Bytes(client.key.into_bytes()),
    });
    assert_eq!(try_options(given), Ok(Some(true)));

    let wrong = stranger.issue_named("postgres");
    let (wrong_certificate, wrong_key) =
        (file(&directory, "w.crt", &wrong.certificates), file(&directory, "w.key", &wrong.key));
    refused(&server, &format!("sslcert={wrong_certificate} sslkey={wrong_key}"), "refuses our client certificate");
    refused(&server, &format!("sslcert={certificate} sslkey={wrong_key}"), "not the key of sslcert");
}

#[test]
fn unusable_certificate_files_are_named() {
    let (ca, directory) = (Authority::new("db"), TempDir::new().unwrap());
    let server = start(&ca.issue(&HOSTS));
    let missing = directory.path().join("missing.crt");
    refused(&server, &format!("sslrootcert={}", missing.display()), "missing.crt: there is no such file");
    refused(&server, &format!("sslrootcert={}", directory.path().display()), "it is not a file");
    refused(&server, "sslrootcert=/dev/zero", "it is not a file");
    let text = file(&directory, "text.crt", "hello");
    refused(&server, &format!("sslrootcert={text}"), "is not a list of PEM certificates");
    let good = file(&directory, "ca.crt", &ca.pem);
    refused(&server, &format!("sslcert={good} sslkey={text}"), "has no private key in it");
    let locked = file(
        &directory,
        "locked.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    refused(&server, &format!("sslcert={good} sslkey={locked}"), "encrypted with a pass phrase");
}

#[test]
fn server_without_tls_is_reported() {
    let server = Server::shared();
    for parameters in ["", "sslmode=require", "sslmode=verify-full sslrootcert=system"] {
        let error = try_options(options(server, parameters)).unwrap_err();
        if !error.to_string().contains("no CA certificates") {
            assert!(error.to_string().contains("does not offer TLS"), "{error}");
        }
        assert_eq!((error.code, error.retry), (Code::Tls, Retry::No));
    }
    assert_eq!(try_options(options(server, "sslmode=prefer")), Ok(Some(false)));
    assert_eq!(try_options(options(server, "sslmode=disable")), Ok(Some(false)));
}

#[test]
fn pg_hba_may_require_or_forbid_tls() {
    let pair = Authority::new("db").issue(&HOSTS);
    let strict =
        Server::start(Options::new().tls(&pair.certificates, &pair.key).hba("hostssl all all 127.0.0.1/32 trust"));
    connects(&strict, "");
    let error = try_options(options(&strict, "sslmode=disable")).unwrap_err();
    assert_eq!(error.code, Code::AuthenticationFailed);
    assert!(error.to_string().contains("role postgres into database postgres from here without TLS"), "{error}");

    let plain =
        Server::start(Options::new().tls(&pair.certificates, &pair.key).hba("hostnossl all all 127.0.0.1/32 trust"));
    let error = try_options(options(&plain, "sslmode=require")).unwrap_err();
    assert!(error.to_string().contains("from here with TLS"), "{error}");
    // As in libpq, `prefer` connects without TLS if TLS is impossible.
    assert_eq!(try_options(options(&plain, "sslmode=prefer")), Ok(Some(false)));
}

#[test]
fn scram_binds_to_the_channel() {
    let pair = Authority::new("db").issue(&HOSTS);
    let server = Server::start(Options::new().tls(&pair.certificates, &pair.key).scram());
    connects(&server, "password=postgres channel_binding=require");
    let error = try_options(options(&server, "password=postgres channel_binding=require sslmode=disable")).unwrap_err();
    assert_eq!(error.code, Code::AuthenticationFailed);
    assert!(error.to_string().contains("did not use channel binding"), "{error}");
}
