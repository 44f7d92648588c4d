//! The pages are complete: lists of codes, outcomes and options, links. tests/it/docs_examples runs their examples.

use crate::docs_options::lines_of_options;
use crate::support::Run;
use crate::support::markdown::Page;
use ai_provider_seed::testing::problem::{Code, Outcome};
use std::collections::BTreeMap;

#[test]
fn codes_page_has_one_section_per_code() {
    let page = Page::read("docs/codes.md");
    let mut sections: Vec<&str> =
        page.headings().iter().filter(|(level, _)| *level > 1).map(|(_, text)| *text).collect();
    let mut codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    sections.sort_unstable();
    codes.sort_unstable();
    assert_eq!(sections, codes);
}

#[test]
fn outcomes_page_has_each_outcome_with_its_exit_code() {
    let page = Page::read("docs/outcomes.md");
    let sections: Vec<&str> = page.headings().iter().filter(|(level, _)| *level > 1).map(|(_, text)| *text).collect();
    let words: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    assert_eq!(sections, words);
    for outcome in Outcome::ALL {
        let (_, after) = page.text.split_once(&format!("\n## {outcome}\n")).unwrap();
        let says = format!("\nExit code {}.", outcome.exit_code());
        assert!(after.starts_with(&says), "{outcome} does not begin with {says:?}");
    }
    let rows = Page::read("README.md").rows_below("Exit codes");
    let table: Vec<(&str, &str)> = rows.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
    let codes: Vec<String> = Outcome::ALL.iter().map(|outcome| outcome.exit_code().to_string()).collect();
    assert_eq!(table, codes.iter().map(String::as_str).zip(words).collect::<Vec<_>>());
}

#[test]
fn each_code_section_names_its_outcome() {
    let page = Page::read("docs/codes.md");
    for code in Code::ALL {
        let (_, section) = page.text.split_once(&format!("\n## {code}\n\n")).unwrap();
        let outcome = code.outcome().as_str();
        let problem = format!("outcome [{outcome}](outcomes.md#{outcome}).\n");
        let says = match code.outcome() {
            Outcome::Ok => "Warning.\n".to_owned(),
            _ if Code::STRICT.contains(code) => format!("Warning; with `--strict` a problem, {problem}"),
            _ => format!("Problem, {problem}"),
        };
        assert!(section.starts_with(&says), "{code} does not begin with {says:?}");
    }
}

/// Options of the built program with the defaults in its help.
fn options() -> BTreeMap<String, Option<String>> {
    let mut options = BTreeMap::new();
    for command in ["seed", "diff"] {
        for line in lines_of_options(command) {
            let name = line.split([' ', '[', '=']).next().unwrap().to_owned();
            let default = line.rsplit_once("[default: ").map(|(_, rest)| rest.trim_end_matches(']').to_owned());
            options.insert(name, default);
        }
    }
    options.remove("--help");
    options
}

#[test]
fn tables_of_options_are_complete() {
    let options = options();
    // Only --offline of `diff` is in this table; docs_options.rs checks the table of `diff`.
    let of_seed = Run::new(["seed", "--help"]).run().expect(0).stdout;
    let is_shared = |name: &&str| *name == "--offline" || of_seed.split([' ', '[', '\n']).any(|word| word == *name);
    let names: Vec<&str> = options.keys().map(String::as_str).filter(is_shared).collect();
    let rows = Page::read("docs/configuration.md").rows_below("Options of seed and diff");
    let mut documented: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    documented.sort_unstable();
    assert_eq!(documented, names);
    for row in &rows {
        if let Some(known) = &options[&row[0]] {
            assert_eq!(&row[2], known, "default of {}", row[0]);
        }
        assert_eq!(row[1], variable(&row[0]));
    }
}

fn variable(option: &str) -> String {
    ai_provider_seed::testing::options::variable_name(option.trim_start_matches('-'))
}

#[test]
fn pages_name_only_existing_variables() {
    let known: Vec<String> = options().keys().map(|option| variable(option)).collect();
    for page in Page::all() {
        for (at, _) in page.text.match_indices("AI_PROVIDER_SEED_") {
            let rest = &page.text[at..];
            let end = rest.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap_or(rest.len());
            let (name, next) = rest.split_at(end);
            let is_pattern = next.starts_with(['*', '<']);
            assert!(is_pattern || known.iter().any(|k| k == name), "{}: {name}", page.path.display());
        }
    }
}

#[test]
fn documented_provider_variables_are_known() {
    let page = Page::read("docs/configuration.md");
    let (fields, older) = (page.rows_below("Indexed variables"), page.rows_below("Older variables"));
    assert_eq!((fields.len(), older.len()), (18, 10));
    let mut run = Run::diff().json().arg("--offline");
    for prefix in ["CODER_AIBRIDGE_PROVIDER_0_", "CODER_AI_GATEWAY_PROVIDER_0_"] {
        run = fields.iter().fold(run, |run, row| run.env(format!("{prefix}{}", row[0]), "x"));
    }
    for family in ["CODER_AIBRIDGE_", "CODER_AI_GATEWAY_"] {
        run = older.iter().fold(run, |run, row| run.env(format!("{family}{}", row[0]), "x"));
    }
    let finished = run.run();
    assert!(!finished.codes("warnings").contains(&"unknown_variable".to_owned()), "{finished}");
}

#[test]
fn links_resolve() {
    let pages = Page::all();
    let mut broken = Vec::new();
    for page in &pages {
        for link in page.links().iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.path.clone() } else { page.path.parent().unwrap().join(path) };
            let there = target.exists();
            let anchored = anchor.is_empty()
                || there && target.is_file() && Page::read(&target).anchors().iter().any(|known| known == anchor);
            if !there || !anchored {
                broken.push(format!("{}: {link}", page.path.display()));
            }
        }
    }
    assert_eq!(broken, [""; 0]);
}

#[test]
fn every_page_is_in_the_index() {
    let index = Page::read("docs/README.md").links();
    for page in Page::all() {
        let Ok(below) = page.path.strip_prefix("docs") else { continue };
        let name = below.to_str().unwrap();
        assert!(
            ["README.md", "SUMMARY.md"].contains(&name) || index.iter().any(|link| link == name),
            "docs/README.md has no link to {name}"
        );
    }
}

#[test]
fn yaml_and_json_can_be_read() {
    for page in Page::all() {
        for block in page.blocks() {
            let place = format!("{}, line {}", page.path.display(), block.lines.start);
            match block.language.as_str() {
                "yaml" => {
                    for document in block.text.split("\n---\n") {
                        let value: Result<serde_json::Value, _> = serde_saphyr::from_str(document);
                        value.unwrap_or_else(|error| panic!("{place}: {error}"));
                    }
                }
                "json" => {
                    let value: Result<serde_json::Value, _> = serde_json::from_str(&block.text);
                    value.unwrap_or_else(|error| panic!("{place}: {error}"));
                }
                "console" | "mermaid" | "sh" | "sql" | "text" | "rust" => {}
                other => panic!("{place}: a block of language {other:?}"),
            }
        }
    }
}
