use std::ffi::OsString;

use crate::problem::{Code, Problem};
use crate::provider::{Source, redact};

/// One `NAME=VALUE` with the place it was found. No `Debug`: any value may be a secret.
#[derive(Clone)]
pub struct Variable {
    /// As written; what is not Unicode in it is replaced.
    pub name: String,
    value: Value,
    pub source: Source,
}

#[derive(Clone)]
enum Value {
    Text(String),
    /// Name or value is not Unicode.
    NotUnicode,
    /// Only the pod knows it; why.
    InPod(String),
    /// It stands in an object that was not given; which.
    Elsewhere(String),
}

impl Variable {
    pub fn new(name: impl Into<String>, value: impl Into<String>, source: Source) -> Self {
        Variable { name: name.into(), value: Value::Text(value.into()), source }
    }

    /// A value that is not text, as a Secret may hold it.
    pub fn not_unicode(name: impl Into<String>, source: Source) -> Self {
        Variable { name: name.into(), value: Value::NotUnicode, source }
    }

    /// A variable of a pod template whose value nobody knows before the pod runs. `why` names where it comes from.
    pub fn in_pod(name: impl Into<String>, why: impl Into<String>) -> Self {
        Variable { name: name.into(), value: Value::InPod(why.into()), source: Source::Container }
    }

    /// A variable whose value stands in an object that is not among the given manifests. `why` names the object.
    pub fn elsewhere(name: impl Into<String>, why: impl Into<String>, source: Source) -> Self {
        Variable { name: name.into(), value: Value::Elsewhere(why.into()), source }
    }

    pub fn from_os(name: OsString, value: OsString) -> Self {
        let value = match (name.to_str(), value.into_string()) {
            (Some(_), Ok(text)) => Value::Text(text),
            _ => Value::NotUnicode,
        };
        Variable { name: name.to_string_lossy().into_owned(), value, source: Source::Process }
    }

    /// The whole environment of this process, in its order.
    pub fn of_this_process() -> Vec<Variable> {
        std::env::vars_os().map(|(name, value)| Variable::from_os(name, value)).collect()
    }

    pub fn value(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::NotUnicode | Value::InPod(_) | Value::Elsewhere(_) => None,
        }
    }

    /// Why there is no value, for whoever needs it.
    pub fn unreadable(&self) -> Option<Problem> {
        let (code, message) = match &self.value {
            Value::Text(_) => return None,
            Value::NotUnicode => {
                (Code::NotUnicode, "the name or the value is not Unicode (UTF-8); set it again as text".to_owned())
            }
            Value::InPod(why) => (Code::EnvironmentUnknown, format!("{why}, which is known only in the pod")),
            Value::Elsewhere(why) => (Code::EnvironmentUnknown, format!("{why}, which is not among the manifests")),
        };
        Some(Problem::new(code, message).variable(redact::name(&self.name)))
    }

    /// It has a value that stands in an object that was not given.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.value, Value::Elsewhere(_))
    }

    /// It has a value, and nobody here knows it.
    pub fn is_unknown(&self) -> bool {
        matches!(self.value, Value::InPod(_) | Value::Elsewhere(_))
    }
}

/// The last variable of exactly this name that is not empty: for Coder (serpent) an empty one is unset.
pub fn look_up<'a>(variables: &'a [Variable], name: &str) -> Option<&'a Variable> {
    variables.iter().rfind(|v| v.name == name).filter(|v| v.value() != Some(""))
}
