//! Helm, and checks of its output. A test file uses a part of it.
#![allow(dead_code)]

pub use crate::support::files::{assert_current, read, root};
use crate::support::kubernetes::tools::{self, tool};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The cluster's version for `helm template`; a Helm built from source does not know any.
pub const KUBE_VERSION: &str = "1.36.0";

pub const CHART: &str = "charts/ai-provider-seed";

/// The directories below deploy that `kubectl kustomize` builds.
pub const KUSTOMIZATIONS: [&str; 6] = [
    "controller",
    "examples/init-container",
    "examples/postgres",
    "examples/sidecar",
    "examples/argocd",
    "examples/flux",
];

/// Whether Helm is missing, so that the test counts as skipped.
pub fn is_missing() -> bool {
    let missing = tool("helm").is_none();
    if missing {
        crate::support::skip(tools::MISSING);
    }
    missing
}

/// `helm` in the project's directory.
pub fn command() -> Command {
    let mut command = Command::new(tool("helm").expect("there is helm where there is a cluster, or on the PATH"));
    command
        .current_dir(root(""))
        .env("HELM_CACHE_HOME", root("target/helm"))
        .env("HELM_CONFIG_HOME", root("target/helm"));
    command
}

pub fn helm<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    command().args(arguments).output().expect("start helm")
}

/// Its standard output; a failure ends the test with the error.
pub fn stdout(output: Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The error message.
pub fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The chart with these arguments, as release `ai-provider-seed` in the namespace `coder`.
pub fn template(arguments: &[&str]) -> String {
    stdout(try_template("ai-provider-seed", CHART, arguments))
}

pub fn try_template(release: &str, chart: &str, arguments: &[&str]) -> Output {
    let fixed = ["template", release, chart, "--namespace", "coder", "--kube-version", KUBE_VERSION];
    helm(fixed.iter().chain(arguments))
}

pub fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The objects of a stream of documents.
pub fn objects(text: &str) -> Vec<Value> {
    let documents = text.split("\n---").map(|document| document.trim_start_matches("---"));
    documents.map(|document| yaml(&format!("{document}\n"))).filter(|object| !object.is_null()).collect()
}

/// The first object of a kind.
pub fn find<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap_or_else(|| panic!("there is no {kind}"))
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => fs::copy(entry.path(), &target).map(drop).unwrap(),
        }
    }
}
