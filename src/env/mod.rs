//! Turns an environment into desired providers: a function of values. One run reports all problems together.

mod check;
mod dotenv;
pub mod dotenv_quote;
mod duplicate;
mod endpoint;
mod env_directory;
mod indexed;
mod judge;
mod legacy;
mod named;
mod names;
mod partial;
pub mod size;
mod suggest;
mod suspicious;
mod synonyms;
mod unknown;
mod values;
mod variable;

pub use dotenv::{parse as parse_dotenv, read_file};
pub use judge::{characters, reference};
pub use names::is_legacy;
#[cfg(feature = "controller")]
pub use names::is_of_provider;
pub use suggest::nearest;
pub use unknown::{Completeness, UnknownProvider};
pub use variable::{DATABASE_URL_VARIABLES, OF_PROVIDERS, Variable, look_up};

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::problem::{Code, Findings, Problem};
use crate::provider::{DesiredProvider, ProviderType, Source, redact};
use indexed::Suffix;
use named::Named;

/// The result of reading an environment.
#[derive(Default)]
pub struct Environment {
    /// In name order. Two providers may share a name only where the database must decide: an indexed one whose type the
    /// database may not know, and an older one.
    pub providers: Vec<DesiredProvider>,
    pub findings: Findings,
    /// Providers that cannot be compared because some of their variables are unknown. Each has a problem until
    /// [`Environment::downgrade_unknown`] runs.
    pub unknown: Vec<UnknownProvider>,
}

impl Environment {
    pub fn read(variables: &[Variable]) -> Environment {
        let mut environment = Environment::default();
        let Environment { providers, findings, unknown } = &mut environment;
        let mut prefixes_used = Vec::new();
        let named = Named::of(variables);
        let sorted = [0, 1].map(|prefix| indexed::sorted(prefix, &named, findings));
        for (at, prefix) in names::PREFIXES.into_iter().enumerate() {
            let groups = indexed::group(at, &sorted[at], findings);
            prefixes_used.extend(groups.first().map(|_| (prefix, groups.len())));
            duplicate_names(&groups, &mut findings.problems);
            providers.reserve(groups.len());
            providers.extend(groups.iter().filter_map(|fields| check::check(fields, findings)));
            groups.iter().for_each(|fields| values::judge(fields, findings));
            unknown.extend(groups.iter().filter(|fields| fields.unknown).map(check::unknown));
        }
        if let [(aibridge, _), (gateway, _)] = prefixes_used[..] {
            let message = format!("{aibridge}* and {gateway}* cannot be mixed; move all providers to {gateway}*");
            findings.problems.push(
                Problem::new(Code::MixedPrefixes, message).variables([format!("{aibridge}*"), format!("{gateway}*")]),
            );
        }
        let legacy = legacy::read(&named, findings, unknown);
        values::judge_older(&named, findings);
        legacy_names(providers, &legacy, &mut findings.problems);
        providers.extend(legacy);
        // Of one name, the indexed provider comes before a legacy one. A stable sort would copy all of them.
        let rank = |provider: &DesiredProvider| provider.index.map_or(u64::MAX, |index| index);
        providers.sort_unstable_by(|a, b| a.name.cmp(&b.name).then_with(|| rank(a).cmp(&rank(b))));
        suspicious::mark(providers, &findings.warnings);
        findings.problems.extend(providers.iter().filter_map(size::of_settings));
        // In the order of the providers; problems of no provider come last.
        findings.problems.sort_by_key(|problem| problem.index.unwrap_or(u64::MAX));
        findings.warnings.extend(duplicate::warnings(&named, &sorted, variables));
        let next = prefixes_used.iter().map(|(_, groups)| *groups).max().unwrap_or_default();
        findings.warnings.extend(named.others.iter().filter_map(|variable| near_miss(variable, next)));
        if providers.is_empty() && unknown.is_empty() && findings.problems.is_empty() {
            let of_file = variables.iter().any(|variable| variable.source == Source::EnvFile);
            let message = match of_file {
                true => {
                    "no provider variable is in the env file, so there is nothing to seed; each line, or file of a \
                     directory, has the whole name of a variable, such as CODER_AIBRIDGE_PROVIDER_0_TYPE"
                }
                false => {
                    "no provider variable is set, so there is nothing to seed; check that the Secret and envFrom exist"
                }
            };
            findings.warnings.push(Problem::new(Code::NothingDesired, message));
        }
        environment
    }

    /// `--strict`: turns these warnings into problems, which stop the start.
    pub fn strict(&mut self) {
        let (stops, stays) =
            std::mem::take(&mut self.findings.warnings).into_iter().partition(|w| Code::STRICT.contains(&w.code));
        self.findings.warnings = stays;
        self.findings.problems.extend::<Vec<_>>(stops);
    }

    /// Only the database determines whether an indexed provider of a newer type is skipped or conflicts with a legacy
    /// provider of the same name.
    pub fn warn_of_undecided(&mut self) {
        let undecided = |pair: &&[DesiredProvider]| {
            let (indexed, legacy) = (&pair[0], &pair[1]);
            indexed.name == legacy.name && legacy.index.is_none() && !indexed.kind.in_every_schema()
        };
        let same_name = self.providers.windows(2).filter(undecided);
        self.findings.warnings.extend(same_name.map(|pair| legacy_name_conflict(&pair[0], &pair[1])));
    }

    /// `--require-providers`: detects a missing Secret or envFrom.
    pub fn require(&mut self, least: usize, option: &str) {
        let number = self.providers.len() + self.unknown.len();
        if number < least {
            let message = format!(
                "{} in the environment, at least {least} required; check that the Secret and envFrom exist",
                redact::count(number, "provider")
            );
            self.findings.problems.push(Problem::new(Code::TooFewProviders, message).variable(option));
        }
    }
}

fn duplicate_names(groups: &[indexed::Fields], problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<&str, &indexed::Fields> = BTreeMap::new();
    for fields in groups {
        let name = check::name(fields);
        // An unreadable variable may set another name.
        if name.is_empty() || fields.unreadable {
            continue;
        }
        let Some(first) = seen.get(name) else {
            seen.insert(name, fields);
            continue;
        };
        let is_type = |fields: &indexed::Fields| fields.text(Suffix::Name).is_empty();
        let kind = ProviderType::ALL.iter().find(|kind| kind.as_str() == name);
        let (a, b) = (first.index, fields.index);
        let message = match kind.filter(|_| is_type(first) && is_type(fields)) {
            Some(kind) => {
                let variable = fields.spelled(Suffix::Name);
                format!("providers {a} and {b} are both called {}, after their type; set {variable}", kind.as_str())
            }
            None => format!("providers {a} and {b} have the same name; give one of them another NAME"),
        };
        let variables = [check::name_variable(first), check::name_variable(fields)].map(|name| name.to_string());
        problems.push(Problem::new(Code::DuplicateName, message).index(fields.index).variables(variables));
    }
}

/// Coder skips types that its database does not know before it checks for this. So only types of every schema are decided
/// here, and the plan decides the others.
fn legacy_names(indexed: &[DesiredProvider], legacy: &[DesiredProvider], problems: &mut Vec<Problem>) {
    let same = |old: &DesiredProvider| indexed.iter().find(|new| new.name == old.name && new.kind.in_every_schema());
    problems.extend(legacy.iter().filter_map(|old| same(old).map(|new| legacy_name_conflict(new, old))));
}

pub fn legacy_name_conflict(indexed: &DesiredProvider, legacy: &DesiredProvider) -> Problem {
    let message = format!(
        "the older variables {} make a provider of this name too; give this one another NAME, or unset the older ones",
        legacy.origins.pattern
    );
    let problem = Problem::new(Code::LegacyNameConflict, message).provider(indexed.label());
    let problem = problem.variables([&indexed.origins.name.variable, &legacy.origins.name.variable]);
    Problem { index: indexed.index, ..problem }
}

/// `next` is the number for one more provider.
fn near_miss(variable: &Variable, next: usize) -> Option<Problem> {
    if let Some((prefix, kind, field)) = names::other_vendor(&variable.name) {
        let (of_type, of_field) = (format!("{prefix}{next}_TYPE"), format!("{prefix}{next}_{field}"));
        let has_older = ["openai", "anthropic", "bedrock"].contains(&kind);
        let only = if has_older { "has this field".to_owned() } else { format!("can be of type {kind}") };
        let takes_keys = ProviderType::from_str(kind).is_ok_and(|kind| kind.allows_keys()) || !field.starts_with("KEY");
        let (and, meant) = match takes_keys {
            true => (format!(", and {of_field}"), of_field),
            false => (", which takes no key".to_owned(), of_type.clone()),
        };
        let message = format!("unrecognized variable; only a numbered provider {only}: set {of_type} to {kind}{and}");
        let problem = Problem::new(Code::UnknownVariable, message).variable(redact::name(&variable.name));
        return Some(problem.suggestion(Some(meant)));
    }
    // The suggestion contains the rest of the name as the operator wrote it.
    let meant = redact::name(&names::near_miss(&variable.name)?);
    let message = format!("unrecognized variable; did you mean {meant}?");
    Some(Problem::new(Code::UnknownVariable, message).variable(redact::name(&variable.name)).suggestion(Some(meant)))
}

#[cfg(test)]
mod tests;
