//! promtool of Debian's package `prometheus`, which reads metrics and rules as Prometheus does.

use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// If it is missing, the test counts as skipped.
pub fn is_missing() -> bool {
    let found = Command::new("promtool").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let missing = found.is_err();
    if missing {
        super::skip("needs promtool (Debian's package prometheus)");
    }
    missing
}

/// Runs it; a failure ends the test with its output.
#[track_caller]
pub fn run(arguments: &[&str], directory: &Path, stdin: &str) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start promtool");
    // It may end without reading.
    let _ = child.stdin.take().expect("stdin is piped").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("wait for promtool");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

/// A page of metrics as Prometheus stores it for this job and namespace, scraped repeatedly: exactly the alert with these
/// labels fires.
#[track_caller]
pub fn only_this_alert_fires(rules: &Value, page: &str, (job, namespace): (&str, &str), labels: &str) {
    // A label in the page itself stays (`honorLabels` of the chart's ServiceMonitor).
    let series = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        let (name, own) = name.trim_end_matches('}').split_once('{').unwrap_or((name, ""));
        let place = if own.contains("namespace=") { String::new() } else { format!(",namespace=\"{namespace}\"") };
        let all = format!("{own},job=\"{job}\"{place}");
        Some(json!({"series": format!("{name}{{{}}}", all.trim_start_matches(',')), "values": format!("{value}x30")}))
    };
    let lines = page.lines().filter(|line| line.starts_with("ai_provider_seed_"));
    let series: Vec<Value> = lines.filter_map(series).collect();
    assert!(!series.is_empty(), "{page}");
    let firing = format!("ALERTS{{alertstate=\"firing\", {labels}}}");
    let expected = json!({
        "expr": "ALERTS{alertstate=\"firing\"}", "eval_time": "20m", "exp_samples": [{"labels": firing, "value": 1}],
    });
    let tests = json!({
        "rule_files": ["rules.yaml"], "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [expected]}],
    });
    let directory = tempfile::tempdir().expect("create a directory");
    fs::write(directory.path().join("rules.yaml"), rules.to_string()).expect("write the rules");
    fs::write(directory.path().join("found.test.yaml"), tests.to_string()).expect("write the tests");
    run(&["check", "metrics"], directory.path(), page);
    run(&["test", "rules", "found.test.yaml"], directory.path(), "");
}
