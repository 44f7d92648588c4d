//! The files that may name the organisation, its registry or a page of its documentation.

use std::process::Command;

use ai_provider_seed::testing::identity::{DOCS, ORGANISATION, REGISTRY};

/// Read by other programs, or by people, without a build.
const ALLOWED: &[&str] = &[
    "Cargo.toml",
    "Dockerfile",
    "README.md",
    ".github/",
    "charts/ai-provider-seed/Chart.yaml",
    "charts/ai-provider-seed/README.md",
    "charts/ai-provider-seed/values.yaml",
    "deploy/",
    "book.toml",
    "docs/export.md",
    "docs/install.md",
    "docs/policy.md",
    "docs/resolve.md",
    "docs/upgrade.md",
    "hack/image",
    "src/identity.rs",
    "tests/data/chart/golden/",
    "tests/controller/chart_cluster.rs",
    "tests/it/snapshots/export-helm.snap",
    "tests/repo/identity.rs",
];

fn tracked_files() -> Vec<String> {
    let output = Command::new("git").args(["ls-files"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let listed = output.ok().filter(|output| output.status.success());
    let listed = listed.expect("the list of files comes from git, and this is no repository of it");
    String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The part of a text that names one of them. The API group, which ends in `.dev`, is a name and not an address.
fn names_identity(text: &str) -> Option<String> {
    let places = [
        format!("{REGISTRY}/{ORGANISATION}"),
        format!("github.com/{ORGANISATION}"),
        format!("repository: {ORGANISATION}/"),
        format!("{REGISTRY}/${{{{"),
        format!("https://{ORGANISATION}."),
        format!("http://{ORGANISATION}."),
    ];
    places.into_iter().chain(DOCS.map(str::to_owned)).find(|place| text.contains(place.as_str()))
}

#[test]
fn only_listed_files_name_the_identity() {
    let is_allowed = |path: &str| {
        ALLOWED.iter().any(|allowed| path == *allowed || allowed.ends_with('/') && path.starts_with(allowed))
    };
    let mut used = Vec::new();
    for path in tracked_files() {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let Some(place) = names_identity(&text) else { continue };
        assert!(is_allowed(&path), "{path} names {place}; it belongs into src/identity.rs, or {path} into this list");
        used.extend(ALLOWED.iter().filter(|allowed| path == **allowed || path.starts_with(**allowed)));
    }
    for allowed in ALLOWED.iter().filter(|allowed| **allowed != "src/identity.rs" && !allowed.ends_with("identity.rs"))
    {
        assert!(used.contains(&allowed), "{allowed} names nothing any more; take it off the list");
    }
}

#[test]
fn address_that_is_not_ours_is_found() {
    for text in [
        format!("see https://{ORGANISATION}.dev/docs"),
        format!("image: {REGISTRY}/{ORGANISATION}/x"),
        format!("git clone https://github.com/{ORGANISATION}/x"),
    ] {
        assert!(names_identity(&text).is_some(), "{text}");
    }
    assert_eq!(names_identity(&format!("apiVersion: {ORGANISATION}.dev/v1alpha1")), None);
}
