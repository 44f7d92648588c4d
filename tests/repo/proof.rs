//! docs/proof.md names tests that exist.

use std::path::Path;

/// `tests/x.rs`: `one`, `two`; `tests/y.rs`: `three`
#[test]
fn every_test_that_the_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/proof.md")).unwrap();
    let (mut source, mut named) = (String::new(), 0);
    for word in page.split('`').skip(1).step_by(2) {
        if word.ends_with(".rs") {
            source = std::fs::read_to_string(root.join(word)).unwrap_or_else(|error| panic!("{word}: {error}"));
        } else if word.contains('_')
            && word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit())
        {
            assert!(source.contains(&format!("fn {word}(")), "there is no test {word}");
            named += 1;
        }
    }
    assert!(named > 30, "{named} tests are named");
}
