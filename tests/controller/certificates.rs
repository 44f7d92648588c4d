//! Certificates that expire or are replaced while sessions are open: an existing session continues to work, and only a
//! new one shows the change.

use crate::support::certificates::{Authority, Pair};
use crate::support::controller::{Controller, deployment, get, reason, secret, seed};
use crate::support::postgres::CHECKS;
use crate::support::{Cluster, Database, Namespace, Options, Run, Server, Variant};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const HOST: &[&str] = &["127.0.0.1"];

/// A workload in sync, with TLS from the resource, checked every 10 s.
fn in_sync(namespace: &Namespace, name: &str, database: &Database, tls: &Value) {
    let variables = [("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"), ("CODER_AIBRIDGE_PROVIDER_0_KEY", "sk-1")];
    // As the helpers' role, which needs no certificate.
    let helpers = database.url_as(CHECKS, "none");
    Run::seed().database(helpers).envs(variables).run().expect(0);
    let files = "sslmode=verify-full&sslrootcert=/etc/ssl/ca.crt&sslcert=/etc/ssl/tls.crt&sslkey=/etc/ssl/tls.key";
    let mut env =
        vec![json!({"name": "CODER_PG_CONNECTION_URL", "value": database.url().replace("sslmode=disable", files)})];
    env.extend(variables.iter().map(|(name, value)| json!({"name": name, "value": value})));
    namespace.apply(&deployment(name, &json!(env), &[]).to_string());
    let spec = json!({"workloadRef": {"name": name}, "interval": "10s", "database": tls});
    namespace.apply(&seed(name, spec).to_string());
}

fn ready(namespace: &Namespace, name: &str) -> String {
    let status = get(namespace, name).status.unwrap_or_default();
    let ready = status.conditions.iter().find(|it| it.type_ == "Ready");
    ready.map(|it| format!("{} {}", it.status, it.reason)).unwrap_or_default()
}

/// A server with this certificate that accepts clients of one of these authorities.
fn server(pair: &Pair, clients: &Authority) -> Server {
    Server::start(
        Options::new()
            .tls(&pair.certificates, &pair.key)
            .file("clients.crt", clients.pem.as_str())
            .setting("ssl_ca_file", "clients.crt")
            .hba("hostssl all all 127.0.0.1/32 cert"),
    )
}

/// Open sessions are not affected.
fn replace(server: &Server, files: &[(&str, &str)]) {
    for (name, contents) in files {
        server.write(name, contents);
    }
    server.attach("postgres").execute("select pg_reload_conf()");
}

#[test]
fn expired_or_wrong_certificate_ends_in_sync() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let (authority, stranger) = (Authority::new("ours"), Authority::new("stranger"));
    let pair = authority.issue(HOST);
    let client = authority.issue_named("postgres");
    let client_secret = |name: &str, pair: &Pair| {
        namespace.apply(&secret(name, json!({"tls.crt": pair.certificates, "tls.key": pair.key})).to_string());
    };
    namespace.apply(&secret("ca", json!({"ca.crt": authority.pem})).to_string());
    for name in ["client", "other-client"] {
        client_secret(name, &client);
    }
    let tls = |client: &str| json!({"ca": {"secretKeyRef": {"name": "ca", "key": "ca.crt"}}, "clientCertSecretRef": {"name": client}});
    // One server for each change, since a change affects the whole server.
    let names = ["server-expired", "server-wrong", "client-wrong", "client-expired"];
    let servers = names.map(|_| server(&pair, &authority));
    let databases = servers.each_ref().map(|server| server.database(Variant::Current));
    for (name, database) in names.iter().zip(&databases) {
        let client = if *name == "client-expired" { "other-client" } else { "client" };
        in_sync(&namespace, name, database, &tls(client));
    }
    let controller = Controller::start(&namespace);
    for name in names {
        reason(&namespace, name, "InSync");
    }

    let expired = authority.issue_between(HOST, (2000, 2001));
    replace(&servers[0], &[("server.crt", &expired.certificates), ("server.key", &expired.key)]);
    let wrong = stranger.issue(HOST);
    replace(&servers[1], &[("server.crt", &wrong.certificates), ("server.key", &wrong.key)]);
    replace(&servers[2], &[("clients.crt", &stranger.pem)]);
    // Another certificate is another route to the database, so no session of the first one serves it.
    client_secret("other-client", &authority.issue_named_between("postgres", (2000, 2001)));
    let began = Instant::now();
    // 60 s and an interval with its jitter, and time for the check itself.
    let limit = Duration::from_secs(60 + 11 + 15);
    let state = || names.map(|name| format!("{name}: {}", ready(&namespace, name)));
    while state().iter().any(|told| !told.ends_with(": False DatabaseUnusable")) {
        assert!(began.elapsed() < limit, "{:?}", state());
        std::thread::sleep(Duration::from_millis(500));
    }
    controller.stop().expect(0);
}
