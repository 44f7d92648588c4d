//! Parses Rust text as far as paths need it: without expanding macros or following re-exports.

use std::collections::{BTreeMap, BTreeSet};

/// The target of a path: in this crate (without `crate`), or in another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    pub path: Vec<String>,
    pub external: bool,
    pub glob: bool,
    /// Inside of `#[cfg(test)]`, or in a file below a module `tests`.
    pub test: bool,
    pub line: usize,
}

impl Import {
    pub fn text(&self) -> String {
        let start = (!self.external).then_some("crate");
        let end = self.glob.then_some("*");
        start.into_iter().chain(self.path.iter().map(String::as_str)).chain(end).collect::<Vec<_>>().join("::")
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Source {
    pub imports: Vec<Import>,
    /// Name and line of each macro call.
    pub macros: Vec<(String, usize)>,
}

#[derive(Clone, Debug)]
struct Token {
    text: String,
    line: usize,
}

/// The paths of a file whose module is `module`. `modules` are all modules of the crate: a path that begins with the name
/// of a child is relative.
pub fn read(text: &str, module: &[&str], modules: &BTreeSet<Vec<String>>) -> Source {
    let mut reader = Reader {
        tokens: tokens(&code(text)),
        at: 0,
        module: module.iter().map(|name| (*name).to_owned()).collect(),
        test: module.contains(&"tests"),
        aliases: BTreeMap::new(),
        modules,
        source: Source::default(),
    };
    reader.file();
    reader.source
}

/// The text with comments, strings and characters blanked; line breaks stay.
pub fn code(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let (mut out, mut at) = (String::new(), 0);
    while at < characters.len() {
        let end = end_of_what_is_no_code(&characters, at);
        if end == at {
            out.push(characters[at]);
            at += 1;
            continue;
        }
        out.push(' ');
        out.extend(characters[at..end].iter().filter(|c| **c == '\n'));
        at = end;
    }
    out
}

/// The end of the comment, string or character that begins at `at`; `at` if none begins there.
fn end_of_what_is_no_code(text: &[char], at: usize) -> usize {
    let is = |from: usize, what: &str| what.chars().enumerate().all(|(i, c)| text.get(from + i) == Some(&c));
    let until = |from: usize, end: &str| {
        let found = (from..text.len()).find(|at| is(*at, end));
        found.map_or(text.len(), |at| at + end.len())
    };
    let in_a_word = at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_');
    match text[at] {
        '/' if is(at, "//") => (at..text.len()).find(|at| text[*at] == '\n').unwrap_or(text.len()),
        '/' if is(at, "/*") => {
            let (mut depth, mut at) = (1, at + 2);
            while depth > 0 && at < text.len() {
                let (opens, closes) = (is(at, "/*"), is(at, "*/"));
                depth = depth + usize::from(opens) - usize::from(closes);
                at += if opens || closes { 2 } else { 1 };
            }
            at
        }
        'r' if !in_a_word || text[at - 1] == 'b' || text[at - 1] == 'c' => {
            let hashes = text[at + 1..].iter().take_while(|c| **c == '#').count();
            match is(at + 1 + hashes, "\"") {
                true => until(at + 2 + hashes, &format!("\"{}", "#".repeat(hashes))),
                false => at,
            }
        }
        '"' => {
            let mut at = at + 1;
            while at < text.len() && text[at] != '"' {
                at += if text[at] == '\\' { 2 } else { 1 };
            }
            at + 1
        }
        // Not a lifetime.
        '\'' if is(at + 1, "\\") => until(at + 3, "'"),
        '\'' if is(at + 2, "'") => at + 3,
        _ => at,
    }
}

fn tokens(code: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                length => length,
            };
            tokens.push(Token { text: rest[..length].to_owned(), line: index + 1 });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

struct Reader<'a> {
    tokens: Vec<Token>,
    at: usize,
    module: Vec<String>,
    test: bool,
    /// Names introduced by `use … as name`, to resolve paths that begin with them.
    aliases: BTreeMap<String, Import>,
    modules: &'a BTreeSet<Vec<String>>,
    source: Source,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| &token.text)
    }

    fn is_next(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(i, word)| self.peek(i) == *word)
    }

    fn file(&mut self) {
        // A `use` may follow its first use, so all of them are read first.
        for only_use in [true, false] {
            self.at = 0;
            self.items(only_use);
        }
    }

    /// Until the brace that closes this module, or the end of the file.
    fn items(&mut self, only_use: bool) {
        let (mut depth, mut test_next) = (0usize, false);
        while self.at < self.tokens.len() {
            if self.is_next(&["cfg", "(", "test", ")"]) {
                test_next = true;
                self.at += 4;
            } else if self.peek(0) == "mod" && is_word(self.peek(1)) && self.peek(2) == "{" {
                let (name, was) = (self.peek(1).to_owned(), self.test);
                self.at += 3;
                self.module.push(name);
                self.test |= test_next;
                let outer = std::mem::take(&mut self.aliases);
                if !only_use {
                    let (start, before) = (self.at, self.source.imports.len());
                    self.items(true);
                    self.source.imports.truncate(before);
                    self.at = start;
                }
                self.items(only_use);
                self.aliases = outer;
                self.module.pop();
                (self.test, test_next) = (was, false);
            } else if self.peek(0) == "use" && (is_word(self.peek(1)) || matches!(self.peek(1), "::" | "{")) {
                self.at += 1;
                let before = self.source.imports.len();
                let was = self.test;
                self.test |= test_next;
                self.tree(Vec::new());
                (self.test, test_next) = (was, false);
                if !only_use {
                    // They were found before.
                    self.source.imports.truncate(before);
                }
            } else if is_word(self.peek(0)) && !self.goes_on() {
                self.path(only_use);
            } else {
                match self.peek(0) {
                    "{" => depth += 1,
                    "}" if depth == 0 => return self.at += 1,
                    "}" => depth -= 1,
                    ";" => test_next = false,
                    _ => {}
                }
                self.at += 1;
            }
        }
    }

    /// Whether this word continues a path, such as the last one of `Vec::<u8>::new`. `::tokio` begins one.
    fn goes_on(&self) -> bool {
        let before = |distance: usize| self.at.checked_sub(distance).map_or("", |at| &self.tokens[at].text);
        before(1) == "::" && (is_word(before(2)) || before(2) == ">")
    }

    /// A `use` tree after its prefix: `a::b`, `a as b`, `a::{…}`, `a::*`.
    fn tree(&mut self, mut path: Vec<String>) {
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        loop {
            match self.peek(0) {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while !matches!(self.peek(0), "}" | "") {
                        self.tree(path.clone());
                        self.at += usize::from(self.peek(0) == ",");
                    }
                    self.at += 1;
                    return;
                }
                "*" => {
                    self.at += 1;
                    return self.found(&path, true, line, None);
                }
                "as" => {
                    let name = self.peek(1).to_owned();
                    self.at += 2;
                    return self.found(&path, false, line, Some(name));
                }
                word if is_word(word) => {
                    // A final `self` means the path before it.
                    if word != "self" || path.is_empty() {
                        path.push(word.to_owned());
                    }
                    self.at += 1;
                }
                _ => {
                    let name = path.last().cloned();
                    return self.found(&path, false, line, name);
                }
            }
        }
    }

    /// A path outside of `use`, or the call of a macro.
    fn path(&mut self, only_use: bool) {
        let line = self.tokens[self.at].line;
        let mut path = vec![self.peek(0).to_owned()];
        self.at += 1;
        while self.peek(0) == "::" && is_word(self.peek(1)) {
            path.push(self.peek(1).to_owned());
            self.at += 2;
        }
        if only_use {
            return;
        }
        if self.peek(0) == "!" && self.peek(1) != "=" {
            self.source.macros.push((path.last().cloned().unwrap_or_default(), line));
        }
        if path.len() > 1 {
            self.found(&path, false, line, None);
        }
    }

    fn found(&mut self, path: &[String], glob: bool, line: usize, name: Option<String>) {
        let Some(mut import) = self.resolve(path) else { return };
        (import.glob, import.test, import.line) = (glob, self.test, line);
        if let Some(name) = name {
            self.aliases.insert(name, import.clone());
        }
        self.source.imports.push(import);
    }

    /// None: the name of an item in this module.
    fn resolve(&self, path: &[String]) -> Option<Import> {
        let import = |path: Vec<String>, external| Some(Import { path, external, glob: false, test: false, line: 0 });
        let (first, rest) = path.split_first()?;
        let after = |start: &[String]| [start, rest].concat();
        match first.as_str() {
            "crate" | "ai_provider_seed" => import(rest.to_vec(), false),
            "self" => import(after(&self.module), false),
            "super" => {
                let supers = path.iter().take_while(|word| *word == "super").count();
                let kept = self.module.len().checked_sub(supers)?;
                import([&self.module[..kept], &path[supers..]].concat(), false)
            }
            name if self.aliases.contains_key(name) => {
                let alias = &self.aliases[name];
                import(after(&alias.path), alias.external)
            }
            name => {
                let child = [&self.module[..], &[name.to_owned()]].concat();
                match self.modules.contains(&child) {
                    true => import(after(&child), false),
                    false => import(path.to_vec(), true),
                }
            }
        }
    }
}
