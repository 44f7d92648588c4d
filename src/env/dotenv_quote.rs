//! Quotes values for dotenv files. `--env-file` reads back the same value, and so does a shell, except for `\n` in double
//! quotes.

/// Plain, in single quotes, or in double quotes with escapes: the first form that can hold the value.
pub fn quote(value: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '@' | '%' | '+' | '=' | ',');
    if value.chars().all(plain) {
        return value.to_owned();
    }
    // Single quotes make everything literal, but readers disagree about a backslash or a line break.
    if !value.contains(['\'', '\\', '\n', '\r']) {
        return format!("'{value}'");
    }
    // In double quotes a shell would run text between backticks, and dotenv has no escape for a backtick. So backticks go
    // into single quotes, and the parts are joined.
    if !value.contains('`') {
        return double(value);
    }
    let mut quoted = String::new();
    for (at, part) in value.split('`').enumerate() {
        if at > 0 {
            quoted.push_str("'`'");
        }
        if !part.is_empty() {
            quoted.push_str(&double(part));
        }
    }
    quoted
}

fn double(value: &str) -> String {
    let mut quoted = String::from("\"");
    for character in value.chars() {
        match character {
            '\\' | '"' | '$' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn backtick_is_never_in_double_quotes() {
        assert_eq!(quote("a`id`b"), "'a`id`b'");
        assert_eq!(quote("it's `id`"), "\"it's \"'`'\"id\"'`'");
        for value in ["'`id`", "`id`\\", "\n`$(id)`\"'"] {
            let (quoted, mut within) = (quote(value), None);
            let mut characters = quoted.chars();
            while let Some(character) = characters.next() {
                match (character, within) {
                    ('\\', Some('"')) => _ = characters.next(),
                    ('"' | '\'', None) => within = Some(character),
                    (quote, Some(open)) if quote == open => within = None,
                    ('`', _) => assert_eq!(within, Some('\''), "{quoted}"),
                    _ => {}
                }
            }
            assert_eq!(within, None, "{quoted}");
        }
    }

    /// Neither this parser nor a shell expands or runs any part of the value.
    #[test]
    fn quoted_value_is_read_back_by_a_shell() {
        for value in ["$HOME it's", "$(id) 'x'", "`id` it's $HOME", "\\ \"q\" $", "plain", "two words"] {
            let script = format!("V={}\nprintf %s \"$V\"", quote(value));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), value, "{script}");
        }
    }
}
