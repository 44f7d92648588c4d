//! Which resources the controller checks, and when: several namespaces, the interval alone, suspension, StatefulSets,
//! deletion.

use crate::support::controller::{Controller, check_now, conditions, deployment, get, reason, secret, seed};
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Database, Namespace, Run, Server, Variant};
use serde_json::{Value, json};

fn env(url: &str) -> Value {
    json!([
        {"name": "CODER_PG_CONNECTION_URL", "value": url},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_TYPE", "value": "openai"},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_KEY", "value": "sk-1"},
    ])
}

fn seed_rows(database: &Database) {
    let env = [("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"), ("CODER_AIBRIDGE_PROVIDER_0_KEY", "sk-1")];
    Run::seed().database(database.url()).envs(env).run().expect(0);
}

fn absent(namespace: &Namespace) {
    namespace.apply(&seed("coder", json!({"workloadRef": {"name": "absent"}})).to_string());
}

#[test]
fn controller_watches_one_some_or_all_namespaces() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.install_definition();
    let [own, other, third] = [cluster.namespace(), cluster.namespace(), cluster.namespace()];
    [&own, &other, &third].into_iter().for_each(absent);
    let is_looked_at = |namespace: &Namespace| get(namespace, "coder").status.is_some();

    let controller = Controller::start(&own);
    reason(&own, "coder", "WorkloadNotFound");
    assert!(!is_looked_at(&other) && !is_looked_at(&third));
    controller.stop().expect(0);

    let some = [format!("--namespace={}", own.name()), format!("--namespace={}", other.name())];
    let controller = Controller::start_as(own.kubeconfig(), &some.each_ref().map(String::as_str));
    reason(&other, "coder", "WorkloadNotFound");
    assert!(!is_looked_at(&third));
    controller.stop().expect(0);

    let controller = Controller::start_as(own.kubeconfig(), &["--all-namespaces"]);
    reason(&third, "coder", "WorkloadNotFound");
    // A workload in another namespace does not count for the resource.
    other.apply(&deployment("absent", &json!([]), &[]).to_string());
    reason(&other, "coder", "NothingDesired");
    check_now(&third, "coder");
    reason(&third, "coder", "WorkloadNotFound");
    controller.stop().expect(0);
}

#[test]
fn interval_finds_drift_and_deletion_leaves_nothing() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    seed_rows(&database);
    let mut set = deployment("coder", &env(&database.url()), &[]);
    set["kind"] = json!("StatefulSet");
    set["spec"]["serviceName"] = json!("coder");
    namespace.apply(&set.to_string());
    let spec = |suspend: bool| json!({"workloadRef": {"kind": "StatefulSet", "name": "coder"}, "interval": "10s", "suspend": suspend});
    namespace.apply(&seed("coder", spec(false)).to_string());
    let controller = Controller::start(&namespace);
    let status = reason(&namespace, "coder", "InSync");
    let observed = status.observed_generation;
    // Nothing in the cluster changes, and no generation does.
    database.execute("update ai_providers set base_url = 'https://other.example/'");
    let status = reason(&namespace, "coder", "Conflict");
    assert_eq!(status.observed_generation, observed);
    assert!(status.conditions[0].message.contains("StatefulSet coder"), "{}", status.conditions[0].message);

    let has_last_check = || controller.get("/metrics").unwrap().1.contains("last_check_timestamp_seconds{");
    assert!(has_last_check());
    namespace.apply(&seed("coder", spec(true)).to_string());
    let status = reason(&namespace, "coder", "Suspended");
    assert!(!has_last_check(), "no message says that it is long ago");
    assert_eq!(
        conditions(&status),
        ["Ready=Unknown Suspended", "InSync=Unknown Suspended", "Suspended=True Suspended"]
    );
    assert_eq!(status.conflicts.len(), 1, "what was found stays");
    database.execute("update ai_providers set base_url = 'https://api.openai.com/v1/'");
    namespace.apply(&seed("coder", spec(false)).to_string());
    eventually("checks go on", || {
        let status = get(&namespace, "coder").status?;
        (!status.conditions.iter().any(|condition| condition.type_ == "Suspended")).then_some(())
    });

    eventually("it was checked again", || has_last_check().then_some(()));
    assert!(controller.get("/metrics").unwrap().1.contains("name=\"coder\""));
    namespace.kubectl(&["delete", "aps", "coder"]).ok();
    eventually("its metrics are gone", || (!controller.get("/metrics")?.1.contains("name=\"coder\"")).then_some(()));
    controller.stop().expect(0);
}

#[test]
fn database_url_of_the_resource_is_used() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    seed_rows(&database);
    // The container's own connection is a file, which only the pod can read.
    let env = json!([
        {"name": "CODER_AIBRIDGE_PROVIDER_0_TYPE", "value": "openai"},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_KEY", "value": "sk-1"},
    ]);
    namespace.apply(&deployment("coder", &env, &["seed", "--database-url-file=/etc/passwd"]).to_string());
    namespace.apply(&seed("coder", json!({"workloadRef": {"name": "coder"}})).to_string());
    let controller = Controller::start(&namespace);
    let status = reason(&namespace, "coder", "EnvironmentUnknown");
    let message = &status.conditions[0].message;
    let said =
        "which only the pod can read; set spec.database.urlSecretRef · ai-provider-seed explain EnvironmentUnknown";
    assert!(message.ends_with(said), "{message}");
    namespace.apply(&secret("reader", json!({"url": database.url()})).to_string());
    let spec =
        json!({"workloadRef": {"name": "coder"}, "database": {"urlSecretRef": {"name": "reader", "key": "url"}}});
    namespace.apply(&seed("coder", spec).to_string());
    reason(&namespace, "coder", "InSync");
    controller.stop().expect(0);
}

#[test]
fn forbidden_namespace_does_not_block_others() {
    let Some(cluster) = Cluster::shared() else { return };
    let [good, forbidden] = [cluster.namespace(), cluster.namespace()];
    absent(&good);
    let rules = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    let account = good.account_with("controller", &rules);
    let both = [format!("--namespace={}", forbidden.name()), format!("--namespace={}", good.name())];
    for more in [&[][..], &["--leader-elect"]] {
        let args: Vec<&str> = both.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let controller = Controller::start_as(&account.kubeconfig, &args);
        reason(&good, "coder", "WorkloadNotFound");
        let why =
            format!("cannot watch AIProviderSeeds in namespace {}: the API server forbids it (403)", forbidden.name());
        eventually("it says what is missing", || {
            let (status, text) = controller.get("/readyz")?;
            (status == 503 && text.contains(&why) && !text.contains(good.name())).then_some(())
        });
        controller.stop().expect(0);
        good.kubectl(&["delete", "aps", "coder"]).ok();
        absent(&good);
    }
}

#[test]
fn rejected_api_server_certificate_is_named() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let mut config: Value = serde_json::from_slice(&std::fs::read(namespace.kubeconfig()).unwrap()).unwrap();
    config["clusters"][0]["cluster"].as_object_mut().unwrap().remove("certificate-authority-data");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    let controller = Controller::start_as(&path, &[]);
    eventually("it says why", || {
        controller.get("/readyz")?.1.contains("the certificate of the API server is not accepted").then_some(())
    });
    let finished = controller.stop().expect(0);
    assert!(!finished.stderr.contains("client error"), "{}", finished.stderr);
}
