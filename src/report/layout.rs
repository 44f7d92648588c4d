//! Lays text out in columns that fit a terminal.

use std::borrow::Cow;

/// The least width of a right column; with less space, the text goes below the left column.
const NARROWEST: usize = 32;
/// The indent of text below its label.
const BELOW: usize = 4;

/// The layout of text.
#[derive(Clone, Copy)]
pub struct Style {
    pub colour: bool,
    /// The width of a line in columns. Longer words (a URL, an id) stay whole.
    pub width: usize,
}

impl Style {
    pub fn paint<'a>(self, code: &str, text: &'a str) -> Cow<'a, str> {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m").into() } else { text.into() }
    }

    pub fn error(self) -> Cow<'static, str> {
        self.paint("1;31", "error:")
    }

    pub fn strong(self, text: &str) -> Cow<'_, str> {
        self.paint("1", text)
    }
}

/// Appends the text and pads it with spaces to `width` characters.
pub fn pad(out: &mut String, text: &str, width: usize) {
    out.push_str(text);
    // A report may have hundreds of lines, and most texts have the width of their column.
    if width > 0 {
        out.extend(std::iter::repeat_n(' ', width.saturating_sub(characters(text))));
    }
}

/// Counts one by one only what is not ASCII.
pub fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// The columns that the characters take; control sequences take none.
fn columns(text: &str) -> usize {
    if !text.contains('\u{1b}') {
        return characters(text);
    }
    let (mut columns, mut in_sequence) = (0, false);
    for c in text.chars() {
        match c {
            '\u{1b}' => in_sequence = true,
            'm' if in_sequence => in_sequence = false,
            _ if in_sequence => {}
            _ => columns += 1,
        }
    }
    columns
}

/// Lines of at most `width` characters, broken at spaces; a longer word (a URL) stays whole.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Two columns: each left line, padded to `width`, beside one line of the wrapped right text.
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

/// A separate paragraph with this indent.
pub fn paragraph(indent: usize, text: &str, style: Style) -> String {
    wrap(text, style.width.saturating_sub(indent)).iter().map(|line| format!("{:indent$}{line}\n", "")).collect()
}

/// A left column of `width` characters, and the text of `right` beside it, or below it if there is no room. `right`
/// receives the columns that it may use.
pub fn labelled(
    indent: usize,
    left: &[&str],
    width: usize,
    style: Style,
    right: impl Fn(usize) -> Vec<String>,
) -> String {
    let room = style.width.saturating_sub(indent + width + 2);
    if room >= NARROWEST || width == 0 {
        return beside(indent, left, width, &right(room));
    }
    let labels: String = left.iter().map(|label| format!("{:indent$}{label}\n", "")).collect();
    let below = indent + BELOW;
    let text = right(style.width.saturating_sub(below)).into_iter().map(|line| format!("{:below$}{line}\n", ""));
    labels + &text.collect::<String>()
}

/// Appends one line with a label, a value of `values` columns and a remark; the remark goes below the value if the line
/// is too long.
pub fn with_remark(out: &mut String, label: &str, value: &str, values: usize, remark: &str, style: Style) {
    let start = out.len();
    out.push_str(label);
    pad(out, value, values);
    out.push_str("  ");
    out.push_str(remark);
    // No character has more columns than bytes, so most lines need no count.
    if out.len() - start > style.width && columns(&out[start..]) > style.width {
        out.truncate(start);
        let indent = columns(label).min(style.width.saturating_sub(columns(remark)));
        out.push_str(&format!("{}\n{:indent$}{remark}", format!("{label}{value}").trim_end(), ""));
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remark_goes_below_only_if_the_columns_do_not_fit() {
        let line = |value: &str| {
            let mut out = String::new();
            with_remark(&mut out, "  a  ", value, 4, "from b", Style { colour: false, width: 17 });
            out
        };
        assert_eq!(line("äöüß"), "  a  äöüß  from b\n");
        assert_eq!(line("é"), "  a  é     from b\n");
        assert_eq!(line("äöüßx"), "  a  äöüßx\n     from b\n");
    }

    #[test]
    fn words_stay_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("https://a.example/long is kept", 10), ["https://a.example/long", "is kept"]);
        assert_eq!(wrap("", 7), [""]);
        assert_eq!(beside(2, &["a", "b"], 3, &["x".into()]), "  a    x\n  b\n");
    }
}
