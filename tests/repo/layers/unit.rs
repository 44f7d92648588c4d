//! The checker itself: it finds each way to write an import, and ignores text that only looks like one.

use super::refused;
use super::source::{self, Source};
use std::collections::BTreeSet;

fn read(module: &str, text: &str) -> Source {
    let names: Vec<&str> = module.split("::").collect();
    let modules = ["plan", "plan::conflict", "plan::resolve", "store", "kubernetes"].map(super::path);
    source::read(text, &names, &BTreeSet::from(modules))
}

fn texts(module: &str, text: &str) -> Vec<String> {
    read(module, text).imports.iter().map(super::Import::text).collect()
}

/// The table's verdict on a module with this text.
fn verdict(module: &str, text: &str) -> Vec<String> {
    let source = read(module, text);
    refused(&super::path(module), &source).iter().map(|(_, import)| import.text()).collect()
}

#[test]
fn planted_imports_are_refused() {
    for (module, text, expected) in [
        ("plan", "use crate::{kubernetes::x};", "crate::kubernetes::x"),
        ("plan::resolve", "use super::super::store;", "crate::store"),
        ("plan", "use crate::{\n    env::Names,\n    store::{\n        insert,\n    },\n};", "crate::store::insert"),
        ("plan", "fn f() { crate::store::insert::run(); }", "crate::store::insert::run"),
        ("plan", "fn f() -> super::store::Error {}", "crate::store::Error"),
        ("plan", "use crate::*;", "crate::*"),
        ("plan", "use crate as ours;\nfn f() { ours::store::run() }", "crate::store::run"),
        ("plan", "fn f() { here::run() }\nuse crate::store as here;", "crate::store"),
        ("plan", "use tokio as t;", "tokio"),
        ("plan", "fn f() { tokio::time::sleep(); }", "tokio::time::sleep"),
        ("plan", "fn f() { ::tokio::spawn(); }", "tokio::spawn"),
        ("plan", "mod inner { use super::super::store; }", "crate::store"),
        ("plan", "#[cfg(test)]\nmod tests { use crate::store::x; }", "crate::store::x"),
        ("kubernetes::status", "use kube::Client;", "kube::Client"),
        ("run::seed", "pub(in crate::run) use crate::report::{self, terminal};", "crate::report"),
        ("store", "#[doc(hidden)] pub use ai_provider_seed::report;", "crate::report"),
    ] {
        assert!(verdict(module, text).contains(&expected.to_owned()), "{text}: {:?}", verdict(module, text));
    }
}

#[test]
fn comments_and_strings_are_not_imports() {
    for (module, text) in [
        ("plan", "// use crate::store;\n/* use crate::store; /* nested */ use tokio; */"),
        ("plan", "const A: &str = \"use crate::store; \\\" tokio::x\"; const B: &str = r#\"\"tokio::x\"#;"),
        ("plan", "fn f<'a>(c: &'a str) { let _ = ('\"', '\\'', \"tokio::x\"); }"),
        ("plan", "#[cfg(test)]\nmod tests { use postgres::Client; }"),
        ("plan", "use super::env; use std::store;"),
        ("kubernetes::status", "use k8s_openapi::jiff::Timestamp;"),
        ("store", "use tokio_postgres::Client;"),
    ] {
        assert_eq!(verdict(module, text), [""; 0], "{text}");
    }
    assert_eq!(verdict("plan", "mod not_a_test { use postgres::Client; }"), ["postgres::Client"]);
}

#[test]
fn paths_are_resolved() {
    assert_eq!(texts("plan", "use conflict::Conflict;"), ["crate::plan::conflict::Conflict"]);
    assert_eq!(
        texts("plan::resolve", "use super::conflict::{self, A as B};"),
        ["crate::plan::conflict", "crate::plan::conflict::A"]
    );
    assert_eq!(texts("plan", "use self::conflict::*;"), ["crate::plan::conflict::*"]);
    assert_eq!(
        texts("plan", "use crate::store;\nfn f() { store::run::<u8>() }"),
        ["crate::store", "crate::store::run"]
    );
}

#[test]
fn printing_is_seen() {
    let source = read("plan", "fn f() { std::println!(\"{}\", a != b); // eprintln!()\n}");
    assert_eq!(source.macros, [("println".to_owned(), 1)]);
    let source = read("plan", "use std::{io::{self}};\nfn f() { io::stdout(); }");
    assert!(source.imports.iter().any(|import| import.text() == "std::io::stdout"), "{source:?}");
}
