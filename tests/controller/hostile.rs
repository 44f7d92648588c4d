//! Attacks on the controller by a user with few permissions in a namespace, each with a memory limit for the whole
//! process.

use crate::support::controller::{Controller, conditions, deployment, notes, reason, secret, seed};
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Namespace, Run, Server, Variant, block_on};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::TcpListener;

/// MiB of the whole controller for any input (P12).
pub const MEMORY: usize = 100;

pub fn start(namespace: &Namespace, args: &[&str]) -> Controller {
    let controller = Controller::start_with(namespace.kubeconfig(), args, |run| run.memory(MEMORY));
    controller.wait_ready();
    controller
}

fn apply(namespace: &Namespace, object: &Value) {
    namespace.apply(&object.to_string());
}

/// Not by `kubectl apply`, whose annotation holds a copy and is bounded.
pub fn create<K>(namespace: &Namespace, object: Value)
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let (api, object): (Api<K>, K) = (namespace.api(), serde_json::from_value(object).unwrap());
    block_on(api.create(&PostParams::default(), &object)).unwrap();
}

fn workload(namespace: &Namespace, name: &str, env: &Value) {
    create::<Deployment>(namespace, deployment(name, env, &[]));
    apply(namespace, &seed(name, json!({"workloadRef": {"name": name}, "interval": "10s"})));
}

pub fn variable(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

fn message(namespace: &Namespace, name: &str, expected: &str) -> String {
    let status = reason(namespace, name, expected);
    assert_eq!(conditions(&status)[0], format!("Ready=False {expected}"));
    status.conditions[0].message.clone()
}

/// A manifest of 3 KB took 2.3 GB in 8 s, and the controller crashed for all tenants, at each start.
#[test]
fn doublings_of_a_template_do_not_disturb_others() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    let controller = start(&namespace, &[]);
    let mut env = vec![variable("V00", &"x".repeat(1000))];
    env.extend((1..32).map(|n| variable(&format!("V{n:02}"), &format!("$(V{:02})", n - 1).repeat(2))));
    workload(&namespace, "doublings", &json!(env));
    let fine =
        json!([variable("CODER_AIBRIDGE_OPENAI_KEY", "sk-1"), variable("CODER_PG_CONNECTION_URL", &database.url())]);
    workload(&namespace, "fine", &fine);
    let said = message(&namespace, "doublings", "InvalidEnvironment");
    assert!(said.contains("V08") && said.contains("(environment_too_large)"), "{said}");
    reason(&namespace, "fine", "WouldSeed");
    controller.stop().expect(0);
}

/// Few and small parts are read of the objects that a Deployment mentions.
#[test]
fn objects_of_a_check_are_few_and_small() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let controller = start(&namespace, &[]);
    let of_key = |object: &str| json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": object, "key": "a"}}});
    // when thousands are mentioned / then their number is reported before the first read: none of them exists
    let env: Vec<Value> = (0..5000).map(|n| of_key(&format!("s{n}"))).collect();
    workload(&namespace, "many", &json!(env));
    let said = message(&namespace, "many", "EnvironmentUnknown");
    assert!(
        said.contains("5000 Secrets and ConfigMaps are mentioned") && said.contains("(objects_too_many)"),
        "{said}"
    );
    // when six of 900 KiB are used whole / then no more than 4 MiB of them is kept
    for n in 0..6 {
        create::<Secret>(&namespace, secret(&format!("big{n}"), json!({"a": "x", "b": "x".repeat(900 << 10)})));
    }
    let mut whole = deployment("large", &json!([]), &[]);
    let from: Vec<Value> = (0..6).map(|n| json!({"secretRef": {"name": format!("big{n}")}})).collect();
    whole["spec"]["template"]["spec"]["initContainers"][0]["envFrom"] = json!(from);
    apply(&namespace, &whole);
    apply(&namespace, &seed("large", json!({"workloadRef": {"name": "large"}})));
    let said = message(&namespace, "large", "EnvironmentUnknown");
    assert!(said.contains("the 6 Secrets and ConfigMaps have more than 4194304 bytes"), "{said}");
    // when only a small key of each is used / then the rest does not count
    let env: Vec<Value> = (0..6).map(|n| of_key(&format!("big{n}"))).collect();
    workload(&namespace, "keys", &json!(env));
    reason(&namespace, "keys", "NothingDesired");
    // The same from a laptop.
    let diff = |name: &str| {
        let from = format!("deployment/{name}");
        Run::diff()
            .json()
            .args(["--offline", "--from", &from])
            .env("KUBECONFIG", namespace.kubeconfig())
            .memory(MEMORY)
            .run()
    };
    assert_eq!(diff("many").expect(2).codes("problems"), ["objects_too_many"]);
    assert_eq!(diff("large").expect(2).codes("problems"), ["objects_too_many"]);
    diff("keys").expect(0);
    controller.stop().expect(0);
}

/// Half a megabyte of entries of 13 bytes, and eight of them at once.
#[test]
fn templates_of_many_entries_take_little_memory() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let controller = start(&namespace, &[]);
    let entries: Vec<Value> = (0..30_000).map(|n| variable(&format!("CODER_AIBRIDGE_PROVIDER_{n}_TYPE"), "")).collect();
    let few: Vec<Value> = (0..4000).map(|n| variable(&format!("CODER_AIBRIDGE_PROVIDER_0_F{n}"), "")).collect();
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    // Different databases, so that all of them are waited for at once.
    let silent = silent.local_addr().unwrap();
    let url = |n: usize| format!("postgres://u{n}:p@{silent}/d?sslmode=disable&connect_timeout=5");
    let of_providers = (0..5000).flat_map(|n| {
        let name = format!("CODER_AIBRIDGE_PROVIDER_{n}_");
        [(format!("{name}TYPE"), json!("openai")), (format!("{name}NAME"), json!(format!("p{n}")))]
    });
    let data: serde_json::Map<String, Value> = of_providers.collect();
    create::<ConfigMap>(
        &namespace,
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "many"}, "data": data}),
    );
    for n in 0..8 {
        workload(&namespace, &format!("wide{n}"), &json!(few));
        let name = format!("providers{n}");
        let mut many = deployment(&name, &json!([variable("CODER_PG_CONNECTION_URL", &url(n))]), &[]);
        many["spec"]["template"]["spec"]["initContainers"][0]["envFrom"] = json!([{"configMapRef": {"name": "many"}}]);
        create::<Deployment>(&namespace, many);
        apply(&namespace, &seed(&name, json!({"workloadRef": {"name": name}, "interval": "10s"})));
    }
    workload(&namespace, "entries", &json!(entries));
    for n in 0..8 {
        message(&namespace, &format!("wide{n}"), "InvalidEnvironment");
    }
    assert!(message(&namespace, "entries", "InvalidEnvironment").contains("(environment_too_large)"));
    for n in 0..8 {
        reason(&namespace, &format!("providers{n}"), "DatabaseUnreachable");
    }
    controller.stop().expect(0);
}

/// The author of a URL learns from the status only whether a Postgres answers there.
#[test]
fn status_reveals_nothing_of_the_network() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let controller = start(&namespace, &[]);
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let http = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (silent, speaks) = (silent.local_addr().unwrap().port(), http.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in http.incoming() {
            let _ = std::io::Write::write_all(
                &mut stream.unwrap(),
                b"HTTP/1.1 400 Bad Request\r\nServer: canary-banner\r\n\r\n",
            );
        }
    });
    let mut said = BTreeSet::new();
    for (name, host, mode) in [
        ("refused", "127.0.0.1:1".to_owned(), "disable"),
        ("silent", format!("127.0.0.1:{silent}"), "disable"),
        ("http", format!("127.0.0.1:{speaks}"), "disable"),
        ("http-tls", format!("127.0.0.1:{speaks}"), "require"),
        ("http-direct", format!("127.0.0.1:{speaks}"), "require&sslnegotiation=direct"),
        ("nowhere", "no-such-host.invalid:5432".to_owned(), "disable"),
        ("several", format!("127.0.0.1:1,127.0.0.1:{speaks}"), "disable"),
    ] {
        let url = format!("postgres://u:p@{host}/d?sslmode={mode}");
        let key = variable("CODER_AIBRIDGE_OPENAI_KEY", "sk-1");
        workload(&namespace, name, &json!([key, variable("CODER_PG_CONNECTION_URL", &url)]));
        let message = message(&namespace, name, "DatabaseUnreachable");
        if name != "several" {
            let hint = "; localhost is the controller here, not the pod: set spec.database.urlSecretRef";
            said.insert(message.replace(&host, "HOST").replace(hint, ""));
        }
        for word in ["canary", "refused", "time", "HTTP", "resolve", "TLS connection"] {
            assert!(!message.contains(word), "{name}: {message}");
        }
    }
    assert_eq!(said.len(), 1, "{said:#?}");
    let finished = controller.stop().expect(0);
    // The controller's log has the details.
    for cause in ["connection refused", "no answer in time", "cannot be resolved"] {
        assert!(finished.stderr.contains(cause), "{cause}: {finished}");
    }
    assert!(!finished.stderr.contains("canary"), "{finished}");
}

#[test]
fn hosts_outside_of_the_list_are_not_connected_to() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let key = variable("CODER_AIBRIDGE_OPENAI_KEY", "sk-1");
    let env = |url: &str| json!([key, variable("CODER_PG_CONNECTION_URL", url)]);
    // when only a name is allowed / then its server is reached, and the same server by its address is not
    let controller = start(&namespace, &["--database-hosts=localhost"]);
    workload(&namespace, "listed", &env(&database.url().replace("127.0.0.1", "localhost")));
    reason(&namespace, "listed", "WouldSeed");
    workload(&namespace, "address", &env(&format!("postgres://u:p@127.0.0.1:{port}/d")));
    workload(&namespace, "hostaddr", &env(&format!("postgres://u:p@localhost:{port}/d?hostaddr=127.0.0.1")));
    message(&namespace, "address", "DatabaseUnreachable");
    message(&namespace, "hostaddr", "DatabaseUnreachable");
    let log = controller.stop().expect(0).stderr;
    assert!(log.contains("destination_refused"), "{log}");
    // when local addresses are not allowed / then this machine is refused in every spelling
    let run = |run: Run| run.env("AI_PROVIDER_SEED_ALLOW_LOCAL", "false");
    let controller = Controller::start_with(namespace.kubeconfig(), &[], run);
    controller.wait_ready();
    for (name, host) in [
        ("v4", format!("127.0.0.1:{port}")),
        ("name", format!("localhost:{port}")),
        ("mapped", format!("[::ffff:127.0.0.1]:{port}")),
        ("any", format!("0.0.0.0:{port}")),
        ("metadata", "169.254.169.254:80".to_owned()),
    ] {
        workload(&namespace, name, &env(&format!("postgres://u:p@{host}/d?sslmode=disable")));
        message(&namespace, name, "DatabaseUnreachable");
    }
    // A generation that was not checked yet: the first controller's status does not count.
    apply(&namespace, &seed("listed", json!({"workloadRef": {"name": "listed"}, "interval": "11s"})));
    eventually("localhost is refused", || {
        reason(&namespace, "listed", "DatabaseUnreachable");
        Some(())
    });
    assert!(listener.accept().is_err(), "a client connected");
    controller.stop().expect(0);
}

/// Readers of status, Events or logs may not read the Secret: neither its value nor the database's value appears there.
#[test]
fn value_from_a_secret_is_in_no_status_event_or_log() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    let of_row = Run::seed().database(database.url()).envs([
        ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"),
        ("CODER_AIBRIDGE_PROVIDER_0_NAME", "openai"),
        ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://canary-of-the-row.example/v1"),
        ("CODER_AIBRIDGE_PROVIDER_0_KEY", "sk-canary"),
    ]);
    of_row.run().expect(0);
    let url = "https://canary-of-the-secret.example/v1";
    create::<Secret>(&namespace, secret("ai", json!({"url": url, "database": database.url()})));
    let of_secret =
        |name: &str, key: &str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "ai", "key": key}}});
    let env = json!([
        variable("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"),
        variable("CODER_AIBRIDGE_PROVIDER_0_NAME", "openai"),
        of_secret("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "url"),
        of_secret("CODER_PG_CONNECTION_URL", "database"),
    ]);
    let controller = start(&namespace, &[]);
    workload(&namespace, "coder", &env);
    let status = reason(&namespace, "coder", "Conflict");
    let conflict = serde_json::to_value(&status.conflicts[0]).unwrap();
    assert!(conflict["environment"].to_string().contains("39 characters, not shown"), "{conflict}");
    assert!(conflict["database"].to_string().contains("36 characters, not shown"), "{conflict}");
    let published = eventually("there is an Event of the conflict", || {
        let notes = notes(&namespace).join("\n");
        notes.contains("ConflictDetected").then_some(notes)
    });
    let status = serde_json::to_string(&status).unwrap();
    let metrics = controller.get("/metrics").unwrap().1;
    let log = controller.stop().expect(0).everything();
    for (place, text) in [("status", &status), ("Events", &published), ("metrics", &metrics), ("log", &log)] {
        assert!(!text.contains("canary"), "{place}: {text}");
    }
}
