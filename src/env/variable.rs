use std::ffi::OsString;

use crate::provider::Source;

/// One `NAME=VALUE` with the place it was found. No `Debug`: any value may be a secret.
#[derive(Clone)]
pub struct Variable {
    /// As written; what is not Unicode in it is replaced.
    pub name: String,
    /// `None`: name or value is not Unicode.
    value: Option<String>,
    pub source: Source,
}

impl Variable {
    pub fn new(name: impl Into<String>, value: impl Into<String>, source: Source) -> Self {
        Variable { name: name.into(), value: Some(value.into()), source }
    }

    pub fn from_os(name: OsString, value: OsString) -> Self {
        let is_unicode = name.to_str().is_some();
        Variable {
            name: name.to_string_lossy().into_owned(),
            value: value.into_string().ok().filter(|_| is_unicode),
            source: Source::Process,
        }
    }

    /// The whole environment of this process, in its order.
    pub fn of_this_process() -> Vec<Variable> {
        std::env::vars_os().map(|(name, value)| Variable::from_os(name, value)).collect()
    }

    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

/// The last variable of exactly this name that is not empty: for Coder (serpent) an empty one is unset.
pub fn look_up<'a>(variables: &'a [Variable], name: &str) -> Option<&'a Variable> {
    variables.iter().rfind(|v| v.name == name).filter(|v| v.value() != Some(""))
}
