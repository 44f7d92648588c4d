//! `explain`: the meaning of a code, outcome, reason or field, and what to do.

use super::output::{print_error, print_result};
use crate::env::nearest;
use crate::explain::{Section, sections, texts};
use crate::options::RawOptions;
use crate::problem::Outcome;
use crate::provider::redact;

pub fn command(raw: &RawOptions) -> u8 {
    if raw.is_given("list") {
        let width = sections().map(|section| section.word.len()).max().unwrap_or(0);
        let lines: String = sections().map(|Section { word, kind, .. }| format!("{word:<width$}  {kind}\n")).collect();
        return print_result(&lines);
    }
    let words = raw.texts("word");
    if words.is_empty() {
        return refuse("name a code, an outcome, a reason or a field");
    }
    let mut chosen = Vec::new();
    for word in words {
        // A word may be both an outcome and a code.
        let before = chosen.len();
        chosen.extend(sections().filter(|section| section.word == word));
        if chosen.len() == before {
            return refuse(&unknown(word));
        }
    }
    match texts(&chosen) {
        Some(texts) => print_result(&texts.join("\n")),
        None => {
            print_error("internal error: the pages cannot be unpacked; please report it\n");
            Outcome::Internal.exit_code()
        }
    }
}

/// The text is quoted only if it is close to a known word: it may be a misplaced secret.
fn unknown(word: &str) -> String {
    let other_case = sections().find(|section| section.word.eq_ignore_ascii_case(word)).map(|section| section.word);
    match other_case.or_else(|| nearest(word, sections().map(|section| section.word))) {
        Some(meant) => format!("unknown word \"{}\"; did you mean \"{meant}\"?", redact::escape(word)),
        None => format!("unknown word of {}", redact::count(word.chars().count(), "character")),
    }
}

fn refuse(message: &str) -> u8 {
    print_error(&format!("error: {message}; ai-provider-seed explain --list shows all words\n"));
    Outcome::Invalid.exit_code()
}
