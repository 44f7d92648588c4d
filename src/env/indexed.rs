//! `CODER_AIBRIDGE_PROVIDER_<N>_<SUFFIX>` and `CODER_AI_GATEWAY_PROVIDER_<N>_<SUFFIX>`: names to numbered groups of fields.

use super::named::{Named, Numbered};
use super::names::PREFIXES;
use super::suggest::nearest_suffix;
use super::variable::Variable;
use crate::problem::{Code, Findings, Problem};
use crate::provider::{Field, VariableName, redact};

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

/// All but those of the optional fields; Coder's order, except that suggestions pick the closest name.
const SUFFIXES: [Suffix; 11] = [
    Suffix::Type,
    Suffix::Name,
    Suffix::Keys { plural: false },
    Suffix::Keys { plural: true },
    Suffix::BaseUrl,
    Suffix::BedrockBaseUrl,
    Suffix::BedrockRegion,
    Suffix::AccessKeys { plural: false },
    Suffix::AccessKeys { plural: true },
    Suffix::AccessKeySecrets { plural: false },
    Suffix::AccessKeySecrets { plural: true },
];

impl Suffix {
    fn all() -> impl Iterator<Item = Suffix> {
        SUFFIXES.into_iter().chain(Field::all_optional().map(Suffix::Optional))
    }

    fn of(text: &str) -> Option<Suffix> {
        let is = |suffix: &Suffix| suffix.as_str() == text;
        SUFFIXES.into_iter().find(is).or_else(|| Field::all_optional().map(Suffix::Optional).find(is))
    }

    fn as_str(self) -> &'static str {
        match self {
            Suffix::Type => "TYPE",
            Suffix::Name => "NAME",
            Suffix::BaseUrl => "BASE_URL",
            Suffix::BedrockBaseUrl => "BEDROCK_BASE_URL",
            Suffix::BedrockRegion => "BEDROCK_REGION",
            Suffix::Optional(field) => field.suffix(),
            Suffix::Keys { plural: false } => "KEY",
            Suffix::Keys { plural: true } => "KEYS",
            Suffix::AccessKeys { plural: false } => "BEDROCK_ACCESS_KEY",
            Suffix::AccessKeys { plural: true } => "BEDROCK_ACCESS_KEYS",
            Suffix::AccessKeySecrets { plural: false } => "BEDROCK_ACCESS_KEY_SECRET",
            Suffix::AccessKeySecrets { plural: true } => "BEDROCK_ACCESS_KEY_SECRETS",
        }
    }
}

/// A variable and the field that it sets.
#[derive(Clone, Copy)]
pub struct SetBy<'a> {
    pub variable: &'a Variable,
    suffix: Suffix,
    /// See [`Numbered::is_usual`].
    is_usual: bool,
}

/// A list of credentials: one variable, singular or plural.
#[derive(Default)]
pub struct List<'a> {
    pub set_by: Option<SetBy<'a>>,
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
    prefix: &'static str,
    /// The variables of fields that are one text, in the order of [`Suffix`]; a provider sets only a few.
    texts: Vec<SetBy<'a>>,
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

impl<'a> List<'a> {
    pub fn variable(&self) -> Option<&'a Variable> {
        self.set_by.map(|set| set.variable)
    }
}

impl<'a> Fields<'a> {
    fn new(prefix: &'static str, index: u64) -> Self {
        let lists = (List::default(), List::default(), List::default());
        Fields {
            index,
            prefix,
            texts: Vec::new(),
            keys: lists.0,
            access_keys: lists.1,
            access_key_secrets: lists.2,
            unreadable: false,
            unknown: false,
            unknown_optional: Vec::new(),
        }
    }

    pub fn set_by(&self, suffix: Suffix) -> Option<SetBy<'a>> {
        self.texts.iter().find(|set| set.suffix == suffix).copied()
    }

    pub fn variable(&self, suffix: Suffix) -> Option<&'a Variable> {
        self.set_by(suffix).map(|set| set.variable)
    }

    /// All known variables, each once.
    pub fn variables(&self) -> impl Iterator<Item = &'a Variable> {
        let lists = [&self.keys, &self.access_keys, &self.access_key_secrets];
        self.texts.iter().copied().chain(lists.into_iter().filter_map(|list| list.set_by)).map(|set| set.variable)
    }

    /// The text of a field; empty if the field is not set.
    pub fn text(&self, suffix: Suffix) -> &'a str {
        self.variable(suffix).and_then(Variable::value).unwrap_or_default()
    }

    /// The spelling of the variable, or the spelling that it would have.
    pub fn spelled(&self, suffix: Suffix) -> VariableName {
        self.set_by(suffix).map_or_else(|| self.would_be(suffix), |set| self.name_of(set))
    }

    pub fn would_be(&self, suffix: Suffix) -> VariableName {
        self.numbered(suffix.as_str())
    }

    /// The common pattern of its variables: `CODER_AIBRIDGE_PROVIDER_0_*`.
    pub fn pattern(&self) -> VariableName {
        self.numbered("*")
    }

    fn numbered(&self, field: &'static str) -> VariableName {
        VariableName::Numbered { prefix: self.prefix, index: self.index, field }
    }

    /// The spelling of a variable of this provider.
    pub fn name_of(&self, set: SetBy) -> VariableName {
        if set.is_usual { self.would_be(set.suffix) } else { redact::name(&set.variable.name).into() }
    }

    fn put(&mut self, set: SetBy<'a>, problems: &mut Vec<Problem>) {
        let SetBy { variable, suffix, .. } = set;
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
                    // Of several spellings the last one counts.
                    match self.texts.binary_search_by_key(&text, |other| other.suffix) {
                        Ok(at) => self.texts[at] = set,
                        Err(at) => self.texts.insert(at, set),
                    }
                }
                return;
            }
        };
        if let Some(first) = list.set_by {
            let names = [redact::name(&first.variable.name), redact::name(&variable.name)];
            let message = format!("{} and {} set the same field; keep one of them", names[0], names[1]);
            problems.push(Problem::new(Code::SingularAndPlural, message).index(self.index).variables(names));
            list.ambiguous = true;
            return;
        }
        list.set_by = Some(set);
        let Some(value) = variable.value() else {
            (list.ambiguous, list.unknown) = (true, true);
            return;
        };
        if plural {
            let mut values = value.split(',');
            list.values = values.by_ref().take(JUDGED).map(str::trim).collect();
            list.number = list.values.len() + values.count();
        } else {
            (list.values, list.number) = (vec![value.trim()], 1);
        }
    }
}

/// The variables of one of [`PREFIXES`] that have a number, sorted by number and spelling; the last one of a field counts.
pub fn sorted<'a, 'b>(prefix: usize, variables: &'b Named<'a>, findings: &mut Findings) -> Vec<&'b Numbered<'a>> {
    let (variables, prefix) = (&variables.numbered[prefix], PREFIXES[prefix]);
    let mut sorted = Vec::with_capacity(variables.len());
    let mut service_links = Vec::new();
    for numbered in variables {
        let Numbered { variable, rest, .. } = numbered;
        findings.problems.extend(variable.unreadable());
        match numbered.index() {
            Some(_) => sorted.push(numbered),
            None if is_service_link(rest) => service_links.push(redact::name(&variable.name)),
            None => findings.problems.push(malformed(prefix, rest, variable)),
        }
    }
    findings.problems.extend(service_link(prefix, service_links));
    // Stable sorts: variables of the same spelling keep the order of the environment. Mostly the numbers are in order, and a
    // provider has few variables.
    sorted.sort_by_key(|numbered| numbered.index());
    for group in sorted.chunk_by_mut(|a, b| a.index() == b.index()) {
        group.sort_by(|a, b| a.rest.cmp(&b.rest));
    }
    sorted
}

/// Groups the result of [`sorted`] by number.
pub fn group<'a>(prefix: usize, variables: &[&Numbered<'a>], findings: &mut Findings) -> Vec<Fields<'a>> {
    let prefix = PREFIXES[prefix];
    let number = variables.chunk_by(|a, b| a.index() == b.index()).count();
    let mut groups: Vec<Fields> = Vec::with_capacity(number);
    for numbered in variables {
        let (variable, index) = (numbered.variable, numbered.index().unwrap_or_default());
        let next = groups.last().map_or(0, |group| group.index + 1);
        if groups.last().is_none_or(|group| group.index != index) {
            if index != next {
                findings.problems.push(gap(next, index, variable));
            }
            groups.push(Fields::new(prefix, index));
        }
        let Some(group) = groups.last_mut() else { continue };
        let suffix = numbered.suffix();
        match Suffix::of(suffix) {
            Some(suffix) => {
                let set = SetBy { variable, suffix, is_usual: numbered.is_usual() };
                group.put(set, &mut findings.problems);
            }
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
    let suffix = SUFFIXES.into_iter().find(|known| known.as_str() == suffix)?;
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
    let known: Vec<&str> = Suffix::all().map(Suffix::as_str).collect();
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
