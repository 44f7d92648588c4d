//! `diff --from -`: manifests as helm and kubectl print them; a missing object is unknown, which is not an error.

use crate::support::controller::{deployment, secret};
use crate::support::helm::{self, read, stdout, try_template};
use crate::support::{Cluster, Finished, Run, Server, Variant};
use serde_json::{Value, json};

const ROW: &str =
    "insert into ai_providers (type, name, base_url) values ('openai', 'openai', 'https://api.openai.com/v1')";
const EXAMPLE: [&str; 2] =
    ["deploy/examples/init-container/deployment.yaml", "deploy/examples/init-container/environment.yaml"];

fn diff(manifests: impl Into<String>) -> Run {
    Run::diff().json().arg("--from=-").stdin(manifests)
}

fn offline(manifests: impl Into<String>) -> Run {
    diff(manifests).arg("--offline")
}

fn messages(finished: &Finished, list: &str) -> Vec<String> {
    let list = finished.json()[list].as_array().unwrap().clone();
    list.iter().map(|problem| problem["message"].as_str().unwrap().to_owned()).collect()
}

fn states(finished: &Finished) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let json = finished.json();
    json["providers"].as_array().unwrap().iter().map(|p| (text(&p["name"]), text(&p["state"]))).collect()
}

/// The Deployment with this environment, and other objects, as one stream.
fn stream(env: Value, others: &[Value]) -> String {
    let documents = [deployment("coder", &env, &["seed"])].into_iter().chain(others.iter().cloned());
    documents.map(|document| format!("---\n{document}\n")).collect()
}

fn config_map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

fn example() -> String {
    EXAMPLE.map(read).join("\n---\n")
}

#[test]
fn complete_stream_is_compared() {
    let database = Server::shared().database(Variant::Current);
    database.execute(ROW);
    let finished = diff(example()).arg("--database-url").arg(database.url()).run().expect(0);
    // The stored row has no key, and the Secret is among the manifests.
    assert_eq!(states(&finished), [("openai".to_owned(), "credentials_differ".to_owned())]);
    let from = &finished.json()["from"];
    assert_eq!(from["variables"]["CODER_AI_GATEWAY_PROVIDER_0_BASE_URL"], {
        "ConfigMap coder-ai-providers, key CODER_AI_GATEWAY_PROVIDER_0_BASE_URL"
    });
    assert!(!finished.everything().contains("put-the-key-here"), "{finished}");
    let other = example().replace("https://api.openai.com/v1", "https://other.example/v1");
    let run = Run::diff().arg("--from=-").stdin(other).arg("--database-url").arg(database.url());
    let finished = run.run().expect(3);
    let origin = "ConfigMap coder-ai-providers, key CODER_AI_GATEWAY_PROVIDER_0_BASE_URL";
    assert!(finished.stdout.contains(origin), "{finished}");
}

#[test]
fn helm_output_of_coder_values_is_compared() {
    if helm::is_missing() {
        return;
    }
    let values = ["--values", "deploy/coder/values.yaml"];
    let rendered = stdout(try_template("coder", "tests/data/chart/coder", &values));
    // A chart contains neither the Secret nor the ConfigMap of the providers.
    let finished = offline(&rendered).run().expect(0);
    assert!(finished.json()["from"]["workload"] == "Deployment coder", "{finished}");
    let missing = messages(&finished, "warnings");
    assert!(
        missing.iter().any(|m| m.starts_with("Secret coder-ai-providers, which envFrom of container")),
        "{finished}"
    );
    assert!(finished.codes("warnings").iter().all(|code| code == "not_in_manifests"), "{finished}");
    let finished = Run::diff().arg("--from=-").arg("--offline").stdin(&rendered).run().expect(0);
    assert!(finished.stdout.starts_with("nothing was compared: the providers are not known"), "{finished}");
    // With them it is complete.
    let environment = read(EXAMPLE[1]);
    let finished = offline(format!("{rendered}\n---\n{environment}")).run().expect(0);
    assert_eq!(finished.json()["from"]["variables"]["CODER_AI_GATEWAY_PROVIDER_0_KEY"], {
        "Secret coder-ai-providers, key CODER_AI_GATEWAY_PROVIDER_0_KEY"
    });
    // The example's key is a placeholder, and the Secret of the encryption keys is missing.
    assert_eq!(finished.codes("warnings"), ["key_suspicious", "not_in_manifests"], "{finished}");
}

#[test]
fn helm_output_of_the_named_template_is_compared() {
    if helm::is_missing() {
        return;
    }
    let rendered = read("tests/data/chart/golden/parent.yaml");
    offline(rendered).run().expect(0);
}

#[test]
fn kubectl_output_is_compared() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    namespace.apply(&example());
    let everything = ["get", "deployments,secrets,configmaps", "-o"];
    let finished = |format: &str, text: String| {
        let finished = offline(text).run().expect(0);
        assert_eq!(finished.json()["from"]["namespace"], namespace.name(), "{format}");
        assert_eq!(finished.codes("warnings"), ["key_suspicious"], "{format}: {finished}");
    };
    for format in ["yaml", "json"] {
        let list = namespace.kubectl(&[&everything[..], &[format]].concat()).ok();
        assert!(list.contains("List"));
        finished(format, list);
        // One after another, as two commands before a pipe print them.
        let get = |kind: &str, name: &str| namespace.kubectl(&["get", kind, name, "-o", format]).ok();
        let parts = [
            get("deployment", "coder"),
            get("secret", "coder-ai-providers"),
            get("secret", "coder-db-url"),
            get("configmap", "coder-ai-providers"),
        ];
        finished(format, parts.join(if format == "yaml" { "---\n" } else { "\n" }));
    }
}

fn from(kind: &str, name: &str, key: &str) -> Value {
    json!({kind: {"name": name, "key": key}})
}

fn literal(number: usize, name: &str, url: &str) -> Vec<Value> {
    let variable =
        |field: &str, value: &str| json!({"name": format!("CODER_AIBRIDGE_PROVIDER_{number}_{field}"), "value": value});
    vec![variable("TYPE", "openai"), variable("NAME", name), variable("BASE_URL", url)]
}

#[test]
fn unknown_values_are_not_an_error() {
    let database = Server::shared().database(Variant::Current);
    database.execute(ROW);
    database.execute("insert into ai_provider_keys (provider_id, api_key) select id, 'sk-stored' from ai_providers");
    let mut env = literal(0, "openai", "https://api.openai.com/v1");
    env.push(
        json!({"name": "CODER_AIBRIDGE_PROVIDER_0_KEYS", "valueFrom": from("secretKeyRef", "coder-ai", "openai")}),
    );
    env.extend(literal(1, "claude", "").into_iter().take(2));
    env.push(
        json!({"name": "CODER_AIBRIDGE_PROVIDER_1_BASE_URL", "valueFrom": from("secretKeyRef", "coder-ai", "url")}),
    );
    env.push(json!({"name": "CODER_AIBRIDGE_PROVIDER_1_KEY", "value": "sk-canary"}));
    env.push(json!({"name": "CODER_PG_CONNECTION_URL", "valueFrom": from("secretKeyRef", "db", "url")}));
    let run = diff(stream(json!(env), &[])).arg("--compare-credentials=fail");
    // The database must be known, or not be queried.
    let finished = run.run().expect(2);
    assert_eq!(finished.codes("problems"), ["environment_unknown"]);
    assert!(
        messages(&finished, "problems")[0]
            .contains("Secret db, key url, which is not among the manifests; give --database-url, or --offline"),
        "{finished}"
    );
    let finished = run.clone().arg("--database-url").arg(database.url()).run().expect(0);
    let expected = [("openai", "in_sync"), ("claude", "unknown")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(states(&finished), expected);
    assert_eq!(finished.json()["providers"][1]["hash"], json!({"environment": null, "database": null}));
    assert_eq!(finished.codes("warnings"), ["credentials_not_compared", "not_in_manifests"]);
    assert!(
        messages(&finished, "warnings")[1]
            .contains("Secret coder-ai, key url, which is not among the manifests, so the provider cannot be compared")
    );
    let finished = run.clone().arg("--offline").run().expect(0);
    assert_eq!(finished.codes("warnings"), ["credentials_not_compared", "not_in_manifests"]);
    assert!(!finished.everything().contains("canary"));
    // Known values are still judged.
    database.execute("update ai_providers set base_url = 'https://other.example/v1'");
    let finished = run.arg("--database-url").arg(database.url()).run().expect(3);
    assert_eq!(finished.json()["conflicts"].as_array().unwrap().len(), 1);
    assert_eq!(finished.json()["conflicts"][0]["field"], "base_url");
}

#[test]
fn absent_variable_proves_nothing_beside_an_unread_secret() {
    let env_from = |env: Vec<Value>| {
        let mut workload = deployment("coder", &json!(env), &["seed", "--strict", "--require-providers=3"]);
        let init = &mut workload["spec"]["template"]["spec"]["initContainers"][0];
        init["envFrom"] = json!([{"secretRef": {"name": "coder-ai"}}]);
        workload
    };
    let type_ =
        |number: usize, kind: &str| json!({"name": format!("CODER_AIBRIDGE_PROVIDER_{number}_TYPE"), "value": kind});
    let mut env = literal(0, "openai", "https://api.openai.com/v1");
    // No URL, no type, no settings, a missing number: the Secret may have them.
    env.extend([type_(1, "azure"), type_(2, "bedrock"), type_(4, "google")]);
    env.push(json!({"name": "CODER_AIBRIDGE_PROVIDER_5_NAME", "value": "none"}));
    let workload = env_from(env);
    let finished = offline(workload.to_string()).run().expect(0);
    let unknown: Vec<String> = states(&finished).into_iter().map(|(name, _)| name).collect();
    assert_eq!(unknown, ["azure", "bedrock", "google", "none"]);
    assert_eq!(finished.codes("warnings"), ["not_in_manifests"]);
    // With the Secret, each of them is reported.
    let whole = format!("{workload}\n{}", secret("coder-ai", json!({"ELSE": "x"})));
    let found = offline(whole).run().expect(2).codes("problems");
    for code in ["type_required", "bedrock_required", "index_gap", "base_url_suspicious"] {
        assert!(found.iter().any(|found| found == code), "{code} is not among {found:?}");
    }
    // A wrong value is reported with and without it.
    let wrong = env_from(vec![type_(0, "opnai")]);
    assert_eq!(offline(wrong.to_string()).run().expect(2).codes("problems"), ["unknown_type"]);
}

#[test]
fn unknown_older_variables_are_warnings() {
    let database = Server::shared().database(Variant::Current);
    database.execute(&ROW.replace("openai.com/v1", "openai.com/v1/"));
    let secret = |name: &str| json!({"name": name, "valueFrom": from("secretKeyRef", "coder-ai", "x")});
    let run = |env: Value| diff(stream(env, &[])).arg("--database-url").arg(database.url()).run();
    let finished = run(json!([secret("CODER_AIBRIDGE_OPENAI_KEY")])).expect(0);
    assert_eq!(states(&finished), [("openai".to_owned(), "in_sync".to_owned())]);
    let finished =
        run(json!([secret("CODER_AIBRIDGE_OPENAI_KEY"), secret("CODER_AIBRIDGE_OPENAI_BASE_URL")])).expect(0);
    assert_eq!(states(&finished), [("openai".to_owned(), "unknown".to_owned())]);
    let finished = run(json!([secret("CODER_AIBRIDGE_BEDROCK_REGION")])).expect(0);
    assert_eq!(states(&finished), [("anthropic".to_owned(), "unknown".to_owned())]);
}

#[test]
fn one_of_several_workloads_is_chosen_by_name() {
    let workload = |name: &str, url: &str| deployment(name, &json!(literal(0, name, url)), &["seed"]);
    let two = format!("---\n{}\n---\n{}\n", workload("one", "https://a.example/"), workload("two", "nonsense"));
    let finished = offline(&two).run().expect(2);
    assert_eq!(finished.codes("problems"), ["workload_ambiguous"]);
    let message = &messages(&finished, "problems")[0];
    assert!(
        message.contains("Deployment one, Deployment two; choose one, for example with --from -:deployment/one"),
        "{message}"
    );
    let choose = |from: &str| Run::diff().json().arg("--offline").arg("--from").arg(from).stdin(&two).run();
    assert_eq!(choose("-:deploy/one").expect(0).json()["from"]["workload"], "Deployment one");
    assert!(choose("-:deployment/two").expect(0).codes("warnings").contains(&"base_url_suspicious".to_owned()));
    let finished = choose("-:statefulset/one").expect(2);
    assert_eq!(finished.codes("problems"), ["workload_not_found"]);
    assert!(messages(&finished, "problems")[0].contains("available: Deployment one, Deployment two"), "{finished}");
    // The same name in two namespaces, each with its own Secret.
    let mut documents = Vec::new();
    for namespace in ["a", "b"] {
        let env = json!([{"name": "CODER_AIBRIDGE_PROVIDER_0_TYPE", "valueFrom": from("secretKeyRef", "ai", "type")}]);
        let kind = if namespace == "a" { "openai" } else { "nonsense" };
        for mut object in [deployment("coder", &env, &["seed"]), secret("ai", json!({"type": kind}))] {
            object["metadata"]["namespace"] = json!(namespace);
            documents.push(object.to_string());
        }
    }
    let both = documents.join("\n---\n");
    let both = format!("---\n{both}");
    offline(&both).run().expect(2);
    offline(&both).arg("--namespace=a").run().expect(0);
    let finished = offline(&both).arg("-n").arg("b").run().expect(2);
    assert_eq!(finished.codes("problems"), ["unknown_type"]);
    // Beside a workload without a namespace, which occurs twice: the last one counts, as if kubectl applied them.
    let open = stream(json!(literal(0, "openai", "https://a.example/")), &[]);
    let finished = offline(open.clone() + &both).arg("-n").arg("b").run().expect(2);
    assert_eq!(finished.codes("problems"), ["unknown_type"]);
    let bad = stream(json!(literal(0, "openai", "nonsense")), &[]);
    assert!(offline(open.clone() + &bad).run().expect(0).codes("warnings").contains(&"base_url_suspicious".to_owned()));
    assert!(!offline(bad + &open).run().expect(0).codes("warnings").contains(&"base_url_suspicious".to_owned()));
}

#[test]
fn unreadable_stream_is_reported_by_position_only() {
    let good = deployment("coder", &json!([]), &[]);
    let reading = deployment("coder", &json!([{"name": "X", "valueFrom": from("secretKeyRef", "ai", "key")}]), &[]);
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: ai}\ndata:\n  key: sk-canary-not-base64\n";
    for (stream, code, says) in [
        (
            format!("---\n# one\n---\n{good}\n---\na: sk-canary\n b: [sk-canary\n"),
            "manifest_invalid",
            "document 2 is not valid YAML, line ",
        ),
        (format!("{good}\n{{\"a\": sk-canary}}"), "manifest_invalid", "document 2 is not valid JSON, line 2"),
        (format!("---\n{reading}\n---\n{secret}"), "manifest_invalid", "document 2: Secret ai: data.key is not base64"),
        (
            "---\nkind: Deployment\nmetadata: {{ .Values.canary }}\n".to_owned(),
            "manifest_invalid",
            "render the template first, as helm template does",
        ),
        (
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: \"\\e[31m\"}\n".to_owned(),
            "manifest_invalid",
            "without a valid Kubernetes name",
        ),
        (
            "Error: INSTALLATION FAILED: chart \"canary\" not found: x\n".to_owned(),
            "manifest_invalid",
            "an error of the command before the pipe",
        ),
        (String::new(), "workload_not_found", "did the command before the pipe fail?"),
        (
            format!("---\n{secret}").replace("sk-canary-not-base64", "a2V5"),
            "workload_not_found",
            "no Deployment or StatefulSet among 1 document",
        ),
        (
            good.to_string().replace("ai-provider-seed", "else"),
            "container_not_found",
            "no container ai-provider-seed in Deployment coder",
        ),
    ] {
        let finished = offline(stream).run().expect(2);
        assert_eq!(finished.codes("problems"), [code], "{says}");
        assert!(messages(&finished, "problems")[0].contains(says), "{says}: {finished}");
        assert!(!finished.everything().contains("canary"), "{finished}");
    }
    // The line is counted in the whole stream.
    let finished = offline("---\na: 1\n---\nb: 1\nc: [\n").run().expect(2);
    let message = &messages(&finished, "problems")[0];
    assert!(
        message.contains("document 2") && ["line 5", "line 6"].iter().any(|line| message.contains(line)),
        "{message}"
    );
}

/// A stream with, in this order, another object's ill-typed values, and the Deployment with this environment.
fn beside(others: &str, env: Value) -> Finished {
    offline(format!("{others}\n---\n{}", deployment("coder", &env, &["seed"]))).run()
}

fn provider(key: Value) -> Value {
    let mut key = key;
    key["name"] = json!("CODER_AIBRIDGE_PROVIDER_0_KEY");
    json!([
        {"name": "CODER_AIBRIDGE_PROVIDER_0_TYPE", "value": "openai"},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "value": "https://api.openai.com/v1"},
        key,
    ])
}

#[test]
fn objects_that_nothing_refers_to_are_not_judged() {
    let key = provider(json!({"value": "sk-canary"}));
    for other in [
        // The values that sops writes into a Secret are not base64.
        "apiVersion: v1\nkind: Secret\nmetadata: {name: x, namespace: other}\ndata: {a: 'ENC[AES256_GCM,data:eA==,type:str]'}\nsops: {version: 3.9.0}",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {port: 5432}",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: 5}\ndata: [a]",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {debug: true}",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\nimmutable: true\nbinaryData: {a: /w==}",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: web, env: [{name: PORT, value: 3000}]}]}}}",
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: 'A B'}\nspec: 7",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\nspec: {versions: 1}",
        "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Secret, metadata: {name: x}, data: {a: 1}}, 5]",
        "kind: IPAllowList\nitems: 7",
        "[{kind: Secret, data: 5}]",
        "just words",
    ] {
        let finished = beside(other, key.clone());
        assert_eq!((finished.code, finished.codes("problems")), (0, vec![]), "{other}: {finished}");
        assert!(!finished.everything().contains("canary"), "{finished}");
    }
    // An ill-typed container in the same pod is not the one that seeds.
    let mut workload = deployment("coder", &key, &["seed"]);
    let spec = &mut workload["spec"]["template"]["spec"];
    let neighbour = json!({"name": "side", "image": "x", "env": [{"name": "PORT", "value": 3000}], "ports": "none"});
    match spec["containers"].as_array_mut() {
        Some(containers) => containers.push(neighbour),
        None => spec["containers"] = json!([neighbour]),
    }
    offline(workload.to_string()).run().expect(0);
}

#[test]
fn encrypted_secret_that_is_referred_to_counts_as_unknown() {
    let reference = provider(json!({"valueFrom": from("secretKeyRef", "ai", "key")}));
    for secret in [
        "apiVersion: v1\nkind: Secret\nmetadata: {name: ai}\ndata: {key: 'ENC[AES256_GCM,data:eA==,type:str]'}\nsops: {version: 3.9.0}",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: ai}\nstringData: {key: 'ENC[AES256_GCM,data:eA==,type:str]'}",
    ] {
        let finished = beside(secret, reference.clone()).expect(0);
        let warnings = messages(&finished, "warnings").join("\n");
        assert!(warnings.contains("Secret ai is encrypted by sops"), "{finished}");
        assert_eq!(finished.codes("problems"), [""; 0], "{finished}");
    }
    let all = json!([{"name": "CODER_AIBRIDGE_PROVIDER_0_TYPE", "value": "openai"}]);
    let mut workload = deployment("coder", &all, &["seed"]);
    let spec = &mut workload["spec"]["template"]["spec"];
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            if container["name"] == "ai-provider-seed" {
                container["envFrom"] = json!([{"secretRef": {"name": "ai"}}]);
            }
        }
    }
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ai"}, "data": {"A": "ENC[AES256_GCM,"}});
    let finished = offline(format!("---\n{workload}\n---\n{secret}")).run().expect(0);
    assert!(messages(&finished, "warnings").join("\n").contains("is encrypted by sops"), "{finished}");
}

#[test]
fn ill_typed_value_is_named_by_its_path() {
    let of = |env: Value| offline(deployment("coder", &env, &["seed"]).to_string()).run().expect(2);
    for (env, said) in [
        (json!([{"name": "A", "value": 3000}]), ".env[0].value is a number; put it in quotes"),
        (json!([{"name": "A"}, {"name": "B", "value": true}]), ".env[1].value is a boolean; put it in quotes"),
        (json!([{"name": "A", "value": ["sk-canary"]}]), ".env[0].value is a list; a text is expected"),
        (json!({"A": "sk-canary"}), ".env is a map; a list is expected"),
        (json!(["A=sk-canary"]), ".env[0] is a text; a map is expected"),
        (
            json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "ai", "key": 1}}}]),
            ".env[0].valueFrom.secretKeyRef.key is a number; put it in quotes",
        ),
        (
            json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "ai", "key": "k", "optional": "yes"}}}]),
            ".optional is a text; write true or false",
        ),
    ] {
        let finished = of(env);
        assert_eq!(finished.codes("problems"), ["manifest_invalid"], "{finished}");
        let message = &messages(&finished, "problems")[0];
        assert!(message.contains("Deployment coder: spec.template.spec.initContainers[0]"), "{message}");
        assert!(message.contains(said), "{message}");
        assert!(!finished.everything().contains("canary"), "{finished}");
    }
    let key = provider(json!({"valueFrom": from("secretKeyRef", "ai", "key")}));
    for (secret, said) in [
        (json!({"data": {"key": 5}}), "Secret ai: data.key is a number; put it in quotes"),
        (json!({"data": {"key": "sk-canary"}}), "Secret ai: data.key is not base64"),
        (json!({"stringData": {"key": 1.5}}), "Secret ai: stringData.key is a number; put it in quotes"),
        (json!({"data": "sk-canary"}), "Secret ai: data is a text; a map is expected"),
    ] {
        let mut secret = secret;
        (secret["kind"], secret["metadata"]) = (json!("Secret"), json!({"name": "ai"}));
        let finished = beside(&secret.to_string().replace("{\"", "{ \""), key.clone());
        assert_eq!(finished.codes("problems"), ["manifest_invalid"], "{finished}");
        assert!(messages(&finished, "problems")[0].contains(said), "{finished}");
        assert!(!finished.everything().contains("canary"), "{finished}");
    }
}

#[test]
fn entry_that_the_api_server_refuses_is_named_by_its_path() {
    let at = "spec.template.spec.initContainers[0].env[2]";
    for (entry, says) in [
        (json!({"value": "x"}), format!("{at} has no name")),
        (
            json!({"name": "X", "value": "x", "valueFrom": from("secretKeyRef", "ai", "key")}),
            format!("{at} has value and valueFrom"),
        ),
        (
            json!({"name": "X", "valueFrom": {"secretKeyref": {"name": "ai", "key": "key"}}}),
            format!("{at}.valueFrom.secretKeyref is not a Kubernetes field; write secretKeyRef"),
        ),
        (
            json!({"name": "X", "valueFrom": {"secretRef": {"name": "ai"}}}),
            format!("{at}.valueFrom.secretRef does not belong here; write secretKeyRef or configMapKeyRef"),
        ),
        (json!({"name": "X", "valueFrom": {}}), format!("{at}.valueFrom names no source; write secretKeyRef")),
    ] {
        let finished = beside("", json!([{"name": "A"}, {"name": "B", "value": ""}, entry])).expect(2);
        assert_eq!(finished.codes("problems"), ["manifest_invalid"], "{finished}");
        assert!(messages(&finished, "problems")[0].contains(&says), "{says}: {finished}");
    }
    let mut all = deployment("coder", &json!([]), &["seed"]);
    all["spec"]["template"]["spec"]["initContainers"][0]["envFrom"] = json!([{"secretKeyRef": {"name": "ai"}}]);
    let finished = offline(all.to_string()).run().expect(2);
    let says = "initContainers[0].envFrom[0].secretKeyRef does not belong here; write secretRef or configMapRef";
    assert!(messages(&finished, "problems")[0].contains(says), "{finished}");
}

/// A missing object may set the referenced variable, so it is not reported as undefined.
#[test]
fn reference_to_an_unread_object_is_unknown() {
    let url = |text: &str| json!({"name": "CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "value": text});
    let run = |prefix: &str, text: &str| {
        let mut env = provider(json!({"value": "sk-valid-0123456789"}));
        env[1] = url(text);
        let mut all = deployment("coder", &env, &["seed"]);
        all["spec"]["template"]["spec"]["initContainers"][0]["envFrom"] =
            json!([{"prefix": prefix, "configMapRef": {"name": "addresses"}}]);
        offline(all.to_string()).run().expect(0)
    };
    let unknown = run("", "$(URL)");
    assert!(!unknown.everything().contains("is not defined"), "{unknown}");
    assert!(unknown.everything().contains("which may be one of ConfigMap addresses, key URL"), "{unknown}");
    assert_eq!(states(&unknown), [("(provider 0)".to_owned(), "unknown".to_owned())], "{unknown}");
    // It sets no variable of such a name.
    let undefined = run("AI_", "$(URL)");
    assert_eq!(undefined.codes("warnings"), ["unexpanded_reference", "not_in_manifests"], "{undefined}");
    assert!(undefined.everything().contains("URL is not defined in this container"), "{undefined}");
}

#[test]
fn workload_of_another_kind_is_named() {
    for (api, kind) in [("apps/v1", "DaemonSet"), ("batch/v1", "Job"), ("argoproj.io/v1alpha1", "Rollout")] {
        let mut other = deployment("coder", &json!([]), &["seed"]);
        (other["apiVersion"], other["kind"]) = (json!(api), json!(kind));
        let finished = offline(other.to_string()).run().expect(2);
        let says = format!("{kind} coder of {api} cannot be compared");
        assert!(messages(&finished, "problems")[0].contains(&says), "{finished}");
    }
}

#[test]
fn secret_is_read_as_the_api_server_would() {
    let key = provider(json!({"valueFrom": from("secretKeyRef", "ai", "key")}));
    // A folded text, a text beside the encoded one, and the later of two.
    for secret in [
        "kind: Secret\nmetadata: {name: ai}\ndata:\n  key: |\n    c2st\n    b25l\n  none: null",
        "kind: Secret\nmetadata: {name: ai}\ndata: {key: b3RoZXI=}\nstringData: {key: sk-one}",
        "kind: Secret\nmetadata: {name: ai}\nstringData: {key: 5}\n---\nkind: Secret\nmetadata: {name: ai}\nstringData: {key: sk-one}",
    ] {
        let finished = beside(secret, key.clone()).expect(0);
        assert_eq!(finished.codes("warnings"), [""; 0], "{secret}: {finished}");
        assert_eq!(finished.json()["from"]["variables"]["CODER_AIBRIDGE_PROVIDER_0_KEY"], "Secret ai, key key");
    }
    let items = json!({"apiVersion": "v1", "kind": "SecretList", "items": [
        {"metadata": {"name": "ai"}, "data": {"key": "c2stb25l"}}]});
    let array = json!([items, deployment("coder", &key, &["seed"])]);
    assert_eq!(offline(array.to_string()).run().expect(0).codes("warnings"), [""; 0]);
}

#[test]
fn missing_database_is_that_of_the_container() {
    let env = provider(json!({"value": "sk-canary"}));
    let run = diff(deployment("coder", &env, &["seed"]).to_string());
    let finished = run.env("CODER_PG_CONNECTION_URL", "postgres://other.example/").run().expect(2);
    assert_eq!(finished.codes("problems"), ["database_url_missing"], "{finished}");
    let message = &messages(&finished, "problems")[0];
    assert!(message.contains("give --database-url, or --offline") && !message.contains("CODER_PG"), "{message}");
}

#[test]
fn unchecked_names_are_escaped_on_the_terminal() {
    let env = json!([
        {"name": "CODER_AIBRIDGE_PROVIDER_0_TYPE", "value": "openai"},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "valueFrom": from("secretKeyRef", "a\u{1b}[31m", "b\u{202e}")},
    ]);
    let maps = [config_map("x", json!({"y\u{1b}": "z"}))];
    let finished = Run::diff().arg("--from=-").arg("--offline").stdin(stream(env, &maps)).run().expect(0);
    assert!(!finished.everything().contains(['\u{1b}', '\u{202e}']), "{finished}");
    assert!(finished.stdout.contains("Secret a\\u{1b}[31m, key b\\u{202e}"), "{finished}");
}
