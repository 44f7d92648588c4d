//! Options for the environment of a workload: some come from the workload, others from this process.

use super::args::RawOptions;
use super::at_terminal::wait_less;
use super::definitions::{Command, OPTIONS, Scope, rows_of};
use super::seed::{self, Options};
use crate::env::Variable;
use crate::problem::{Findings, Problem};

impl RawOptions {
    /// The same options, read as options of a seed.
    pub fn of_seed(self) -> RawOptions {
        RawOptions { command: Command::Seed, ..self }
    }

    /// A workload's options, overridden by the flags of this command line.
    pub fn with_flags(mut self, flags: &RawOptions) -> RawOptions {
        for row in OPTIONS.iter().filter(|row| row.scope == Scope::Workload) {
            if let Some(texts) = flags.texts.get(row.name) {
                self.texts.insert(row.name, texts.clone());
            }
        }
        self
    }
}

/// The options of this run with a workload's environment: flags, and the variables that belong to this process. Other
/// local variables are ignored, because they are not the workload's.
pub fn of_this_process(raw: &RawOptions, variables: &[Variable]) -> (Options, Vec<Problem>, Vec<Variable>) {
    let rows = rows_of(raw.command).filter(|row| row.scope == Scope::Process);
    let names: Vec<String> = rows.filter_map(|row| row.variable()).collect();
    let own = |variable: &&Variable| variable.name.starts_with("PG") || names.contains(&variable.name);
    let variables: Vec<Variable> = variables.iter().filter(own).cloned().collect();
    let (mut options, Findings { problems, .. }) = seed::parse(raw, &variables);
    wait_less(&mut options, raw, &variables);
    (options, problems, variables)
}
