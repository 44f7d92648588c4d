//! The Rust version in the manifest is the one that the locked dependencies need.

use std::process::Command;

use serde_json::Value;

fn version(text: &str) -> (u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap())
}

#[test]
fn rust_version_is_the_greatest_of_the_locked_packages() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version=1", "--all-features"])
        .args(["--filter-platform=x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let resolved: Vec<&Value> =
        metadata["resolve"]["nodes"].as_array().unwrap().iter().map(|node| &node["id"]).collect();
    let packages = metadata["packages"].as_array().unwrap();
    let is_ours = |package: &&Value| package["name"] == env!("CARGO_PKG_NAME");
    let needed = packages
        .iter()
        .filter(|package| resolved.contains(&&package["id"]) && !is_ours(package))
        .filter_map(|package| Some((version(package["rust_version"].as_str()?), package["name"].as_str()?)))
        .max()
        .unwrap();
    let ours = packages.iter().find(is_ours).unwrap()["rust_version"].as_str().unwrap();
    assert_eq!(version(ours), needed.0, "the manifest says {ours}, {} needs {:?}", needed.1, needed.0);
    for file in ["README.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(&format!("Rust {ours}")), "{file} does not name Rust {ours}");
    }
    // The compiler of the image is at least this version.
    let dockerfile = std::fs::read_to_string("Dockerfile").unwrap();
    let image = dockerfile.split_once("library/rust:").unwrap().1;
    assert!(version(image.split('-').next().unwrap()) >= needed.0, "{image}");
}
