//! Output for the pages: excerpts in tests/e2e/shown, which every run compares with its own output. `UPDATE_FILES=1 make
//! e2e` rewrites them, and `UPDATE_DOCS=1 cargo test --test it docs_examples` copies them into the pages.

use std::path::Path;

/// The id that replaces each conflict's id, which differs in every run.
pub const CONFLICT: &str = "ed7lijh33v6xf3w7ma6zwigoyb5nccs7";
/// The columns with ages.
const AGES: [&str; 2] = ["Age", "AGE"];

/// The times that replace every time.
const MOMENTS: [&str; 2] = ["2026-11-20T09:12:31Z", "2026-11-20 09:12 UTC"];

/// The lines of a stopped pod in the pages.
pub const POD: [&str; 7] =
    ["Name:", "Namespace:", "Status:", "Init Containers:", "ai-provider-seed:", "Message:", "Exit Code:"];
/// The lines of the resource in the pages.
pub const RESOURCE: [&str; 14] = [
    "Name:",
    "Namespace:",
    "Kind:",
    "Status:",
    "Conditions:",
    "Message:",
    "Reason:",
    "Status:",
    "Type:",
    "Conflicts:/",
    "Events:",
    "Type",
    "----",
    "Warning",
];

/// Selects lines by their beginnings, in this order; a beginning that ends with `/` includes the lines below it.
pub fn compare(name: &str, text: &str, wanted: &[&str], hide: &[(&str, &str)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/shown").join(name);
    let mut excerpt = moments(&excerpt(text, wanted));
    for (ours, shown) in hide {
        excerpt = excerpt.replace(ours, shown);
    }
    if std::env::var_os("UPDATE_FILES").is_some() {
        return std::fs::write(path, excerpt).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(excerpt, known, "{} is not what is shown today; UPDATE_FILES=1 make e2e rewrites it", path.display());
}

/// Replaces every time by the same one.
fn moments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let moment = MOMENTS.iter().find(|moment| {
            let alike = |(is, shown): (u8, u8)| is == shown || (is.is_ascii_digit() && shown.is_ascii_digit());
            rest.len() >= moment.len() && rest.bytes().zip(moment.bytes()).all(alike)
        });
        let taken = moment.map_or(first.len_utf8(), |moment| moment.len());
        out += moment.unwrap_or(&&rest[..taken]);
        rest = &rest[taken..];
    }
    out
}

fn excerpt(text: &str, wanted: &[&str]) -> String {
    let mut lines = text.lines().peekable();
    let mut found: Vec<String> = Vec::new();
    for start in wanted {
        let (start, whole) = start.strip_suffix('/').map_or((*start, false), |start| (start, true));
        let line = lines.find(|line| line.trim_start().starts_with(start));
        let line = line.unwrap_or_else(|| panic!("{start:?} of {wanted:?} is missing in\n{text}"));
        let depth = |line: &str| line.len() - line.trim_start().len();
        found.push(line.to_owned());
        while let Some(below) = lines.next_if(|below| whole && depth(below) > depth(line)) {
            found.push(below.to_owned());
        }
    }
    table(&found).iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The columns of a table are as wide as their content, ages included: they get a fixed width and one age.
fn table(lines: &[String]) -> Vec<String> {
    let cells = |line: &str| {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let Some(head) = lines.iter().position(|line| AGES.iter().any(|age| cells(line).contains(&(*age).to_owned())))
    else {
        return lines.to_vec();
    };
    let (prose, rows) = lines.split_at(head);
    let mut rows: Vec<Vec<String>> = rows.iter().map(|row| cells(row)).collect();
    let age = rows[0].iter().position(|cell| AGES.contains(&cell.as_str())).unwrap();
    for row in rows.iter_mut().skip(1).filter(|row| row[age] != "----") {
        row[age] = "5s".to_owned();
    }
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let indent = if prose.is_empty() { "" } else { "  " };
    let row = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(at, cell)| format!("{cell:0$}", width(at)));
        format!("{indent}{}", cells.collect::<Vec<_>>().join("   "))
    };
    prose.iter().cloned().chain(rows.iter().map(row)).collect()
}

#[test]
fn excerpt_has_the_wanted_lines_and_no_ages() {
    let text = "Name:  a\nUnwanted: 1\nStatus:\n  Conflicts:\n    Id:  1\n    Field:  x\n  Summary:\nEvents:\n  Type     Age    Message\n  ----     ----   -------\n  Warning  2m13s  it is\n";
    let expected = "Name:  a\n  Conflicts:\n    Id:  1\n    Field:  x\nEvents:\n  Type      Age    Message\n  ----      ----   -------\n  Warning   5s     it is\n";
    assert_eq!(excerpt(text, &["Name:", "Conflicts:/", "Events:", "Type", "----", "Warning"]), expected);
}

#[test]
fn times_are_masked() {
    let text = "Since:  2031-01-02T03:04:05Z (changed since 2031-01-02 03:04 UTC), 2031-01-02 – not";
    assert_eq!(moments(text), "Since:  2026-11-20T09:12:31Z (changed since 2026-11-20 09:12 UTC), 2031-01-02 – not");
}
