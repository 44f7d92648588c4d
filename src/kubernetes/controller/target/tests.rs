use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodSpec;
use serde_json::{Value as Json, json};

use super::*;
use crate::options::WorkloadKind;
use crate::problem::Code;

const URL: &str = "postgres://u:p@db:5432/coder";

fn workload(containers: Json) -> Workload {
    let pod: PodSpec = serde_json::from_value(containers).unwrap();
    let (kind, uid) = (WorkloadKind::Deployment, None);
    Workload { kind, namespace: "coder".into(), name: "coder".into(), uid, pod }
}

fn seeding(env: Json, args: Json) -> Workload {
    let args = if args == json!([]) { json!(["seed"]) } else { args };
    workload(json!({
        "containers": [{"name": "coder"}],
        "initContainers": [{"name": "ai-provider-seed", "env": env, "args": args}],
    }))
}

fn spec(more: Json) -> AIProviderSeedSpec {
    let mut spec = json!({"workloadRef": {"name": "coder"}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(spec).unwrap()
}

fn objects() -> Objects {
    let mut objects = Objects::default();
    let mut add = |name: &str, key: &str, value: &[u8]| {
        let data = BTreeMap::from([(key.to_owned(), value.to_vec())]);
        objects.secrets.insert(name.to_owned(), Some(data));
    };
    add("db", "url", b"postgres://reader:p@other:6432/coder");
    add("socket", "url", b"postgres://u@/coder?host=/run/postgres");
    add("bad", "url", b"redis://x");
    add("ca", "ca.crt", b"pem");
    add("ai", "key", b"sk-canary-1");
    objects.secrets.insert("never".into(), None);
    objects
}

fn provider() -> Json {
    json!({"name": "CODER_AIBRIDGE_OPENAI_KEY", "value": "sk-1"})
}

fn of_pod(name: &str) -> Json {
    json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}})
}

/// `database u@…`, or the reason, or the codes of the problems.
fn outcome(spec: &AIProviderSeedSpec, workload: &Workload) -> String {
    match target(spec, workload, &objects()) {
        Ok(target) => match &target.prepared.connector {
            Some(connector) => {
                let options = connector.source().options().unwrap();
                format!("{} as {}", options.describe(), options.user())
            }
            None => "nothing".to_owned(),
        },
        Err(TargetError::Stopped(stop)) => format!("{}: {}", stop.reason, stop.message),
        Err(TargetError::Invalid(refused)) => {
            let problems = refused.problems.iter().map(|p| format!("{} {}", p.code, p.variables.join(" ")));
            problems.collect::<Vec<_>>().join(", ")
        }
    }
}

#[test]
fn database_source_of_the_target() {
    let url = json!({"name": "CODER_PG_CONNECTION_URL", "value": URL});
    let secret = |name: &str| json!({"database": {"urlSecretRef": {"name": name, "key": "url"}}});
    let none = json!({});
    for (more, env, args, expected) in [
        (&none, json!([provider(), url]), json!(["seed"]), "database coder at db:5432 as u"),
        // With no desired provider, the rows are listed if a database is named and the container does not disable it.
        (&none, json!([url]), json!(["seed"]), "database coder at db:5432 as u"),
        (&none, json!([url]), json!(["seed", "--undescribed=ignore"]), "nothing"),
        (&none, json!([]), json!(["seed"]), "nothing"),
        (&none, json!([provider()]), json!(["seed"]), "database_url_missing "),
        (&secret("db"), json!([provider(), url]), json!(["seed"]), "database coder at other:6432 as reader"),
        // A value that only the pod knows does not matter if nothing needs it.
        (
            &secret("db"),
            json!([provider(), of_pod("CODER_PG_CONNECTION_URL")]),
            json!([]),
            "database coder at other:6432 as reader",
        ),
        (
            &none,
            json!([provider(), url, of_pod("PGHOST"), of_pod("POD_IP")]),
            json!([]),
            "database coder at db:5432 as u",
        ),
        (
            &none,
            json!([provider(), of_pod("CODER_PG_CONNECTION_URL")]),
            json!([]),
            "environment_unknown CODER_PG_CONNECTION_URL, database_url_missing ",
        ),
        (&none, json!([provider(), of_pod("PGHOST")]), json!([]), "environment_unknown PGHOST"),
        (
            &none,
            json!([url, of_pod("CODER_AIBRIDGE_OPENAI_KEY")]),
            json!([]),
            "environment_unknown CODER_AIBRIDGE_OPENAI_KEY",
        ),
        (
            &none,
            json!([provider(), {"name": "PGPASSWORD", "value": "x$(DB_SERVICE_HOST)"}, {"name": "PGHOST", "value": "h"}, {"name": "PGUSER", "value": "u"}]),
            json!([]),
            "environment_unknown PGPASSWORD",
        ),
        (
            &none,
            json!([provider()]),
            json!(["seed", "--database-url-file=/x"]),
            "EnvironmentUnknown: --database-url-file names a file, which only the pod can read; set spec.database.urlSecretRef",
        ),
        (
            &none,
            json!([provider(), url]),
            json!(["seed", "--database-password-file=/x"]),
            "EnvironmentUnknown: --database-password-file names a file, which only the pod can read; set spec.database.urlSecretRef",
        ),
        (
            &secret("db"),
            json!([provider()]),
            json!(["seed", "--database-url-file=/x"]),
            "database coder at other:6432 as reader",
        ),
        (
            &none,
            json!([provider(), url]),
            json!(["seed", "--env-file=/x"]),
            "EnvironmentUnknown: --env-file names a file, which only the pod can read; give the variables as env or envFrom",
        ),
        (
            &none,
            json!([provider(), {"name": "AI_PROVIDER_SEED_BLOCK_ON", "value": "wat"}, url]),
            json!([]),
            "invalid_option AI_PROVIDER_SEED_BLOCK_ON",
        ),
        (
            &secret("socket"),
            json!([provider()]),
            json!([]),
            "DatabaseUnusable: the host is a socket, which only the pod can open; set spec.database.urlSecretRef",
        ),
        (
            &none,
            json!([provider(), {"name": "DATABASE_URL", "value": format!("{URL}?sslrootcert=/ca&sslcert=/c&sslkey=/k")}]),
            json!([]),
            "DatabaseUnusable: sslrootcert names a file, which only the pod can open; set spec.database.ca; sslcert names a file, which only the pod can open; set spec.database.clientCertSecretRef",
        ),
        (
            &secret("never"),
            json!([provider()]),
            json!([]),
            "SecretNotFound: Secret never, which spec.database.urlSecretRef needs, does not exist; create it, or correct the name",
        ),
        (
            &secret("ca"),
            json!([provider()]),
            json!([]),
            "SecretKeyMissing: Secret ca has no key url, which spec.database.urlSecretRef needs; add it, or correct the key",
        ),
        (
            &secret("bad"),
            json!([provider()]),
            json!([]),
            "DatabaseUnusable: Secret bad, key url: redis:// is not a scheme of Postgres; write postgres://user:password@host:5432/database",
        ),
        (
            &secret("db"),
            json!([provider(), {"name": "CODER_PG_AUTH", "value": "awsiamrds"}]),
            json!([]),
            "authentication_unsupported CODER_PG_AUTH",
        ),
    ] {
        assert_eq!(outcome(&spec(more.clone()), &seeding(env, args)), expected);
    }
}

#[test]
fn certificates_of_the_resource_take_the_place_of_files() {
    let spec = spec(json!({"database": {"ca": {"secretKeyRef": {"name": "ca", "key": "ca.crt"}}}}));
    let url = json!({"name": "DATABASE_URL", "value": format!("{URL}?sslmode=verify-full&sslrootcert=/ca")});
    assert_eq!(outcome(&spec, &seeding(json!([provider(), url]), json!([]))), "database coder at db:5432 as u");
}

#[test]
fn options_of_the_container_and_of_the_resource() {
    let env = json!([provider(), {"name": "DATABASE_URL", "value": URL},
        {"name": "AI_PROVIDER_SEED_COMPARE_CREDENTIALS", "value": "ignore"}]);
    let workload = seeding(env, json!(["seed", "--block-on=conflict"]));
    let options = |more| target(&spec(more), &workload, &objects()).ok().unwrap().options;
    let own = options(json!({}));
    assert_eq!(own.compare_credentials, Compare::Ignore);
    assert_eq!(own.block_on, BlockOn::of([Outcome::Conflict]));
    let taken = options(json!({"options": {"compareCredentials": "Fail", "blockOn": ["None"]}}));
    assert_eq!(taken.compare_credentials, Compare::Fail);
    assert_eq!(taken.block_on, BlockOn::of([]));
    assert_eq!(options(json!({"options": {"blockOn": ["All"]}})).block_on, BlockOn::all());
}

#[test]
fn missing_container_is_reported() {
    let workload = workload(json!({"containers": [{"name": "coder"}, {"name": "logs"}]}));
    let expected = "ContainerNotFound: Deployment coder has no container ai-provider-seed; name the one that seeds in \
                    spec.workloadRef.container (there are: coder, logs)";
    assert_eq!(outcome(&spec(json!({})), &workload), expected);
}

#[test]
fn another_container_with_provider_variables_is_a_warning() {
    let key = json!({"name": "CODER_AIBRIDGE_OPENAI_KEY", "valueFrom": {"secretKeyRef": {"name": "ai", "key": "key"}}});
    let url = json!({"name": "DATABASE_URL", "value": URL});
    let workload = workload(json!({
        "containers": [{"name": "coder", "env": [key]}],
        "initContainers": [{"name": "ai-provider-seed", "args": ["seed"], "env": [key, url]}],
    }));
    let warnings = target(&spec(json!({})), &workload, &objects()).ok().unwrap().prepared.warnings;
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(warning.code, Code::WorkloadAlsoSeeds);
    assert_eq!(warning.variables, ["CODER_AIBRIDGE_OPENAI_KEY"]);
    assert!(warning.message.starts_with("container coder carries provider variables too"));
}
