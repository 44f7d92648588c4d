//! Explains each code, outcome, reason and field with the sections of the docs pages, which the program contains.

use crate::identity::DOCS;

/// One section of a page.
pub struct Section {
    pub word: &'static str,
    /// `outcome`, `code`, `reason` or `field`.
    pub kind: &'static str,
    /// The page's name, without `.md`.
    page: &'static str,
    start: usize,
    length: usize,
}

type Row = (&'static str, &'static str, &'static str, usize, usize);

/// Written by build.rs, in the order of `--list`.
const ROWS: &[Row] = include!(concat!(env!("OUT_DIR"), "/explain.rs"));
const TEXT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/explain.deflate"));

pub fn sections() -> impl Iterator<Item = Section> {
    ROWS.iter().map(|&(word, kind, page, start, length)| Section { word, kind, page, start, length })
}

/// The text of these sections in Markdown. `None`: the program itself is damaged.
pub fn texts(sections: &[Section]) -> Option<Vec<String>> {
    let whole = miniz_oxide::inflate::decompress_to_vec(TEXT).ok()?;
    let text = |section: &Section| {
        let bytes = whole.get(section.start..section.start + section.length)?;
        let text = without_relative_links(std::str::from_utf8(bytes).ok()?);
        // A word may be both an outcome and a code.
        let has_another = sections.iter().any(|other| other.word == section.word && other.kind != section.kind);
        let kind = if has_another { format!(" ({})", section.kind) } else { String::new() };
        let (heading, rest) = text.split_once('\n')?;
        Some(format!("{heading}{kind}\n{rest}"))
    };
    sections.iter().map(text).collect()
}

/// A relative link such as `[conflicts.md](conflicts.md#fields)` is useless on a terminal: only its text is printed.
/// Absolute links stay.
fn without_relative_links(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(middle) = rest.find("](") {
        let (before, after) = (&rest[..middle], &rest[middle + 2..]);
        let (Some(open), Some(close)) = (before.rfind('['), after.find(')')) else { break };
        let target = &after[..close];
        if target.contains("://") || target.contains(char::is_whitespace) {
            out.push_str(&rest[..middle + 2 + close + 1]);
        } else {
            out.push_str(&before[..open]);
            out.push_str(&before[open + 1..]);
        }
        rest = &after[close + 1..];
    }
    out + rest
}

/// The end of a message: `ai-provider-seed explain conflict`, and the page's address if the build has one.
pub fn pointer(word: &str) -> String {
    pointer_with(word, DOCS)
}

fn pointer_with(word: &str, docs: Option<&str>) -> String {
    let command = format!("ai-provider-seed explain {word}");
    let section = sections().find(|section| section.word == word);
    match (docs, section) {
        (Some(base), Some(section)) => {
            let anchor = word.to_ascii_lowercase();
            format!("{command} · {}/{}#{anchor}", base.trim_end_matches('/'), section.page)
        }
        _ => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Code, Outcome};
    use crate::provider::Field;

    #[test]
    fn link_is_printed_only_where_the_build_has_one() {
        assert_eq!(pointer_with("conflict", None), "ai-provider-seed explain conflict");
        let links = [
            ("conflict", "outcomes#conflict"),
            ("unknown_type", "codes#unknown_type"),
            ("WouldSeed", "controller#wouldseed"),
            ("base_url", "conflicts#base_url"),
        ];
        for (word, page) in links {
            let expected = format!("ai-provider-seed explain {word} · https://docs.example/v1/{page}");
            assert_eq!(pointer_with(word, Some("https://docs.example/v1/")), expected);
        }
    }

    #[test]
    fn relative_links_are_printed_as_their_text() {
        for (markdown, printed) in [
            (
                "see [conflicts.md](conflicts.md#fields), [`--wait`](x.md) and more",
                "see conflicts.md, `--wait` and more",
            ),
            ("[Coder](https://coder.com/docs) [a](b.md)", "[Coder](https://coder.com/docs) a"),
            ("a[0](not a link) [x] (y)", "a[0](not a link) [x] (y)"),
        ] {
            assert_eq!(without_relative_links(markdown), printed);
        }
        let all: Vec<Section> = sections().collect();
        let all = texts(&all).unwrap_or_default();
        assert!(!all.is_empty() && all.iter().all(|text| !text.contains(".md#") && !text.contains(".md)")), "{all:?}");
    }

    #[test]
    fn every_word_of_a_report_is_explained() {
        let explained: Vec<(&str, &str)> = sections().map(|section| (section.kind, section.word)).collect();
        let codes = Code::ALL.iter().map(|code| ("code", code.as_str()));
        let outcomes = Outcome::ALL.iter().map(|outcome| ("outcome", outcome.as_str()));
        let fields = [Field::Type, Field::BaseUrl, Field::BedrockRegion, Field::ApiKeys, Field::BedrockCredentials];
        let fields = fields.map(|field| ("field", field.as_str()));
        for word in codes.chain(outcomes).chain(fields) {
            assert!(explained.contains(&word), "{word:?}");
        }
        #[cfg(feature = "controller")]
        for reason in crate::kubernetes::crd::reason::Reason::ALL {
            assert!(explained.contains(&("reason", reason.as_str())), "{reason}");
        }
    }
}
