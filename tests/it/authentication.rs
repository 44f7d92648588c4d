//! `--require-auth` and PGREQUIREAUTH: a server that requests another method gets no answer.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;

use crate::one_provider::{base, go, only_problem};
use crate::support::certificates::Authority;
use crate::support::{Options, Server, Variant, fake_server};
use ai_provider_seed::testing::problem::Code;
use ai_provider_seed::testing::store::connect::{ConnectionSource, Connector, SessionIntent};
use ai_provider_seed::testing::store::error::{Error, Retry};
use ai_provider_seed::testing::store::url::ConnectOptions;
use tempfile::TempDir;

/// With PGREQUIREAUTH, unless it is empty.
fn connect(port: u16, require: &str, parameters: &str) -> Result<(), Error> {
    let text = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres password=postgres {parameters}");
    let lookup = |name: &str| (name == "PGREQUIREAUTH").then(|| require.to_owned());
    let options = ConnectOptions::parse(&text, "X", &lookup).expect("valid parameters");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connector = Connector::new(ConnectionSource::given(options));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        connector.connect_once(deadline, SessionIntent::Any).await?.close().await;
        Ok(())
    })
}

#[test]
fn require_auth_allows_the_methods_it_names() {
    let (ca, directory) = (Authority::new("db"), TempDir::new().unwrap());
    let pair = ca.issue(&["127.0.0.1"]);
    let lines = ["clear", "hashed", "scram", "trusted"].map(|database| {
        let method = match database {
            "clear" => "password",
            "hashed" => "md5",
            "scram" => "scram-sha-256",
            _ => "trust",
        };
        format!("host {database} all 127.0.0.1/32 {method}")
    });
    let certain = "hostssl certain all 127.0.0.1/32 cert";
    let mut options = Options::new()
        .tls(&pair.certificates, &pair.key)
        .file("clients.crt", ca.pem.as_str())
        .setting("ssl_ca_file", "clients.crt")
        .hba(certain);
    for line in &lines {
        options = options.hba(line);
    }
    let server = Server::start(options);
    let mut client = server.client("postgres");
    for database in ["clear", "hashed", "scram", "trusted", "certain"] {
        client.batch_execute(&format!("create database {database}")).unwrap();
    }
    // A hash that the server may request as md5.
    client
        .batch_execute("set password_encryption = 'md5'; create role old superuser login password 'postgres'")
        .unwrap();

    let allowed = [
        ("clear", "password"),
        ("hashed", "md5"),
        ("scram", "scram-sha-256"),
        ("trusted", "none"),
        ("scram", "!password,!md5"),
        ("scram", ""),
        ("clear", "!none"),
    ];
    for (database, require) in allowed {
        let role = if database == "hashed" { "user=old" } else { "" };
        for mode in ["disable", "require"] {
            let result = connect(server.port(), require, &format!("dbname={database} sslmode={mode} {role}"));
            assert_eq!(result, Ok(()), "{database} {require} {mode}");
        }
    }
    let refused = [
        ("clear", "scram-sha-256", "it asks for the password in clear (password); require-auth allows scram-sha-256"),
        ("hashed", "scram-sha-256,none", "it asks for the password as md5; require-auth allows scram-sha-256, none"),
        ("scram", "!scram-sha-256", "it asks for the password by scram-sha-256"),
        ("trusted", "scram-sha-256", "it did not ask for a password (none)"),
        ("trusted", "!none", "it did not ask for a password (none)"),
    ];
    for (database, require, expected) in refused {
        let role = if database == "hashed" { "user=old" } else { "" };
        for mode in ["disable", "require"] {
            let error =
                connect(server.port(), require, &format!("dbname={database} sslmode={mode} {role}")).unwrap_err();
            assert_eq!((error.code, error.retry), (Code::AuthenticationFailed, Retry::Wait), "{error}");
            assert!(error.to_string().contains(expected), "{database} {require}: {error}");
        }
    }
    // A client certificate is not an authentication request.
    let client = ca.issue_named("postgres");
    let file = |name: &str, contents: &str| {
        std::fs::write(directory.path().join(name), contents).unwrap();
        directory.path().join(name).display().to_string()
    };
    let (certificate, key) = (file("c.crt", &client.certificates), file("c.key", &client.key));
    let parameters = format!("dbname=certain sslmode=require sslcert={certificate} sslkey={key}");
    assert_eq!(connect(server.port(), "none", &parameters), Ok(()));
    let error = connect(server.port(), "scram-sha-256", &parameters).unwrap_err();
    assert!(error.to_string().contains("it did not ask for a password (none)"), "{error}");
}

/// Not a byte of the password is sent, not even hashed.
#[test]
fn refused_method_gets_no_answer() {
    let (sender, after) = mpsc::channel();
    let port = fake_server::serve(move |mut stream| {
        fake_server::start_up(&mut stream).unwrap();
        stream.write_all(&fake_server::message(b'R', &3u32.to_be_bytes())).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        sender.send(rest).unwrap();
    });
    connect(port, "scram-sha-256", "sslmode=disable").unwrap_err();
    assert_eq!(after.recv().unwrap(), b"");
}

#[test]
fn require_auth_is_an_option_of_the_program() {
    let server = Server::start(Options::new().scram());
    let database = server.database(Variant::Current);
    let run = base().database(database.url_as("postgres", "postgres")).env("AI_PROVIDER_SEED_WAIT", "0");
    let refused = go(&run.clone().arg("--require-auth=md5").env("PGREQUIREAUTH", "scram-sha-256"), 4);
    let problem = only_problem(&refused, "authentication_failed");
    assert!(problem["message"].as_str().unwrap().contains("require-auth allows md5"), "{problem}");
    go(&run.clone().env("PGREQUIREAUTH", "md5"), 4);
    go(&run.clone().env("AI_PROVIDER_SEED_REQUIRE_AUTH", "!password").env("PGREQUIREAUTH", "md5"), 0);
    let mistyped = go(&run.arg("--require-auth=scram"), 2);
    assert_eq!(only_problem(&mistyped, "invalid_option")["variables"][0], "--require-auth");
}

#[test]
fn too_many_scram_iterations_are_named() {
    let port = fake_server::serve(|mut stream| {
        fake_server::start_up(&mut stream).unwrap();
        let ask = [&10u32.to_be_bytes()[..], b"SCRAM-SHA-256\0\0"].concat();
        stream.write_all(&fake_server::message(b'R', &ask)).unwrap();
        // Type, length, mechanism, length, then `n,,n=,r=<nonce>`.
        let mut first = [0; 1024];
        let count = stream.read(&mut first).unwrap();
        let text = String::from_utf8_lossy(&first[..count]).into_owned();
        let nonce = text.rsplit("r=").next().unwrap().to_owned();
        let answer = format!("r={nonce}more,s=c2FsdHNhbHQ=,i=100001");
        let body = [&11u32.to_be_bytes()[..], answer.as_bytes()].concat();
        let _ = stream.write_all(&fake_server::message(b'R', &body));
        let _ = stream.read(&mut first);
    });
    let error = connect(port, "", "sslmode=disable").unwrap_err();
    assert_eq!(error.code, Code::AuthenticationFailed);
    assert!(error.to_string().contains("too many SCRAM iterations (more than 100000)"), "{error}");
}

#[test]
fn unsupported_method_is_named() {
    for (question, expected) in [
        (7u32.to_be_bytes().to_vec(), "it asks for GSSAPI (gss), which is not supported"),
        (
            [&10u32.to_be_bytes()[..], b"OAUTHBEARER\0\0"].concat(),
            "it asks for an OAuth token (oauth), which is not supported",
        ),
    ] {
        let port = fake_server::answering(fake_server::message(b'R', &question));
        let error = connect(port, "", "sslmode=disable").unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
