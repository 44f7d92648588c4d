//! Files of the project, and those that are generated from others.

use std::fs;
use std::path::{Path, PathBuf};

pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn read(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("read {path}: {error}"))
}

/// Checks that a generated file is current; with `UPDATE_FILES=1` it is rewritten.
pub fn assert_current(path: &str, text: &str) {
    if std::env::var_os("UPDATE_FILES").is_some() {
        fs::create_dir_all(root(path).parent().unwrap()).unwrap();
        fs::write(root(path), text).unwrap();
        return;
    }
    let found = fs::read_to_string(root(path)).unwrap_or_default();
    if found != text {
        let line = found.lines().zip(text.lines()).position(|(a, b)| a != b);
        let line = line.unwrap_or(found.lines().count().min(text.lines().count()));
        let at = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
        panic!(
            "{path} is not current at line {}; run its test with UPDATE_FILES=1\n  in the file  {}\n  should be    {}",
            line + 1,
            at(&found),
            at(text)
        );
    }
}
