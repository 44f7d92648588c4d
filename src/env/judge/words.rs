//! Searches for many words at once.

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
            second[(word[0] & 127) as usize] |= 1 << (word[1] & 31);
            at += 1;
        }
        Words { words, second }
    }

    /// Whether the text contains any of the words.
    pub fn any_in(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let may_begin = |pair: &[u8]| self.second[usize::from(pair[0] & 127)] >> (pair[1] & 31) & 1 == 1;
        let begins = |at: usize| self.words.iter().any(|word| bytes[at..].starts_with(word.as_bytes()));
        bytes.windows(2).enumerate().any(|(at, pair)| may_begin(pair) && begins(at))
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
            assert!(!WORDS.any_in(text), "{text}");
        }
    }
}
