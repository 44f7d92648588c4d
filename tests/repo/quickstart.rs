//! hack/quickstart before there is a cluster; tests/e2e/quickstart.rs tests the rest.

use std::process::{Command, Output};

use crate::support::files::{read, root};

/// With only the named programs installed.
fn run(arguments: &[&str], tools: &[&str]) -> Output {
    let installed = tempfile::tempdir().unwrap();
    for tool in ["dirname", "sed"] {
        let path = ["/bin", "/usr/bin"].map(|place| format!("{place}/{tool}"));
        let path = path.iter().find(|path| std::path::Path::new(path.as_str()).exists()).unwrap();
        std::os::unix::fs::symlink(path, installed.path().join(tool)).unwrap();
    }
    for tool in tools {
        std::os::unix::fs::symlink("/bin/false", installed.path().join(tool)).unwrap();
    }
    let mut bash = Command::new("/bin/bash");
    bash.arg(root("hack/quickstart")).args(arguments).env_clear().env("PATH", installed.path());
    bash.output().unwrap()
}

#[test]
fn quickstart_names_missing_programs() {
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let output = run(&["up"], &["docker", "kubectl"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).starts_with("error: not installed: kind helm ("), "{}", said(&output));
    assert!(output.stdout.is_empty());
    // An unknown command prints the usage, which names all commands.
    let output = run(&["start"], &[]);
    assert_eq!(output.status.code(), Some(2));
    for command in ["up", "conflict", "resolve", "down"] {
        assert!(said(&output).contains(&format!("hack/quickstart {command} ")), "{}", said(&output));
    }
}

#[test]
fn quickstart_pins_the_newest_node_of_the_workflow() {
    let script = read("hack/quickstart");
    let pinned = script.lines().find_map(|line| line.strip_prefix("NODE_IMAGE=")).unwrap();
    let workflow = read(".github/workflows/checks.yml");
    let newest = workflow
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "))
        .rfind(|item| item.starts_with("kindest/node:"));
    assert_eq!(Some(pinned), newest);
    assert!(pinned.contains("@sha256:"));
}

#[test]
fn quickstart_uses_the_database_of_the_examples() {
    let script = read("hack/quickstart");
    let url = script.lines().find_map(|line| line.strip_prefix("IN_THE_CLUSTER=")).unwrap().trim_matches('\'');
    assert!(read("deploy/examples/init-container/environment.yaml").contains(&format!("url: {url}\n")));
    let postgres = read("deploy/examples/postgres/postgres.yaml");
    for value in [
        "value: trying",
        "POSTGRES_USER\n              value: coder",
        "POSTGRES_DB\n              value: coder",
        "image: docker.io/library/postgres:17.5@sha256:",
    ] {
        assert!(postgres.contains(value), "{value}");
    }
}
