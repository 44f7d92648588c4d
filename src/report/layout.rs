//! Text in columns that fits a terminal.

/// Wide enough for a URL beside its origin, narrow enough for most terminals.
pub const WIDTH: usize = 120;
/// A column gets at least this much, however wide the left column is.
const NARROWEST: usize = 48;

/// Colour, only on a terminal.
#[derive(Clone, Copy)]
pub struct Style {
    pub colour: bool,
}

impl Style {
    pub fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub fn error(self) -> String {
        self.paint("1;31", "error:")
    }

    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// Lines of at most `width` characters, broken at spaces; a word that is longer (a URL) stays whole.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Two columns: the lines of the left one, padded to `width`, each beside a line of the wrapped right one.
pub fn beside(indent: usize, left: &[&str], width: usize, right: &[String]) -> String {
    let mut out = String::new();
    for at in 0..left.len().max(right.len()) {
        let left = left.get(at).copied().unwrap_or_default();
        let right = right.get(at).map(String::as_str).unwrap_or_default();
        let line = format!("{:indent$}{left:<width$}  {right}", "");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// How wide the right column may be.
pub fn room(indent: usize, left: usize) -> usize {
    WIDTH.saturating_sub(indent + left + 2).max(NARROWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("https://a.example/long is kept", 10), ["https://a.example/long", "is kept"]);
        assert_eq!(wrap("", 7), [""]);
        assert_eq!(beside(2, &["a", "b"], 3, &["x".into()]), "  a    x\n  b\n");
    }
}
