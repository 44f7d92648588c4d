//! TLS that fails, or works, for a reason that only a real server and real OpenSSL files show.

use std::process::Command;
use std::time::Duration;

use crate::one_provider::{KEY, base, go};
use crate::support::certificates::{Authority, Pair};
use crate::support::{Options, Run, Server, Variant, skip};
use ai_provider_seed::testing::problem::Code;
use ai_provider_seed::testing::store::connect::{ConnectionSource, Connector, SessionIntent};
use ai_provider_seed::testing::store::error::{Error, Retry};
use ai_provider_seed::testing::store::url::ConnectOptions;
use tempfile::TempDir;

fn connect(port: u16, parameters: &str) -> Result<(), Error> {
    let text = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres {parameters}");
    let options = ConnectOptions::parse(&text, "X", &|_| None).expect("valid parameters");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connector = Connector::new(ConnectionSource::given(options));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        connector.connect_once(deadline, SessionIntent::Any).await?.close().await;
        Ok(())
    })
}

/// Is refused without a retry, with this text in the message.
fn refused(port: u16, parameters: &str, expected: &str) {
    let error = connect(port, parameters).expect_err(parameters);
    assert_eq!((error.code, error.retry), (Code::Tls, Retry::No), "{parameters}: {error}");
    assert!(error.to_string().contains(expected), "{parameters}: {error}");
}

/// A directory for `openssl`; without it `None`, and the test counts as skipped.
struct OpenSsl(TempDir);

impl OpenSsl {
    fn new() -> Option<OpenSsl> {
        if Command::new("openssl").arg("version").output().is_err() {
            skip("openssl is not installed");
            return None;
        }
        Some(OpenSsl(TempDir::new().unwrap()))
    }

    fn run(&self, arguments: &str) -> &Self {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        self
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        std::fs::write(self.0.path().join(name), contents).unwrap();
        self.path(name)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// A CA and a certificate for 127.0.0.1, both on P-521: `ca.crt`, and the pair.
    fn p521(&self, digest: &str) -> Pair {
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-521 -nodes";
        self.run(&format!("req -x509 {key} -keyout ca.key -out ca.crt -subj /CN=ca -{digest} -days 30"))
            .run(&format!("req {key} -keyout server.key -out server.csr -subj /CN=server"));
        self.write("names", "subjectAltName=IP:127.0.0.1\n");
        self.run(&format!(
            "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -{digest} -days 30 -extfile names -out server.crt"
        ));
        Pair { certificates: self.read("server.crt"), key: self.read("server.key") }
    }
}

#[test]
fn p521_certificate_encrypts_but_is_not_verified() {
    let Some(openssl) = OpenSsl::new() else { return };
    let named = "is on the curve P-521, which cannot be verified here; issue both on P-256 or P-384";
    for digest in ["sha512", "sha384", "sha256"] {
        let pair = openssl.p521(digest);
        let root = openssl.path("ca.crt");
        // The server accepts no session without TLS, so that `prefer` cannot fall back.
        let options = Options::new().tls(&pair.certificates, &pair.key);
        let server = Server::start(options.hba("hostssl all all 127.0.0.1/32 scram-sha-256"));
        for mode in ["sslmode=require", "sslmode=prefer", "channel_binding=disable"] {
            assert_eq!(connect(server.port(), &format!("password=postgres {mode}")), Ok(()), "{digest} {mode}");
        }
        // Bound to a certificate without proof of its key, a password would be safe only in name.
        refused(server.port(), "password=postgres channel_binding=require", named);
        for mode in ["verify-ca", "verify-full", "require"] {
            refused(server.port(), &format!("sslmode={mode} sslrootcert={root}"), named);
        }
    }
    // Its CA is on another curve, so that only the signature of the handshake is on P-521.
    let ca = Authority::new("ca");
    openssl.write("ca.crt", &ca.pem);
    openssl.write("ca.key", ca.key());
    openssl.run(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.crt",
    );
    let server = Server::start(Options::new().tls(&openssl.read("server.crt"), &openssl.read("server.key")));
    refused(server.port(), &format!("sslmode=verify-full sslrootcert={}", openssl.path("ca.crt")), named);
    // In TLS 1.2 the client must offer the certificate's curve for the key exchange.
    let pair = openssl.p521("sha512");
    let options = Options::new().tls(&pair.certificates, &pair.key);
    let server = Server::start(options.setting("ssl_max_protocol_version", "TLSv1.2"));
    refused(server.port(), "sslmode=require", "no key exchange in common");
}

#[test]
fn missing_common_key_exchange_or_version_is_named() {
    let pair = Authority::new("db").issue(&["127.0.0.1"]);
    let options = || Options::new().tls(&pair.certificates, &pair.key);
    let server = Server::start(options().setting("ssl_ecdh_curve", "secp521r1"));
    refused(server.port(), "sslmode=require", "no key exchange in common (we offer X25519, P-256, P-384)");
    let old = options().setting("ssl_min_protocol_version", "TLSv1").setting("ssl_max_protocol_version", "TLSv1.1");
    refused(Server::start(old).port(), "sslmode=require", "no TLS version in common (we offer 1.2 and 1.3)");
}

#[test]
fn prefer_that_falls_back_to_plaintext_warns() {
    let pair = Authority::new("db").issue(&["127.0.0.1"]);
    let tls = Options::new().tls(&pair.certificates, &pair.key).hba("host all all 127.0.0.1/32 trust");
    let server = Server::start(tls.clone().setting("ssl_ecdh_curve", "secp521r1"));
    let database = server.database(Variant::Current);
    let url = |mode: &str| database.url().replace("sslmode=disable", mode);
    let diff = Run::diff().json().env("CODER_AIBRIDGE_OPENAI_KEY", KEY);
    for run in [base(), diff] {
        let finished = go(&run.database(url("sslmode=prefer")), 0);
        let json = finished.json();
        let warning = json["warnings"].as_array().unwrap().iter().find(|warning| warning["code"] == "tls_fallback");
        let message = warning.unwrap_or_else(|| panic!("{finished}"))["message"].as_str().unwrap();
        assert!(message.contains("no key exchange in common") && message.contains("in clear"), "{message}");
    }
    // A requested or never offered plain connection is not a fallback; and without `prefer` there is none.
    let quiet = go(&base().database(url("sslmode=disable")), 0);
    assert!(!quiet.everything().contains("tls_fallback"), "{quiet}");
    go(&base().database(url("sslmode=require")).env("AI_PROVIDER_SEED_WAIT", "0"), 4);
    let plain = Server::shared().database(Variant::Current);
    let quiet = go(&base().database(plain.url().replace("sslmode=disable", "sslmode=prefer")), 0);
    assert!(!quiet.everything().contains("tls_fallback"), "{quiet}");
    // The server has TLS and pg_hba.conf forbids it: the same in plain text.
    let server =
        Server::start(Options::new().tls(&pair.certificates, &pair.key).hba("hostnossl all all 127.0.0.1/32 trust"));
    let database = server.database(Variant::Current);
    let finished = go(&base().database(database.url().replace("sslmode=disable", "sslmode=prefer")), 0);
    assert!(finished.codes("warnings").contains(&"tls_fallback".to_owned()), "{finished}");
}

#[test]
fn fault_of_certificate_or_key_is_named() {
    let Some(openssl) = OpenSsl::new() else { return };
    let (ca, other) = (Authority::new("db"), Authority::new("other"));
    let pair = ca.issue(&["127.0.0.1"]);
    let server = Server::start(Options::new().tls(&pair.certificates, &pair.key));
    let port = server.port();
    let client = ca.issue_named("postgres");
    let (cert, key) = (openssl.write("c.crt", &client.certificates), openssl.write("c.key", &client.key));
    assert_eq!(connect(port, &format!("sslcert={cert} sslkey={key}")), Ok(()));
    openssl
        .run("x509 -in c.crt -outform der -out c.der")
        .run("x509 -in c.crt -trustout -addtrust serverAuth -out trusted.crt")
        .run("pkey -in c.key -outform der -out key.der")
        .run("pkey -in c.key -pubout -out public.pem")
        .run("pkey -in c.key -aes256 -passout pass:x -out locked.key")
        .run("genrsa -aes256 -traditional -passout pass:x -out old.key 2048")
        .run("req -new -key c.key -subj /CN=x -out c.csr")
        .run("genrsa -out small.key 1024")
        .run("ecparam -name secp521r1 -genkey -out p521.key")
        .run("ecparam -name secp521r1 -genkey -noout -out p521only.key")
        .run("ecparam -name secp256k1 -genkey -noout -out k1.key")
        .run("ecparam -name secp384r1 -out parameters.pem")
        .run("genpkey -algorithm ed448 -out ed448.key");
    let half = |text: &str| text.get(..text.len() / 2).unwrap().to_owned();
    openssl.write("empty", "\n");
    openssl.write("text", "hello");
    openssl.write("half.crt", half(&client.certificates));
    openssl.write("half.key", half(&client.key));
    openssl.write("twice.crt", {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(&client.certificates)
    });
    openssl.write("reversed.crt", format!("{}{}", ca.pem, client.certificates));
    openssl.write("other.key", other.issue_named("postgres").key);
    openssl.write("ssh.key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n");

    for (file, expected) in [
        ("empty", "is empty"),
        ("text", "is not a list of PEM certificates"),
        ("c.der", "is DER, not PEM; convert it: openssl x509 -inform der"),
        ("c.key", "holds a private key, not a certificate; give the certificate; are two files swapped?"),
        ("c.csr", "holds a request, not a certificate"),
        ("public.pem", "holds a public key, not a certificate"),
        ("trusted.crt", "holds a certificate in OpenSSL's own form"),
        ("half.crt", "is its end missing?"),
        ("twice.crt", "is PEM in base64"),
    ] {
        let path = openssl.path(file);
        refused(port, &format!("sslrootcert={path}"), expected);
        refused(port, &format!("sslcert={path} sslkey={key}"), expected);
        refused(port, &format!("sslrootcert={path}"), file);
    }
    for (file, expected) in [
        ("empty", "is empty"),
        ("text", "has no private key in it; give a PEM file"),
        ("key.der", "is DER, not PEM; convert it: openssl pkey -inform der"),
        ("locked.key", "is encrypted with a pass phrase"),
        ("old.key", "is encrypted with a pass phrase"),
        ("c.crt", "holds a certificate, not a private key; give the key; are sslcert and sslkey swapped?"),
        ("public.pem", "holds a public key, not a private key"),
        ("ssh.key", "in OpenSSH's form"),
        ("half.key", "is its end missing?"),
        ("parameters.pem", "only the parameters of a curve"),
        ("p521.key", "is an ECDSA key on the curve P-521, on which we cannot sign; use ECDSA on P-256 or P-384"),
        ("p521only.key", "is an ECDSA key on the curve P-521"),
        ("k1.key", "secp256k1"),
        ("ed448.key", "is an Ed448 key"),
        ("small.key", "is an RSA key of a size that is not supported; use ECDSA"),
        ("other.key", "sslkey is not the key of sslcert"),
    ] {
        refused(port, &format!("sslcert={cert} sslkey={}", openssl.path(file)), expected);
    }
    let reversed = openssl.path("reversed.crt");
    refused(port, &format!("sslcert={reversed} sslkey={key}"), "of a certificate further down in sslcert");
}
