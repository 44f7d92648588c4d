//! The alerts of the chart, with the metrics of a controller in a pod.

use super::cluster::Place;
use crate::support::{helm, promtool};

/// With the controller of the release `ai-provider-seed`, when a conflict blocks the next start of `coder`: the alert for
/// this fires on the series of its pod, and no other alert.
pub fn blocked_start_is_told(place: &Place) {
    if promtool::is_missing() {
        return;
    }
    let ours = "app.kubernetes.io/name=ai-provider-seed,app.kubernetes.io/instance=ai-provider-seed";
    let first = |kind: &str| {
        let list = place.json(&["get", kind, "-l", ours]);
        list["items"][0]["metadata"]["name"].as_str().unwrap_or_else(|| panic!("{list}")).to_owned()
    };
    let own = &place.namespace;
    let path = format!("/api/v1/namespaces/{own}/pods/{}:8080/proxy/metrics", first("pods"));
    let page = place.kubectl(["get", "--raw", &path]);
    // Prometheus uses the name of the Service as the job.
    let job = first("service");
    let rendered = helm::objects(&helm::template(&["--set", "alerts.enabled=true", "--namespace", own]));
    let rules = &helm::find(&rendered, "PrometheusRule")["spec"];
    let labels = format!(
        "alertname=\"AIProviderSeedStartBlocked\", job=\"{job}\", name=\"coder\", namespace=\"{own}\", reason=\"Conflict\", \
         severity=\"critical\""
    );
    promtool::only_this_alert_fires(rules, &page, (&job, own), &labels);
}
