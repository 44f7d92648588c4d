//! Selects the conflicts of a decision and checks that they are the ones that the operator saw.

use crate::env::nearest;
use crate::options::resolve::Request;
use crate::plan::conflict::Conflict;
use crate::plan::types::{Plan, State};
use crate::plan::update::Resolution;
use crate::problem::{Code, Findings, Problem};
use crate::provider::{DesiredProvider, redact};

/// The requested conflicts in their current state. A problem explains why nothing is done.
pub fn select(plan: &Plan, desired: &[DesiredProvider], request: &Request) -> Resolution {
    let scope = Scope::of(plan, desired, request);
    let (mut selected, problems) = scope.named_providers();
    let mut findings = Findings::from(problems);
    findings.problems.extend(scope.problems().cloned());
    let moved = scope.has_unknown_id();
    let without_id = scope.conflict_without_id().filter(|_| !moved);
    if findings.problems.is_empty() {
        if moved && scope.conflicts.is_empty() {
            findings.extend(scope.nothing_left());
        } else if moved {
            findings.problems.push(scope.moved());
        } else if let Some(conflict) = without_id {
            findings.problems.push(id_missing(conflict));
        }
    }
    let shows_all = moved || without_id.is_some() || request.conflicts.is_empty();
    let shown = scope.conflicts.iter().filter(|conflict| shows_all || scope.is_given(conflict));
    let conflicts: Vec<Conflict> = shown.map(|conflict| (*conflict).clone()).collect();
    let of_conflicts = desired.iter().filter(|p| conflicts.iter().any(|c| c.provider == p.label()));
    let more: Vec<String> = of_conflicts.map(|p| p.name.clone()).filter(|name| !selected.contains(name)).collect();
    selected.extend(more);
    Resolution { selected, conflicts, findings, ..Resolution::default() }
}

/// The providers that the request names, or all providers.
struct Scope<'a> {
    plan: &'a Plan,
    desired: &'a [DesiredProvider],
    request: &'a Request,
    labels: Vec<String>,
    conflicts: Vec<&'a Conflict>,
}

impl<'a> Scope<'a> {
    fn of(plan: &'a Plan, desired: &'a [DesiredProvider], request: &'a Request) -> Scope<'a> {
        let named = |p: &&DesiredProvider| request.providers.is_empty() || request.providers.contains(&p.name);
        let labels: Vec<String> = desired.iter().filter(named).map(DesiredProvider::label).collect();
        let conflicts = plan.conflicts.iter().filter(|conflict| labels.contains(&conflict.provider)).collect();
        Scope { plan, desired, request, labels, conflicts }
    }

    /// The given names, and a problem for each that cannot have a conflict.
    fn named_providers(&self) -> (Vec<String>, Vec<Problem>) {
        let (mut selected, mut problems) = (Vec::new(), Vec::new());
        for (at, name) in self.request.providers.iter().enumerate() {
            let Some(position) = self.desired.iter().position(|provider| provider.name == *name) else {
                // The argument is not echoed: an unknown name may be any text.
                let known: Vec<String> = self.desired.iter().map(DesiredProvider::label).collect();
                let message = format!(
                    "the environment describes no provider of the {} name; {}",
                    redact::ordinal(at + 1),
                    unknown_name(name, &known)
                );
                problems.push(Problem::new(Code::InvalidOption, message).variable("PROVIDER"));
                continue;
            };
            let entry = self.plan.entries.iter().find(|entry| entry.desired == position);
            problems.extend(entry.and_then(|entry| no_conflict(&self.desired[position], entry.state)));
            selected.push(name.clone());
        }
        (selected, problems)
    }

    /// The problems of these providers, and problems of no provider.
    fn problems(&self) -> impl Iterator<Item = &Problem> {
        let in_scope = |problem: &&Problem| problem.provider.as_ref().is_none_or(|name| self.labels.contains(name));
        self.plan.findings.problems.iter().filter(in_scope)
    }

    fn is_given(&self, conflict: &Conflict) -> bool {
        self.request.conflicts.contains(&conflict.id)
    }

    /// Whether a given id is not the id of a conflict in scope.
    fn has_unknown_id(&self) -> bool {
        self.request.conflicts.iter().any(|id| self.conflicts.iter().all(|conflict| conflict.id != *id))
    }

    /// If both names and ids are given, each named provider needs the id of its conflict.
    fn conflict_without_id(&self) -> Option<&'a Conflict> {
        let named = !self.request.providers.is_empty() && !self.request.conflicts.is_empty();
        self.conflicts.iter().copied().find(|conflict| named && !self.is_given(conflict))
    }

    /// No conflict remains: another session resolved it, as intended, or these providers cannot have one.
    fn nothing_left(&self) -> Findings {
        let of_scope =
            self.plan.entries.iter().filter(|entry| self.labels.contains(&self.desired[entry.desired].label()));
        let problems: Vec<Problem> =
            of_scope.filter_map(|entry| no_conflict(&self.desired[entry.desired], entry.state)).collect();
        if !problems.is_empty() {
            return problems.into();
        }
        let message = "a named id is unknown; nothing differs, so nothing was done";
        let warning = Problem::new(Code::ConflictMoved, message).variable("--conflict");
        Findings { warnings: vec![warning], ..Findings::default() }
    }

    fn moved(&self) -> Problem {
        let of_others = |id: &String| self.plan.conflicts.iter().any(|conflict| conflict.id == *id);
        let message = if self.request.conflicts.iter().all(of_others) {
            "a named conflict belongs to a provider that is not named, so nothing was done; name its provider too, or leave \
             the names out"
        } else {
            "the named conflict no longer exists: it was resolved, or one side has changed, so nothing was done; look at the \
             current conflicts, and name the id of one (an id also depends on --compare-credentials and --compare-settings)"
        };
        Problem::new(Code::ConflictMoved, message).variable("--conflict")
    }
}

/// The name that was probably meant, or the existing names. `known` is shown unchanged.
pub fn unknown_name(name: &str, known: &[String]) -> String {
    match nearest(name, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {meant}?"),
        None if known.is_empty() => "it has none".to_owned(),
        None => {
            let more = if known.len() > NAMES { ", …" } else { "" };
            format!("it has {}{more}", known.iter().take(NAMES).map(String::as_str).collect::<Vec<_>>().join(", "))
        }
    }
}

/// The most names that a message lists.
const NAMES: usize = 20;

fn id_missing(conflict: &Conflict) -> Problem {
    let message = format!(
        "it is named, and its conflict is not, so nothing was done; name that too (--conflict {}), or leave the provider out",
        conflict.id
    );
    Problem::new(Code::ConflictMoved, message).provider(&conflict.provider)
}

/// Why a provider in this state cannot have a conflict.
fn no_conflict(provider: &DesiredProvider, state: State) -> Option<Problem> {
    let why = match state {
        State::Missing => "it is not in the database, so there is nothing to resolve; seed inserts it",
        State::Deleted => "an operator deleted it; --restore brings the deleted row back",
        State::Unsupported => "this database does not know its type; upgrade Coder or remove it",
        _ => return None,
    };
    Some(Problem::new(Code::ConflictMoved, why).provider(provider.label()))
}
