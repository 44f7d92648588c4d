//! `CODER_AIBRIDGE_PROVIDER_<N>_<SUFFIX>` and `CODER_AI_GATEWAY_PROVIDER_<N>_<SUFFIX>`: names to numbered groups of fields.

use std::collections::BTreeMap;

use super::named::Named;
use super::names::PREFIXES;
use super::suggest::nearest_suffix;
use super::variable::Variable;
use crate::problem::{Code, Findings, Problem};
use crate::provider::{Field, redact};

/// Beyond this number, only the number of keys is a problem: a value of a megabyte must not become a million keys.
const JUDGED: usize = 50;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suffix {
    Type,
    Name,
    BaseUrl,
    BedrockBaseUrl,
    BedrockRegion,
    /// A field that is compared only where its variable is set.
    Optional(Field),
    Keys {
        plural: bool,
    },
    AccessKeys {
        plural: bool,
    },
    AccessKeySecrets {
        plural: bool,
    },
}

/// Coder's order, except that suggestions pick the closest name.
const SUFFIXES: [(&str, Suffix); 11] = [
    ("TYPE", Suffix::Type),
    ("NAME", Suffix::Name),
    ("KEY", Suffix::Keys { plural: false }),
    ("KEYS", Suffix::Keys { plural: true }),
    ("BASE_URL", Suffix::BaseUrl),
    ("BEDROCK_BASE_URL", Suffix::BedrockBaseUrl),
    ("BEDROCK_REGION", Suffix::BedrockRegion),
    ("BEDROCK_ACCESS_KEY", Suffix::AccessKeys { plural: false }),
    ("BEDROCK_ACCESS_KEYS", Suffix::AccessKeys { plural: true }),
    ("BEDROCK_ACCESS_KEY_SECRET", Suffix::AccessKeySecrets { plural: false }),
    ("BEDROCK_ACCESS_KEY_SECRETS", Suffix::AccessKeySecrets { plural: true }),
];

/// All suffixes, including those of the optional fields.
fn suffixes() -> impl Iterator<Item = (&'static str, Suffix)> {
    SUFFIXES.into_iter().chain(Field::all_optional().map(|field| (field.suffix(), Suffix::Optional(field))))
}

/// A list of credentials: one variable, singular or plural.
#[derive(Default)]
pub struct List<'a> {
    pub variable: Option<&'a Variable>,
    /// Trimmed; at most the first [`JUDGED`].
    pub values: Vec<&'a str>,
    /// The number of values, before that limit.
    pub number: usize,
    /// Set twice or unknown: its values are not checked further.
    pub ambiguous: bool,
    /// The variable has an unknown value.
    pub unknown: bool,
}

/// All variables of one number.
pub struct Fields<'a> {
    pub index: u64,
    /// The common start of all its variables: `CODER_AIBRIDGE_PROVIDER_0_`.
    stem: String,
    texts: BTreeMap<Suffix, &'a Variable>,
    pub keys: List<'a>,
    pub access_keys: List<'a>,
    pub access_key_secrets: List<'a>,
    /// One of its variables cannot be read, so missing fields are not reported.
    pub unreadable: bool,
    /// A variable other than a credential has an unknown value.
    pub unknown: bool,
    /// The models that have an unknown value.
    pub unknown_optional: Vec<Field>,
}

impl<'a> Fields<'a> {
    fn new(prefix: &'static str, index: u64) -> Self {
        let lists = (List::default(), List::default(), List::default());
        Fields {
            index,
            stem: [prefix, &index.to_string(), "_"].concat(),
            texts: BTreeMap::new(),
            keys: lists.0,
            access_keys: lists.1,
            access_key_secrets: lists.2,
            unreadable: false,
            unknown: false,
            unknown_optional: Vec::new(),
        }
    }

    pub fn variable(&self, suffix: Suffix) -> Option<&'a Variable> {
        self.texts.get(&suffix).copied()
    }

    /// All known variables, each once.
    pub fn variables(&self) -> impl Iterator<Item = &'a Variable> {
        let lists = [&self.keys, &self.access_keys, &self.access_key_secrets];
        self.texts.values().copied().chain(lists.into_iter().filter_map(|list| list.variable))
    }

    /// The text of a field; empty if the field is not set.
    pub fn text(&self, suffix: Suffix) -> &'a str {
        self.variable(suffix).and_then(Variable::value).unwrap_or_default()
    }

    /// The spelling of the variable, or the spelling that it would have.
    pub fn spelled(&self, suffix: Suffix) -> String {
        self.variable(suffix).map_or_else(|| self.would_be(suffix), |variable| redact::name(&variable.name))
    }

    pub fn would_be(&self, suffix: Suffix) -> String {
        let text = suffixes().find(|(_, known)| *known == suffix).map_or("", |(text, _)| text);
        [&self.stem, text].concat()
    }

    /// The common pattern of its variables: `CODER_AIBRIDGE_PROVIDER_0_*`.
    pub fn pattern(&self) -> String {
        [&self.stem, "*"].concat()
    }

    fn put(&mut self, suffix: Suffix, variable: &'a Variable, problems: &mut Vec<Problem>) {
        if variable.value().is_none() && !variable.is_unknown() {
            self.unreadable = true;
            return;
        }
        let (list, plural) = match suffix {
            Suffix::Keys { plural } => (&mut self.keys, plural),
            Suffix::AccessKeys { plural } => (&mut self.access_keys, plural),
            Suffix::AccessKeySecrets { plural } => (&mut self.access_key_secrets, plural),
            // An unknown optional field is not compared; the other fields still are.
            Suffix::Optional(field) if variable.is_unknown() && field != Field::BedrockRoleArn => {
                return self.unknown_optional.push(field);
            }
            text => {
                if variable.is_unknown() {
                    (self.unreadable, self.unknown) = (true, true);
                } else {
                    self.texts.insert(text, variable);
                }
                return;
            }
        };
        if let Some(first) = list.variable {
            let names = [redact::name(&first.name), redact::name(&variable.name)];
            let message = format!("{} and {} set the same field; keep one of them", names[0], names[1]);
            problems.push(Problem::new(Code::SingularAndPlural, message).index(self.index).variables(names));
            list.ambiguous = true;
            return;
        }
        list.variable = Some(variable);
        let Some(value) = variable.value() else {
            (list.ambiguous, list.unknown) = (true, true);
            return;
        };
        list.number = if plural { value.split(',').count() } else { 1 };
        list.values = if plural { value.split(',').map(str::trim).take(JUDGED).collect() } else { vec![value.trim()] };
    }
}

/// The groups of one of [`PREFIXES`] in the order of their numbers.
pub fn group<'a>(prefix: usize, variables: &Named<'a>, findings: &mut Findings) -> Vec<Fields<'a>> {
    let (variables, prefix) = (&variables.numbered[prefix], PREFIXES[prefix]);
    let mut named: Vec<(i64, &str, &Variable)> = Vec::with_capacity(variables.len());
    let mut service_links = Vec::new();
    for (remainder, variable) in variables {
        findings.problems.extend(variable.unreadable());
        let number = remainder.split_once('_').and_then(|(number, _)| number.parse::<i64>().ok());
        match number.filter(|number| *number >= 0) {
            Some(number) => named.push((number, remainder, variable)),
            None if is_service_link(remainder) => service_links.push(redact::name(&variable.name)),
            None => findings.problems.push(malformed(prefix, remainder, variable)),
        }
    }
    findings.problems.extend(service_link(prefix, service_links));
    // A stable sort: variables of the same spelling keep the order of the environment, and the last one wins.
    named.sort_by_key(|(number, remainder, _)| (*number, *remainder));

    let mut groups: Vec<Fields> = Vec::new();
    for (number, remainder, variable) in &named {
        let index = number.unsigned_abs();
        let next = groups.last().map_or(0, |group| group.index + 1);
        if groups.last().is_none_or(|group| group.index != index) {
            if index != next {
                findings.problems.push(gap(next, index, variable));
            }
            groups.push(Fields::new(prefix, index));
        }
        let Some(group) = groups.last_mut() else { continue };
        let suffix = remainder.split_once('_').map_or("", |(_, suffix)| suffix);
        match suffixes().find(|(text, _)| *text == suffix) {
            Some((_, suffix)) => group.put(suffix, variable, &mut findings.problems),
            // Its name cannot be read, so it may set any field.
            None if variable.value().is_none() && !variable.is_unknown() => group.unreadable = true,
            None => findings.warnings.push(unknown(prefix, index, suffix, variable)),
        }
    }
    groups
}

fn malformed(prefix: &str, remainder: &str, variable: &Variable) -> Problem {
    let what = match remainder.split_once('_') {
        None => "expected a number and a field after the prefix".to_owned(),
        Some((number, _)) if number.parse::<i64>().is_ok() => "the number of a provider cannot be negative".to_owned(),
        Some((number, _)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => {
            "the number does not fit 64 bits".to_owned()
        }
        Some(_) => "expected a number after the prefix".to_owned(),
    };
    let message = format!("{what}; write {prefix}<N>_<FIELD>, for example {prefix}0_TYPE, counting from 0");
    Problem::new(Code::MalformedVariable, message).variable(redact::name(&variable.name))
}

/// The suffixes that Kubernetes appends to the name of a Service in the variables of a service link.
fn is_service_link(rest: &str) -> bool {
    rest == "PORT" || rest == "SERVICE_HOST" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_PORT")
}

/// One problem for all variables of a Service whose name makes them look like provider variables.
fn service_link(prefix: &str, variables: Vec<String>) -> Option<Problem> {
    let message = format!(
        "Kubernetes sets such variables for a Service named {}, and Coder refuses them; rename the Service, or set \
         enableServiceLinks: false in the pod",
        service_of(prefix)
    );
    (!variables.is_empty()).then(|| Problem::new(Code::MalformedVariable, message).variables(variables))
}

fn service_of(prefix: &str) -> String {
    prefix.trim_end_matches('_').to_ascii_lowercase().replace('_', "-")
}

/// Whether this suffix is a list of credentials. `None`: the suffix is unknown.
pub fn is_list(suffix: &str) -> Option<bool> {
    let (_, suffix) = SUFFIXES.iter().find(|(text, _)| *text == suffix)?;
    Some(matches!(suffix, Suffix::Keys { .. } | Suffix::AccessKeys { .. } | Suffix::AccessKeySecrets { .. }))
}

fn gap(first_missing: u64, index: u64, variable: &Variable) -> Problem {
    let missing = if first_missing + 1 == index {
        format!("index {first_missing} is missing")
    } else {
        format!("indices {first_missing} to {} are missing", index - 1)
    };
    let message = format!("{missing}: providers are numbered from 0 without gaps");
    Problem::new(Code::IndexGap, message).index(first_missing).variable(redact::name(&variable.name))
}

fn unknown(prefix: &str, index: u64, suffix: &str, variable: &Variable) -> Problem {
    let known: Vec<&str> = suffixes().map(|(text, _)| text).collect();
    let suggestion = nearest_suffix(suffix, &known).map(|known| format!("{prefix}{index}_{known}"));
    let message = match &suggestion {
        None if is_service_link(suffix) => format!(
            "Kubernetes sets it for a Service named {}, and it opens provider {index} here and in Coder; rename the \
             Service, or set enableServiceLinks: false in the pod",
            service_of(&format!("{prefix}{index}"))
        ),
        Some(meant) => format!("no such field, so it is ignored; did you mean {meant}?"),
        None => "no such field, so it is ignored; check the spelling or remove it".to_owned(),
    };
    Problem::new(Code::UnknownVariable, message)
        .index(index)
        .variable(redact::name(&variable.name))
        .suggestion(suggestion)
}
