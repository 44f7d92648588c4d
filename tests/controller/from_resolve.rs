//! `resolve --from` a workload of a real API server: decided with its environment, written from here.

use crate::support::controller::{deployment, secret};
use crate::support::resolution::{OLD_URL, URL, database, openai, row, unchanged};
use crate::support::{Cluster, Database, Namespace, Run, Snapshot};
use serde_json::{Value, json};

fn workload(namespace: &Namespace, database: &Database, args: &[&str]) {
    let of_secret = |key: &str| json!({"secretKeyRef": {"name": "coder-ai", "key": key}});
    let env = json!([
        {"name": "CODER_PG_CONNECTION_URL", "valueFrom": of_secret("url")},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_TYPE", "value": "openai"},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "value": URL},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_KEYS", "valueFrom": of_secret("openai")},
    ]);
    let values = secret("coder-ai", json!({"url": database.url(), "openai": "sk-canary-new"}));
    [values, deployment("coder", &env, args)].iter().for_each(|object| namespace.apply(&object.to_string()));
}

fn run(command: &str, namespace: &Namespace) -> Run {
    let run = Run::new([command, "--from=deploy/coder"]).json().env("KUBECONFIG", namespace.kubeconfig());
    // The variables of this machine have no effect.
    run.env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://laptop.example/")
}

fn take(namespace: &Namespace, id: &str) -> Run {
    run("resolve", namespace).args(["--take=environment", "--yes"]).arg(format!("--conflict={id}"))
}

fn problem(json: &Value) -> (&str, &str) {
    let problem = &json["problems"][0];
    (problem["code"].as_str().unwrap(), problem["message"].as_str().unwrap())
}

#[test]
fn environment_of_a_workload_is_taken_from_outside() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    workload(&namespace, &database, &["seed", "--compare-settings=ignore"]);
    let found = run("diff", &namespace).run().expect(3);
    let id = found.json()["conflicts"][0]["id"].as_str().unwrap().to_owned();

    // The report has the command that settles it, with the same workload.
    let shown = Run::diff().args(["--from=deploy/coder", "--namespace"]).arg(namespace.name());
    let shown = shown.env("KUBECONFIG", namespace.kubeconfig()).env("COLUMNS", "120").run().expect(3);
    let text = shown.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let command =
        format!("resolve --take environment --conflict {id} --from deployment/coder --namespace {}", namespace.name());
    assert!(text.contains(&command), "{shown}");

    // when another conflict is named, or with --dry-run / then nothing is written
    let before = Snapshot::of(&database);
    let stale = take(&namespace, "abcdefghijklmnopqrstuvwxyz234567").run().expect(3);
    assert_eq!(problem(&stale.json()).0, "conflict_moved");
    let dry = take(&namespace, &id).arg("--dry-run").run().expect(0);
    assert_eq!(dry.json()["changes"][0]["fields"], json!(["base_url"]));
    let database_wins = run("resolve", &namespace).arg("--take=database").run().expect(0);
    assert_eq!(database_wins.json()["environment"][0]["variable"], "CODER_AIBRIDGE_PROVIDER_0_BASE_URL");
    unchanged(&database, &before);

    // when the shown conflict is named / then the row has the workload's values
    let done = take(&namespace, &id).run().expect(0);
    assert_eq!((&done.json()["written"], &done.json()["from"]["workload"]), (&json!(true), &json!("Deployment coder")));
    assert_eq!(row(&database)["base_url"], URL);
    run("diff", &namespace).run().expect(0);
    for finished in [found, shown, stale, dry, database_wins, done] {
        assert!(!finished.everything().contains("sk-canary"), "{finished}");
    }
}

#[test]
fn deleted_provider_of_a_workload_is_restored() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-new"])));
    workload(&namespace, &database, &[]);
    database.execute("update ai_providers set deleted = true, enabled = false");
    run("resolve", &namespace).args(["openai", "--restore", "--yes"]).run().expect(0);
    assert_eq!(row(&database)["deleted"], json!(false));
}

#[test]
fn workload_that_cannot_be_read_settles_nothing() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let id = "abcdefghijklmnopqrstuvwxyz234567";
    let absent = take(&namespace, id).run().expect(2);
    assert_eq!(problem(&absent.json()).0, "workload_not_found");
    let account = namespace.service_account("stranger");
    let refused = take(&namespace, id).env("KUBECONFIG", &account.kubeconfig).run().expect(4);
    assert_eq!(problem(&refused.json()).0, "cluster_forbidden");
    let manifests = Run::new(["resolve", "--from=-", "--take=database"]).json().run().expect(2);
    let json = manifests.json();
    assert_eq!(problem(&json).0, "invalid_option");
    assert!(problem(&json).1.contains("manifests need not hold all of it"), "{manifests}");
    let alone = Run::new(["resolve", "-n=coder", "--take=database"]).json().run().expect(2);
    assert!(problem(&alone.json()).1.starts_with("this goes with --from alone"), "{alone}");
}
