//! Every bound of docs/threat-model.md is a constant of the file that it names.

#[test]
fn bounds_of_the_threat_model_are_constants() {
    let page = std::fs::read_to_string("docs/threat-model.md").unwrap();
    let mut found = 0;
    for line in page.lines().filter(|line| line.starts_with('|') && line.contains("`src/")) {
        let mut source = None;
        let constants = line.rsplit('|').nth(1).unwrap();
        for word in constants.split('`').skip(1).step_by(2) {
            if word.starts_with("src/") {
                source = Some(std::fs::read_to_string(word).unwrap_or_else(|error| panic!("{word}: {error}")));
                continue;
            }
            let source = source.as_ref().unwrap_or_else(|| panic!("no file before {word}: {line}"));
            assert!(source.contains(&format!("const {word}: ")), "{word} is not there: {line}");
            found += 1;
        }
    }
    assert!(found >= 20, "only {found} constants");
}
