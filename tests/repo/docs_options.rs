//! The tables of the options that only `diff`, `resolve`, `export` and `controller` have are complete.

use std::collections::BTreeMap;

use crate::support::Run;
use crate::support::markdown::Page;

/// The commands with options of their own.
const COMMANDS: &[&str] = if cfg!(feature = "controller") {
    &["diff", "resolve", "export", "status", "check", "decide", "controller"]
} else {
    &["diff", "resolve", "export"]
};

/// The options in a command's help, each with its text on one line: the text may continue below the option's line.
pub fn lines_of_options(command: &str) -> Vec<String> {
    let help = Run::new([command, "--help"]).run().expect(0).stdout;
    let long = |line: &'_ str| line.find("--").filter(|at| line.starts_with('-') && *at <= 4);
    help.lines().map(str::trim).fold(Vec::<String>::new(), |mut lines, line| {
        match (long(line), lines.last_mut()) {
            (Some(at), _) => lines.push(line[at..].to_owned()),
            (None, Some(last)) if !line.is_empty() && !last.ends_with(']') => last.push_str(&format!(" {line}")),
            _ => {}
        }
        lines
    })
}

/// Option and default, from the help.
fn options(command: &str) -> BTreeMap<String, String> {
    let options = lines_of_options(command).into_iter().map(|line| {
        let default = line.rsplit_once("[default: ").map_or("–", |(_, rest)| rest.trim_end_matches(']'));
        (line.split([' ', '[', '=']).next().unwrap().to_owned(), default.to_owned())
    });
    options.filter(|(name, _)| name != "--help").collect()
}

#[test]
fn tables_of_command_options_are_complete() {
    let page = Page::read("docs/configuration.md");
    let of_seed = options("seed");
    for command in COMMANDS {
        let rows = page.rows_below(&format!("Options of {command}"));
        let documented: BTreeMap<String, String> =
            rows.iter().map(|row| (row[0].clone(), row[row.len() - 2].clone())).collect();
        let own: BTreeMap<String, String> = options(command)
            .into_iter()
            .filter(|(name, _)| !of_seed.contains_key(name) && name != "--offline")
            .collect();
        assert_eq!(documented, own, "{command}");
    }
}
