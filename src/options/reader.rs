//! Reads one option after another: the flag, else its variable. Adds a problem for each that cannot be read.

use super::args::RawOptions;
use super::definitions::{Command, OPTIONS, rows_of, variable_name};
use super::words::PREFIX;
use crate::env::{OF_PROVIDERS, Variable, characters, nearest};
use crate::problem::{Code, Problem};
use crate::provider::redact;

/// The text of an option, and how the operator gave it.
pub struct GivenOption {
    pub text: String,
    /// `--wait` or `AI_PROVIDER_SEED_WAIT`.
    pub origin: String,
    pub is_flag: bool,
}

pub struct OptionReader<'a> {
    raw: &'a RawOptions,
    /// Without the variables of providers.
    variables: Vec<&'a Variable>,
    /// Any of them begins like the variable of an option.
    has_options: bool,
    pub problems: Vec<Problem>,
    /// The options that were read.
    #[cfg(test)]
    pub asked: Vec<&'static str>,
}

impl<'a> OptionReader<'a> {
    pub fn new(raw: &'a RawOptions, variables: &'a [Variable]) -> Self {
        // Every option is looked up in them.
        let variables: Vec<_> = variables.iter().filter(|variable| !variable.name.starts_with(OF_PROVIDERS)).collect();
        OptionReader {
            raw,
            has_options: variables.iter().any(|variable| variable.name.starts_with(PREFIX)),
            variables,
            problems: Vec::new(),
            #[cfg(test)]
            asked: Vec::new(),
        }
    }

    #[cfg(feature = "controller")]
    pub fn command(&self) -> Command {
        self.raw.command
    }

    /// On the command line.
    #[cfg(feature = "controller")]
    pub fn is_flag_given(&self, option: &str) -> bool {
        self.raw.is_given(option)
    }

    /// Also returns the table's default if the text cannot be read; then there is a problem.
    pub fn read<T>(&mut self, option: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        let rows = rows_of(self.raw.command).chain(OPTIONS);
        let text = rows.filter(|row| row.name == option).find_map(|row| row.default).unwrap_or_default();
        match parse(text) {
            Ok(default) => self.read_or(option, default, parse),
            Err(message) => unreachable!("the default of --{option}: {message}"),
        }
    }

    /// The same for an option without a default in the table.
    pub fn read_or<T>(&mut self, option: &'static str, default: T, parse: impl Fn(&str) -> Result<T, String>) -> T {
        let Some(given) = self.given(option) else { return default };
        match parse(&given.text) {
            Ok(value) => value,
            Err(message) => {
                let message = match white_space(&given.text).filter(|_| parse(given.text.trim()).is_ok()) {
                    Some(odd) => format!("{odd}; remove it"),
                    None => message,
                };
                self.problems.push(Problem::new(Code::InvalidOption, message).variable(given.origin));
                default
            }
        }
    }

    /// The flag, else the variable if it is not empty. A list becomes one text with commas.
    pub fn given(&mut self, option: &'static str) -> Option<GivenOption> {
        self.flag_or_variable(option).filter(|given| given.is_flag || !given.text.is_empty())
    }

    /// The same, but the variable may be empty.
    pub fn flag_or_variable(&mut self, option: &'static str) -> Option<GivenOption> {
        // Commands share the variables of a container, and each reads only its own.
        if !rows_of(self.raw.command).any(|row| row.name == option) {
            return None;
        }
        #[cfg(test)]
        self.asked.push(option);
        if self.raw.is_given(option) {
            let text = self.raw.texts(option).join(",");
            return Some(GivenOption { text, origin: format!("--{option}"), is_flag: true });
        }
        if !self.has_options {
            return None;
        }
        let name = variable_name(option);
        self.variable(&name).map(|text| GivenOption { text, origin: name, is_flag: false })
    }

    pub fn variable(&mut self, name: &str) -> Option<String> {
        let variable = self.variables.iter().rfind(|variable| variable.name == name)?;
        self.problems.extend(variable.unreadable());
        variable.value().map(str::to_owned)
    }

    /// Variables that look like options. A mistyped option that would let the pod start must not go unnoticed; the
    /// options of other commands are allowed in an environment that containers share.
    pub fn unknown_variables(&self, command: Command) -> Vec<Problem> {
        if !self.has_options {
            return Vec::new();
        }
        let names: Vec<String> = OPTIONS.iter().filter_map(|row| row.variable()).collect();
        let own: Vec<String> = rows_of(command).filter_map(|row| row.variable()).collect();
        let is_unknown = |variable: &Variable| {
            let name = &variable.name;
            name.starts_with(PREFIX) && !names.contains(name) && !is_service_variable(name)
        };
        let warning = |variable: &Variable| {
            let meant = nearest(&variable.name, own.iter().map(String::as_str)).map(str::to_owned);
            let message = match &meant {
                Some(meant) => format!("unknown option; did you mean {meant}?"),
                None => format!("unknown option; see ai-provider-seed {} --help", command.as_str()),
            };
            Problem::new(Code::UnknownVariable, message).variable(redact::name(&variable.name)).suggestion(meant)
        };
        self.variables.iter().copied().filter(|variable| is_unknown(variable)).map(warning).collect()
    }
}

/// White space around a value that would be valid without it.
fn white_space(text: &str) -> Option<String> {
    characters::oddity(text).filter(|_| text.trim() != text)
}

/// Kubernetes sets such variables for a Service named `ai-provider-seed`.
fn is_service_variable(name: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    rest == "PORT" || rest.starts_with("PORT_") || rest == "SERVICE_HOST" || rest.starts_with("SERVICE_PORT")
}
