//! Values as dotenv files take them, and shells too: what is written here is read back by `--env-file` as it was.

/// Plain, in single quotes, or in double ones with escapes: the first that can hold the value.
pub fn quote(value: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '@' | '%' | '+' | '=' | ',');
    if value.chars().all(plain) {
        return value.to_owned();
    }
    // Between single quotes everything is literal, but not every reader agrees about a backslash or a line break.
    if !value.contains(['\'', '\\', '\n', '\r']) {
        return format!("'{value}'");
    }
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
