//! Limits for the size of an environment. The limits of a process are the kernel's own (`MAX_ARG_STRLEN` of execve(2),
//! and a quarter of the usual stack in total), so every environment that could start is accepted; a larger one is never
//! built.

use super::names;
use super::variable::Variable;
use crate::problem::{Code, Problem};
use crate::provider::{DesiredProvider, MAX_SETTINGS, redact};

/// Bytes of one variable or argument: `NAME=VALUE` and its final NUL (Linux: 32 pages).
pub const MAX_VARIABLE: usize = 128 << 10;
/// Bytes of all variables and arguments of a process, each with the 8 bytes of its pointer (Linux, with a stack of 8
/// MiB).
pub const MAX_ENVIRONMENT: usize = 2 << 20;
/// Bytes of the `--env-file` file.
pub const MAX_ENV_FILE: usize = 16 << 20;
/// Provider variables of a process or a pod template. Each may cause a finding, and a few make a provider.
pub const MAX_PROVIDER_VARIABLES: usize = 16_384;
/// Variables of the `--env-file` file.
pub const MAX_FILE_VARIABLES: usize = 16_384;

/// The most variables that a message names as too large.
const NAMED: usize = 8;

/// The bytes that the kernel counts for one variable.
pub const fn of_variable(name: usize, value: usize) -> usize {
    name.saturating_add(value).saturating_add(2)
}

/// The sum over the variables and arguments of a process.
#[derive(Clone, Copy, Default)]
pub struct Total(usize);

impl Total {
    /// Adds one string of this size. `false`: the total now exceeds the limit.
    #[must_use]
    pub fn add(&mut self, bytes: usize) -> bool {
        self.0 = self.0.saturating_add(bytes).saturating_add(8);
        self.0 <= MAX_ENVIRONMENT
    }

    /// Subtracts a string that was added.
    #[cfg(feature = "controller")]
    pub fn remove(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes).saturating_sub(8);
    }
}

/// Variables that are too large, the first few by name.
#[derive(Default)]
pub struct TooLarge {
    named: Vec<String>,
    largest: usize,
    number: usize,
}

impl TooLarge {
    /// `bytes`: see [`of_variable`].
    pub fn add(&mut self, name: &str, bytes: usize) {
        self.number += 1;
        self.largest = self.largest.max(bytes);
        if self.named.len() < NAMED {
            self.named.push(redact::name(name));
        }
    }

    pub fn problem(self) -> Option<Problem> {
        let which = match self.number {
            0 => return None,
            1 => "it would have".to_owned(),
            number => format!("{number} variables are too large, the largest would have"),
        };
        let message = format!(
            "{which} {}, and no process can start with more than {MAX_VARIABLE} in one; shorten it",
            bytes(self.largest)
        );
        Some(Problem::new(Code::EnvironmentTooLarge, message).variables(self.named))
    }
}

/// Caps the number: no program has that much memory.
fn bytes(number: usize) -> String {
    if number >= 1 << 40 { "over 1 TiB".to_owned() } else { redact::count(number, "byte") }
}

/// The variables and arguments are too large in total.
pub fn too_large_in_all() -> Problem {
    let message = format!(
        "variables and arguments would have more than {MAX_ENVIRONMENT} bytes in all, and no process can start with them; \
         shorten them"
    );
    Problem::new(Code::EnvironmentTooLarge, message)
}

/// Checks the environment of this process, which exists already.
pub fn of_process(variables: &[Variable]) -> Option<Problem> {
    let (mut too_large, mut total, mut fits) = (TooLarge::default(), Total::default(), true);
    for variable in variables {
        let bytes = of_variable(variable.name.len(), variable.value().map_or(0, str::len));
        fits &= total.add(bytes);
        if bytes > MAX_VARIABLE {
            too_large.add(&variable.name, bytes);
        }
    }
    too_large.problem().or_else(|| (!fits).then(too_large_in_all)).or_else(|| too_many(variables))
}

/// Coder has no such limit, but a row with more could not be compared at the next start.
pub fn of_settings(provider: &DesiredProvider) -> Option<Problem> {
    provider.bedrock.as_ref().filter(|settings| settings.are_too_large())?;
    let message =
        format!("the settings of this provider would have more than {MAX_SETTINGS} bytes; shorten its fields");
    let problem = Problem::new(Code::EnvironmentTooLarge, message).variable(&provider.origins.pattern);
    Some(Problem { index: provider.index, ..problem.provider(provider.label()) })
}

fn too_many(variables: &[Variable]) -> Option<Problem> {
    let is_ours =
        |variable: &&Variable| names::is_of_provider(&variable.name) || names::near_miss(&variable.name).is_some();
    let most = MAX_PROVIDER_VARIABLES;
    if variables.len() <= most || variables.iter().filter(is_ours).take(most + 1).count() <= most {
        return None;
    }
    let message =
        format!("more than {most} provider variables; remove those that describe no provider, or use --env-file");
    Some(Problem::new(Code::EnvironmentTooLarge, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Source;

    fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Option<Problem> {
        let variables: Vec<Variable> =
            pairs.into_iter().map(|(name, value)| Variable::new(name, value, Source::Process)).collect();
        of_process(&variables)
    }

    #[test]
    fn largest_variable_that_starts_is_not_too_large() {
        let long = |bytes: usize| ("LONG".to_owned(), "x".repeat(bytes - "LONG=".len() - 1));
        assert_eq!(of([long(MAX_VARIABLE)]), None);
        let problem = of([long(MAX_VARIABLE + 1)]).unwrap();
        assert_eq!((problem.code, &problem.variables[..]), (Code::EnvironmentTooLarge, &["LONG".to_owned()][..]));
        assert!(problem.message.starts_with("it would have 131073 bytes"), "{}", problem.message);
        // Asks the kernel.
        let starts = |bytes: usize| {
            let (name, value) = long(bytes);
            std::process::Command::new("true").env_clear().env(name, value).status().is_ok()
        };
        assert!(starts(MAX_VARIABLE) && !starts(MAX_VARIABLE + 1));
    }

    #[test]
    fn sum_of_all_variables_has_a_bound() {
        // Each has 100 bytes with name, `=`, NUL and pointer.
        let variable = |n: usize| (format!("V{n:09}"), "x".repeat(80));
        let most = MAX_ENVIRONMENT / 100;
        assert_eq!(of((0..most).map(variable)), None);
        let problem = of((0..=most).map(variable)).unwrap();
        assert!(problem.variables.is_empty() && problem.message.contains("2097152 bytes in all"), "{problem:?}");
    }

    #[test]
    fn number_of_provider_variables_has_a_bound() {
        let own = |n: usize| (format!("CODER_AIBRIDGE_PROVIDER_{n}_TYPE"), String::new());
        let other = |n: usize| (format!("SERVICE_{n}_PORT"), String::new());
        let most = MAX_PROVIDER_VARIABLES;
        assert_eq!(of((0..most).map(own).chain((0..most).map(other))), None);
        let problem = of((0..=most).map(own)).unwrap();
        assert!(problem.message.starts_with("more than 16384 provider variables"), "{problem:?}");
        let near = |n: usize| (format!("CODER_AIBRIGE_PROVIDER_{n}_TYPE"), String::new());
        assert!(of((0..=most).map(near)).is_some());
    }
}
