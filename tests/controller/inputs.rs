//! Bad input causes a condition that names the object, and recovers when the object exists; secrets are shown nowhere.

use crate::support::controller::{Controller, deployment, get, notes, reason, secret, seed};
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Mode, Namespace, Options, Run, Server, Variant};
use serde_json::{Value, json};

fn apply(namespace: &Namespace, object: &Value) {
    namespace.apply(&object.to_string());
}

fn from(kind: &str, name: &str, key: &str) -> Value {
    json!({kind: {"name": name, "key": key}})
}

fn variable(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

#[test]
fn missing_input_is_named_and_found_once_created() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    let controller = Controller::start(&namespace);
    let is = |expected: &str, named: &str| {
        let status = reason(&namespace, "coder", expected);
        let message = &status.conditions[0].message;
        assert!(message.contains(named), "{named} is not in {message}");
    };
    // when the workload or its container is missing / then the status names it
    apply(&namespace, &seed("coder", json!({"workloadRef": {"name": "coder"}})));
    is("WorkloadNotFound", "Deployment coder does not exist");
    let mut workload = deployment("coder", &json!([]), &[]);
    workload["spec"]["template"]["spec"]["initContainers"][0]["name"] = json!("other");
    apply(&namespace, &workload);
    is("ContainerNotFound", "no container ai-provider-seed");
    let env = json!([
        {"name": "CODER_PG_CONNECTION_URL", "valueFrom": from("secretKeyRef", "db", "url")},
        {"name": "CODER_AIBRIDGE_OPENAI_KEY", "valueFrom": from("configMapKeyRef", "settings", "key")},
    ]);
    namespace.kubectl(&["delete", "deployment", "coder"]).ok();
    is("WorkloadNotFound", "Deployment coder does not exist");
    // when objects of its environment are created one after another / then the status names the next missing one
    apply(&namespace, &deployment("coder", &env, &[]));
    is("SecretNotFound", "Secret db, which env CODER_PG_CONNECTION_URL");
    apply(&namespace, &secret("db", json!({"else": "x"})));
    is("SecretKeyMissing", "Secret db has no key url");
    apply(&namespace, &secret("db", json!({"url": "postgres://x:y"})));
    is("ConfigMapNotFound", "ConfigMap settings, which env CODER_AIBRIDGE_OPENAI_KEY");
    let map =
        |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data});
    apply(&namespace, &map(json!({})));
    is("ConfigMapKeyMissing", "ConfigMap settings has no key key");
    apply(&namespace, &map(json!({"key": "sk-1"})));
    is("InvalidEnvironment", "CODER_PG_CONNECTION_URL: expected a port after the host's colon");
    apply(&namespace, &secret("db", json!({"url": database.url()})));
    is("WouldSeed", "a seed would insert 1 provider");
    // when one of them is deleted / then the status names it, and each change of the reason had one Event
    namespace.kubectl(&["delete", "secret", "db"]).ok();
    is("SecretNotFound", "Secret db");
    let told = eventually("nine Events", || Some(notes(&namespace)).filter(|notes| notes.len() == 9));
    let reasons: Vec<&str> = told.iter().filter_map(|note| note.split(':').next()).collect();
    let expected = [
        "WorkloadNotFound",
        "ContainerNotFound",
        "WorkloadNotFound",
        "SecretNotFound",
        "SecretKeyMissing",
        "ConfigMapNotFound",
        "ConfigMapKeyMissing",
        "InvalidEnvironment",
        "SecretNotFound",
    ];
    assert_eq!(reasons, expected);
    controller.stop().expect(0);
}

#[test]
fn unreadable_databases_have_their_reasons() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let server = Server::start(Options::new().scram());
    let database = server.database(Variant::Current);
    let controller = Controller::start(&namespace);
    let provider = variable("CODER_AIBRIDGE_OPENAI_KEY", "sk-1");
    let url = |url: &str| json!([provider, variable("CODER_PG_CONNECTION_URL", url)]);
    let interval = |name: &str| seed(name, json!({"workloadRef": {"name": name}, "interval": "10s"}));
    let empty = server.database(Variant::Empty);
    let wrong = database.url_as("postgres", "sk-canary-wrong-password");
    for (name, env, expected, named) in [
        ("password", url(&wrong), "DatabaseUnreachable", "password"),
        (
            "tls",
            url(&format!("{}?sslmode=require", database.url().split('?').next().unwrap())),
            "DatabaseUnusable",
            "TLS",
        ),
        ("pending", url(&empty.url()), "SchemaPending", "Coder creates the tables when it starts"),
        (
            "closed",
            url("postgres://u:p@127.0.0.1:1/x?sslmode=disable"),
            "DatabaseUnreachable",
            "set spec.database.urlSecretRef",
        ),
        ("fine", url(&database.url()), "WouldSeed", "a seed would insert 1 provider"),
    ] {
        apply(&namespace, &deployment(name, &env, &[]));
        apply(&namespace, &interval(name));
        let status = reason(&namespace, name, expected);
        let message = &status.conditions[0].message;
        assert!(message.contains(named) && !message.contains("canary"), "{name}: {named} is not in {message}");
    }
    assert!(controller.metric("ai_provider_seed_database_errors_total{class=\"authentication_failed\"}") >= 1.0);
    // The server goes away and comes back.
    server.stop(Mode::Immediate);
    reason(&namespace, "fine", "DatabaseUnreachable");
    server.start_again();
    reason(&namespace, "fine", "WouldSeed");
    let finished = controller.stop().expect(0);
    assert!(!finished.stderr.contains("canary"), "{finished}");
}

#[test]
fn secret_values_are_shown_nowhere() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    let (name, url) = ("canary-name", "https://canary-url.example/v1");
    let keys = ["sk-canary-one", "sk-canary-two"];
    let seeded = [
        ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"),
        ("CODER_AIBRIDGE_PROVIDER_0_NAME", name),
        ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://other.example/v1"),
        ("CODER_AIBRIDGE_PROVIDER_0_KEY", keys[1]),
    ];
    Run::seed().database(database.url()).envs(seeded).run().expect(0);
    let data = json!({"type": "openai", "name": name, "url": url, "host": "canary-url.example", "key": keys[0], "db": database.url(), "odd": "canary-type"});
    apply(&namespace, &secret("ai", data));
    let of = |name: &str, key: &str| json!({"name": name, "valueFrom": from("secretKeyRef", "ai", key)});
    let common = [
        of("CODER_PG_CONNECTION_URL", "db"),
        of("CODER_AIBRIDGE_PROVIDER_0_NAME", "name"),
        of("CODER_AIBRIDGE_PROVIDER_0_KEY", "key"),
    ];
    let with = |more: &[Value]| json!(common.iter().chain(more).collect::<Vec<_>>());
    let fail = ["seed", "--compare-credentials=fail"];
    let kind = of("CODER_AIBRIDGE_PROVIDER_0_TYPE", "type");
    let expanded =
        [of("HOST", "host"), variable("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://$(HOST)/v1"), kind.clone()];
    apply(&namespace, &deployment("plain", &with(&[of("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "url"), kind]), &fail));
    apply(&namespace, &deployment("expanded", &with(&expanded), &fail));
    apply(&namespace, &deployment("odd", &with(&[of("CODER_AIBRIDGE_PROVIDER_0_TYPE", "odd")]), &fail));
    let controller = Controller::start(&namespace);
    for (name, expected) in [("plain", "Conflict"), ("expanded", "Conflict"), ("odd", "InvalidEnvironment")] {
        apply(&namespace, &seed(name, json!({"workloadRef": {"name": name}})));
        reason(&namespace, name, expected);
    }
    eventually("five Events", || (notes(&namespace).len() == 5).then_some(()));
    let described = namespace.kubectl(&["describe", "aps"]).ok();
    let all = namespace.kubectl(&["get", "aps,events", "-o", "yaml"]).ok();
    let metrics = controller.get("/metrics").unwrap().1;
    let log = controller.stop().expect(0).stderr;
    for (place, text) in [("describe", &described), ("yaml", &all), ("metrics", &metrics), ("log", &log)] {
        for word in ["canary", "postgres://"] {
            assert!(!text.contains(word), "{word} is in {place}: {text}");
        }
    }
    assert!(described.contains("(provider 0, name not shown)"), "{described}");
    assert!(described.contains("Secret ai, key url"), "{described}");
}

#[test]
fn five_thousand_providers_fit_one_resource() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    let mut data = serde_json::Map::new();
    for number in 0..5000 {
        let prefix = format!("CODER_AIBRIDGE_PROVIDER_{number}");
        data.insert(format!("{prefix}_TYPE"), json!("openai"));
        data.insert(format!("{prefix}_NAME"), json!(format!("provider-{number}")));
        data.insert(format!("{prefix}_BASE_URL"), json!(format!("https://{number}.example/v1")));
    }
    database.execute(
        "insert into ai_providers (type, name, base_url)
         select 'openai', 'provider-' || n, 'https://' || n || '.example/' || case n % 10 when 0 then 'v2' else 'v1' end
           from generate_series(0, 4999) n",
    );
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "many"}, "data": data});
    // Too large for the annotation of kubectl apply.
    namespace.kubectl_with(&["create", "-f", "-"], &map.to_string()).ok();
    let mut workload = deployment("coder", &json!([variable("DATABASE_URL", &database.url())]), &[]);
    workload["spec"]["template"]["spec"]["initContainers"][0]["envFrom"] = json!([{"configMapRef": {"name": "many"}}]);
    apply(&namespace, &workload);
    apply(&namespace, &seed("coder", json!({"workloadRef": {"name": "coder"}})));
    let controller = Controller::start(&namespace);
    let status = reason(&namespace, "coder", "Conflict");
    let summary = status.summary.unwrap();
    assert_eq!(
        (summary.in_sync.as_deref(), summary.desired, summary.conflicts),
        (Some("4500/5000"), Some(5000), Some(500))
    );
    assert_eq!((status.providers.len(), status.conflicts.len(), status.warnings.len()), (256, 64, 32));
    // A bucket of 25, and one Event with the number of suppressed ones.
    let events = || notes(&namespace).into_iter().partition(|note| note.starts_with("ConflictDetected"));
    let (published, left_out): (Vec<String>, Vec<String>) =
        eventually("the Events that the budget holds back are counted", || {
            let (published, left_out): (Vec<String>, Vec<String>) = events();
            (!left_out.is_empty()).then_some((published, left_out))
        });
    assert_eq!((published.len(), left_out.len()), (25, 1), "{left_out:?}");
    assert!(left_out[0].starts_with("EventsSuppressed: 39 Events of this resource"), "{left_out:?}");
    let size = serde_json::to_string(&get(&namespace, "coder")).unwrap().len();
    assert!(size < 400 * 1024, "{size} bytes");
    controller.stop().expect(0);
}
