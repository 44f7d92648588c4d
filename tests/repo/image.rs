//! The image, as far as it can be checked without a build: the packing and the Dockerfile.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("start");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn file_of(archive: &Path, name: &str) -> Vec<u8> {
    output(Command::new("tar").arg("-xOf").arg(archive).arg(name))
}

#[test]
fn image_is_reproducible() {
    let directory = tempfile::tempdir().unwrap();
    let files = directory.path().join("files");
    fs::create_dir_all(files.join("etc/ssl")).unwrap();
    fs::write(files.join("program"), "first").unwrap();
    fs::set_permissions(files.join("program"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(files.join("etc/ssl/roots"), "roots").unwrap();
    let pack = |to: &str| {
        let archive = directory.path().join(to);
        let id = output(
            Command::new(root("hack/pack")).arg(&archive).args(["example/image:1", "arm64"]).arg(&files).args([
                "/program",
                "a=b",
                "url=https://example.com/?x=y",
            ]),
        );
        (String::from_utf8(id).unwrap().trim().to_owned(), archive)
    };
    let (id, archive) = pack("one.tar");
    // Written again later: only names, modes and contents count.
    fs::write(files.join("program"), "first").unwrap();
    let (again, other) = pack("two.tar");
    assert_eq!(id, again);
    assert_eq!(fs::read(&archive).unwrap(), fs::read(other).unwrap());

    let manifest: Value = serde_json::from_slice(&file_of(&archive, "manifest.json")).unwrap();
    assert_eq!(manifest[0]["RepoTags"], json!(["example/image:1"]));
    let config: Value = serde_json::from_slice(&file_of(&archive, manifest[0]["Config"].as_str().unwrap())).unwrap();
    assert_eq!(config["architecture"], "arm64");
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], json!(["/program"]));
    assert_eq!(config["config"]["Labels"], json!({"a": "b", "url": "https://example.com/?x=y"}));
    let layer = directory.path().join("layer.tar");
    fs::write(&layer, file_of(&archive, "layer.tar")).unwrap();
    let listed = String::from_utf8(output(Command::new("tar").arg("-tvf").arg(&layer))).unwrap();
    assert!(listed.lines().all(|line| line.contains(" 0/0 ")), "{listed}");
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(names, ["etc/", "etc/ssl/", "etc/ssl/roots", "program"]);
    let digest = output(Command::new("sha256sum").arg(&layer));
    let digest = format!("sha256:{}", &String::from_utf8(digest).unwrap()[..64]);
    assert_eq!(config["rootfs"]["diff_ids"], json!([digest]));
}

#[test]
fn dockerfile_and_script_describe_the_same_image() {
    let (dockerfile, script) =
        (fs::read_to_string(root("Dockerfile")).unwrap(), fs::read_to_string(root("hack/image")).unwrap());
    let labels = |text: &str| -> BTreeMap<String, String> {
        let lines = text.split("org.opencontainers.image.").skip(1).map(|rest| rest.lines().next().unwrap());
        let pairs = lines.map(|line| line.split_once('=').unwrap());
        pairs
            .map(|(label, value)| (label.to_owned(), value.trim_end_matches([' ', '\\', ')', '"']).replace('"', "")))
            .collect()
    };
    let (of_dockerfile, of_script) = (labels(&dockerfile), labels(&script));
    // All annotations of the specification, except those of a base image, which does not exist, and of an archive.
    let expected = [
        "authors",
        "created",
        "description",
        "documentation",
        "licenses",
        "revision",
        "source",
        "title",
        "url",
        "vendor",
        "version",
    ];
    assert!(of_dockerfile.keys().eq(expected.iter()), "{of_dockerfile:?}");
    for (label, value) in &of_script {
        // Values that differ between builds are an argument there and a command here.
        if !value.starts_with('$') {
            assert_eq!(&of_dockerfile[label], value, "{label}");
        }
    }
    assert!(of_script.keys().eq(of_dockerfile.keys()), "{of_script:?}");
    assert_eq!(of_script["description"], env!("CARGO_PKG_DESCRIPTION"));
    for text in ["FROM scratch AS base", "USER 65532:65532", "ENTRYPOINT [\"/ai-provider-seed\"]", "AS init", "AS full"]
    {
        assert!(dockerfile.contains(text), "{text}");
    }
    assert!(dockerfile.contains(&format!("ARG VERSION={} ", env!("CARGO_PKG_VERSION"))));
    // The builder receives exactly the files that are copied.
    let ignored = fs::read_to_string(root(".dockerignore")).unwrap();
    assert_eq!(ignored.lines().next(), Some("*"));
    let sent: Vec<&str> = ignored.lines().skip(1).map(|line| line.strip_prefix('!').unwrap()).collect();
    let copied =
        dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--"));
    let mut sources: Vec<&str> = copied.flat_map(|line| line.split(' ').rev().skip(1)).collect();
    assert!(sources.len() > 8);
    sources.retain(|source| !(sent.contains(source) || sent.contains(&"docs/*.md") && source.starts_with("docs/")));
    assert_eq!(sources, [""; 0]);
}

#[test]
fn notices_hold_licences_and_are_small() {
    let directory = tempfile::tempdir().unwrap();
    let (one, other) = (directory.path().join("one"), directory.path().join("other"));
    for to in [&one, &other] {
        output(Command::new(root("hack/notices")).arg(to));
    }
    let packed = fs::read(one.join("licences/TEXTS.gz")).unwrap();
    assert_eq!(packed, fs::read(other.join("licences/TEXTS.gz")).unwrap());
    // They are also in the image of the init container, which must stay below 4 MB.
    assert!(packed.len() < 40_000, "{}", packed.len());
    let texts = output(Command::new("gzip").arg("-dc").arg(one.join("licences/TEXTS.gz")));
    assert_eq!(texts, fs::read(root("licences/TEXTS")).unwrap());
    assert_eq!(fs::read(one.join("LICENSE")).unwrap(), fs::read(root("LICENSE")).unwrap());
    assert_eq!(fs::read(one.join("licences/LIST")).unwrap(), fs::read(root("licences/LIST")).unwrap());
    for packer in ["hack/image", "Dockerfile"] {
        let text = fs::read_to_string(root(packer)).unwrap();
        assert!(text.lines().any(|line| line.trim_start_matches("RUN ").starts_with("hack/notices ")), "{packer}");
    }
}

#[test]
fn images_that_build_are_pinned_by_digest() {
    let pinned = |reference: &str| {
        let digest = reference.split_once("@sha256:").map(|(_, digest)| digest.trim()).unwrap_or_default();
        assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{reference}");
    };
    let dockerfile = fs::read_to_string(root("Dockerfile")).unwrap();
    // A syntax line would fetch the program that reads the file.
    assert!(!dockerfile.contains("syntax="));
    let base: Vec<&str> = dockerfile.lines().filter_map(|line| line.strip_prefix("ARG RUST_IMAGE=")).collect();
    assert_eq!(base.len(), 1);
    pinned(base[0]);
    let ours = ["${RUST_IMAGE}", "build", "scratch", "base"];
    for from in dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")) {
        let image = from.split(' ').find(|word| !word.starts_with("--")).unwrap();
        assert!(ours.contains(&image), "{from}");
    }
    let workflow = fs::read_to_string(root(".github/workflows/release.yml")).unwrap();
    for name in ["BUILDKIT", "SBOM_GENERATOR"] {
        pinned(workflow.split_once(&format!(" {name}: ")).unwrap().1.lines().next().unwrap());
        assert!(workflow.contains(&format!("=${name}\"")), "{name} is not used");
    }
    assert!(!workflow.contains("--sbom=true"));
}

fn program(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn revision_is_the_commit_and_says_if_files_changed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &str| directory.path().join(path);
    fs::create_dir(at("hack")).unwrap();
    fs::copy(root("hack/revision"), at("hack/revision")).unwrap();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
        let printed = output(Command::new("git").current_dir(at("")).args(identity).args(arguments));
        String::from_utf8(printed).unwrap().trim().to_owned()
    };
    let revision = || String::from_utf8(output(&mut Command::new(at("hack/revision")))).unwrap();
    assert_eq!(revision(), "", "no checkout");
    git(&["init", "--quiet"]);
    assert_eq!(revision(), "", "no commit");
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "first"]);
    let commit = git(&["rev-parse", "HEAD"]);
    fs::write(at("beside"), "").unwrap();
    assert_eq!(revision(), format!("{commit}\n"));
    fs::write(at("hack/other"), "").unwrap();
    git(&["add", "hack/other"]);
    assert_eq!(revision(), format!("{commit}-dirty\n"));
    // Unpacked inside a repository, it does not belong to that commit.
    fs::create_dir_all(at("unpacked/hack")).unwrap();
    fs::copy(root("hack/revision"), at("unpacked/hack/revision")).unwrap();
    assert_eq!(output(&mut Command::new(at("unpacked/hack/revision"))), b"");
}

#[test]
fn build_puts_the_commit_into_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    // Their arguments do not matter here: the program that they build is the commit that they see.
    program(&at("rustc"), "#!/bin/sh\necho \"$(dirname \"$0\")\"\n");
    for compiler in ["musl-gcc", "x86_64-linux-gnu-gcc"] {
        program(&at(compiler), "#!/bin/sh\n");
    }
    let release = at("target/x86_64-unknown-linux-musl/release");
    fs::create_dir_all(&release).unwrap();
    let made = format!("#!/bin/sh\nprintf %s \"$AI_PROVIDER_SEED_COMMIT\" >{}/ai-provider-seed\n", release.display());
    program(&at("cargo"), &made);
    let built = |commit: &str| {
        let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
        let mut build = Command::new(root("hack/build"));
        build.args(["--arch", "amd64", "--without-sbom"]).env("PATH", path).env("CARGO_TARGET_DIR", at("target"));
        let printed = output(build.env("AI_PROVIDER_SEED_COMMIT", commit));
        assert_eq!(Path::new(String::from_utf8(printed).unwrap().trim()), release.join("ai-provider-seed"));
        fs::read_to_string(release.join("ai-provider-seed")).unwrap()
    };
    let revision = String::from_utf8(output(&mut Command::new(root("hack/revision")))).unwrap();
    assert_eq!(built(""), revision.trim());
    assert_eq!(built("given"), "given");
    for (file, line) in [
        (".github/workflows/release.yml", "AI_PROVIDER_SEED_COMMIT=$(hack/revision) cargo auditable build"),
        (".github/workflows/release.yml", "--build-arg \"REVISION=$GITHUB_SHA\""),
        ("Dockerfile", "ENV AI_PROVIDER_SEED_COMMIT=$REVISION"),
    ] {
        assert!(fs::read_to_string(root(file)).unwrap().contains(line), "{file}: {line}");
    }
}

#[test]
fn image_without_sbom_needs_an_option() {
    let directory = tempfile::tempdir().unwrap();
    // A cargo without cargo-auditable, which reports any request to build.
    let cargo = directory.path().join("cargo");
    program(&cargo, "#!/bin/sh\necho \"$@\" >>\"$(dirname \"$0\")/asked\"\nexit 101\n");
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
    let refused = Command::new(root("hack/image")).env("PATH", path).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--without-sbom"), "{refused:?}");
    assert_eq!(fs::read_to_string(directory.path().join("asked")).unwrap(), "auditable --version\n");
}
