//! Searches for many words at once.

/// Characters that join words like `-` does.
pub const JOINTS: [u8; 3] = [b'_', b' ', b'.'];

/// Words of at least two bytes. Almost no value contains one, and a single pass proves it: at each position, two bytes
/// decide whether any word may begin there. Separate searches need one pass per word, each with its own tables.
pub struct Words<const N: usize> {
    words: [&'static str; N],
    /// Index: the first byte of a word without its highest bit. Bits: the low five bits of the possible second bytes.
    second: [u32; 128],
}

impl<const N: usize> Words<N> {
    pub const fn new(words: [&'static str; N]) -> Self {
        let (mut second, mut at) = ([0; 128], 0);
        while at < N {
            let word = words[at].as_bytes();
            // `any_joined_in` would miss such a word.
            assert!(word[0] != b'-' && word[1] != b'-');
            second[(word[0] & 127) as usize] |= 1 << (word[1] & 31);
            at += 1;
        }
        Words { words, second }
    }

    /// Whether the text contains any of the words.
    pub fn any_in(&self, text: &str) -> bool {
        self.any_with(text, |byte, of_word| byte == of_word)
    }

    /// The same, and for a `-` the text may have another character that joins words. The first two bytes of a word are exact.
    pub fn any_joined_in(&self, text: &str) -> bool {
        self.any_with(text, |byte, of_word| byte == of_word || (of_word == b'-' && JOINTS.contains(&byte)))
    }

    fn any_with(&self, text: &str, is_same: impl Fn(u8, u8) -> bool) -> bool {
        let bytes = text.as_bytes();
        let may_begin = |pair: &[u8]| self.second[usize::from(pair[0] & 127)] >> (pair[1] & 31) & 1 == 1;
        let is_at = |at: usize, word: &str| {
            let of_text = bytes.get(at..at + word.len());
            of_text.is_some_and(|text| text.iter().zip(word.bytes()).all(|(byte, of_word)| is_same(*byte, of_word)))
        };
        bytes.windows(2).enumerate().any(|(at, pair)| may_begin(pair) && self.words.iter().any(|word| is_at(at, word)))
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn words_are_found_at_every_place() {
        const WORDS: Words<4> = Words::new(["ab", "abc-d", "***", "•••"]);
        for text in ["ab", "xab", "xxabx", "a***", "••••", "x••• "] {
            assert!(WORDS.any_in(text), "{text}");
        }
        // `\u{e1}` and `\u{22}` share low bits with letters that begin a word.
        for text in ["", "a", "b", "ba", "a-b", "**", "a*b*", "••", "\u{e1}\u{22}", "öäü", "a\u{82}"] {
            assert!(!WORDS.any_in(text) && !WORDS.any_joined_in(text), "{text}");
        }
    }

    #[test]
    fn joined_words_may_have_any_joint() {
        const WORDS: Words<2> = Words::new(["set-me-", "in-here"]);
        for text in ["set-me-", "xset_me.", "set me_x", "in here", "in.here"] {
            assert!(WORDS.any_joined_in(text), "{text}");
        }
        for text in ["setme", "set+me-", "set-me", "in-her", "in--here"] {
            assert!(!WORDS.any_joined_in(text), "{text}");
        }
    }
}
