//! `explain` prints the pages' own sections.

use std::process::{Command, Stdio};

use crate::support::Run;
use crate::support::markdown::Page;

/// Kind, page, and the level of its sections.
const PAGES: [(&str, &str, usize); 4] =
    [("outcome", "outcomes", 2), ("code", "codes", 2), ("reason", "controller", 3), ("field", "conflicts", 3)];

/// Heading and text of each section of this level, read line by line.
fn sections(page: &str, level: usize) -> Vec<(String, String)> {
    let text = Page::read(format!("docs/{page}.md")).text;
    let prefix = format!("{} ", "#".repeat(level));
    let mut found = Vec::new();
    for part in format!("\n{text}").split(&format!("\n{prefix}")).skip(1) {
        let (heading, _) = part.split_once('\n').unwrap();
        // Up to a heading of a higher level; a shell comment in an example is not a heading.
        let mut lines = Vec::new();
        let mut in_code = false;
        for line in part.lines() {
            in_code ^= line.starts_with("```");
            if !in_code && (1..level).any(|higher| line.starts_with(&format!("{} ", "#".repeat(higher)))) {
                break;
            }
            lines.push(line);
        }
        let text: Vec<&str> = lines.into_iter().filter(|line| !line.starts_with("<!-- ")).collect();
        found.push((heading.to_owned(), format!("{prefix}{}\n", text.join("\n").trim_end())));
    }
    found
}

/// Each `[text](page.md#anchor)` as its text, replaced piece by piece.
fn without_links(text: &str) -> String {
    let mut pieces = text.split("](");
    let mut out = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (target, rest) = piece.split_once(')').unwrap();
        if target.contains("://") {
            out.push_str(&format!("]({target})"));
        } else {
            let open = out.rfind('[').unwrap();
            out.remove(open);
        }
        out.push_str(rest);
    }
    out
}

#[test]
fn explain_prints_each_section_of_the_pages() {
    let mut expected = Vec::new();
    for (kind, page, level) in PAGES {
        for (word, text) in sections(page, level) {
            let printed = Run::new(["explain", &word]).run().expect(0);
            // Relative links do not work on a terminal.
            let (heading, rest) = text.split_once('\n').unwrap();
            let text = without_links(rest);
            assert!(printed.stdout.contains(heading), "{}", printed.stdout);
            assert!(printed.stdout.contains(&text), "{page}: {word}\n{}\n---\n{text}", printed.stdout);
            assert_eq!(printed.stderr, "");
            expected.push((word, kind.to_owned()));
        }
    }
    let list = Run::new(["explain", "--list"]).run().expect(0).stdout;
    let listed: Vec<(String, String)> = list
        .lines()
        .map(|line| line.split_once(' ').map(|(word, kind)| (word.to_owned(), kind.trim().to_owned())).unwrap())
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn explain_of_a_word_with_two_meanings_prints_both() {
    let printed = Run::new(["explain", "internal"]).run().expect(0).stdout;
    for heading in ["## internal (outcome)\n", "## internal (code)\n"] {
        assert_eq!(printed.matches(heading).count(), 1, "{printed}");
    }
    assert!(!printed.contains("](runbooks"), "{printed}");
}

#[test]
fn explain_of_an_unknown_word_suggests_the_nearest() {
    for (word, said) in [
        ("conflikt", "did you mean \"conflict\"?"),
        ("wouldseed", "did you mean \"WouldSeed\"?"),
        ("sk-Zq7vXw2LkPm4Rt8s", "unknown word of 19 characters"),
    ] {
        let refused = Run::new(["explain", word]).run().expect(2);
        assert_eq!(refused.stdout, "");
        assert!(refused.stderr.contains(said) && refused.stderr.contains("explain --list"), "{}", refused.stderr);
    }
    Run::new(["explain"]).run().expect(2);
}

#[test]
fn explain_fails_when_its_output_cannot_be_written() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let program = env!("CARGO_BIN_EXE_ai-provider-seed");
    let output = Command::new(program).args(["explain", "conflict"]).stdout(Stdio::from(full)).output().unwrap();
    assert_eq!(output.status.code(), Some(74));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("could not be written") && said.contains("output_failed"), "{said}");
}
