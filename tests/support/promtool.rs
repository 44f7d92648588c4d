//! promtool of Debian's package `prometheus`, which reads metrics and rules as Prometheus does.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// None, and the test counts as skipped, where it is missing.
pub fn is_missing() -> bool {
    let found = Command::new("promtool").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let missing = found.is_err();
    if missing {
        super::skip("needs promtool (Debian's package prometheus)");
    }
    missing
}

/// Runs it; anything but success ends the test with what it said.
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
