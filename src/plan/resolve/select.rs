//! Which conflicts a decision is about, and whether they are the ones that were seen.

use super::Resolution;
use crate::options::resolve::Request;
use crate::plan::{Conflict, Plan, State};
use crate::problem::{Code, Problem};
use crate::provider::{DesiredProvider, redact};

/// Which conflicts are meant, and are they still the ones that were seen?
pub fn select(plan: &Plan, desired: &[DesiredProvider], request: &Request) -> Resolution {
    let mut resolution = Resolution::default();
    for (at, name) in request.providers.iter().enumerate() {
        let Some(position) = desired.iter().position(|provider| provider.name == *name) else {
            // Not echoed: an argument that is no name of ours may be anything.
            let message = format!(
                "the environment describes no provider of the {} name that was given; check the spelling",
                redact::ordinal(at + 1)
            );
            resolution.findings.problems.push(Problem::new(Code::InvalidOption, message).variable("PROVIDER"));
            continue;
        };
        resolution.findings.problems.extend(
            plan.entries
                .iter()
                .find(|e| e.desired == position)
                .and_then(|entry| Some(elsewhere(&desired[position], not_there(entry.state)?))),
        );
        resolution.selected.push(name.clone());
    }
    let labels: Vec<String> = match request.providers.is_empty() {
        true => desired.iter().map(DesiredProvider::label).collect(),
        false => desired.iter().filter(|p| request.providers.contains(&p.name)).map(DesiredProvider::label).collect(),
    };
    let in_scope = |name: &Option<String>| name.as_ref().is_none_or(|name| labels.contains(name));
    resolution
        .findings
        .problems
        .extend(plan.findings.problems.iter().filter(|problem| in_scope(&problem.provider)).cloned());
    let scope: Vec<&Conflict> = plan.conflicts.iter().filter(|c| labels.contains(&c.provider)).collect();
    let given = |conflict: &&&Conflict| request.conflicts.contains(&conflict.id);
    let moved = request.conflicts.iter().any(|id| scope.iter().all(|conflict| conflict.id != *id));
    let named = !request.providers.is_empty() && !request.conflicts.is_empty();
    let not_named = scope.iter().find(|conflict| named && !moved && !given(conflict));
    resolution.conflicts = match moved || not_named.is_some() || request.conflicts.is_empty() {
        true => scope.iter().map(|conflict| (*conflict).clone()).collect(),
        false => scope.iter().filter(given).map(|conflict| (*conflict).clone()).collect(),
    };
    if moved && scope.is_empty() && resolution.findings.problems.is_empty() {
        let asked = plan.entries.iter().filter(|entry| labels.contains(&desired[entry.desired].label()));
        let states = asked.filter_map(|entry| Some(elsewhere(&desired[entry.desired], not_there(entry.state)?)));
        resolution.findings.problems.extend(states);
        if resolution.findings.problems.is_empty() {
            let message = "an id that was named is not known; nothing differs, so nothing was done";
            resolution.findings.warnings.push(Problem::new(Code::ConflictMoved, message).variable("--conflict"));
        }
    }
    // With nothing left to settle, somebody else has settled it: that is what was wanted.
    if moved && !scope.is_empty() && resolution.findings.problems.is_empty() {
        let of_others = |id: &String| plan.conflicts.iter().any(|conflict| conflict.id == *id);
        let message = match request.conflicts.iter().all(of_others) {
            true => {
                "a conflict that was named is that of a provider that was not, so nothing was done; name its provider too, \
                 or leave the names out"
            }
            false => {
                "the conflict that was named is not there any more: it was settled, or a side has changed since, so nothing \
                 was done; look at what is there now, and name its id (an id also depends on --compare-credentials)"
            }
        };
        resolution.findings.problems.push(Problem::new(Code::ConflictMoved, message).variable("--conflict"));
    }
    if let Some(conflict) = not_named.filter(|_| resolution.findings.problems.is_empty()) {
        let message = format!(
            "it is named, and its conflict is not, so nothing was done; name that too (--conflict {}), or leave the \
             provider out",
            conflict.id
        );
        let problem = Problem::new(Code::ConflictMoved, message).provider(&conflict.provider);
        resolution.findings.problems.push(problem);
    }
    let names = desired.iter().filter(|p| resolution.conflicts.iter().any(|c| c.provider == p.label()));
    let more: Vec<String> = names.map(|p| p.name.clone()).filter(|name| !resolution.selected.contains(name)).collect();
    resolution.selected.extend(more);
    resolution
}

/// Why there can be no conflict of a provider in this state.
fn not_there(state: State) -> Option<&'static str> {
    match state {
        State::Missing => Some("it is not in the database, so there is nothing to settle; seed inserts it"),
        State::Deleted => Some("an operator deleted it; --restore brings the deleted row back"),
        State::Unsupported => Some("this database does not know its type; upgrade Coder or remove it"),
        _ => None,
    }
}

fn elsewhere(provider: &DesiredProvider, what: &str) -> Problem {
    Problem::new(Code::ConflictMoved, what).provider(provider.label())
}
