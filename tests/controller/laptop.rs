//! `decide`, `status` and `check` on a real API server, with a controller beside it and without one.

use super::settling::workload;
use super::who_decides::{decide_rule, install, person};
use crate::support::controller::{Controller, check_now, get, reason};
use crate::support::helm;
use crate::support::kubernetes::eventually;
use crate::support::resolution::{OLD_URL, URL, database, openai, row, unchanged};
use crate::support::{Cluster, Finished, Namespace, Run, Snapshot};
use serde_json::json;

const STALE: &str = "abcdefghijklmnopqrstuvwxyz234567";

pub fn run(namespace: &Namespace, words: &[&str]) -> Run {
    Run::new(words.iter().copied()).env("KUBECONFIG", namespace.kubeconfig())
}

pub fn decide(namespace: &Namespace, id: &str, side: &str) -> Run {
    run(namespace, &["decide", "coder", "--take", side, "--conflict", id])
}

/// Without line breaks.
fn said(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
pub fn says(finished: &Finished, part: &str) {
    assert!(said(&finished.everything()).contains(part), "{part}: {finished}");
}

pub fn conflict_of(namespace: &Namespace) -> String {
    reason(namespace, "coder", "Conflict").conflicts[0].id.clone()
}

#[test]
fn decision_from_a_laptop_is_carried_out_and_reported() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    workload(&namespace, "coder", &database, &[], json!({}));
    let controller = Controller::writing(&namespace);
    let id = conflict_of(&namespace);

    // when the id is not that of a conflict / then the existing ones are named, and nothing is requested
    let before = Snapshot::of(&database);
    let stale = decide(&namespace, STALE, "environment").run().expect(3);
    says(&stale, &format!("no such conflict, so nothing was decided; its status has {id} (openai)"));
    let annotations = get(&namespace, "coder").metadata.annotations.unwrap_or_default();
    assert!(!annotations.contains_key("aiproviders.dev/resolve"), "{annotations:?}");
    let cut = decide(&namespace, &id[..31], "environment").run().expect(2);
    says(&cut, "the id is cut off: it has 31 characters");
    let left = decide(&namespace, &id, "database").run().expect(0);
    says(&left, "the database stays as it is, so there is nothing to write");
    unchanged(&database, &before);

    // when it is decided / then the row has the environment's values, and the controller's messages are printed
    let done = decide(&namespace, &id, "environment").run().expect(0);
    let told =
        format!("took the environment: openai base_url from {OLD_URL} to {URL}; Coder was notified (conflict {id})");
    assert_eq!(said(&done.stdout), told);
    assert_eq!(row(&database)["base_url"], URL);
    // A second time there is nothing to do.
    assert_eq!(said(&decide(&namespace, &id, "environment").run().expect(0).stdout), told);

    // when the same conflict recurs / then it can be decided again
    let undo = format!("update ai_providers set base_url = '{OLD_URL}', updated_at = '2026-11-20 09:12:00+00'");
    database.execute(&undo);
    let checked = run(&namespace, &["check", "coder"]).run().expect(3);
    says(&checked, "coder False False 0/1 1 Conflict");
    decide(&namespace, &id, "environment").run().expect(0);
    assert_eq!(row(&database)["base_url"], URL);
    controller.stop().expect(0);
    for finished in [stale, cut, left, done, checked] {
        assert!(!finished.everything().contains("sk-canary"), "{finished}");
    }
}

#[test]
fn decision_that_no_controller_may_write_ends_at_once() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    workload(&namespace, "coder", &database, &[], json!({}));
    let before = Snapshot::of(&database);
    let controller = Controller::start(&namespace);
    let id = conflict_of(&namespace);
    let refused = decide(&namespace, &id, "environment").arg("--wait=10m").run().expect(5);
    says(&refused, "this controller runs without --allow-writes");
    controller.stop().expect(0);
    unchanged(&database, &before);

    // when there is no controller / then it ends after --wait, and says what to check
    namespace.kubectl(&["annotate", "aps", "coder", "aiproviders.dev/resolve-"]).ok();
    namespace.kubectl(&["patch", "aps", "coder", "--subresource=status", "--type=json", "-p",
        r#"[{"op": "test", "path": "/status/conditions/3/type", "value": "Resolved"}, {"op": "remove", "path": "/status/conditions/3"}]"#]).ok();
    let silent = decide(&namespace, &id, "environment").arg("--wait=1s").run().expect(4);
    says(
        &silent,
        "no controller has carried the decision out or refused it within 1s: check that one runs and watches",
    );
    says(&silent, "annotate aps/coder aiproviders.dev/resolve-");
    let silent = run(&namespace, &["check", "coder", "--wait=1s"]).run().expect(4);
    says(&silent, "no controller has checked it within 1s");
    says(&silent, "(controller_silent)");

    // when checks are suspended / then nothing is requested
    namespace.kubectl(&["patch", "aps", "coder", "--type=merge", "-p", r#"{"spec": {"suspend": true}}"#]).ok();
    let suspended = decide(&namespace, &id, "environment").arg("--wait=10m").run().expect(4);
    says(&suspended, "spec.suspend is true, so no controller decides");
    unchanged(&database, &before);
}

#[test]
fn decision_needs_the_right_that_the_policy_asks_for() {
    let Some(cluster) = Cluster::shared() else { return };
    if helm::is_missing() {
        return;
    }
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    let (_, edit) = install(&namespace);
    let read = json!({"apiGroups": ["aiproviders.dev"], "resources": ["aiproviderseeds"], "verbs": ["get", "list"]});
    let editor = person(&namespace, "editor", &edit, json!([read]));
    person(&namespace, "resolver", &edit, json!([read, decide_rule(&[])]));
    workload(&namespace, "coder", &database, &[], json!({}));
    let controller = Controller::writing(&namespace);
    let id = conflict_of(&namespace);
    let refused = eventually("the policy is in force", || {
        let dry = ["annotate", "--dry-run=server", "aps/coder", "aiproviders.dev/resolve=x"];
        let kubeconfig = ["--kubeconfig", editor.account.kubeconfig.to_str().unwrap()];
        let output = namespace.kubectl_with(&[&kubeconfig[..], &dry].concat(), "");
        output.stderr.contains("need the right to update aiproviderseeds/resolve").then_some(())?;
        Some(decide(&namespace, &id, "environment").env("KUBECONFIG", &editor.account.kubeconfig).run().expect(4))
    });
    says(
        &refused,
        &format!("cannot patch AIProviderSeed coder in namespace {}: an admission policy denied it", namespace.name()),
    );
    says(&refused, "need the right to update aiproviderseeds/resolve");
    let user = format!("system:serviceaccount:{}:resolver", namespace.name());
    decide(&namespace, &id, "environment").arg("--as").arg(user).run().expect(0);
    assert_eq!(row(&database)["base_url"], URL);
    controller.stop().expect(0);
}

#[test]
fn status_has_the_next_step_of_each_unready_resource() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    assert_eq!(run(&namespace, &["status"]).run().expect(0).stdout, "no AIProviderSeed found\n");
    workload(&namespace, "coder", &database, &[], json!({}));
    // No controller has checked it.
    says(&run(&namespace, &["status"]).run().expect(4), "no controller has checked it yet");
    let controller = Controller::start(&namespace);
    let id = conflict_of(&namespace);
    let all = run(&namespace, &["status"]).run().expect(3);
    let lines: Vec<&str> = all.stdout.lines().collect();
    assert!(lines[0].starts_with("NAME    READY   IN SYNC   PROVIDERS   CONFLICTS   REASON     AGE"), "{all}");
    assert!(lines[1].starts_with("coder   False   False     0/1         1           Conflict   "), "{all}");
    says(&all, &id);
    let one = run(&namespace, &["status", "coder", "--output=json"]).run().expect(3);
    let json = one.json();
    let resource = &json["resources"][0];
    assert_eq!((&json["outcome"], &resource["name"]), (&json!("conflict"), &json!("coder")));
    assert_eq!(resource["status"]["conflicts"][0]["id"], id);
    let everywhere = run(&namespace, &["status", "-A"]).run();
    says(&everywhere, &format!("{} coder False False 0/1 1 Conflict", namespace.name()));

    // when both agree / then all is well, and the message of a named resource is still shown
    database.execute(&format!("update ai_providers set base_url = '{URL}'"));
    check_now(&namespace, "coder");
    let good = run(&namespace, &["status"]).run().expect(0);
    assert_eq!(good.stdout.lines().count(), 2, "{good}");
    assert!(run(&namespace, &["status", "coder"]).run().expect(0).stdout.lines().count() > 2);
    says(&run(&namespace, &["check", "coder"]).run().expect(0), "coder True True 1/1");
    controller.stop().expect(0);
}

#[test]
fn resource_that_cannot_be_asked_about_is_explained() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    workload(&namespace, "coder", &database, &[], json!({}));
    for words in
        [&["status", "codr"][..], &["check", "codr"], &["decide", "codr", "--take=database", "--conflict", STALE]]
    {
        says(&run(&namespace, words).run().expect(2), "AIProviderSeed codr does not exist");
        says(&run(&namespace, words).run().expect(2), "did you mean coder?");
    }
    says(&run(&namespace, &["status", "other"]).run().expect(2), "it has coder");
    let stranger = namespace.service_account("stranger");
    let forbidden = run(&namespace, &["status"]).env("KUBECONFIG", &stranger.kubeconfig).run().expect(4);
    says(
        &forbidden,
        &format!("cannot list AIProviderSeeds in namespace {}: the API server forbids it", namespace.name()),
    );
    let context = run(&namespace, &["status", "--context=nowhere"]).run().expect(2);
    says(&context, "--context: the kubeconfig has no such context; choose one of");
    let config = std::fs::read_to_string(namespace.kubeconfig()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config.replace(&format!(":{}", cluster.port()), ":1")).unwrap();
    let unreachable = run(&namespace, &["status"]).arg("--kubeconfig").arg(file.path()).run().expect(4);
    says(
        &unreachable,
        "https://127.0.0.1:1 cannot be reached: connection refused; check that kubectl get aiproviderseeds --kubeconfig",
    );
}
