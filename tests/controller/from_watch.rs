//! `diff --watch --from`: the workload may change, too.

use crate::support::controller::deployment;
use crate::support::terminal::Terminal;
use crate::support::{Cluster, Server, Variant};
use serde_json::json;

const ROW: &str =
    "insert into ai_providers (type, name, base_url) values ('openai', 'openai', 'https://llm.example.com/v1')";
const ENV: [(&str, &str); 2] = [
    ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"),
    ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://llm.example.com/v1"),
];

#[test]
fn watch_follows_a_workload() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    database.execute(ROW);
    let kubeconfig = namespace.kubeconfig().to_str().unwrap().to_owned();
    let mut terminal = Terminal::start(&["diff", "--watch=1s", "--from=deploy/coder"], &[("KUBECONFIG", &kubeconfig)]);
    let mut next = |text: &str| {
        terminal.until(text);
        terminal.shown = terminal.shown.split_off(terminal.shown.find(text).unwrap() + text.len());
    };
    next("Deployment coder does not exist");
    let env = |url: &str| {
        json!([
            {"name": "CODER_PG_CONNECTION_URL", "value": database.url()},
            {"name": ENV[0].0, "value": ENV[0].1},
            {"name": ENV[1].0, "value": url},
        ])
    };
    namespace.apply(&deployment("coder", &env(ENV[1].1), &[]).to_string());
    next("nothing to do: 1 provider in sync");
    next(&format!("from Deployment coder in namespace {}, container ai-provider-seed", namespace.name()));
    namespace.apply(&deployment("coder", &env("https://other.example/"), &[]).to_string());
    next("error: the provider disagrees with the database");
    assert_eq!(terminal.interrupt().0, 3);
}
