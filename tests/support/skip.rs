//! Reports a test that cannot run here. libtest has no such result and reports `ok`, so hack/test counts the lines of a
//! file.

use std::io::Write;

/// Records that the test of this thread does not run, and why. The reason is the same for all tests with the same missing
/// requirement: the summary of `make test` groups by it.
pub fn skip(reason: &str) {
    let line = format!("{reason}\t{}\n", std::thread::current().name().unwrap_or("a test"));
    eprint!("skipped: {line}");
    // Absent in a plain `cargo test`.
    let Some(path) = std::env::var_os("SKIPPED_TESTS") else { return };
    let file = std::fs::File::options().create(true).append(true).open(path);
    // One write, because several processes and threads append.
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("write down that a test is skipped");
}
