//! docs/codes.md explains every code.

use ai_provider_seed::testing::problem::Code;

#[test]
fn every_code_is_explained() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/codes.md");
    let text = std::fs::read_to_string(path).unwrap();
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    let has = |code: &Code| {
        let word = |heading: &&str| {
            heading.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).any(|w| w == code.as_str())
        };
        headings.iter().any(word)
    };
    let missing: Vec<&str> = Code::ALL.iter().filter(|code| !has(code)).map(|code| code.as_str()).collect();
    assert!(missing.is_empty(), "docs/codes.md has no section for {missing:?}");
}
