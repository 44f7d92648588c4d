//! `--env-file`: provider variables from a dotenv file. Values are literal.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;

use super::env_directory::{self, DirectoryError};
use super::names;
use super::size::{MAX_ENV_FILE, MAX_FILE_VARIABLES};
use super::variable::Variable;
use crate::problem::{Code, Problem};
use crate::provider::{Source, redact};

/// Bytes that are read.
const LIMIT: u64 = MAX_ENV_FILE as u64;

pub fn read_file(path: &Path) -> Result<Vec<Variable>, Problem> {
    let problem =
        |message: String| Problem::new(Code::EnvFileInvalid, message).variable(redact::name(&path.to_string_lossy()));
    let too_large = |message: String| Problem { code: Code::EnvironmentTooLarge, ..problem(message) };
    if path.is_dir() {
        return env_directory::read(path, LIMIT).map_err(|error| match error {
            DirectoryError::Invalid(message) => problem(message),
            DirectoryError::TooLarge(message) => too_large(message),
        });
    }
    let unreadable = |error: std::io::Error| {
        use std::io::ErrorKind;
        let cause = match error.kind() {
            ErrorKind::NotFound => "there is no such file",
            ErrorKind::PermissionDenied => "permission denied",
            _ => "the system reports an error",
        };
        problem(format!(
            "cannot be read: {cause}; mount the file into this container and make it readable for its user"
        ))
    };
    let mut bytes = Vec::new();
    // Reads one byte beyond the limit, since the size of a pipe is unknown in advance.
    let mut file = std::fs::File::open(path).map_err(unreadable)?.take(LIMIT + 1);
    let size = file.read_to_end(&mut bytes).map_err(unreadable)?;
    if size as u64 > LIMIT {
        return Err(too_large(format!("more than {LIMIT} bytes; remove everything that is not a variable")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        problem(format!("line {line} is not Unicode (UTF-8)"))
    })?;
    // Each variable takes more memory than its line; blank lines and comments take none.
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#') && line.contains('=')).count();
    if lines > MAX_FILE_VARIABLES {
        return Err(too_large(format!(
            "more than {MAX_FILE_VARIABLES} variables; remove those that describe no provider"
        )));
    }
    entries(&text).map(last_of_each).map_err(problem)
}

/// Keeps the last line of each name, as a shell does. It records the other lines if their values differ.
fn last_of_each(entries: Vec<Entry>) -> Vec<Variable> {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        places.entry(entry.variable.name.clone()).or_default().push(at);
    }
    let lines_of = |at: usize| {
        let same = places.get(&entries[at].variable.name).filter(|same| same.last() == Some(&at))?;
        let differ = same.iter().any(|other| entries[*other].variable.value() != entries[at].variable.value());
        Some(if differ { same.iter().map(|other| entries[*other].line).collect() } else { Vec::new() })
    };
    let lines: Vec<Option<Vec<usize>>> = (0..entries.len()).map(lines_of).collect();
    let with_lines = |(entry, lines): (Entry, Option<Vec<usize>>)| Some(entry.variable.on_lines(lines?));
    entries.into_iter().zip(lines).filter_map(with_lines).collect()
}

/// A variable and its first line.
struct Entry {
    line: usize,
    variable: Variable,
}

/// The variables of a dotenv text in order, including those that a later line sets again.
pub fn parse(text: &str) -> Result<Vec<Variable>, String> {
    Ok(entries(text)?.into_iter().map(|entry| entry.variable).collect())
}

/// The crate expands `$NAME`, and keys may contain `$`. So another character replaces every `$` during parsing.
fn entries(text: &str) -> Result<Vec<Entry>, String> {
    let aside = unused_private_character(text).ok_or("holds every private-use character")?;
    let literal = set_aside(text.strip_prefix('\u{feff}').unwrap_or(text), aside);
    let read = Cell::new(0);
    let mut entries = dotenvy::from_read_iter(ByLine { rest: literal.as_bytes(), read: &read });
    let lines: Vec<&str> = literal.lines().collect();
    let mut read_entries = Vec::new();
    let (mut bad, mut with_nul) = (Vec::new(), Vec::new());
    loop {
        let before = read.get();
        let Some(entry) = entries.next() else { break };
        let blank = |line: &&&str| line.trim().is_empty() || line.trim_start().starts_with('#');
        let rest = lines.get(before..).unwrap_or_default();
        let line = before + 1 + rest.iter().take_while(blank).count();
        // The parser's error contains a part of the line, and so the key; only the line number is used.
        let Ok((name, value)) = entry else {
            // A line for another program is accepted, unless an open quotation mark may have swallowed provider
            // variables.
            let alone = read.get() <= line;
            if !(alone && lines.get(line - 1).is_some_and(|line| is_of_another_program(line))) {
                bad.push(line);
            }
            continue;
        };
        if value.contains('\0') || name.contains('\0') {
            with_nul.push(redact::name(&name));
            continue;
        }
        let (name, value) = (name.replace(aside, "$"), value.replace(aside, "$"));
        read_entries.push(Entry { line, variable: Variable::new(name, value, Source::EnvFile) });
    }
    if let Some(message) = mistakes(&bad, &with_nul) {
        return Err(message);
    }
    Ok(read_entries)
}

/// The line sets a variable that belongs to no provider, not even a mistyped one.
fn is_of_another_program(line: &str) -> bool {
    let Some((name, value)) = line.split_once('=') else { return false };
    let name = name.trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    // An open quotation mark may continue on the following lines of a truncated file.
    is_name
        && !value.contains(['"', '\''])
        && !names::is_of_provider(name)
        && names::near_miss(name).is_none()
        && names::other_vendor(name).is_none()
}

/// In one pass, since a file may contain nearly all of these characters.
fn unused_private_character(text: &str) -> Option<char> {
    const PRIVATE: RangeInclusive<char> = '\u{f0000}'..='\u{ffffd}';
    let used: BTreeSet<char> = text.chars().filter(|c| PRIVATE.contains(c)).collect();
    PRIVATE.into_iter().find(|c| !used.contains(c))
}

/// The numbers of all unreadable lines, and the names of all variables whose value cannot be stored.
fn mistakes(bad: &[usize], with_nul: &[String]) -> Option<String> {
    let list = |items: Vec<String>| match &items[..] {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        all => all.concat(),
    };
    let shown = |lines: &[usize]| {
        let mut lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        if lines.len() > LISTED {
            let more = lines.len() - LISTED;
            lines.truncate(LISTED);
            lines.push(format!("{more} more"));
        }
        list(lines)
    };
    let of_lines = match bad {
        [] => None,
        [line] => Some(format!("line {line} is")),
        lines => Some(format!("lines {} are", shown(lines))),
    };
    let of_lines = of_lines.map(|lines| {
        format!("{lines} not NAME=value; put values with white space, quotes or # in them between single quotes")
    });
    let of_values = (!with_nul.is_empty()).then(|| {
        let names = list(with_nul.iter().take(LISTED).cloned().collect());
        format!("the value of {names} holds a NUL character; Postgres cannot store it")
    });
    let all: Vec<String> = of_lines.into_iter().chain(of_values).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The most line numbers that a message lists.
const LISTED: usize = 20;

/// Replaces every `$`. `\$` is the escape for a plain `$` and stays.
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

/// Yields one line at a time, so that the count tells how far the crate has read.
struct ByLine<'a> {
    rest: &'a [u8],
    read: &'a Cell<usize>,
}

impl Read for ByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let newline = self.rest.iter().take(buffer.len()).position(|byte| *byte == b'\n');
        let length = newline.map_or(self.rest.len().min(buffer.len()), |at| at + 1);
        let (line, rest) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(line);
        self.rest = rest;
        self.read.set(self.read.get() + usize::from(newline.is_some()));
        Ok(length)
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
    fn dotenv_values_are_literal() {
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
    fn file_is_read_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let file = |content: &[u8]| {
            let path = directory.path().join("env");
            std::fs::write(&path, content).unwrap();
            read_file(&path)
        };
        let read = file(b"A=1\nB=2\nA=3\n").unwrap_or_else(|problem| panic!("{problem:?}"));
        let read: Vec<(&str, Option<&str>)> = read.iter().map(|v| (v.name.as_str(), v.value())).collect();
        assert_eq!(read, [("B", Some("2")), ("A", Some("3"))]);
        // The line that counts, and the other lines.
        let text = b"A=1\n\n# A=0\nA='2\n2'\nB=1\nexport A=3\nC=1\nC=1\n";
        let read = file(text).unwrap_or_else(|problem| panic!("{problem:?}"));
        let read: Vec<(&str, &[usize])> = read.iter().map(|v| (v.name.as_str(), v.lines())).collect();
        assert_eq!(read, [("B", &[][..]), ("A", &[1, 4, 7]), ("C", &[])]);
        let message = |result: Result<Vec<Variable>, Problem>| result.err().unwrap().message;
        assert_eq!(message(file(b"A=1\nB=2\nC=\xff\n")), "line 3 is not Unicode (UTF-8)");
        assert!(message(read_file(&directory.path().join("none"))).contains("there is no such file"));
        // A directory is read as one file per variable.
        let named: Vec<String> = read_file(directory.path()).ok().unwrap().into_iter().map(|v| v.name).collect();
        assert_eq!(named, ["env"]);
        let path = directory.path().join("env");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
        // Root may read everything.
        if std::fs::File::open(&path).is_err() {
            assert!(message(read_file(&path)).contains("permission denied"));
        }
        let long = std::fs::File::create(directory.path().join("long")).unwrap();
        long.set_len(LIMIT + 1).unwrap();
        assert!(message(read_file(&directory.path().join("long"))).contains("more than 16777216 bytes"));
    }

    #[test]
    fn file_of_too_many_variables_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("env");
        let lines = |number: usize| "# A=1\nA=1\n\n".repeat(number);
        std::fs::write(&path, lines(MAX_FILE_VARIABLES)).unwrap();
        assert!(read_file(&path).is_ok());
        std::fs::write(&path, lines(MAX_FILE_VARIABLES + 1)).unwrap();
        let problem = read_file(&path).err().unwrap();
        assert_eq!(problem.code, Code::EnvironmentTooLarge);
        assert!(problem.message.starts_with("more than 16384 variables"), "{problem:?}");
    }

    /// Each character used to be searched from the start of the text.
    #[test]
    fn private_use_characters_take_one_pass() {
        let all: String = ('\u{f0000}'..='\u{ffffc}').collect();
        let text = format!("A={}$B{all}\n", "x".repeat(4 << 20));
        assert_eq!(pairs(&text)[0].1.len(), text.len() - 3);
        assert!(parse(&format!("A={all}\u{ffffd}")).is_err());
    }

    #[test]
    fn error_names_the_line_number_and_no_content() {
        let error = parse("A=1\n\nCODER_AIBRIDGE_OPENAI_KEY=sk-secret value\nC=2\n").err().unwrap_or_default();
        assert!(error.starts_with("line 3 "), "{error}");
        assert!(!error.contains("secret"), "{error}");
        let line = |text| parse(text).err().unwrap_or_default().split(" is").next().unwrap_or_default().to_owned();
        // The same text is valid on an earlier line; comments and blank lines count.
        assert_eq!(line("A='k k'\n# CODER_AIBRIDGE_OPENAI_KEY=k k\n\nCODER_AIBRIDGE_OPENAI_KEY=k k\nC=2\n"), "line 4");
        assert_eq!(line("A='one\ntwo'\nB=1\nnot a pair"), "line 4");
        assert_eq!(line("A=1\n\n# open\nB='never\nclosed\nC=3\n"), "line 4");
        assert!(parse("A=a\0b").err().unwrap_or_default().contains("NUL"));
        // All of them at once.
        let all = parse("A=1\nCODER_AIBRIDGE_OPENAI_KEY=k k\n\nC\nD=a\0b\nCODER_AIBRIGE_OPENAI_KEY=2 3\nF=1\n")
            .err()
            .unwrap_or_default();
        assert!(all.starts_with("lines 2, 4 and 6 are not NAME=value"), "{all}");
        assert!(all.ends_with("the value of D holds a NUL character; Postgres cannot store it"), "{all}");
        let many = parse(&"CODER_AIBRIDGE_OPENAI_KEY=k k\n".repeat(30)).err().unwrap_or_default();
        assert!(many.contains("19, 20 and 10 more are not"), "{many}");
    }

    #[test]
    fn line_of_another_program_is_passed_over() {
        let text = "PS1=\\u@\\h $ \nCOMMAND=run --now x\nexport PROMPT = a b\nCODER_AIBRIDGE_OPENAI_KEY=k\n";
        assert!(pairs(text).contains(&("CODER_AIBRIDGE_OPENAI_KEY".to_owned(), "k".to_owned())));
        // An open quotation mark may have swallowed lines of ours, and a line without a name may be a part of a key.
        assert!(parse("A='open\nCODER_AIBRIDGE_OPENAI_KEY=k\n").is_err() && parse("A=1\nabcdef\n").is_err());
    }
}
