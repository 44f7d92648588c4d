//! The imports that a module may have. An inner room does not depend on outer ones, so that it can be read, tested and
//! changed without them.

mod source;
mod unit;

use source::{Import, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rooms, and their forbidden imports: a crate, or a module of this crate.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("problem", OUTSIDE),
    ("problem", &["crate::provider", "crate::env", "crate::options", "crate::plan", "crate::report"]),
    ("provider", OUTSIDE),
    ("provider", &["crate::env", "crate::plan", "crate::report"]),
    ("env", OUTSIDE),
    ("env", &["crate::plan", "crate::report"]),
    ("plan", OUTSIDE),
    ("plan", &["crate::report"]),
    ("report", OUTSIDE),
    // Types of Kubernetes are plain values; its client is not.
    ("kubernetes::status", &["crate::store", "crate::cli", "crate::kubernetes::controller"]),
    ("kubernetes::crd", &["crate::kubernetes::workload", "crate::kubernetes::status", "crate::kubernetes::controller"]),
    ("kubernetes::crd", &["crate::store", "crate::run", "crate::cli"]),
    ("kubernetes::workload", &["crate::kubernetes::status", "crate::kubernetes::controller", "crate::cli"]),
    ("kubernetes::status", &["tokio", "postgres", "tokio_postgres", "kube", "kube_client", "kube_runtime"]),
    ("store", &["crate::kubernetes", "crate::report", "kube", "k8s_openapi"]),
    ("run", &["crate::report", "crate::cli"]),
    ("options", &["crate::plan", "crate::report", "crate::run", "crate::cli"]),
];

/// The network, and its users.
const OUTSIDE: &[&str] = &[
    "tokio",
    "postgres",
    "tokio_postgres",
    "tokio_postgres_rustls",
    "kube",
    "kube_client",
    "kube_runtime",
    "k8s_openapi",
    "hyper",
    "crate::kubernetes",
    "crate::store",
    "crate::run",
    "crate::cli",
];

/// Additional imports for the test modules of src.
const DEV_DEPENDENCIES: &[&str] = &["postgres"];

const PRINTS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];
const STREAMS: &[&str] = &["std::io::stdout", "std::io::stderr", "std::io::Stdout", "std::io::Stderr"];

/// Every file of src: its module, its path, its imports.
struct Tree(Vec<(Vec<String>, PathBuf, Source)>);

impl Tree {
    fn read() -> Tree {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        collect(&src, &mut files);
        files.sort();
        let module = |file: &PathBuf| module_of(file.strip_prefix(&src).unwrap());
        let modules: BTreeSet<Vec<String>> = files.iter().map(module).collect();
        let read = |file: PathBuf| {
            let module = module(&file);
            let names: Vec<&str> = module.iter().map(String::as_str).collect();
            let source = source::read(&std::fs::read_to_string(&file).unwrap(), &names, &modules);
            (module, file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_owned(), source)
        };
        Tree(files.into_iter().map(read).collect())
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// `plan/mod.rs` and `plan.rs` are `plan`; the root has no name.
fn module_of(file: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        file.with_extension("").iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|name| matches!(name.as_str(), "mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

fn path(text: &str) -> Vec<String> {
    text.split("::").map(str::to_owned).collect()
}

fn refuses(forbidden: &str, import: &Import) -> bool {
    let (target, external) = match forbidden.strip_prefix("crate::") {
        Some(module) => (path(module), false),
        None => (path(forbidden), true),
    };
    external == import.external
        && (import.path.starts_with(&target) || import.glob && target.starts_with(&import.path))
        && !(import.test && DEV_DEPENDENCIES.contains(&forbidden))
}

/// The imports of a module that the table refuses, each with the room that refuses it.
fn refused<'s>(module: &[String], source: &'s Source) -> Vec<(&'static str, &'s Import)> {
    let rules = FORBIDDEN.iter().filter(|(room, _)| module.starts_with(&path(room)));
    let of = |(room, names): &(&'static str, &[&str])| {
        let imports = source.imports.iter().filter(|import| names.iter().any(|name| refuses(name, import)));
        imports.map(|import| (*room, import)).collect::<Vec<_>>()
    };
    rules.flat_map(of).collect()
}

#[test]
fn no_module_imports_what_its_layer_forbids() {
    let tree = Tree::read();
    let mut found = Vec::new();
    for (module, file, source) in &tree.0 {
        for (room, import) in refused(module, source) {
            found.push(format!("{}:{}: {room} imports {}", file.display(), import.line, import.text()));
        }
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn every_room_of_the_table_exists() {
    let tree = Tree::read();
    for (room, names) in FORBIDDEN {
        let ours = names.iter().filter_map(|name| name.strip_prefix("crate::"));
        for name in ours.chain([*room]) {
            assert!(tree.0.iter().any(|(module, _, _)| *module == path(name)), "there is no module {name}");
        }
    }
}

#[test]
fn only_cli_prints() {
    let mut found = Vec::new();
    for (module, file, source) in &Tree::read().0 {
        if module.first().is_some_and(|room| room == "cli") {
            continue;
        }
        let macros = source.macros.iter().filter(|(name, _)| PRINTS.contains(&name.as_str()));
        let macros = macros.map(|(name, line)| (format!("{name}!"), *line));
        let streams = source.imports.iter().filter(|import| STREAMS.iter().any(|stream| refuses(stream, import)));
        let streams = streams.map(|import| (import.text(), import.line));
        found.extend(macros.chain(streams).map(|(what, line)| format!("{}:{line}: {what}", file.display())));
    }
    assert_eq!(found, [""; 0]);
}

/// Siblings, files and directories alike, import each other in one direction only. A `mod.rs` belongs to its directory.
#[test]
fn no_import_circle_between_siblings() {
    let tree = Tree::read();
    // For each directory: which child imports which.
    let mut directories: BTreeMap<&[String], BTreeMap<&String, BTreeSet<&String>>> = BTreeMap::new();
    for (module, _, source) in &tree.0 {
        for import in source.imports.iter().filter(|import| !import.external && !import.test) {
            let common = module.iter().zip(&import.path).take_while(|(a, b)| a == b).count();
            let (Some(from), Some(to)) = (module.get(common), import.path.get(common)) else { continue };
            let is_module = tree.0.iter().any(|(module, _, _)| module[..] == import.path[..=common]);
            if is_module {
                directories.entry(&module[..common]).or_default().entry(from).or_default().insert(to);
            }
        }
    }
    let mut circles = Vec::new();
    for (directory, imports) in &directories {
        for start in imports.keys() {
            if let Some(circle) = circle(imports, start) {
                circles.push(format!("{}: {}", directory.join("::"), circle.join(" → ")));
            }
        }
    }
    assert_eq!(circles, [""; 0]);
}

/// A path from a module back to itself, if there is one.
fn circle(imports: &BTreeMap<&String, BTreeSet<&String>>, start: &String) -> Option<Vec<String>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        for next in imports.get(way.last()?).into_iter().flatten() {
            let longer = [&way[..], &[*next]].concat();
            if *next == start {
                return Some(longer.into_iter().cloned().collect());
            }
            if seen.insert(*next) {
                ways.push(longer);
            }
        }
    }
    None
}
