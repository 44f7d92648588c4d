//! The alerts: Prometheus's evaluation, and the parts that each alert needs.

use crate::support::helm::{self, CHART, find, objects, read, root, template};
use crate::support::promtool;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

fn rules(arguments: &[&str]) -> Value {
    let objects = objects(&template(&[&["--set", "alerts.enabled=true"], arguments].concat()));
    find(&objects, "PrometheusRule")["spec"].clone()
}

fn alerts(arguments: &[&str]) -> Vec<Value> {
    rules(arguments)["groups"][0]["rules"].as_array().unwrap().clone()
}

fn names(alerts: &[Value]) -> BTreeSet<String> {
    alerts.iter().map(|alert| alert["alert"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn alerts_fire_as_promtool_expects() {
    if helm::is_missing() || promtool::is_missing() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let rules = rules(&["--set", "alerts.runbookBase=https://docs.example/alerts/"]);
    fs::write(directory.path().join("rules.yaml"), rules.to_string()).unwrap();
    let tests = read("tests/data/chart/alerts.test.yaml");
    fs::write(directory.path().join("alerts.test.yaml"), &tests).unwrap();
    promtool::run(&["check", "rules", "rules.yaml"], directory.path(), "");
    promtool::run(&["test", "rules", "alerts.test.yaml"], directory.path(), "");
    for alert in rules["groups"][0]["rules"].as_array().unwrap() {
        let name = alert["alert"].as_str().unwrap();
        assert!(tests.contains(&format!("alertname: {name}\n")), "{name}");
    }
}

#[test]
fn each_alert_has_a_page_of_its_own() {
    if helm::is_missing() {
        return;
    }
    let base = "https://docs.example/alerts";
    let with = alerts(&["--set", &format!("alerts.runbookBase={base}")]);
    for alert in &with {
        let name = alert["alert"].as_str().unwrap();
        assert_eq!(alert["annotations"]["runbook_url"], format!("{base}/{name}.md"));
        let page = read(&format!("docs/runbooks/alerts/{name}.md"));
        assert!(page.starts_with(&format!("# {name}\n")), "{name}");
    }
    let pages = fs::read_dir(root("docs/runbooks/alerts")).unwrap().map(|entry| entry.unwrap().path());
    let pages: BTreeSet<String> = pages.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(pages, names(&with));
    assert!(alerts(&[]).iter().all(|alert| alert["annotations"]["runbook_url"].is_null()));
}

#[test]
fn init_container_alert_needs_no_controller() {
    if helm::is_missing() {
        return;
    }
    let alone = alerts(&["--set", "controller.enabled=false"]);
    assert_eq!(names(&alone), BTreeSet::from(["AIProviderSeedInitContainerFailing".to_owned()]));
    let without = alerts(&["--set", "alerts.initContainer="]);
    assert!(!names(&without).contains("AIProviderSeedInitContainerFailing") && without.len() > 3);
}

#[test]
fn reasons_in_alerts_exist() {
    let text = read(&format!("{CHART}/templates/alerts.yaml"));
    let (_, rest) = text.split_once("reason=~\\\"").expect("an alert is about reasons");
    let reasons: Vec<&str> = rest.split("\\\"").next().unwrap().split('|').collect();
    let known = read("src/kubernetes/crd/reason.rs");
    assert!(reasons.len() > 1 && reasons.iter().all(|name| known.contains(&format!("= \"{name}\" =>"))), "{reasons:?}");
}
