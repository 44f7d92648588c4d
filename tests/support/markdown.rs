//! The parts of Markdown that the pages use: headings, tables, links and fenced blocks.

use std::path::{Path, PathBuf};

pub struct Page {
    pub path: PathBuf,
    pub text: String,
}

/// A fenced block: its lines, and the comment directly above it (`<!-- database: deleted -->` is `database: deleted`).
pub struct Block {
    pub language: String,
    pub comment: String,
    /// Positions among the page's lines, without the fences.
    pub lines: std::ops::Range<usize>,
    pub text: String,
}

impl Page {
    /// README.md and its neighbours, and everything below docs/.
    pub fn all() -> Vec<Page> {
        let mut paths = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md"]
            .map(PathBuf::from)
            .to_vec();
        collect(Path::new("docs"), &mut paths);
        paths.sort();
        paths.into_iter().map(Page::read).collect()
    }

    pub fn read(path: impl Into<PathBuf>) -> Page {
        let path = path.into();
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Page { path, text }
    }

    pub fn blocks(&self) -> Vec<Block> {
        let lines: Vec<&str> = self.text.lines().collect();
        let mut blocks = Vec::new();
        let mut open: Option<(usize, String)> = None;
        for (at, line) in lines.iter().enumerate() {
            let Some(language) = line.trim_start().strip_prefix("```") else { continue };
            match open.take() {
                None => open = Some((at, language.to_owned())),
                Some((start, language)) => {
                    let above = lines[..start].iter().rfind(|line| !line.is_empty()).copied().unwrap_or_default();
                    let comment = above.trim().strip_prefix("<!-- ").and_then(|text| text.strip_suffix(" -->"));
                    blocks.push(Block {
                        language,
                        comment: comment.unwrap_or_default().to_owned(),
                        lines: start + 1..at,
                        text: lines[start + 1..at].join("\n"),
                    });
                }
            }
        }
        assert!(open.is_none(), "{}: a fence is not closed", self.path.display());
        blocks
    }

    /// The lines outside of fenced blocks.
    pub fn prose(&self) -> Vec<&str> {
        let blocks = self.blocks();
        let fenced = |at: &usize| blocks.iter().any(|block| block.lines.start <= at + 1 && *at <= block.lines.end);
        self.text.lines().enumerate().filter(|(at, _)| !fenced(at)).map(|(_, line)| line).collect()
    }

    /// Level and text.
    pub fn headings(&self) -> Vec<(usize, &str)> {
        let heading = |line: &'_ str| {
            let level = line.bytes().take_while(|b| *b == b'#').count();
            line.get(level..).filter(|rest| level > 0 && rest.starts_with(' ')).map(|_| level)
        };
        self.prose().into_iter().filter_map(|line| heading(line).map(|level| (level, line[level..].trim()))).collect()
    }

    /// As GitHub generates them.
    pub fn anchors(&self) -> Vec<String> {
        let kept = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
        let slug = |text: &str| text.to_lowercase().chars().filter(|c| kept(*c)).collect::<String>().replace(' ', "-");
        self.headings().into_iter().map(|(_, text)| slug(text)).collect()
    }

    /// The targets of all links.
    pub fn links(&self) -> Vec<String> {
        let of = |line: &str| {
            line.split("](")
                .skip(1)
                .filter_map(|rest| rest.split_once(')'))
                .map(|(target, _)| target.to_owned())
                .collect::<Vec<_>>()
        };
        self.prose().into_iter().flat_map(of).collect()
    }

    /// The rows of all tables below a heading, as cells without back ticks, without the heading and ruler of a table.
    pub fn rows_below(&self, heading: &str) -> Vec<Vec<String>> {
        let lines = self.prose();
        let is_heading = |line: &str| line.starts_with('#');
        let start = lines.iter().position(|line| is_heading(line) && line.trim_start_matches('#').trim() == heading);
        let start = start.unwrap_or_else(|| panic!("{}: no heading {heading}", self.path.display()));
        let below = lines[start + 1..].iter().take_while(|line| !is_heading(line));
        let rows: Vec<&&str> = below.filter(|line| line.starts_with('|')).collect();
        let is_ruler = |line: &str| line.starts_with("|-") || line.starts_with("| -");
        let is_head = |at: usize| rows.get(at + 1).is_some_and(|next| is_ruler(next));
        let cells =
            |line: &str| line.trim().trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
        (0..rows.len()).filter(|at| !is_ruler(rows[*at]) && !is_head(*at)).map(|at| cells(rows[at])).collect()
    }
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
}
