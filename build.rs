//! Puts the sections of the pages that `explain` prints into the program, compressed.

use std::fmt::Write;
use std::path::Path;

/// Kind, page, and the heading above the sections (`None`: they are the page's top sections).
const PAGES: [(&str, &str, Option<&str>); 4] = [
    ("outcome", "outcomes", None),
    ("code", "codes", None),
    ("reason", "controller", Some("Reasons")),
    ("field", "conflicts", Some("Fields")),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=AI_PROVIDER_SEED_DOCS_URL");
    let (mut text, mut rows) = (String::new(), String::new());
    for (kind, page, below) in PAGES {
        let path = format!("docs/{page}.md");
        println!("cargo:rerun-if-changed={path}");
        let markdown = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        for (word, section) in sections(&markdown, below) {
            let _ = writeln!(rows, "({word:?}, {kind:?}, {page:?}, {}, {}),", text.len(), section.len());
            text.push_str(&section);
        }
    }
    let out = std::env::var("OUT_DIR").unwrap_or_else(|error| panic!("OUT_DIR: {error}"));
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(Path::new(&out).join(name), bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    };
    write("explain.deflate", &miniz_oxide::deflate::compress_to_vec(text.as_bytes(), 10));
    write("explain.rs", format!("&[{rows}]").as_bytes());
}

/// The word in each heading and the section as on the page, heading included, without comments (they belong to the
/// tests of the page).
fn sections(markdown: &str, below: Option<&str>) -> Vec<(String, String)> {
    let level = if below.is_some() { "### " } else { "## " };
    let mut sections: Vec<(String, String)> = Vec::new();
    let (mut is_wanted, mut is_open, mut in_code) = (below.is_none(), false, false);
    for line in markdown.lines() {
        in_code ^= line.trim_start().starts_with("```");
        if !in_code {
            if let Some(heading) = line.strip_prefix(level).filter(|_| is_wanted) {
                sections.push((heading.to_owned(), String::new()));
                is_open = true;
            } else if line.starts_with("# ") || line.starts_with("## ") {
                is_wanted = below.is_none() || line.strip_prefix("## ") == below;
                is_open = false;
            }
        }
        if let Some((_, text)) = sections.last_mut().filter(|_| is_open && !line.starts_with("<!-- ")) {
            text.push_str(line);
            text.push('\n');
        }
    }
    for (_, text) in &mut sections {
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    sections
}
