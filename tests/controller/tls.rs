//! The database's certificates from the resource: in place of files, which only the pod could read.

use crate::support::certificates::{Authority, Pair};
use crate::support::controller::{Controller, deployment, reason, secret, seed};
use crate::support::{Cluster, Options, Server, Variant};
use serde_json::json;

#[test]
fn ca_of_the_resource_replaces_the_ca_file() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let (authority, stranger) = (Authority::new("ours"), Authority::new("stranger"));
    let pair = authority.issue(&["127.0.0.1"]);
    let server = Server::start(Options::new().tls(&pair.certificates, &pair.key));
    let database = server.database(Variant::Current);
    let url = database.url().replace("sslmode=disable", "sslmode=verify-full&sslrootcert=/etc/ssl/ca.crt");
    assert!(url.contains("verify-full"), "{url}");
    let env = json!([
        {"name": "CODER_PG_CONNECTION_URL", "value": url},
        {"name": "CODER_AIBRIDGE_OPENAI_KEY", "value": "sk-1"},
    ]);
    namespace.apply(&deployment("coder", &env, &[]).to_string());
    namespace.apply(&seed("coder", json!({"workloadRef": {"name": "coder"}})).to_string());
    let controller = Controller::start(&namespace);
    let status = reason(&namespace, "coder", "DatabaseUnusable");
    assert_eq!(
        status.conditions[0].message,
        "sslrootcert names a file, which only the pod can open; set spec.database.ca · ai-provider-seed explain DatabaseUnusable"
    );

    let map = |pem: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca"}, "data": {"ca.crt": pem}});
    let spec = json!({"workloadRef": {"name": "coder"}, "database": {"ca": {"configMapKeyRef": {"name": "ca", "key": "ca.crt"}}}});
    namespace.apply(&seed("coder", spec).to_string());
    reason(&namespace, "coder", "ConfigMapNotFound");
    for wrong in [stranger.pem.as_str(), "no certificate"] {
        namespace.apply(&map(wrong).to_string());
        let status = reason(&namespace, "coder", "DatabaseUnusable");
        assert!(!status.conditions[0].message.contains("/etc/ssl"), "{}", status.conditions[0].message);
    }
    namespace.apply(&map(&authority.pem).to_string());
    reason(&namespace, "coder", "WouldSeed");
    assert!(controller.metric("ai_provider_seed_database_errors_total{class=\"tls\"}") >= 1.0);
    controller.stop().expect(0);
}

#[test]
fn client_certificate_of_the_resource_replaces_files() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let (authority, stranger) = (Authority::new("ours"), Authority::new("stranger"));
    let pair = authority.issue(&["127.0.0.1"]);
    let server = Server::start(
        Options::new()
            .tls(&pair.certificates, &pair.key)
            .file("clients.crt", authority.pem.as_str())
            .setting("ssl_ca_file", "clients.crt")
            .hba("hostssl all all 127.0.0.1/32 cert"),
    );
    let database = server.database(Variant::Current);
    let url = database.url().replace(
        "sslmode=disable",
        "sslmode=verify-full&sslrootcert=/etc/ssl/ca.crt&sslcert=/etc/ssl/tls.crt&sslkey=/etc/ssl/tls.key",
    );
    let env = json!([
        {"name": "CODER_PG_CONNECTION_URL", "value": url},
        {"name": "CODER_AIBRIDGE_OPENAI_KEY", "value": "sk-1"},
    ]);
    namespace.apply(&deployment("coder", &env, &[]).to_string());
    namespace.apply(&secret("db-ca", json!({"ca.crt": authority.pem})).to_string());
    let ca = json!({"secretKeyRef": {"name": "db-ca", "key": "ca.crt"}});
    let spec = json!({"workloadRef": {"name": "coder"}, "database": {"ca": ca}});
    namespace.apply(&seed("coder", spec).to_string());
    let controller = Controller::start(&namespace);
    let status = reason(&namespace, "coder", "DatabaseUnusable");
    assert!(status.conditions[0].message.contains("spec.database.clientCertSecretRef"), "{:?}", status.conditions[0]);

    let spec =
        json!({"workloadRef": {"name": "coder"}, "database": {"ca": ca, "clientCertSecretRef": {"name": "db-client"}}});
    namespace.apply(&seed("coder", spec).to_string());
    reason(&namespace, "coder", "SecretNotFound");
    let client =
        |pair: &Pair| secret("db-client", json!({"tls.crt": pair.certificates, "tls.key": pair.key})).to_string();
    let ours = authority.issue_named("postgres");
    namespace.apply(&secret("db-client", json!({"tls.crt": ours.certificates})).to_string());
    let status = reason(&namespace, "coder", "SecretKeyMissing");
    assert!(status.conditions[0].message.contains("tls.key"), "{:?}", status.conditions[0]);
    namespace.apply(&client(&stranger.issue_named("postgres")));
    reason(&namespace, "coder", "DatabaseUnusable");
    namespace.apply(&client(&ours));
    reason(&namespace, "coder", "WouldSeed");
    let finished = controller.stop().expect(0);
    assert!(!finished.stderr.contains("PRIVATE KEY"), "{finished}");
}
