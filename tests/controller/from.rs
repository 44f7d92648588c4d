//! `diff --from` a workload of a real API server: its environment and options, without anything of this machine that was
//! not requested.

use crate::support::controller::{deployment, secret};
use crate::support::{Cluster, Database, Finished, Namespace, Run, Server, Variant};
use serde_json::{Value, json};

const ROW: &str =
    "insert into ai_providers (type, name, base_url) values ('openai', 'openai', 'https://ai.example/v1')";

fn variable(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

fn from(kind: &str, name: &str, key: &str) -> Value {
    json!({kind: {"name": name, "key": key}})
}

/// The provider `openai` with this base URL, and the database.
fn env(url: &str, database: &Database) -> Value {
    json!([
        variable("CODER_PG_CONNECTION_URL", &database.url()),
        variable("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"),
        variable("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", url),
    ])
}

fn apply(namespace: &Namespace, objects: &[Value]) {
    objects.iter().for_each(|object| namespace.apply(&object.to_string()));
}

fn diff(namespace: &Namespace, from: &str) -> Run {
    Run::diff().arg("--from").arg(from).env("KUBECONFIG", namespace.kubeconfig())
}

fn database() -> Database<'static> {
    let database = Server::shared().database(Variant::Current);
    database.execute(ROW);
    database
}

fn message(finished: &Finished) -> String {
    finished.json()["problems"][0]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn workload_names_are_those_of_kubectl() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, other, database) = (cluster.namespace(), cluster.namespace(), database());
    let agreeing = deployment("coder", &env("https://ai.example/v1", &database), &[]);
    let mut set = deployment("coder", &env("https://other.example/v1", &database), &[]);
    set["kind"] = json!("StatefulSet");
    set["spec"]["serviceName"] = json!("coder");
    set["spec"]["template"]["spec"]["initContainers"][0]["name"] = json!("first");
    apply(&namespace, &[agreeing, set]);
    for name in ["deployment/coder", "deploy/coder", "deployments/coder", "deployment.apps/coder"] {
        diff(&namespace, name).run().expect(0);
    }
    for name in ["statefulset/coder", "sts/coder"] {
        let run = diff(&namespace, name).json();
        let finished = run.run().expect(2);
        assert_eq!(finished.codes("problems"), ["container_not_found"]);
        assert!(message(&finished).contains("--container (there are: first, coder)"), "{finished}");
        run.clone().arg("--container").arg("first").run().expect(3);
        run.arg("-c").arg("first").run().expect(3);
    }
    // kubectl's default namespace or the given one, in kubectl's short forms.
    let finished = diff(&other, "deploy/coder").json().run().expect(2);
    assert_eq!(finished.codes("problems"), ["workload_not_found"]);
    assert!(message(&finished).contains(&format!("in namespace {}", other.name())), "{finished}");
    for flag in ["-n", "--namespace"] {
        diff(&other, "deploy/coder").arg(flag).arg(namespace.name()).run().expect(0);
    }
    for form in ["-n=", "-n", "--namespace="] {
        diff(&other, "deploy/coder").arg(format!("{form}{}", namespace.name())).run().expect(0);
    }
    for (wrong, says) in [
        ("coder", "no kind is given; write deployment/NAME"),
        ("pod/coder", "the kind is neither Deployment nor StatefulSet"),
        ("deploy/Coder", "not a valid Kubernetes name"),
    ] {
        let finished = diff(&namespace, wrong).json().run().expect(2);
        assert_eq!(finished.codes("problems"), ["invalid_option"]);
        assert!(message(&finished).contains(says), "{finished}");
    }
}

#[test]
fn local_environment_does_not_leak_into_from() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database());
    apply(&namespace, &[deployment("coder", &env("https://ai.example/v1", &database), &[])]);
    let finished = diff(&namespace, "deploy/coder")
        .json()
        .env("CODER_PG_CONNECTION_URL", "postgres://nobody@127.0.0.1:1/nowhere")
        .env("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS", "nonsense")
        .env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://laptop.example/")
        .env("CODER_AIBRIDGE_PROVIDER_1_TYPE", "nonsense")
        .env("AI_PROVIDER_SEED_REQUIRE_PROVIDERS", "7")
        .env("AI_PROVIDER_SEED_STRICT", "true")
        .env("PGSSLMODE", "verify-full")
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nowhere")
        .run()
        .expect(0);
    assert_eq!(finished.json()["providers"][0]["state"], "in_sync");
    assert_eq!(finished.json()["from"]["workload"], "Deployment coder");
}

#[test]
fn container_options_apply_and_a_flag_overrides_them() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database());
    let mut env = env("https://other.example/v1", &database);
    env.as_array_mut().unwrap().extend([
        variable("AI_PROVIDER_SEED_OUTPUT", "json"),
        variable("AI_PROVIDER_SEED_WAIT", "1h"),
        variable("AI_PROVIDER_SEED_TERMINATION_LOG", "/nowhere/message"),
    ]);
    apply(&namespace, &[deployment("coder", &env, &["seed", "--block-on=none"])]);
    let run = diff(&namespace, "deploy/coder");
    let finished = run.run().expect(0);
    assert!(finished.stdout.contains("this does not stop the start (--block-on)"), "{finished}");
    assert!(
        finished.termination.as_ref().unwrap().contains("conflict: openai"),
        "its own message is left here: {finished}"
    );
    run.clone().arg("--block-on=conflict").run().expect(3);
    assert_eq!(run.clone().json().arg("--require-providers=2").run().codes("problems"), ["too_few_providers"]);
    // An option that the container would refuse is reported as its start would report it.
    apply(&namespace, &[deployment("coder", &env, &["seed", "--strict=perhaps", "--lock-timeout=soon"])]);
    assert_eq!(run.clone().json().run().expect(2).codes("problems"), ["invalid_option", "invalid_option"]);
    assert_eq!(run.json().arg("--strict=false").run().expect(2).codes("problems"), ["invalid_option"]);
}

#[test]
fn missing_objects_are_named() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database());
    let env = json!([
        {"name": "CODER_PG_CONNECTION_URL", "valueFrom": from("secretKeyRef", "db", "url")},
        {"name": "CODER_AIBRIDGE_OPENAI_KEY", "valueFrom": from("configMapKeyRef", "settings", "key")},
    ]);
    apply(&namespace, &[deployment("coder", &env, &[])]);
    let is = |code: &str, named: &str| {
        let finished = diff(&namespace, "deploy/coder").json().run().expect(2);
        assert_eq!(finished.codes("problems"), [code]);
        assert!(message(&finished).contains(named), "{named}: {finished}");
    };
    is(
        "object_not_found",
        "Secret db, which env CODER_PG_CONNECTION_URL of container ai-provider-seed needs, does not exist",
    );
    apply(&namespace, &[secret("db", json!({"else": "x"}))]);
    is("object_not_found", "Secret db has no key url");
    apply(&namespace, &[secret("db", json!({"url": database.url()}))]);
    is("object_not_found", "ConfigMap settings");
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"key": "sk-1"}});
    apply(&namespace, &[map]);
    // The default URL of the older variables differs from the row's.
    diff(&namespace, "deploy/coder").run().expect(3);
    let of_pod = json!([
        variable("CODER_PG_CONNECTION_URL", &database.url()),
        {"name": "CODER_AIBRIDGE_OPENAI_KEY", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
    ]);
    apply(&namespace, &[deployment("coder", &of_pod, &[])]);
    is(
        "environment_unknown",
        "it comes from fieldRef metadata.uid, which is known only in the pod; give the value as text",
    );
}

#[test]
fn forbidden_secret_is_named() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database());
    let env = json!([{"name": "CODER_PG_CONNECTION_URL", "valueFrom": from("secretKeyRef", "db", "url")}]);
    apply(&namespace, &[secret("db", json!({"url": database.url()})), deployment("coder", &env, &[])]);
    let account = namespace.service_account("viewer");
    let run = || Run::diff().json().arg("--from=deploy/coder").env("KUBECONFIG", &account.kubeconfig);
    let is = |named: &str| {
        let finished = run().run().expect(4);
        assert_eq!(finished.codes("problems"), ["cluster_forbidden"]);
        assert!(message(&finished).contains(named), "{finished}");
    };
    is(&format!("cannot get Deployment coder in namespace {}", namespace.name()));
    let may = |name: &str, group: &str, resource: &str| {
        namespace.apply(&format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {name}}}\nrules:\n- {{apiGroups: [\"{group}\"], resources: [{resource}], verbs: [get]}}\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {name}}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}\n\
             subjects:\n- {{kind: ServiceAccount, name: viewer, namespace: {}}}\n",
            namespace.name()
        ));
    };
    may("workloads", "apps", "deployments");
    is(&format!("cannot get Secret db in namespace {}", namespace.name()));
    // The container's own --block-on is unknown then, and a failed read is not a success.
    let with_none = deployment("coder", &env, &["seed", "--block-on=none"]);
    apply(&namespace, &[with_none]);
    is("cannot get Secret db");
    may("secrets", "", "secrets");
    run().run().expect(0);
}

#[test]
fn impersonated_user_has_its_own_rights() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database());
    apply(&namespace, &[deployment("coder", &env("https://ai.example/v1", &database), &[])]);
    let rule = json!([{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}]);
    namespace.account_with("reader", &rule);
    namespace.service_account("stranger");
    let user = |name: &str| format!("system:serviceaccount:{}:{name}", namespace.name());
    diff(&namespace, "deploy/coder").arg("--as").arg(user("reader")).run().expect(0);
    let finished = diff(&namespace, "deploy/coder").json().arg(format!("--as={}", user("stranger"))).run().expect(4);
    assert_eq!(finished.codes("problems"), ["cluster_forbidden"]);
    let of_masters = ["--as=jane", "--as-group=system:masters"];
    diff(&namespace, "deploy/coder").args(of_masters).run().expect(0);
    let finished = diff(&namespace, "deploy/coder").json().arg(of_masters[1]).run().expect(2);
    assert_eq!(message(&finished), "groups are those of a user; add --as");
}

#[test]
fn cluster_is_found_as_kubectl_finds_it() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let finished = Run::diff().json().arg("--from=deploy/coder").run().expect(2);
    assert_eq!(finished.codes("problems"), ["kubeconfig_invalid"]);
    let finished = diff(&namespace, "deploy/coder").json().arg("--context=nowhere").run().expect(2);
    assert_eq!(finished.codes("problems"), ["kubeconfig_invalid"]);
    let contexts = namespace.kubectl(&["config", "get-contexts", "-o", "name"]).ok();
    let first = contexts.lines().next().unwrap();
    assert_eq!(message(&finished), format!("the kubeconfig has no such context; choose one of {first}"));
    let finished = diff(&namespace, "deploy/coder").json().arg("--kubeconfig=/nowhere").run().expect(2);
    assert_eq!(message(&finished), "the file cannot be read: there is no such file; correct the path");
    // The flag overrides the variable, and the context selects one of several.
    let absent = namespace.kubeconfig().with_extension("absent");
    let run = Run::diff().json().arg("--from=deploy/coder").env("KUBECONFIG", absent);
    let by_flags = run.arg("--kubeconfig").arg(namespace.kubeconfig()).arg("--context").arg(first);
    assert_eq!(by_flags.run().expect(2).codes("problems"), ["workload_not_found"]);
    // Nothing listens there.
    let config = std::fs::read_to_string(namespace.kubeconfig()).unwrap();
    let port = format!(":{}", cluster.port());
    assert!(config.contains(&port));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config.replace(&port, ":1")).unwrap();
    let finished = Run::diff().json().arg("--from=deploy/coder").env("KUBECONFIG", file.path()).run().expect(4);
    assert_eq!(finished.codes("problems"), ["cluster_unreachable"]);
    assert!(message(&finished).contains("check that kubectl get deployment/coder --namespace"), "{finished}");
}

#[test]
fn secret_is_named_and_its_value_is_hidden() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database());
    let canary = "https://sk-canary-host.example/v1";
    let env = json!([
        {"name": "CODER_PG_CONNECTION_URL", "valueFrom": from("secretKeyRef", "db", "url")},
        variable("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"),
        {"name": "CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "valueFrom": from("secretKeyRef", "coder-ai", "openai-url")},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_KEYS", "valueFrom": from("secretKeyRef", "coder-ai", "openai")},
    ]);
    apply(
        &namespace,
        &[
            secret("db", json!({"url": database.url()})),
            secret("coder-ai", json!({"openai": "sk-canary-key", "openai-url": canary})),
            deployment("coder", &env, &[]),
        ],
    );
    let finished = diff(&namespace, "deploy/coder").run().expect(3);
    let origin = "from CODER_AIBRIDGE_PROVIDER_0_BASE_URL, Secret coder-ai, key openai-url";
    assert!(finished.stdout.contains(origin), "{finished}");
    assert!(finished.stdout.contains("33 characters, not shown"), "{finished}");
    assert!(
        finished.stdout.contains("CODER_AIBRIDGE_PROVIDER_0_KEYS      Secret coder-ai, key openai\n"),
        "{finished}"
    );
    assert!(!finished.everything().contains("canary"), "{finished}");
    let run = diff(&namespace, "deploy/coder").json().env("AI_PROVIDER_SEED_LOG_LEVEL", "trace");
    let finished = run.run().expect(3);
    let variables = &finished.json()["from"]["variables"];
    assert_eq!(variables["CODER_AIBRIDGE_PROVIDER_0_KEYS"], "Secret coder-ai, key openai");
    assert_eq!(variables["CODER_AIBRIDGE_PROVIDER_0_TYPE"], "pod template");
    assert_eq!(variables["CODER_PG_CONNECTION_URL"], "Secret db, key url");
    assert!(!finished.everything().contains("canary"), "{finished}");
}

#[test]
fn local_database_url_overrides_the_workloads() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database());
    let unreachable = "postgres://coder@127.0.0.1:1/coder?sslmode=disable";
    let env = |url: Value| {
        json!([
            url,
            variable("PGPASSWORD", "the container's"),
            variable("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"),
            variable("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://ai.example/v1"),
        ])
    };
    apply(&namespace, &[deployment("coder", &env(variable("CODER_PG_CONNECTION_URL", unreachable)), &[])]);
    let run = diff(&namespace, "deploy/coder").json().arg("--wait=0");
    let finished = run.run().expect(4);
    assert_eq!(finished.codes("problems"), ["unreachable"]);
    assert!(message(&finished).contains("give --database-url, for example to a kubectl port-forward"), "{finished}");
    run.clone().arg("--database-url").arg(database.url()).run().expect(0);
    run.clone().env("AI_PROVIDER_SEED_DATABASE_URL", database.url()).run().expect(0);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), database.url()).unwrap();
    run.clone().arg("--database-url-file").arg(file.path()).run().expect(0);
    run.clone().arg("--offline").run().expect(0);
    // A local URL that cannot be reached says nothing about pods.
    let finished = run.arg("--database-url").arg(unreachable).run().expect(4);
    assert!(!message(&finished).contains("pod"), "{finished}");
    // If the container's own connection is known only there, the one given here is sufficient.
    for url in [
        json!({"name": "CODER_PG_CONNECTION_URL", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}),
        variable("AI_PROVIDER_SEED_DATABASE_URL_FILE", "/var/run/url"),
        variable("CODER_PG_CONNECTION_URL", "postgres://u@h/db?sslmode=verify-ca&sslrootcert=/etc/ca.crt"),
        variable("CODER_PG_CONNECTION_URL", "postgres://u@/db?host=/run/postgres"),
    ] {
        apply(&namespace, &[deployment("coder", &env(url), &[])]);
        let run = diff(&namespace, "deploy/coder").json();
        let finished = run.run().expect(2);
        assert_eq!(finished.codes("problems"), ["environment_unknown"]);
        assert!(message(&finished).contains("give --database-url"), "{finished}");
        run.arg("--database-url").arg(database.url()).run().expect(0);
    }
}
