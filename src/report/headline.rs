//! The first line of a report: the result of the run.

use super::layout::Style;
use super::model::{Command, Report};
use crate::plan::State;
use crate::problem::{Code, Outcome, Problem};
use crate::provider::redact::count;

pub fn headline(report: &Report, style: Style) -> String {
    let written = written(report);
    let anyway = if report.blocked { "" } else { ", but this does not stop the start (--block-on)" };
    let sentence = match report.outcome {
        Outcome::Ok | Outcome::Changes => return good(report),
        Outcome::Invalid => {
            format!(
                "{} in the {}",
                count(report.findings.problems.len(), "problem"),
                place_of(&report.findings.problems)
            )
        }
        Outcome::Conflict if report.command == Command::Resolve => {
            "the decision no longer matches the database".to_owned()
        }
        Outcome::Conflict => disagreement(report),
        Outcome::Unavailable if report.has_no_workload() => "the workload cannot be read".to_owned(),
        Outcome::Unavailable => "no usable connection to the database".to_owned(),
        Outcome::Unusable if !report.command.guards_a_start() => {
            "connected, but the database does not allow this operation".to_owned()
        }
        Outcome::Unusable => "connected, but the database does not allow the seed".to_owned(),
        Outcome::Locked => "another session holds the lock for seeding".to_owned(),
        Outcome::OutputFailed => "the result could not be written".to_owned(),
        Outcome::Internal => "a bug in ai-provider-seed".to_owned(),
    };
    format!("{} {sentence}; {written}{anyway}", style.error())
}

fn place_of(problems: &[Problem]) -> &'static str {
    use Code::{
        AuthenticationUnsupported, DatabaseUrlInvalid, DatabaseUrlMissing, EncryptionKeyInvalid, InvalidOption,
    };
    let options =
        [InvalidOption, EncryptionKeyInvalid, DatabaseUrlInvalid, DatabaseUrlMissing, AuthenticationUnsupported];
    if problems.iter().any(|problem| Code::NO_WORKLOAD.contains(&problem.code)) {
        return "workload";
    }
    if problems.iter().any(|problem| options.contains(&problem.code)) { "configuration" } else { "environment" }
}

fn disagreement(report: &Report) -> String {
    let (disagree, all) = (report.count(State::Conflict), report.providers.len());
    let who = match disagree {
        1 if all == 1 => "the provider disagrees".to_owned(),
        1 => format!("1 of {all} providers disagrees"),
        _ => format!("{disagree} of {all} providers disagree"),
    };
    let rest = [(State::Missing, "more missing there"), (State::WouldUpdate, "more to be updated there")].into_iter();
    let rest = rest.map(|(state, what)| (report.count(state), what)).filter(|(number, _)| *number > 0);
    let rest: String = rest.map(|(number, what)| format!(", {number} {what}")).collect();
    format!("{who} with the database{rest}")
}

/// States only known facts.
pub fn written(report: &Report) -> &'static str {
    match (report.commit_unknown, report.written) {
        (true, _) if report.command == Command::Resolve => {
            "the answer to the commit was lost, so the change may be there or not; ai-provider-seed diff finds out"
        }
        (true, _) => "the answer to the commit was lost, so the rows may be there or not; the next start finds out",
        (false, true) => "but the rows were written",
        (false, false) => "nothing was written",
    }
}

/// The headline of a run without problems.
pub fn good(report: &Report) -> String {
    let n = |state| report.count(state);
    let (created, missing) = (n(State::Created), n(State::Missing));
    let unknown = !report.unknown_providers.is_empty() || report.has_warning(Code::NotInManifests);
    let rest = [
        (n(State::Deleted), "left deleted"),
        (n(State::Unsupported), "skipped"),
        (report.unknown_providers.len(), "unknown"),
    ];
    let listed = |first: String, others: &[(usize, &str)]| {
        let others = others.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}"));
        [first].into_iter().filter(|first| !first.is_empty()).chain(others).collect::<Vec<_>>().join(", ")
    };
    let there = match n(State::InSync) {
        1 => (1, "was already there"),
        more => (more, "were already there"),
    };
    let differing = differing(report);
    let written = |first: String| {
        let others = differing.as_ref().map(|differing| format!("; {differing}")).unwrap_or_default();
        listed(first, &[&[there], &rest[..]].concat()) + &others
    };
    let (updated, would_update) = (n(State::Updated), n(State::WouldUpdate));
    if updated > 0 {
        let seeded = if created > 0 { format!("seeded {created} and ") } else { String::new() };
        let first = format!("{seeded}updated {}", count(updated, "provider"));
        return format!("{}; Coder was notified (requests in flight end after 5 s)", written(first));
    }
    if would_update > 0 {
        let inserted = if missing > 0 { format!("insert {missing} and ") } else { String::new() };
        return written(format!("a seed would {inserted}update {}", count(would_update, "provider")));
    }
    match (created, missing) {
        (0, 0) if report.desired == 0 && report.source.is_some() && unknown => {
            "nothing was compared: the providers are not known from these manifests".to_owned()
        }
        (0, 0) if report.desired == 0 => "nothing to do: no providers in the environment".to_owned(),
        (0, 0) if report.providers.is_empty() => {
            let known = count(report.desired, "provider");
            format!("the environment is valid: {}; no database was asked", listed(known, &rest))
        }
        (0, 0) if n(State::InSync) == report.providers.len() && report.unknown_providers.is_empty() => {
            format!("nothing to do: {} in sync", count(report.providers.len(), "provider"))
        }
        (0, 0) if let Some(differing) = &differing => format!("nothing was written: {differing}"),
        (0, 0) => {
            let parts = [&[(n(State::InSync), "in sync")], &rest[..]].concat();
            format!("nothing to do: {} ({})", count(report.providers.len(), "provider"), listed(String::new(), &parts))
        }
        (0, missing) if report.outcome == Outcome::Changes => {
            let once = if report.has_warning(Code::SchemaPending) { ", once Coder has created its tables" } else { "" };
            written(format!("a seed would insert {}{once}", count(missing, "provider")))
        }
        (0, missing) => written(format!("{} missing, nothing was inserted", count(missing, "provider"))),
        (created, _) => written(format!("seeded {}", count(created, "provider"))),
    }
}

/// Differences that are reported but not applied, and their subject.
const NOT_APPLIED: &[(State, &str)] = &[(State::CredentialsDiffer, "credentials"), (State::SettingsDiffer, "settings")];

/// `1 of 3 providers has other credentials in the database, and Coder goes on with those`
fn differing(report: &Report) -> Option<String> {
    let all = report.providers.len();
    let of = |(state, what): &(State, &str)| match (report.count(*state), all) {
        (0, _) => None,
        (1, 1) => Some(format!("the provider has other {what} in the database")),
        (1, _) => Some(format!("1 of {all} providers has other {what} in the database")),
        (number, _) => Some(format!("{number} of {all} providers have other {what} in the database")),
    };
    let differing: Vec<String> = NOT_APPLIED.iter().filter_map(of).collect();
    (!differing.is_empty()).then(|| format!("{}, and Coder goes on with those", differing.join(", ")))
}
