//! `--env-file`: provider variables from a dotenv file, values literal.

use std::path::Path;

use super::variable::Variable;
use crate::problem::{Code, Problem};
use crate::provider::{Source, shown};

/// More than any environment a kernel would take, and little enough to hold in memory.
const LIMIT: u64 = 64 << 20;

pub fn read_file(path: &Path) -> Result<Vec<Variable>, Problem> {
    let problem =
        |message: String| Problem::new(Code::EnvFileInvalid, message).variable(shown::name(&path.to_string_lossy()));
    let size = std::fs::metadata(path).map_err(|error| problem(format!("cannot be read: {}", error.kind())))?.len();
    if size > LIMIT {
        return Err(problem(format!("{size} bytes; at most {LIMIT} are read")));
    }
    let bytes = std::fs::read(path).map_err(|error| problem(format!("cannot be read: {}", error.kind())))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        problem(format!("line {line} is not Unicode (UTF-8)"))
    })?;
    parse(&text).map_err(problem)
}

/// The crate replaces `$NAME` by variables; people's keys contain `$`. So every `$` is put aside while it reads.
pub fn parse(text: &str) -> Result<Vec<Variable>, String> {
    let aside = ('\u{f0000}'..='\u{ffffd}').find(|c| !text.contains(*c)).ok_or("holds every private-use character")?;
    let literal = set_aside(text, aside);
    let mut variables = Vec::new();
    for (number, item) in dotenvy::from_read_iter(literal.as_bytes()).enumerate() {
        let (name, value) = item.map_err(|error| match error {
            // The error holds the rest of the line, and with it the key: it only serves to find the place.
            dotenvy::Error::LineParse(rest, _) => {
                let rest = rest.lines().next().unwrap_or_default().trim();
                let line = text.lines().position(|line| !rest.is_empty() && set_aside(line, aside).contains(rest));
                let place = line.map_or(format!("entry {}", number + 1), |line| format!("line {}", line + 1));
                format!(
                    "{place} is not NAME=value; put values with white space, quotes or # in them between single quotes"
                )
            }
            other => format!("entry {} cannot be read: {}", number + 1, kind(&other)),
        })?;
        if value.contains('\0') || name.contains('\0') {
            return Err(format!("the value of {} holds a NUL character; Postgres cannot store it", shown::name(&name)));
        }
        let (name, value) = (name.replace(aside, "$"), value.replace(aside, "$"));
        variables.push(Variable::new(name, value, Source::EnvFile));
    }
    Ok(variables)
}

/// `\$` is the escape for a plain `$` and stays as it is.
fn set_aside(text: &str, aside: char) -> String {
    let mut escaped = false;
    text.chars()
        .map(|c| {
            let replaced = if c == '$' && !escaped { aside } else { c };
            escaped = c == '\\' && !escaped;
            replaced
        })
        .collect()
}

fn kind(error: &dotenvy::Error) -> &'static str {
    match error {
        dotenvy::Error::Io(_) => "input error",
        _ => "unexpected content",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let variables = parse(text).unwrap_or_else(|error| panic!("{error}"));
        variables.into_iter().map(|v| (v.name.clone(), v.value().unwrap_or_default().to_owned())).collect()
    }

    #[test]
    fn values_are_literal() {
        let text =
            "# comment\nA=plain$HOME\nexport B=\"double ${HOME} $A\"\nC='single $A'\nD=\\$x\nE=\nA=again # comment\n";
        let expected = [
            ("A", "plain$HOME"),
            ("B", "double ${HOME} $A"),
            ("C", "single $A"),
            ("D", "$x"),
            ("E", ""),
            ("A", "again"),
        ];
        assert_eq!(pairs(text), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn an_error_names_the_line_and_nothing_of_it() {
        let error = parse("A=1\n\nB=sk-secret value\nC=2\n").err().unwrap_or_default();
        assert!(error.starts_with("line 3 "), "{error}");
        assert!(!error.contains("secret"), "{error}");
        assert!(parse("A=a\0b").err().unwrap_or_default().contains("NUL"));
    }
}
