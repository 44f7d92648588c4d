//! The metrics of a running controller, as Prometheus reads them.

use crate::support::controller::{Controller, check_now, deployment, reason, seed};
use crate::support::helm::{self, CHART, read};
use crate::support::{Cluster, Database, Namespace, Run, Server, Variant, promtool};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

fn resource(namespace: &Namespace, name: &str, database: &Database) {
    let env = json!([
        {"name": "CODER_PG_CONNECTION_URL", "value": database.url()},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_TYPE", "value": "openai"},
        {"name": "CODER_AIBRIDGE_PROVIDER_0_KEY", "value": "sk-canary-metrics"},
    ]);
    namespace.apply(&deployment(name, &env, &[]).to_string());
    namespace.apply(&seed(name, json!({"workloadRef": {"name": name}})).to_string());
}

/// Names of this program's metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("ai_provider_seed_")).collect()
}

#[test]
fn metrics_pass_promtool_and_serve_each_alert() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    resource(&namespace, "coder", &database);
    namespace.apply(&seed("absent", json!({"workloadRef": {"name": "absent"}})).to_string());
    let controller = Controller::start(&namespace);
    reason(&namespace, "coder", "WouldSeed");
    reason(&namespace, "absent", "WorkloadNotFound");

    let own = format!("namespace=\"{}\"", namespace.name());
    for (series, value) in [
        (format!("ai_provider_seed_ready{{{own},name=\"coder\",reason=\"WouldSeed\"}}"), 1.0),
        (format!("ai_provider_seed_ready{{{own},name=\"absent\",reason=\"WorkloadNotFound\"}}"), 0.0),
        (format!("ai_provider_seed_in_sync{{{own},name=\"coder\"}}"), 0.0),
        ("ai_provider_seed_leader".to_owned(), 1.0),
    ] {
        let page = controller.get("/metrics").unwrap().1;
        let found = page.lines().find_map(|line| line.strip_prefix(&series)?.trim().parse::<f64>().ok());
        assert_eq!(found, Some(value), "{series} in\n{page}");
    }
    assert!(controller.metric("process_resident_memory_bytes") > 1e6);

    // Every alert has its series, without which it would never fire.
    let page = controller.get("/metrics").unwrap().1;
    let asked = read(&format!("{CHART}/templates/alerts.yaml"));
    let missing: Vec<&str> = names(&asked).difference(&names(&page)).copied().collect();
    assert!(missing.is_empty() && names(&asked).len() >= 4, "{missing:?}");
    if !promtool::is_missing() {
        promtool::run(&["check", "metrics"], Path::new("."), &page);
    }
}

#[test]
fn blocked_start_fires_its_alert_alone() {
    if promtool::is_missing() || helm::is_missing() {
        return;
    }
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), Server::shared().database(Variant::Current));
    resource(&namespace, "coder", &database);
    let controller = Controller::start(&namespace);
    reason(&namespace, "coder", "WouldSeed");
    let env = [("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"), ("CODER_AIBRIDGE_PROVIDER_0_KEY", "sk-canary-metrics")];
    Run::seed().database(database.url()).envs(env).run().expect(0);
    database.execute("update ai_providers set base_url = 'https://other.example/'");
    check_now(&namespace, "coder");
    reason(&namespace, "coder", "Conflict");
    let page = controller.get("/metrics").unwrap().1;
    let watched = format!("watchNamespaces={{{}}}", namespace.name());
    let rendered = helm::objects(&helm::template(&["--set", "alerts.enabled=true", "--set", &watched]));
    let rules = &helm::find(&rendered, "PrometheusRule")["spec"];
    let labels = format!(
        "alertname=\"AIProviderSeedStartBlocked\", job=\"ai-provider-seed\", name=\"coder\", namespace=\"{}\", \
         reason=\"Conflict\", severity=\"critical\"",
        namespace.name()
    );
    promtool::only_this_alert_fires(rules, &page, ("ai-provider-seed", "coder"), &labels);
    controller.stop().expect(0);
}

#[test]
fn metrics_are_in_the_classic_text_format() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let controller = Controller::start(&namespace);
    let mut stream = TcpStream::connect(controller.address()).unwrap();
    // The request of a Prometheus that prefers another format.
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.to_lowercase().contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
    for line in ["# TYPE ai_provider_seed_build_info gauge", "# TYPE process_cpu_seconds_total counter"] {
        assert!(answer.contains(line), "{line} is not in {answer}");
    }
    assert!(!answer.contains("# EOF") && !answer.contains(" info\n") && !answer.contains(" unknown\n"), "{answer}");
}
