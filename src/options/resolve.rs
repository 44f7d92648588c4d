//! What `resolve` was told to do. On the command line only: a decision is about one conflict, and a variable would outlive it.

use std::collections::BTreeSet;

use super::args::ResolveTexts;
use super::word;
use crate::plan::resolve::{Action, Request};
use crate::problem::{Code, Problem};
use crate::provider::{check_name, redact};

/// How long an id is, in hex.
const ID: usize = 12;

pub fn is_id(text: &str) -> bool {
    text.len() == ID && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// `can_ask`: there is somebody at a terminal.
pub fn parse(texts: &ResolveTexts, can_ask: bool, problems: &mut Vec<Problem>) -> Request {
    let mut problem = |option: &str, message: String| {
        problems.push(Problem::new(Code::InvalidOption, message).variable(option));
    };
    let sides = [("environment", Action::TakeEnvironment), ("database", Action::TakeDatabase)];
    let action = match (&texts.take, texts.restore) {
        (Some(_), true) => {
            problem("--restore", "it is a step of its own; leave --take out, and settle what then differs".to_owned());
            Action::Restore
        }
        (None, true) => Action::Restore,
        (Some(take), false) => word(take, &sides).unwrap_or_else(|message| {
            problem("--take", message);
            Action::TakeDatabase
        }),
        (None, false) => {
            problem("--take", "say which side is right: environment or database".to_owned());
            Action::TakeDatabase
        }
    };
    let providers = each_once(texts.providers.iter().cloned());
    for (at, name) in texts.providers.iter().enumerate() {
        if check_name(name).is_err() {
            let length = redact::count(name.chars().count(), "character");
            problem("PROVIDER", format!("the {} name, of {length}, is no provider's name", redact::ordinal(at + 1)));
        }
    }
    if action == Action::Restore && texts.providers.is_empty() {
        problem("--restore", "name the providers to bring back".to_owned());
    }
    let conflicts = each_once(texts.conflict.iter().flat_map(|ids| ids.split(',')).map(|id| id.trim().to_owned()));
    if !conflicts.iter().all(|id| is_id(id)) {
        problem("--conflict", format!("an id has {ID} hex digits, as the report of seed and diff says it"));
    }
    match action {
        Action::TakeEnvironment if conflicts.is_empty() => {
            let message = "name the conflict that you saw, so that nothing else is overwritten; \
                           ai-provider-seed diff shows its id";
            problem("--conflict", message.to_owned());
        }
        Action::Restore if !conflicts.is_empty() => {
            problem("--conflict", "a deleted provider is in no conflict; leave it out with --restore".to_owned());
        }
        _ => {}
    }
    if action != Action::TakeDatabase && !texts.yes && !texts.dry_run && !can_ask {
        let message = "there is no terminal to ask at; add --yes to change the database, or --dry-run to see what \
                       would be changed";
        problem("--yes", message.to_owned());
    }
    Request { action, providers, conflicts }
}

/// In the order in which they were given.
fn each_once(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts.filter(|text| seen.insert(text.clone())).collect()
}
