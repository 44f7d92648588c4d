//! Every example of the pages is the program's current output. `UPDATE_DOCS=1 cargo test --test it docs_examples` writes
//! the output into the pages.
//!
//! The form of an example: a block ```` ```console ```` with `$ export NAME=value` lines and one command `$ [NAME=value
//! …] ai-provider-seed …`; above it a comment `<!-- database: NAME -->` that names an entry of databases.rs, or no
//! comment if the command needs no database. A block ```` ```text ```` below the comment `<!-- its termination message
//! -->` and a block ```` ```json ```` below `<!-- the same as JSON -->` belong to the previous command; a block below
//! `<!-- from FILE -->` is that file.

pub mod databases;

use crate::support::Run;
use crate::support::markdown::Page;
use databases::Scene;

#[test]
fn examples_equal_the_output_of_the_program() {
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let mut examples = 0;
    for page in Page::all() {
        let mut lines: Vec<String> = page.text.lines().map(str::to_owned).collect();
        let mut previous: Option<Example> = None;
        // Updating from the end would not move the other blocks, but a later block refers to an earlier one.
        let mut moved = 0isize;
        for block in page.blocks() {
            let example = if block.language == "console" { Example::read(&block.comment, &block.text) } else { None };
            let expected = match (&block.comment[..], &previous, example) {
                (_, _, Some(example)) => {
                    let typed = block.text.lines().filter(|line| line.starts_with("$ ")).collect::<Vec<_>>().join("\n");
                    let printed = example.printed();
                    previous = Some(example);
                    format!("{typed}\n{printed}")
                }
                ("its termination message", Some(example), _) => example.termination(),
                ("the same as JSON", Some(example), _) => example.json(),
                (comment, _, None) if comment.starts_with("from ") => {
                    std::fs::read_to_string(&comment["from ".len()..]).unwrap()
                }
                _ => continue,
            };
            examples += 1;
            if update {
                let new: Vec<String> = expected.trim_end().lines().map(str::to_owned).collect();
                let at = |line: usize| usize::try_from(line as isize + moved).unwrap();
                let range = at(block.lines.start)..at(block.lines.end);
                moved += new.len() as isize - range.len() as isize;
                lines.splice(range, new);
            } else {
                let place = format!("{}, line {}", page.path.display(), block.lines.start);
                assert_eq!(block.text.trim_end(), expected.trim_end(), "{place}; UPDATE_DOCS=1 rewrites it");
            }
        }
        if update {
            std::fs::write(&page.path, lines.join("\n") + "\n").unwrap();
        }
    }
    assert!(examples > 40, "only {examples} examples");
}

struct Example {
    /// `< FILE` is its standard input.
    run: Run,
    database: String,
}

impl Example {
    /// `None`: not a command of this program.
    fn read(comment: &str, text: &str) -> Option<Example> {
        let mut variables = Vec::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("$ ")) {
            let mut words = words(line);
            if words.first().is_some_and(|word| word == "export") {
                words.remove(0);
            }
            let command = words.iter().position(|word| !word.contains('=')).unwrap_or(words.len());
            variables.extend(words.drain(..command).filter_map(|word| {
                let (name, value) = word.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            }));
            if words.first().is_some_and(|word| word == "ai-provider-seed") {
                let end = words.iter().position(|word| word == "<").unwrap_or(words.len());
                let run = Run::new(&words[1..end]).envs(variables);
                let run = match words.get(end + 1) {
                    Some(file) => run.stdin(std::fs::read_to_string(file).unwrap()),
                    None => run,
                };
                let database = comment.strip_prefix("database: ").unwrap_or_default().to_owned();
                return Some(Example { run, database });
            }
        }
        None
    }

    fn printed(&self) -> String {
        let scene = Scene::of(&self.database);
        scene.masked(&scene.connect(self.run.clone()).run().stdout)
    }

    fn termination(&self) -> String {
        let scene = Scene::of(&self.database);
        scene.masked(&scene.connect(self.run.clone()).run().termination.unwrap())
    }

    fn json(&self) -> String {
        let scene = Scene::of(&self.database);
        scene.masked(&indented(&scene.connect(self.run.clone()).json().run().stdout))
    }
}

/// Compact JSON with line breaks, in its own order.
fn indented(json: &str) -> String {
    let (mut out, mut depth, mut in_text, mut previous) = (String::new(), 0usize, false, ' ');
    for c in json.trim().chars() {
        let was = std::mem::replace(&mut previous, c);
        in_text ^= c == '"' && was != '\\';
        let broken = |depth: usize| format!("\n{:1$}", "", depth * 2);
        match c {
            _ if in_text => {
                out += &if matches!(was, '{' | '[') { broken(depth) } else { String::new() };
                out.push(c);
            }
            '{' | '[' => {
                out += &if matches!(was, '{' | '[') { broken(depth) } else { String::new() };
                out.push(c);
                depth += 1;
            }
            '}' | ']' => {
                depth -= 1;
                out += &if matches!(was, '{' | '[') { String::new() } else { broken(depth) };
                out.push(c);
            }
            ',' => out += &format!(",{}", broken(depth)),
            ':' => out += ": ",
            c => out.push(c),
        }
    }
    out
}

/// Words split as by a shell, with single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    // $'…\n…', as in bash.
    let line = line.replace("$'", "'").replace("\\n", "\n");
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
