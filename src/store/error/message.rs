//! Prepares a server's message for the search for known words.

/// In lower case and without quoted parts, which are names that anyone may have chosen.
pub(super) fn outside_quotes(message: &str) -> String {
    let mut text = String::new();
    let mut closing = None;
    for c in message.chars() {
        match closing {
            Some(end) if c == end || (end == '“' && c == '”') => closing = None,
            Some(_) => {}
            None => {
                closing = match c {
                    '"' => Some('"'),
                    '„' => Some('“'),
                    '“' => Some('”'),
                    '«' => Some('»'),
                    '»' => Some('«'),
                    '「' => Some('」'),
                    _ => None,
                };
                if closing.is_none() {
                    text.extend(c.to_lowercase());
                } else {
                    text.push(' ');
                }
            }
        }
    }
    text
}
