//! `completion` and `man`: generated from the same table as the command line.

use clap_complete::aot::{Shell, generate};
use clap_mangen::Man;

use super::output::{print_error, print_result};
use crate::options::args::program;
use crate::options::words::word;
use crate::options::{Command, RawOptions};
use crate::problem::Outcome;

/// The viewer formats the pages.
const WIDTH: usize = 100;

const SHELLS: [(&str, Shell); 5] = [
    ("bash", Shell::Bash),
    ("elvish", Shell::Elvish),
    ("fish", Shell::Fish),
    ("powershell", Shell::PowerShell),
    ("zsh", Shell::Zsh),
];

pub fn completion(raw: &RawOptions) -> u8 {
    let shell = match raw.texts("shell") {
        [shell] => word(shell, &SHELLS),
        [] => Err(format!("name a shell: {}", SHELLS.map(|(name, _)| name).join(", "))),
        _ => Err("name one shell".to_owned()),
    };
    match shell {
        Ok(shell) => {
            let mut program = program(WIDTH);
            let (name, mut script) = (program.get_name().to_owned(), Vec::new());
            generate(shell, &mut program, name, &mut script);
            print_result(&String::from_utf8_lossy(&script))
        }
        Err(message) => refuse(&message, "completion"),
    }
}

pub fn man(raw: &RawOptions) -> u8 {
    let mut program = program(WIDTH).disable_help_subcommand(true);
    // Gives the commands their long names: ai-provider-seed-diff.
    program.build();
    let names = Command::ALL.iter().map(|command| (command.as_str(), command.as_str()));
    let page = match raw.texts("command") {
        [] => Ok(program),
        [name] => word(name, &names.collect::<Vec<_>>())
            .map(|name| program.find_subcommand(name).cloned().unwrap_or_default()),
        _ => Err("name one command".to_owned()),
    };
    let page = match page {
        Ok(page) => page.version(env!("CARGO_PKG_VERSION")),
        Err(message) => return refuse(&message, "man"),
    };
    let mut roff = Vec::new();
    match Man::new(page).render(&mut roff) {
        Ok(()) => print_result(&String::from_utf8_lossy(&roff)),
        Err(error) => {
            print_error(&format!("the page could not be made: {}\n", error.kind()));
            Outcome::Internal.exit_code()
        }
    }
}

fn refuse(message: &str, command: &str) -> u8 {
    print_error(&format!("error: {message}; see ai-provider-seed {command} --help\n"));
    Outcome::Invalid.exit_code()
}
