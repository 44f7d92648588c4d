//! The request to `resolve`. It exists only on the command line: a decision is about one conflict, and a variable would
//! outlive it.

use std::collections::BTreeSet;

use super::args::RawOptions;
use super::words::word;
use crate::problem::{Code, Problem};
use crate::provider::{check_name, redact};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `--take environment`
    TakeEnvironment,
    /// `--take database`
    TakeDatabase,
    /// `--restore`
    Restore,
}

/// The operator's decision.
#[derive(Clone, Debug)]
pub struct Request {
    pub action: Action,
    /// Names; an empty list means the providers of the conflicts.
    pub providers: Vec<String>,
    /// The ids of the conflicts that the operator saw.
    pub conflicts: Vec<String>,
}

/// Characters of a conflict's id: 160 bits in base32 (RFC 4648), so that no two pairs of sides can be made to share one.
const ID: usize = 32;
pub const ID_FORM: &str = "32 characters, a to z and 2 to 7";

/// Whole, as shown: a prefix or an upper-case form is not an id.
pub fn is_id(text: &str) -> bool {
    text.len() == ID && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
}

/// The fault of a typed id, without its text: it may be a key in the wrong place.
fn id_mistake(id: &str) -> Option<String> {
    if is_id(id) {
        return None;
    }
    let position = |is_bad: &dyn Fn(char) -> bool| id.chars().position(is_bad).map(|at| redact::ordinal(at + 1));
    let length = id.chars().count();
    Some(if id.is_empty() {
        "is empty".to_owned()
    } else if let Some(at) = position(&char::is_whitespace) {
        format!("has white space at the {at} character")
    } else if is_id(&id.to_ascii_lowercase()) {
        "is written in upper case; write it in lower case".to_owned()
    } else if let Some(at) = position(&|c| !matches!(c, 'a'..='z' | 'A'..='Z' | '2'..='7')) {
        format!("has a character at the {at} place that no id has")
    } else if length < ID {
        format!("is cut off: it has {}", redact::count(length, "character"))
    } else if length > ID {
        format!("is too long: it has {}", redact::count(length, "character"))
    } else {
        "has upper-case letters; write it in lower case".to_owned()
    })
}

/// The same, with the form of an id.
#[cfg(feature = "controller")]
pub(super) fn single_id(id: &str) -> Option<String> {
    id_mistake(id).map(|mistake| format!("the id {mistake}; an id has {ID_FORM}; copy it whole from status or diff"))
}

/// The values of `--take`.
pub(super) fn sides() -> [(&'static str, Action); 2] {
    [("environment", Action::TakeEnvironment), ("database", Action::TakeDatabase)]
}

/// `can_ask`: a user is present at a terminal.
pub fn parse(raw: &RawOptions, can_ask: bool, problems: &mut Vec<Problem>) -> Request {
    let mut problem = |option: &str, message: &str| {
        problems.push(Problem::new(Code::InvalidOption, message).variable(option));
    };
    let action = match (raw.text("take"), raw.is_given("restore")) {
        (Some(_), true) => {
            problem("--restore", "it is a step of its own; leave --take out, and settle what then differs");
            Action::Restore
        }
        (None, true) => Action::Restore,
        (Some(take), false) => word(take, &sides()).unwrap_or_else(|message| {
            problem("--take", &message);
            Action::TakeDatabase
        }),
        (None, false) => {
            problem("--take", "say which side is right: environment or database");
            Action::TakeDatabase
        }
    };
    problems.extend(invalid_names(raw.texts("provider")));
    let request = Request {
        action,
        providers: each_once(raw.texts("provider").iter().cloned()),
        conflicts: each_once(
            raw.texts("conflict").iter().flat_map(|ids| ids.split(',')).map(|id| id.trim().to_owned()),
        ),
    };
    let is_agreed = can_ask || raw.is_given("yes") || raw.is_given("dry-run");
    problems.extend(contradictions(&request, is_agreed));
    request
}

/// Options that contradict each other. `is_agreed`: the user confirms each write, or no confirmation is needed.
fn contradictions(request: &Request, is_agreed: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |option: &str, message: &str| {
        problems.push(Problem::new(Code::InvalidOption, message).variable(option));
    };
    let Request { action, providers, conflicts } = request;
    if *action == Action::Restore && providers.is_empty() {
        problem("--restore", "name the providers to bring back");
    }
    for (at, id) in conflicts.iter().enumerate() {
        if let Some(mistake) = id_mistake(id) {
            let which =
                if conflicts.len() > 1 { format!("the {} id ", redact::ordinal(at + 1)) } else { "the id ".to_owned() };
            let form = format!("an id has {ID_FORM}; copy it whole from the report of seed or diff");
            problem("--conflict", &format!("{which}{mistake}; {form}"));
        }
    }
    match action {
        Action::TakeEnvironment if conflicts.is_empty() => {
            problem(
                "--conflict",
                "name the conflict that you saw, so that nothing else is overwritten; ai-provider-seed diff shows its id",
            );
        }
        Action::Restore if !conflicts.is_empty() => {
            problem("--conflict", "a deleted provider is in no conflict; leave it out with --restore");
        }
        _ => {}
    }
    if *action != Action::TakeDatabase && !is_agreed {
        problem(
            "--yes",
            "there is no terminal to ask at; add --yes to change the database, or --dry-run to see what would be changed",
        );
    }
    problems
}

/// Arguments that cannot be provider names. They are counted, not repeated: one may be a key.
pub(super) fn invalid_names(names: &[String]) -> impl Iterator<Item = Problem> {
    names.iter().enumerate().filter(|(_, name)| check_name(name).is_err()).map(|(at, name)| {
        let length = redact::count(name.chars().count(), "character");
        let message = format!("the {} name, of {length}, is not a valid provider name", redact::ordinal(at + 1));
        Problem::new(Code::InvalidOption, message).variable("PROVIDER")
    })
}

/// Each text once, in the given order.
fn each_once(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts.filter(|text| seen.insert(text.clone())).collect()
}
