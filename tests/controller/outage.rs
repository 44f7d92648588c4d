//! Changes around the controller: the definition, the API server, malformed objects.

use crate::support::controller::{Controller, check_now, conditions, deployment, notes, reason, seed};
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Database, Namespace, Run, Server, Variant, block_on};
use ai_provider_seed::testing::kubernetes::crd::spec;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, PartialObjectMeta, Patch, PatchParams};
use serde_json::{Value, json};

/// Installs a changed definition.
fn install(cluster: &Cluster, change: impl Fn(&mut Value)) {
    let mut definition = serde_json::to_value(spec::definition()).unwrap();
    change(&mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]);
    definition["apiVersion"] = json!("apiextensions.k8s.io/v1");
    definition["kind"] = json!("CustomResourceDefinition");
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client());
    let name = "aiproviderseeds.aiproviders.dev";
    let parameters = PatchParams::apply("test").force();
    block_on(api.patch(name, &parameters, &Patch::Apply(&definition))).expect("install the definition");
    eventually("the definition is served", || {
        let seeds: Api<PartialObjectMeta<spec::AIProviderSeed>> = Api::all(cluster.client());
        block_on(seeds.list(&Default::default())).ok()
    });
}

fn apply(namespace: &Namespace, object: &Value) {
    // Right after a new definition, kubectl may not find the kind yet.
    eventually("kubectl applies", || {
        (namespace.kubectl_with(&["apply", "-f", "-"], &object.to_string()).code == 0).then_some(())
    });
}

fn workload(namespace: &Namespace, database: &Database) {
    let env = json!([
        {"name": "CODER_PG_CONNECTION_URL", "value": database.url()},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_TYPE", "value": "openai"},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_KEY", "value": "sk-1"},
    ]);
    apply(namespace, &deployment("coder", &env, &[]));
    let env = [("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"), ("CODER_AIBRIDGE_PROVIDER_0_KEY", "sk-1")];
    Run::seed().database(database.url()).envs(env).run().expect(0);
}

#[test]
fn late_or_old_definition_and_malformed_objects_are_survived() {
    let Some(cluster) = Cluster::start() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    workload(&namespace, &database);
    let controller = Controller::start_as(namespace.kubeconfig(), &[]);
    let why = eventually("it says what is missing", || {
        let (code, why) = controller.get("/readyz")?;
        (code == 503 && why.contains("CustomResourceDefinition")).then_some(why)
    });
    assert!(
        why.contains("is not installed, or does not serve v1alpha1; apply the output of ai-provider-seed crd"),
        "{why}"
    );
    assert_eq!(controller.get("/livez").unwrap().0, 200);

    // An old one, which checks no spec and does not know a field of the status.
    install(&cluster, |schema| {
        schema["spec"] = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        schema["status"]["properties"]["summary"]["properties"].as_object_mut().unwrap().remove("message");
    });
    controller.wait_ready();
    apply(&namespace, &seed("broken", json!({"workloadRef": {"name": 7}})));
    apply(&namespace, &seed("coder", json!({"workloadRef": {"name": "coder"}})));
    let status = reason(&namespace, "coder", "InSync");
    assert_eq!(conditions(&status), ["Ready=True InSync", "InSync=True InSync"]);
    let broken = eventually("the malformed one has a condition", || {
        let text = namespace.kubectl(&["get", "aps", "broken", "-o", "jsonpath={.status.conditions[0]}"]).ok();
        text.contains("InvalidSpec").then_some(text)
    });
    assert!(broken.contains("the spec cannot be read"), "{broken}");
    let why = eventually("it is not ready", || controller.get("/readyz").filter(|answer| answer.0 == 503)).1;
    assert!(why.contains("no .status.summary.message"), "{why}");

    // With the current one, all is well after the next write.
    install(&cluster, |_| {});
    database.execute("update ai_providers set base_url = 'https://other.example/'");
    check_now(&namespace, "coder");
    reason(&namespace, "coder", "Conflict");
    controller.wait_ready();
    let finished = controller.stop().expect(0);
    assert!(finished.stderr.contains("older than this controller"), "{finished}");
}

#[test]
fn api_server_outage_is_survived() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.install_definition();
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    workload(&namespace, &database);
    apply(&namespace, &seed("coder", json!({"workloadRef": {"name": "coder"}, "interval": "10s"})));
    let mut controller = Controller::start(&namespace);
    reason(&namespace, "coder", "InSync");
    cluster.stop_apiserver();
    database.execute("update ai_providers set base_url = 'https://other.example/'");
    eventually("a check fails", || (controller.metric("ai_provider_seed_api_errors_total") >= 1.0).then_some(()));
    assert!(controller.is_running() && controller.get("/livez").unwrap().0 == 200);
    cluster.start_apiserver();
    reason(&namespace, "coder", "Conflict");
    eventually("its Event", || (notes(&namespace).len() == 1).then_some(()));
    // The watch works again: a change of the resource is seen.
    apply(&namespace, &seed("coder", json!({"workloadRef": {"name": "absent"}})));
    reason(&namespace, "coder", "WorkloadNotFound");
    controller.stop().expect(0);
}
