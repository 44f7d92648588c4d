//! "Did you mean …": the closest known word, if it is close.

use strsim::osa_distance;

use super::synonyms;

/// The candidate within two edits of `word` (one, if the word is short); among equally close ones, a candidate of the
/// same length.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = if word.len() <= 3 { 1 } else { 2 };
    // The distance is at least the difference in length. Without this check a value of 128 KiB would take minutes.
    let longest = if word.is_ascii() { 1 } else { 4 };
    let plausible = |candidate: &&str| candidate.len().abs_diff(word.len()) <= longest * limit && word.len() < 256;
    candidates
        .into_iter()
        .filter(plausible)
        .map(|candidate| (osa_distance(word, candidate), candidate.len().abs_diff(word.len()), candidate))
        .filter(|(distance, ..)| *distance <= limit)
        .min_by_key(|(distance, difference, _)| (*distance, *difference))
        .map(|(.., candidate)| candidate)
}

/// A known suffix of a variable: close in spelling, or one is the end of the other (`API_KEY` for `KEY`, `REGION` for
/// `BEDROCK_REGION`).
pub fn nearest_suffix<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let ends = |long: &str, short: &str| long.strip_suffix(short).is_some_and(|rest| rest.ends_with('_'));
    let synonym = synonyms::field(word).filter(|field| known.contains(field));
    synonym.or_else(|| nearest(word, known.iter().copied())).or_else(|| {
        let related = |candidate: &&&str| word.len() >= 3 && (ends(word, candidate) || ends(candidate, word));
        known.iter().filter(related).max_by_key(|candidate| ends(word, candidate)).copied()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_words() {
        let suffixes = ["TYPE", "NAME", "KEY", "KEYS", "BASE_URL", "BEDROCK_REGION", "BEDROCK_MODEL"];
        for (word, expected) in [
            ("KEYZ", Some("KEYS")),
            ("KEX", Some("KEY")),
            ("TPYE", Some("TYPE")),
            ("BASEURL", Some("BASE_URL")),
            ("API_KEY", Some("KEY")),
            ("API_KEYS", Some("KEYS")),
            ("REGION", Some("BEDROCK_REGION")),
            ("URL", Some("BASE_URL")),
            ("FOO", None),
            ("TYYYPPOO", None),
            ("DUMP_DIR", None),
        ] {
            assert_eq!(nearest_suffix(word, &suffixes), expected, "{word}");
        }
        assert_eq!(nearest("opnai", ["openai", "anthropic"]), Some("openai"));
        // Two edits are close for a long word but not for a short one.
        assert_eq!(nearest("opnia", ["openai", "anthropic"]), Some("openai"));
        assert_eq!(nearest("KXX", ["KEY", "NAME"]), None);
        assert_eq!(nearest("öpenaï", ["openai"]), Some("openai"));
        assert_eq!(nearest(&"x".repeat(100_000), ["openai"]), None);
    }
}
