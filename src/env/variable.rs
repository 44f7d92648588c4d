use std::ffi::OsString;

use crate::problem::{Code, Problem};
use crate::provider::{Source, redact};

/// The variables that hold a connection URL; Coder's own comes first.
pub const DATABASE_URL_VARIABLES: [&str; 2] = ["CODER_PG_CONNECTION_URL", "DATABASE_URL"];

/// The beginning of the names of variables that describe providers, in capital letters as most are. No option, and no setting
/// of a connection, has it.
pub const OF_PROVIDERS: &str = "CODER_AI";

/// One `NAME=VALUE` and its source. No `Debug`, since any value may be a secret.
#[derive(Clone)]
pub struct Variable {
    /// As written, with replacement characters for text that is not Unicode.
    pub name: String,
    content: Content,
    pub source: Source,
    /// Boxed, since an environment has hundreds of variables, and few have any.
    remarks: Option<Box<Remarks>>,
}

#[derive(Clone, Default)]
struct Remarks {
    /// Why a reference in the value was not replaced, if known.
    note: Option<String>,
    /// In an env file that sets it more than once to different values: all line numbers, in order.
    lines: Vec<usize>,
}

#[derive(Clone)]
enum Content {
    Text(String),
    Unknown(Box<Unknown>),
}

#[derive(Clone)]
enum Unknown {
    /// The name or the value is not Unicode.
    NotUnicode,
    /// Known only in the pod, for this reason.
    InPod(String),
    /// In this object, which was not given.
    Elsewhere(String),
}

impl Variable {
    pub fn new(name: impl Into<String>, value: impl Into<String>, source: Source) -> Self {
        Variable { name: name.into(), content: Content::Text(value.into()), source, remarks: None }
    }

    fn unknown(name: impl Into<String>, unknown: Unknown, source: Source) -> Self {
        Variable { name: name.into(), content: Content::Unknown(Box::new(unknown)), source, remarks: None }
    }

    /// A value that is not text, as a Secret may contain.
    pub fn not_unicode(name: impl Into<String>, source: Source) -> Self {
        Variable::unknown(name, Unknown::NotUnicode, source)
    }

    /// A variable of a pod template whose value is unknown before the pod runs. `why` names the value's source.
    pub fn in_pod(name: impl Into<String>, why: impl Into<String>) -> Self {
        Variable::unknown(name, Unknown::InPod(why.into()), Source::Container)
    }

    /// A variable whose value is in an object that is not among the manifests. `why` names the object.
    pub fn elsewhere(name: impl Into<String>, why: impl Into<String>, source: Source) -> Self {
        Variable::unknown(name, Unknown::Elsewhere(why.into()), source)
    }

    pub fn from_os(name: OsString, value: OsString) -> Self {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(text)) => Variable::new(name, text, Source::Process),
            (Ok(name), Err(_)) => Variable::not_unicode(name, Source::Process),
            (Err(name), _) => Variable::not_unicode(name.to_string_lossy(), Source::Process),
        }
    }

    /// Adds the reason why a reference in the value was not replaced.
    #[must_use]
    pub fn with_note(mut self, note: Option<String>) -> Self {
        if note.is_some() {
            self.remarks.get_or_insert_default().note = note;
        }
        self
    }

    /// Why a reference in the value was not replaced, if known; safe to show.
    pub fn note(&self) -> Option<&str> {
        self.remarks.as_ref()?.note.as_deref()
    }

    /// Records the lines of an env file that set it; the last one counts.
    #[must_use]
    pub fn on_lines(mut self, lines: Vec<usize>) -> Self {
        self.remarks.get_or_insert_default().lines = lines;
        self
    }

    /// The lines of an env file that set it to different values, in order; empty unless there are several.
    pub fn lines(&self) -> &[usize] {
        self.remarks.as_ref().map_or(&[], |remarks| &remarks.lines)
    }

    /// The whole environment of this process, in order.
    pub fn of_this_process() -> Vec<Variable> {
        std::env::vars_os().map(|(name, value)| Variable::from_os(name, value)).collect()
    }

    pub fn value(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Unknown(_) => None,
        }
    }

    fn why_unknown(&self) -> Option<&Unknown> {
        match &self.content {
            Content::Text(_) => None,
            Content::Unknown(why) => Some(why),
        }
    }

    /// The reason for a missing value.
    pub fn unreadable(&self) -> Option<Problem> {
        let (code, message) = match self.why_unknown()? {
            Unknown::NotUnicode => {
                (Code::NotUnicode, "the name or the value is not Unicode (UTF-8); set it again as text".to_owned())
            }
            Unknown::InPod(why) => (Code::EnvironmentUnknown, format!("{why}, which is known only in the pod")),
            Unknown::Elsewhere(why) => (Code::EnvironmentUnknown, format!("{why}, which is not among the manifests")),
        };
        Some(Problem::new(code, message).variable(redact::name(&self.name)))
    }

    /// The value is in an object that was not given.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.why_unknown(), Some(Unknown::Elsewhere(_)))
    }

    /// The variable has a value that is unknown here.
    pub fn is_unknown(&self) -> bool {
        matches!(self.why_unknown(), Some(Unknown::InPod(_) | Unknown::Elsewhere(_)))
    }
}

/// The last non-empty variable of exactly this name: to Coder (serpent) an empty one is unset.
pub fn look_up<'a, L>(variables: L, name: &str) -> Option<&'a Variable>
where
    L: IntoIterator<Item = &'a Variable, IntoIter: DoubleEndedIterator>,
{
    variables.into_iter().rfind(|v| v.name == name).filter(|v| v.value() != Some(""))
}
