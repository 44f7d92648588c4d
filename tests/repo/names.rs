//! Test names are read in the output of a run, one below the other: subject, condition, result, and short.

use std::path::{Path, PathBuf};

const LIMIT: usize = 60;
/// Words that leave the subject open.
const BANNED: [&str; 4] = ["nobody", "somebody", "whoever", "anew"];

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The functions after `#[test]` and `#[tokio::test]`; other attributes and comments may come between.
fn tests(text: &str) -> Vec<&str> {
    let mut lines = text.lines().map(str::trim);
    let mut names = Vec::new();
    while lines.any(|line| line == "#[test]" || line.starts_with("#[tokio::test")) {
        let function = lines.by_ref().find_map(|line| line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn "));
        names.extend(function.and_then(|line| line.split('(').next()));
    }
    names
}

fn is_refused(name: &str) -> bool {
    name.len() > LIMIT || name.split('_').any(|word| BANNED.contains(&word))
}

#[test]
fn test_names_are_short_and_name_their_subject() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    files(&root.join("src"), &mut paths);
    files(&root.join("tests"), &mut paths);
    let (mut refused, mut seen) = (Vec::new(), 0);
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let names = tests(&text);
        seen += names.len();
        let names = names.into_iter().filter(|name| is_refused(name));
        refused.extend(names.map(|name| format!("{}: {name}, {} characters", path.display(), name.len())));
    }
    assert_eq!(refused, [""; 0]);
    assert!(seen > 550, "only {seen} tests were found");
}

#[test]
fn planted_test_names_are_refused() {
    let text = "#[test]\n#[ignore = \"x\"]\nfn nobody_reads_this() {}\n// fn no_test() {\n#[test]\nfn good() {}\nfn helper() {}\n\
                #[tokio::test]\nasync fn whoever_waits() {}";
    assert_eq!(tests(text), ["nobody_reads_this", "good", "whoever_waits"]);
    assert!(is_refused("nobody_reads_this") && is_refused(&"x".repeat(61)));
    assert!(!is_refused("renewal_of_a_lease") && !is_refused(&"x".repeat(60)));
}
