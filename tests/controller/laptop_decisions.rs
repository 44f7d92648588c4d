//! `decide` while another decision is pending, and with a controller that may not write.

use super::laptop::{conflict_of, decide, run, says};
use super::settling::{env, resource, workload};
use crate::support::controller::{self, Controller, deployment, get, secret};
use crate::support::resolution::{OLD_URL, URL, database, openai, row, unchanged};
use crate::support::{Cluster, Namespace, Snapshot};
use serde_json::json;

const OTHER: &str = "abcdefghijklmnopqrstuvwxyz234567";

fn pending(namespace: &Namespace) -> Option<String> {
    get(namespace, "coder").metadata.annotations?.get("aiproviders.dev/resolve").cloned()
}

#[test]
fn decision_beside_a_pending_one_is_refused_with_the_way_out() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-new"])));
    workload(&namespace, "coder", &database, &[], json!({}));
    let controller = Controller::start(&namespace);
    let id = conflict_of(&namespace);
    controller.stop().expect(0);
    let annotate = |value: &str| controller::decide(&namespace, "coder", value);

    // when it is about another conflict, or about the other side of the same one
    for (waits, says_what) in [
        (format!("{OTHER}:environment"), format!("environment for conflict {OTHER}, so nothing was requested")),
        (format!("{id}:database"), format!("database for conflict {id} (openai), so nothing was requested")),
    ] {
        annotate(&waits);
        let refused = decide(&namespace, &id, "environment").arg("--wait=10m").run().expect(6);
        says(&refused, &format!("AIProviderSeed coder has another decision that is pending, {says_what}"));
        says(&refused, "annotate aps/coder aiproviders.dev/resolve-");
        says(&refused, "(decision_pending)");
        assert_eq!(pending(&namespace), Some(waits));
    }
    // then `decide` waits for the same decision, and replaces one that no controller can read
    annotate(&format!(" {id}:environment"));
    let silent = decide(&namespace, &id, "environment").arg("--wait=1s").run().expect(4);
    says(&silent, "(controller_silent)");
    annotate("yes");
    decide(&namespace, &id, "environment").arg("--wait=1s").run().expect(4);
    assert_eq!(pending(&namespace), Some(format!("{id}:environment")));
    let controller = Controller::writing(&namespace);
    decide(&namespace, &id, "environment").run().expect(0);
    assert_eq!(row(&database)["base_url"], URL);

    // when it was carried out / then it does not block the next one
    database.execute(&format!("update ai_providers set base_url = '{OLD_URL}'"));
    run(&namespace, &["check", "coder"]).run().expect(3);
    let next = conflict_of(&namespace);
    decide(&namespace, &next, "environment").run().expect(0);
    controller.stop().expect(0);
}

#[test]
fn decision_for_a_database_of_no_permission_ends_at_once() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(OLD_URL, &["sk-canary-old"])));
    namespace.apply(&secret("prod-db", json!({"url": database.url()})).to_string());
    namespace.apply(&deployment("coder", &env("postgres://x@localhost/x", URL, &[]), &["seed"]).to_string());
    resource(&namespace, "coder", json!({"database": {"urlSecretRef": {"name": "prod-db", "key": "url"}}}));
    let controller = Controller::writing(&namespace);
    let id = conflict_of(&namespace);
    let before = Snapshot::of(&database);
    for _ in 0..2 {
        let refused = decide(&namespace, &id, "environment").arg("--wait=10m").run().expect(5);
        says(&refused, "kubectl annotate secret prod-db aiproviders.dev/writable-by=coder");
        says(&refused, "(cannot_resolve)");
        says(&refused, "to withdraw it, run kubectl");
        unchanged(&database, &before);
    }
    // when that is done / then the same command carries it out, with any earlier status
    namespace.kubectl(&["annotate", "secret/prod-db", "aiproviders.dev/writable-by=coder"]).ok();
    let done = decide(&namespace, &id, "environment").run().expect(0);
    says(&done, "took the environment: openai base_url");
    assert_eq!(row(&database)["base_url"], URL);
    controller.stop().expect(0);
}
