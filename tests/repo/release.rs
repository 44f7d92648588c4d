//! The parts of a release, as far as they can be checked without GitHub: workflows, archives, notes, the schema.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::files::{read, root};

fn workflows() -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(root(".github/workflows")).unwrap().map(|file| file.unwrap().path());
    files.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

fn workflow(name: &str) -> Value {
    serde_saphyr::from_str(&read(&format!(".github/workflows/{name}.yml"))).unwrap()
}

/// The commands of a job, in order.
fn commands(job: &Value) -> Vec<&str> {
    job["steps"].as_array().unwrap().iter().filter_map(|step| step["run"].as_str()).collect()
}

fn run(command: &mut Command) -> Output {
    command.current_dir(root("")).output().expect("start")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn actions_are_pinned_to_a_commit() {
    let workflows = workflows();
    assert_eq!(workflows.len(), 3);
    let mut pins = BTreeSet::new();
    for (path, workflow) in &workflows {
        for action in workflow.lines().filter_map(|line| line.split_once("uses: ")).map(|(_, action)| action) {
            if action.starts_with("./") {
                continue;
            }
            let (_, pin) = action.split_once('@').unwrap();
            let (commit, version) =
                pin.split_once(" # v").unwrap_or_else(|| panic!("{path:?} {action}: which version?"));
            assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{action}");
            assert!(!version.is_empty());
            pins.insert(action.to_owned());
        }
    }
    // One commit for each action, in all workflows.
    let actions: BTreeSet<&str> = pins.iter().map(|pin| pin.split_once('@').unwrap().0).collect();
    assert_eq!(actions.len(), pins.len(), "{pins:?}");
}

#[test]
fn checkouts_keep_no_token() {
    for (path, workflow) in workflows() {
        let checkouts = workflow.matches("uses: actions/checkout@").count();
        assert_eq!(workflow.matches("persist-credentials: false").count(), checkouts, "{path:?}");
    }
}

#[test]
fn release_publishes_only_checked_files() {
    let release = workflow("release");
    assert_eq!(release["jobs"]["checks"]["uses"], "./.github/workflows/checks.yml");
    assert_eq!(release["jobs"]["archives"]["needs"], "checks");
    assert_eq!(release["jobs"]["release"]["needs"], serde_json::json!(["checks", "archives"]));
    // Only the permissions that a job requests are allowed.
    assert_eq!(release["permissions"], serde_json::json!({}));
    for name in ["checks", "nightly", "release"] {
        // GitHub starts bash with pipefail only if the shell is named.
        assert_eq!(workflow(name)["defaults"]["run"]["shell"], "bash", "{name}");
    }
}

#[test]
fn checks_run_every_target_of_the_makefile() {
    let checks = workflow("checks");
    let jobs = &checks["jobs"];
    assert!(checks["on"].get("pull_request").is_some() && checks["on"].get("workflow_call").is_some());
    assert_eq!(commands(&jobs["test"]), ["hack/install-tools", "make test"]);
    assert_eq!(commands(&jobs["lint"]).last(), Some(&"make lint"));
    assert!(commands(&jobs["rust-version"])[0].contains("rust-version"));
    assert!(commands(&jobs["e2e"]).last().unwrap().contains("E2E_CLUSTER=current make e2e"));
    let nodes = jobs["e2e"]["strategy"]["matrix"]["node"].as_array().unwrap();
    let minor = |node: &Value| {
        let (_, version) = node.as_str().unwrap().split_once(":v").unwrap();
        version.split('.').take(2).collect::<Vec<_>>().join(".")
    };
    // The oldest is the version that the chart requires, the newest is that of all other tests.
    assert!(
        read("charts/ai-provider-seed/Chart.yaml").contains(&format!("kubeVersion: \">={}.0-0\"", minor(&nodes[0])))
    );
    let api = minor(&nodes[1]).replace("1.", "k8s.io/api => k8s.io/api v0.");
    assert!(read("tests/tools/go.mod").contains(&format!("{api}.")), "{api}");
    let nightly = workflow("nightly");
    let all: Vec<&str> =
        ["advisories", "stress", "fuzz", "cargo-fuzz"].iter().flat_map(|job| commands(&nightly["jobs"][job])).collect();
    for command in ["cargo deny check advisories", "make stress"] {
        assert!(all.contains(&command), "{command}");
    }
    assert!(all.iter().any(|command| command.ends_with("--test stress fuzz::")));
    assert!(
        all.iter().any(|command| command.contains("cargo +nightly fuzz run") && command.contains("-max_total_time="))
    );
}

#[test]
fn cargo_fuzz_runs_every_target_that_the_tests_run() {
    let targets = read("fuzz/targets.rs");
    let targets: BTreeSet<&str> =
        targets.lines().filter_map(|line| line.trim().strip_prefix("name: \"")?.strip_suffix("\",")).collect();
    assert_eq!(targets.len(), 5);
    let manifest = read("fuzz/Cargo.toml");
    let programs: BTreeSet<&str> =
        manifest.split("[[bin]]").skip(1).map(|bin| bin.split('"').nth(1).unwrap()).collect();
    assert_eq!(programs, targets);
    // A separate crate: no fuzzing library is linked into the program.
    assert!(manifest.contains("cargo-fuzz = true") && manifest.contains("\n[workspace]\n"));
    for target in &targets {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
        assert!(
            read(&format!("fuzz/fuzz_targets/{target}.rs")).contains(&format!("targets::check(\"{target}\", bytes)"))
        );
    }
    let nightly = workflow("nightly");
    let matrix = nightly["jobs"]["cargo-fuzz"]["strategy"]["matrix"]["target"].as_array().unwrap();
    assert_eq!(matrix.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>(), targets);
}

#[test]
fn notes_are_the_section_of_the_version() {
    let directory = tempfile::tempdir().unwrap();
    let changelog = directory.path().join("CHANGELOG.md");
    fs::write(
        &changelog,
        "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- later\n\n## [1.2.3] - 2026-01-02\n\n### Fixed\n\n- a fault\n  of two lines\n\n\
         ## [1.2.2] - 2026-01-01\n\n## [1.2.30]\n\n- other\n\n[1.2.3]: https://example.com\n",
    )
    .unwrap();
    let notes = |version: &str| run(Command::new("hack/changes").arg(version).env("CHANGELOG", &changelog));
    assert_eq!(text(&notes("1.2.3").stdout), "### Fixed\n\n- a fault\n  of two lines\n");
    assert_eq!(text(&notes("1.2.30").stdout), "- other\n");
    for missing in ["1.2.2", "1.2", "9.9.9"] {
        let output = notes(missing);
        assert!(!output.status.success() && output.stdout.is_empty(), "{missing}");
    }
}

#[test]
fn archive_is_reproducible_and_holds_licences() {
    let directory = tempfile::tempdir().unwrap();
    let pack = |to: &str, os: &str| {
        let to = directory.path().join(to);
        let mut command = Command::new("hack/archive");
        // In place of a program for another platform; compressing a debug program takes a minute.
        command.arg("hack/archive").args([os, "arm64"]).arg(&to).arg(env!("CARGO_BIN_EXE_ai-provider-seed"));
        let output = run(&mut command);
        assert!(output.status.success(), "{}", text(&output.stderr));
        PathBuf::from(text(&output.stdout).trim())
    };
    let archive = pack("one", "linux");
    let name = format!("ai-provider-seed-{}-linux-arm64", env!("CARGO_PKG_VERSION"));
    assert_eq!(archive.file_name().unwrap().to_str().unwrap(), format!("{name}.tar.gz"));
    assert_eq!(fs::read(&archive).unwrap(), fs::read(pack("two", "linux")).unwrap());
    let listed = text(&run(Command::new("tar").arg("-tvzf").arg(&archive)).stdout);
    assert!(listed.lines().all(|line| line.contains(" 0/0 ")), "{listed}");
    let files: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().last()).collect();
    let licences = ["LICENSE", "licences/LIST", "licences/TEXTS.gz"];
    let manuals = ["man/ai-provider-seed.1", "man/ai-provider-seed-resolve.1", "completions/ai-provider-seed.bash"];
    let others = ["ai-provider-seed", "README.md", "CHANGELOG.md"];
    for file in [licences, manuals, others].concat() {
        assert!(files.contains(&format!("{name}/{file}").as_str()), "{file}: {files:?}");
    }
    let refused = run(Command::new("hack/archive").args(["program", "windows", "amd64", "nowhere"]));
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn install_page_names_every_file_of_a_release() {
    let page = read("docs/install.md");
    let release = read(".github/workflows/release.yml");
    let version = env!("CARGO_PKG_VERSION");
    for file in [
        "install.yaml",
        "aiproviderseeds.crd.yaml",
        "aiproviderseed_v1alpha1.json",
        "SHA256SUMS",
        "SHA256SUMS.sigstore.json",
    ] {
        assert!(page.contains(file) && release.contains(file), "{file}");
    }
    for platform in ["linux-amd64", "linux-arm64", "macos-amd64", "macos-arm64"] {
        assert!(page.contains(platform), "{platform}");
    }
    for tag in [format!("{version}-init"), version.to_owned()] {
        assert!(page.contains(&format!("/ai-provider-seed:{tag}`")), "{tag}");
    }
    // The signature's identity is the workflow that runs for the tag.
    assert!(page.contains("/.github/workflows/release.yml@refs/tags/v$version"));
    for signed in [
        "cosign sign --yes \"$IMAGE@",
        "cosign sign --yes \"$CHARTS/",
        "cosign sign-blob --yes",
        "attest-build-provenance",
    ] {
        assert!(release.contains(signed), "{signed}");
    }
    for verified in
        ["cosign verify --certificate-identity", "cosign verify-blob", "gh attestation verify", "sha256sum --check"]
    {
        assert!(page.contains(verified), "{verified}");
    }
}

#[test]
fn update_bot_looks_at_every_kind_of_dependency() {
    let bot: Value = serde_saphyr::from_str(&read(".github/dependabot.yml")).unwrap();
    let kinds: Vec<&str> =
        bot["updates"].as_array().unwrap().iter().filter_map(|update| update["package-ecosystem"].as_str()).collect();
    assert_eq!(kinds, ["cargo", "cargo", "github-actions", "docker", "gomod"]);
}
