//! The pages as a book: its table of contents, and the index by message, which is generated from the sections of the
//! codes.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::files::{assert_current, read};
use crate::support::markdown::{Block, Page};

#[test]
fn table_of_contents_has_every_page_once() {
    let links = Page::read("docs/SUMMARY.md").links();
    let unique: BTreeSet<&String> = links.iter().collect();
    assert_eq!(unique.len(), links.len(), "a page is listed twice");
    let pages: BTreeSet<String> = Page::all()
        .iter()
        .filter_map(|page| page.path.strip_prefix("docs").ok().map(|path| path.to_str().unwrap().to_owned()))
        .filter(|path| path != "SUMMARY.md")
        .collect();
    assert_eq!(links.iter().cloned().collect::<BTreeSet<_>>(), pages);
    // By default mdBook creates a missing page.
    let book = read("book.toml");
    assert!(book.contains("src = \"docs\"") && book.contains("create-missing = false"));
}

#[test]
fn diagram_is_the_same_on_both_pages() {
    let diagram = |path: &str| {
        let blocks = Page::read(path).blocks();
        let found: Vec<String> = blocks.into_iter().filter(|b| b.language == "mermaid").map(|b| b.text).collect();
        assert_eq!(found.len(), 1, "{path}");
        found
    };
    assert_eq!(diagram("README.md"), diagram("docs/architecture.md"));
}

/// The text before `(code)` in a report, joined from its lines. A message is in a column after its variables, or alone.
fn message(block: &Block, code: &str) -> Option<String> {
    let lines: Vec<&str> = block.text.lines().collect();
    let last = lines.iter().position(|line| line.starts_with("  ") && line.ends_with(&format!("({code})")))?;
    let ends_before =
        |line: &&&str| line.is_empty() || !line.starts_with("  ") || line.ends_with("_*)") || is_end(line);
    let first = last - lines[..last].iter().rev().take_while(|line| !ends_before(line)).count();
    let end = format!("({code})");
    let rows: Vec<&str> =
        lines[first..=last].iter().map(|line| line.strip_suffix(&end).unwrap_or(line).trim_end()).collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let behind_the_name = |line: &str| {
        let rest = line.get(2..)?;
        rest.find("  ").map(|gap| 2 + gap + indent(&rest[gap..]))
    };
    let column = lines[first..=last].iter().map(|line| indent(line)).find(|indent| *indent > 2);
    let column = column.or_else(|| rows.iter().find_map(|row| behind_the_name(row))).unwrap_or(2);
    let parts: Vec<&str> =
        rows.iter().filter_map(|row| row.get(column..)).map(str::trim).filter(|part| !part.is_empty()).collect();
    Some(parts.join(" ")).filter(|text| !text.is_empty())
}

/// A line that ends another message: with a code in parentheses.
fn is_end(line: &str) -> bool {
    let code = line.strip_suffix(')').and_then(|line| line.rsplit_once('(')).map(|(_, code)| code);
    code.is_some_and(|code| code.contains('_') && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
}

/// For each code, the messages in the examples of its section, or its first sentence.
fn index() -> String {
    let page = Page::read("docs/codes.md");
    let lines: Vec<&str> = page.text.lines().collect();
    let mut rows: BTreeMap<String, String> = BTreeMap::new();
    let heads: Vec<(usize, &str)> =
        lines.iter().enumerate().filter_map(|(at, line)| line.strip_prefix("## ").map(|code| (at, code))).collect();
    for (place, (start, code)) in heads.iter().enumerate() {
        let end = heads.get(place + 1).map_or(lines.len(), |(at, _)| *at);
        let blocks = page.blocks();
        let found = blocks
            .iter()
            .filter(|block| block.lines.start > *start && block.lines.end < end)
            .find_map(|block| message(block, code));
        let text = found.unwrap_or_else(|| {
            let paragraph: Vec<&str> =
                lines[start + 4..end].iter().take_while(|line| !line.is_empty()).copied().collect();
            format!("({})", paragraph.join(" ").split(". ").next().unwrap().trim_end_matches('.'))
        });
        let text = text.replace('|', "\\|").replace('<', "&lt;");
        rows.insert(format!("{}{code}", text.to_lowercase()), format!("| {text} | [{code}](codes.md#{code}) |\n"));
    }
    let mut out = "# Index by message\n\nSorted by the beginning of the message; names and values are from an example. Text in parentheses describes a code\n\
        without an example. Made from [codes.md](codes.md); do not edit.\n\n| Message | Code |\n|---|---|\n"
        .to_owned();
    rows.values().for_each(|row| out.push_str(row));
    let word = |kind: &str, page: &str, level: usize, below: Option<&str>| {
        let page_text = Page::read(format!("docs/{page}.md"));
        let headings = page_text.headings();
        let from = below.map_or(0, |below| headings.iter().position(|(_, text)| *text == below).unwrap() + 1);
        let words: Vec<String> = headings[from..]
            .iter()
            .take_while(|(depth, _)| below.is_none() || *depth >= level)
            .filter(|(depth, _)| *depth == level)
            .map(|(_, word)| format!("[{word}]({page}.md#{})", word.to_lowercase()))
            .collect();
        format!("\n**{kind}:** {}\n", words.join(", "))
    };
    out.push_str(&word("Outcomes", "outcomes", 2, None));
    out.push_str(&word("Reasons of a condition", "controller", 3, Some("Reasons")));
    out.push_str(&word("Fields", "conflicts", 3, Some("Fields")));
    out
}

#[test]
fn index_by_message_is_made_of_the_codes() {
    let index = index();
    let messages = index.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| (")).count();
    assert!(messages > 40, "only {messages} codes with a message");
    assert_current("docs/messages.md", &index);
}
