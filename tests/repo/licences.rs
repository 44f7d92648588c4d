//! licences/ contains the licence of everything that is linked into the program or packed with it: LIST by name, TEXTS in
//! full. Both are generated here from cargo's resolution for the platforms of a release: `UPDATE_FILES=1 cargo test
//! --test repo licences`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::files::assert_current;

const PLATFORMS: [&str; 4] =
    ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl", "x86_64-apple-darwin", "aarch64-apple-darwin"];

/// Parts that are not crates: name, licence, file with the text below licences/texts.
const OTHERS: [(&str, &str, &str); 3] = [
    ("CA certificates of Mozilla (in the images)", "MPL-2.0", "MPL-2.0"),
    ("Rust standard library", "MIT OR Apache-2.0", "rust"),
    ("musl libc (on Linux)", "MIT", "musl"),
];

/// Names of files with a licence or a notice.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

#[derive(Clone)]
struct Crate {
    licence: String,
    directory: PathBuf,
    in_init: bool,
}

/// Name and version of each crate in the program, without this one.
fn linked() -> BTreeMap<(String, String), Crate> {
    let mut crates: BTreeMap<(String, String), Crate> = BTreeMap::new();
    for platform in PLATFORMS {
        for (key, found) in linked_for(platform, &["--no-default-features"]) {
            crates.insert(key, Crate { in_init: true, ..found });
        }
        for (key, found) in linked_for(platform, &[]) {
            crates.entry(key).or_insert(found);
        }
    }
    crates
}

fn linked_for(platform: &str, features: &[&str]) -> Vec<((String, String), Crate)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version=1", &format!("--filter-platform={platform}")])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let by_id = |list: &Value| -> BTreeMap<String, Value> {
        list.as_array().unwrap().iter().map(|item| (item["id"].as_str().unwrap().to_owned(), item.clone())).collect()
    };
    let (packages, nodes) = (by_id(&metadata["packages"]), by_id(&metadata["resolve"]["nodes"]));
    let root = metadata["resolve"]["root"].as_str().unwrap().to_owned();
    let (mut seen, mut open) = (BTreeSet::new(), vec![root.clone()]);
    while let Some(id) = open.pop() {
        // Dependencies of a procedural macro run in the compiler.
        if is_macro(&packages[&id]) || !seen.insert(id.clone()) {
            continue;
        }
        for dependency in nodes[&id]["deps"].as_array().unwrap() {
            // Dependencies of tests and of build scripts have a kind.
            if dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null()) {
                open.push(dependency["pkg"].as_str().unwrap().to_owned());
            }
        }
    }
    seen.remove(&root);
    seen.iter().map(|id| entry(&packages[id])).collect()
}

fn is_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().unwrap();
    targets.iter().any(|target| target["kind"].as_array().unwrap().contains(&"proc-macro".into()))
}

fn entry(package: &Value) -> ((String, String), Crate) {
    let text = |key: &str| package[key].as_str().unwrap_or_else(|| panic!("{}: no {key}", package["name"])).to_owned();
    let directory = PathBuf::from(text("manifest_path")).parent().unwrap().to_owned();
    // "MIT/Apache-2.0" is the older form of an expression.
    let licence = text("license").replace(" / ", "/").replace('/', " OR ");
    ((text("name"), text("version")), Crate { licence, directory, in_init: false })
}

/// The files of a crate, or the standard text if it ships none.
fn texts(found: &Crate) -> Vec<String> {
    let is_licence = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy().to_uppercase();
        path.is_file() && NAMES.iter().any(|start| name.starts_with(start))
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(&found.directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| is_licence(path))
        .collect();
    paths.sort();
    if paths.is_empty() {
        let alternatives: Vec<&str> = found.licence.split(" OR ").collect();
        assert!(
            alternatives.contains(&"Apache-2.0"),
            "{:?}: no file, and no text of {}",
            found.directory,
            found.licence
        );
        paths.push(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("licences/texts/Apache-2.0"));
    }
    paths.iter().map(|path| normal(&String::from_utf8_lossy(&fs::read(path).unwrap()))).collect()
}

/// Line ends, margins and empty lines do not make a different text.
fn normal(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let first = lines.iter().position(|line| !line.is_empty()).unwrap_or(0);
    format!("{}\n", lines[first..].join("\n").trim_end())
}

fn list(crates: &BTreeMap<(String, String), Crate>) -> String {
    let mut text = "What is in ai-provider-seed that others wrote: name, version, licence. Those with a + are in the image of the\n\
        init container too. Full texts: TEXTS, in images and archives TEXTS.gz.\n\n"
        .to_owned();
    for (name, licence, _) in OTHERS {
        text.push_str(&format!("+ {name}: {licence}\n"));
    }
    text.push('\n');
    for ((name, version), found) in crates {
        let mark = if found.in_init { '+' } else { ' ' };
        text.push_str(&format!("{mark} {name} {version}: {}\n", found.licence));
    }
    text
}

fn all_texts(crates: &BTreeMap<(String, String), Crate>) -> String {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, _, file) in OTHERS {
        let text = fs::read_to_string(format!("licences/texts/{file}")).unwrap();
        users.entry(normal(&text)).or_default().push(name.to_owned());
    }
    for ((name, version), found) in crates {
        for text in texts(found).into_iter().collect::<BTreeSet<_>>() {
            users.entry(text).or_default().push(format!("{name} {version}"));
        }
    }
    let mut sorted: Vec<(String, Vec<String>)> = users.into_iter().collect();
    sorted.sort_by(|(_, one), (_, other)| one.cmp(other));
    let rule = "=".repeat(80);
    let part = |(text, users): &(String, Vec<String>)| format!("{rule}\n{}\n{rule}\n\n{text}\n", users.join(", "));
    sorted.iter().map(part).collect()
}

#[test]
fn licences_are_those_of_the_linked_crates() {
    let crates = linked();
    assert!(crates.len() > 150 && crates.values().filter(|found| found.in_init).count() > 100);
    // Only linked crates: no crate of the tests, none that runs in the compiler.
    for absent in ["insta", "proptest", "serde_derive", "syn"] {
        assert!(!crates.keys().any(|(name, _)| name == absent), "{absent}");
    }
    assert_current("licences/LIST", &list(&crates));
    assert_current("licences/TEXTS", &all_texts(&crates));
}

#[test]
fn each_linked_crate_has_its_licence_text() {
    let all = fs::read_to_string("licences/TEXTS").unwrap();
    let rule = "=".repeat(80);
    let heads: Vec<&str> = all.split(&format!("{rule}\n")).skip(1).step_by(2).collect();
    let named: BTreeSet<&str> = heads.iter().flat_map(|head| head.trim_end().split(", ")).collect();
    let list = fs::read_to_string("licences/LIST").unwrap();
    for line in list.lines().skip(3).filter(|line| !line.is_empty()) {
        let name = line[2..].split_once(": ").unwrap().0;
        assert!(named.contains(name), "{name}");
    }
}
