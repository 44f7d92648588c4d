//! The alerts of the chart, on what a controller in a pod reports.

use super::cluster::Place;
use crate::support::{helm, promtool};
use serde_json::json;
use std::fs;

const CHART: &str = "charts/ai-provider-seed";

/// Beside the controller of the release `ai-provider-seed`, when the next start of `coder` is blocked by a conflict: the alert that
/// says so fires on the series of its pod, and no other of the controller's.
pub fn blocked_start_is_told(place: &Place) {
    if promtool::is_missing() {
        return;
    }
    let ours = "app.kubernetes.io/name=ai-provider-seed,app.kubernetes.io/instance=ai-provider-seed";
    let first = |kind: &str| {
        let list = place.json(&["get", kind, "-l", ours]);
        list["items"][0]["metadata"]["name"].as_str().unwrap_or_else(|| panic!("{list}")).to_owned()
    };
    let path = format!("/api/v1/namespaces/{}/pods/{}:8080/proxy/metrics", place.namespace, first("pods"));
    let page = place.kubectl(["get", "--raw", &path]);
    // As a ServiceMonitor adds them; what the controller says of itself has no namespace of its own.
    let (job, own) = (first("service"), &place.namespace);
    let series = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        let (name, labels) = name.trim_end_matches('}').split_once('{').unwrap_or((name, ""));
        let namespace = if labels.contains("namespace=") { String::new() } else { format!(",namespace=\"{own}\"") };
        let labels = format!("{labels},job=\"{job}\"{namespace}");
        Some(
            json!({"series": format!("{name}{{{}}}", labels.trim_start_matches(',')), "values": format!("{value}x30")}),
        )
    };
    let lines = page.lines().filter(|line| line.starts_with("ai_provider_seed_"));
    let series: Vec<_> = lines.filter_map(series).collect();
    assert!(!series.is_empty(), "{page}");

    let arguments = ["template", "ai-provider-seed", CHART, "--set", "alerts.enabled=true"];
    let rendered = place.helm(arguments.iter().chain(&["--show-only", "templates/alerts.yaml"]));
    let rules = helm::find(&helm::objects(&rendered), "PrometheusRule")["spec"].clone();
    let firing = format!(
        "ALERTS{{alertname=\"AIProviderSeedStartBlocked\", alertstate=\"firing\", job=\"{job}\", name=\"coder\", \
         namespace=\"{own}\", reason=\"Conflict\", severity=\"critical\"}}"
    );
    let tests = json!({
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": series,
            "promql_expr_test": [{
                "expr": "ALERTS{alertstate=\"firing\"}",
                "eval_time": "20m",
                "exp_samples": [{"labels": firing, "value": 1}],
            }],
        }],
    });
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("rules.yaml"), rules.to_string()).unwrap();
    fs::write(directory.path().join("scraped.test.yaml"), tests.to_string()).unwrap();
    promtool::run(&["check", "metrics"], directory.path(), &page);
    promtool::run(&["test", "rules", "scraped.test.yaml"], directory.path(), "");
}
