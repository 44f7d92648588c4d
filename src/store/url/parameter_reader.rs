//! Values by name, from the given pairs, else from the PG variables, and the problems found.

use super::{Lookup, params};
use crate::problem::{Code, Problem};

/// Takes values one by one: from the pairs, else from the PG variables.
pub(super) struct ParameterReader<'a> {
    pub pairs: Vec<(String, String)>,
    pub origin: Option<&'a str>,
    pub lookup: Lookup<'a>,
    pub problems: Vec<Problem>,
}

pub(super) struct Parameter {
    pub text: String,
    /// The variable or option to check.
    pub from: String,
}

impl ParameterReader<'_> {
    /// An empty value counts as none.
    pub(super) fn take(&mut self, name: &str) -> Option<Parameter> {
        let given = self.pairs.iter().position(|(known, _)| known == name).map(|at| self.pairs.remove(at).1);
        if let (Some(text), Some(origin)) = (given.filter(|text| !text.is_empty()), self.origin) {
            return Some(Parameter { text, from: origin.to_owned() });
        }
        let variable = params::variable(name)?;
        let text = (self.lookup)(variable).filter(|text| !text.is_empty())?;
        let value = Parameter { text, from: variable.to_owned() };
        if value.text.contains('\0') {
            self.refuse(&value, "it has a NUL character in it; remove it");
            return None;
        }
        Some(value)
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.take(name).map(|value| value.text)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        self.choice_or(name, choices, |_| None)
    }

    /// The same, with a message for words that other programs know.
    pub(super) fn choice_or<T: Copy>(
        &mut self,
        name: &str,
        choices: &[(&str, T)],
        advice: fn(&str) -> Option<&'static str>,
    ) -> Option<T> {
        let value = self.take(name)?;
        let chosen = choices.iter().find(|(word, _)| *word == value.text).map(|(_, chosen)| *chosen);
        if chosen.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let unknown = format!("{name} has an unknown value; use one of {}", words.join(", "));
            self.refuse(&value, advice(&value.text).unwrap_or(&unknown));
        }
        chosen
    }

    pub(super) fn refuse(&mut self, value: &Parameter, message: &str) {
        self.problems.push(Problem::new(Code::DatabaseUrlInvalid, message).variable(value.from.as_str()));
    }

    pub(super) fn refuse_all(&mut self, message: String) {
        let mut problem = Problem::new(Code::DatabaseUrlInvalid, message);
        problem.variables.extend(self.origin.map(str::to_owned));
        self.problems.push(problem);
    }
}
