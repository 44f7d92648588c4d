//! Coder's validation of one indexed provider, all of it (rules in the order in which Coder checks them).

mod optional;

use std::collections::BTreeSet;
use std::str::FromStr;

use secrecy::SecretString;

use crate::env::endpoint::suspicious_url;
use crate::env::indexed::{Fields, List, SetBy, Suffix};
use crate::env::judge::characters;
use crate::env::suggest::nearest;
use crate::env::unknown::UnknownProvider;
use crate::problem::{Code, Findings, Problem};
use crate::provider::redact::{self, count};
use crate::provider::{
    BedrockSettings, DesiredProvider, Field, MAX_KEYS, NameError, Origin, Origins, Presence, ProviderType,
    VariableName, check_name,
};

/// Adds the faults of this provider. Returns the provider if one can be built; the caller drops it if any problem was
/// found.
pub fn check(fields: &Fields, findings: &mut Findings) -> Option<DesiredProvider> {
    let mut check = Check { fields, findings };
    if fields.unreadable {
        // Only readable variables are judged: a field that seems to be missing may be the unreadable one.
        if fields.variable(Suffix::Type).is_some() {
            check.kind();
        }
        [&fields.keys, &fields.access_keys, &fields.access_key_secrets].into_iter().for_each(|list| check.list(list));
        check.name();
        return None;
    }
    let kind = check.kind();
    if let Some(kind) = kind {
        check.bedrock_and_keys(kind);
    }
    check.list(&fields.keys);
    check.credential_counts();
    check.list(&fields.access_keys);
    check.list(&fields.access_key_secrets);
    check.name();
    kind.map(|kind| check.provider(kind))
}

/// NAME, else TYPE; empty if neither is set.
pub fn name<'a>(fields: &Fields<'a>) -> &'a str {
    match fields.text(Suffix::Name) {
        "" => fields.text(Suffix::Type),
        name => name,
    }
}

/// The description of a provider that cannot be compared.
pub fn unknown(fields: &Fields) -> UnknownProvider {
    let check = Check { fields, findings: &mut Findings::default() };
    let labelled = check.with_provider(Problem::new(Code::NotInManifests, String::new()));
    // The unknown variable may be the name.
    let name = labelled.provider.filter(|_| !fields.unknown || !fields.text(Suffix::Name).is_empty());
    let kind = ProviderType::from_str(fields.text(Suffix::Type)).ok();
    UnknownProvider {
        index: Some(fields.index),
        name: name.unwrap_or_else(|| format!("(provider {})", fields.index)),
        kind: kind.map(|kind| redact::kind(kind.as_str(), Some(&check.origin(Suffix::Type))).text),
        pattern: fields.pattern().to_string(),
    }
}

/// Adds the provider's name where it is valid and may be shown.
pub fn labelled(fields: &Fields, problem: Problem) -> Problem {
    Check { fields, findings: &mut Findings::default() }.with_provider(problem)
}

/// The variable that determines the name.
pub fn name_variable(fields: &Fields) -> VariableName {
    fields.spelled(name_suffix(fields))
}

fn name_suffix(fields: &Fields) -> Suffix {
    if fields.text(Suffix::Name).is_empty() { Suffix::Type } else { Suffix::Name }
}

struct Check<'a, 'b> {
    fields: &'a Fields<'a>,
    findings: &'b mut Findings,
}

impl Check<'_, '_> {
    fn problem(&mut self, code: Code, message: String, variables: impl IntoIterator<Item = VariableName>) {
        let variables = variables.into_iter().map(|name| name.to_string());
        let problem = Problem::new(code, message).index(self.fields.index).variables(variables);
        self.findings.problems.push(self.with_provider(problem));
    }

    fn warning(&mut self, code: Code, message: String, variable: &VariableName) {
        let problem = Problem::new(code, message).index(self.fields.index).variable(variable);
        self.findings.warnings.push(self.with_provider(problem));
    }

    fn with_provider(&self, problem: Problem) -> Problem {
        let name = name(self.fields);
        if check_name(name).is_ok() && self.may_show_name() {
            problem.provider(redact::provider(name))
        } else {
            problem
        }
    }

    /// A name from a Kubernetes Secret is not shown, nor an invalid TYPE that serves as the name.
    fn may_show_name(&self) -> bool {
        if self.fields.text(Suffix::Name).is_empty() && ProviderType::from_str(self.fields.text(Suffix::Type)).is_err()
        {
            return false;
        }
        let deciding = [Suffix::Name, Suffix::Type].into_iter().filter_map(|suffix| self.fields.variable(suffix));
        !deciding.into_iter().any(|variable| variable.source.is_secret())
    }

    fn kind(&mut self) -> Option<ProviderType> {
        let text = self.fields.text(Suffix::Type);
        if text.is_empty() {
            let variable = self.fields.spelled(Suffix::Type);
            let all = ProviderType::ALL.map(ProviderType::as_str).join(", ");
            self.problem(Code::TypeRequired, format!("a provider needs a type: one of {all}"), [variable]);
            return None;
        }
        if let Ok(kind) = ProviderType::from_str(text) {
            return Some(kind);
        }
        let known = ProviderType::ALL.map(ProviderType::as_str);
        let from_secret = self.fields.variable(Suffix::Type).is_some_and(|variable| variable.source.is_secret());
        let odd = characters::oddity(text);
        let close = nearest(text, known).filter(|_| !from_secret && odd.is_none());
        let bare = characters::bare(text);
        let meant = close.or_else(|| known.into_iter().find(|kind| kind.eq_ignore_ascii_case(bare)));
        let what = match (close, odd) {
            (_, Some(odd)) => format!("unknown type of {odd}"),
            (Some(_), _) => format!("unknown type \"{}\"", redact::escape(text)),
            (None, None) => format!("unknown type of {}", count(text.chars().count(), "character")),
        };
        let message = match meant {
            Some(kind) => format!("{what}; did you mean \"{kind}\"?"),
            None => format!("{what}; one of {} is expected", known.join(", ")),
        };
        self.problem(Code::UnknownType, message, [self.fields.spelled(Suffix::Type)]);
        if let Some(problem) = self.findings.problems.last_mut() {
            problem.suggestion = meant.map(str::to_owned);
        }
        None
    }

    fn bedrock_and_keys(&mut self, kind: ProviderType) {
        let bedrock = self.bedrock_variables();
        if !kind.allows_bedrock() && !bedrock.is_empty() {
            let message = format!("BEDROCK_* fields go with type anthropic or bedrock, not {}", kind.as_str());
            self.problem(Code::BedrockUnsupported, message, bedrock.clone());
        }
        if kind == ProviderType::Bedrock && bedrock.is_empty() {
            let message = "type bedrock needs BEDROCK_REGION, BEDROCK_ROLE_ARN, BEDROCK_BASE_URL, or BEDROCK_ACCESS_KEY and its secret";
            self.problem(Code::BedrockRequired, message.to_owned(), [self.fields.would_be(Suffix::BedrockRegion)]);
        }
        let excluded = kind == ProviderType::Anthropic && !bedrock.is_empty();
        if let Some(keys) = self.fields.keys.set_by.filter(|_| excluded || !kind.allows_keys()) {
            let keys = self.fields.name_of(keys);
            if !kind.allows_keys() {
                let instead = if kind == ProviderType::Bedrock { "; use the BEDROCK_* fields" } else { "; remove it" };
                self.problem(Code::KeysUnsupported, format!("type {} takes no keys{instead}", kind.as_str()), [keys]);
            } else {
                let message = "keys and BEDROCK_* fields exclude each other; keep one kind of credential".to_owned();
                self.problem(Code::KeysWithBedrock, message, [keys].into_iter().chain(bedrock));
            }
        }
    }

    /// The variables that make it a Bedrock provider; models do not. A credential counts as soon as it is set, even if it
    /// is empty.
    fn bedrock_variables(&self) -> Vec<VariableName> {
        let role = Suffix::Optional(Field::BedrockRoleArn);
        let texts = [Suffix::BedrockBaseUrl, Suffix::BedrockRegion, role].into_iter();
        let texts = texts.filter(|suffix| !self.fields.text(*suffix).is_empty()).map(|s| self.fields.spelled(s));
        texts
            .chain(
                [&self.fields.access_keys, &self.fields.access_key_secrets]
                    .into_iter()
                    .filter_map(|list| self.set_by(list)),
            )
            .collect()
    }

    fn list(&mut self, list: &List) {
        let (Some(set), false) = (list.set_by, list.ambiguous) else { return };
        let fields = self.fields;
        let variable = || fields.name_of(set);
        if list.number > MAX_KEYS {
            let message = format!("{} keys; Coder takes at most {MAX_KEYS}", list.number);
            self.problem(Code::TooManyKeys, message, [variable()]);
        }
        for (at, key) in list.values.iter().enumerate() {
            if key.is_empty() {
                let message = match list.number {
                    1 => "set, but empty: unset the variable, or check that the Secret has a value".to_owned(),
                    _ => format!("the {} key is empty; remove the extra comma", redact::ordinal(at + 1)),
                };
                self.problem(Code::EmptyKey, message, [variable()]);
            } else if let Some(first) = list.values[..at].iter().position(|earlier| earlier == key) {
                let message = format!(
                    "the {} key is the same as the {}; remove one of them",
                    redact::ordinal(at + 1),
                    redact::ordinal(first + 1)
                );
                self.problem(Code::DuplicateKey, message, [variable()]);
            }
        }
    }

    fn credential_counts(&mut self) {
        let (ids, secrets) = (&self.fields.access_keys, &self.fields.access_key_secrets);
        if ids.ambiguous || secrets.ambiguous || ids.number == secrets.number {
            return;
        }
        let message = format!(
            "{} but {}: every access key needs its secret, in the same order",
            count(ids.number, "access key"),
            count(secrets.number, "access key secret")
        );
        let spelled = |list: &List, suffix| self.set_by(list).unwrap_or_else(|| self.fields.would_be(suffix));
        let variables = [
            spelled(ids, Suffix::AccessKeys { plural: false }),
            spelled(secrets, Suffix::AccessKeySecrets { plural: false }),
        ];
        self.problem(Code::CredentialCountMismatch, message, variables);
    }

    /// Checks only an explicit name: a type that serves as the name has its own check.
    fn name(&mut self) {
        let name = self.fields.text(Suffix::Name);
        if name.is_empty() {
            return;
        }
        let what = match check_name(name) {
            Ok(()) => return,
            Err(NameError::Character { bad, position }) => {
                format!("{} at the {}", characters::name(bad), redact::ordinal(position))
            }
            Err(NameError::Hyphen { position }) => format!("a misplaced \"-\" at the {}", redact::ordinal(position)),
            Err(NameError::Key) => "the form of a key, which belongs into KEY".to_owned(),
        };
        let length = count(name.chars().count(), "character");
        let message = format!("name of {length} has {what}; use a-z, 0-9 and single \"-\" between them");
        self.problem(Code::InvalidName, message, [self.fields.spelled(Suffix::Name)]);
    }

    fn provider(&mut self, kind: ProviderType) -> DesiredProvider {
        let fields = self.fields;
        let is_bedrock = kind.allows_bedrock() && !self.bedrock_variables().is_empty();
        let first = |list: &List| list.values.first().filter(|value| !value.is_empty()).map(|v| SecretString::from(*v));
        let mut bedrock = is_bedrock.then(|| BedrockSettings {
            region: fields.text(Suffix::BedrockRegion).to_owned(),
            access_key: first(&fields.access_keys),
            access_key_secret: first(&fields.access_key_secrets),
            ..BedrockSettings::default()
        });
        let optional = self.optional(is_bedrock);
        if let Some(settings) = &mut bedrock {
            for (field, set) in &optional {
                field.settings_key().into_iter().for_each(|key| settings.set(key, field.in_settings(&set.text)));
            }
        }
        let url = if is_bedrock { Suffix::BedrockBaseUrl } else { Suffix::BaseUrl };
        self.warnings(kind, bedrock.as_ref());
        DesiredProvider {
            index: Some(fields.index),
            name: name(fields).to_owned(),
            kind,
            base_url: fields.text(url).to_owned(),
            keys: if is_bedrock {
                Vec::new()
            } else {
                fields.keys.values.iter().map(|k| SecretString::from(*k)).collect()
            },
            bedrock,
            optional,
            credentials_unknown: [&fields.keys, &fields.access_keys, &fields.access_key_secrets]
                .into_iter()
                .any(|list| list.unknown),
            suspicious: BTreeSet::new(),
            origins: Box::new(Origins {
                pattern: fields.pattern(),
                name: self.origin(name_suffix(fields)),
                kind: self.origin(Suffix::Type),
                base_url: self.origin(url),
                bedrock_region: self.origin(Suffix::BedrockRegion),
                keys: self.origin_of(fields.keys.set_by, Suffix::Keys { plural: true }),
                bedrock_credentials: self.origin_of(fields.access_keys.set_by, Suffix::AccessKeys { plural: false }),
            }),
        }
    }

    fn warnings(&mut self, kind: ProviderType, bedrock: Option<&BedrockSettings>) {
        let fields = self.fields;
        if bedrock.is_some() && !fields.text(Suffix::BaseUrl).is_empty() {
            let message = "a Bedrock provider takes BEDROCK_BASE_URL; this one is ignored, as Coder does";
            self.warning(Code::BaseUrlIgnored, message.to_owned(), &fields.spelled(Suffix::BaseUrl));
        }
        if let Some(settings) = bedrock {
            self.bedrock_warnings(settings);
        }
        if kind.allows_keys() && bedrock.is_none() && fields.keys.set_by.is_none() {
            let message = format!(
                "no key is set; Coder answers for such a provider only if its users bring their own key, so set {}",
                fields.would_be(Suffix::Keys { plural: false })
            );
            self.warning(Code::ProviderWithoutKeys, message, &name_variable(fields));
        }
        let url = if bedrock.is_some() { Suffix::BedrockBaseUrl } else { Suffix::BaseUrl };
        if let Some(message) = suspicious_url(kind, fields.text(url)) {
            self.warning(Code::BaseUrlSuspicious, message, &fields.spelled(url));
        }
    }

    fn origin(&self, suffix: Suffix) -> Origin {
        self.origin_of(self.fields.set_by(suffix), suffix)
    }

    fn origin_of(&self, set: Option<SetBy>, suffix: Suffix) -> Origin {
        match set {
            Some(set) => Origin::set(self.fields.name_of(set), set.variable.source.clone()),
            None => Origin::absent(self.fields.would_be(suffix), Presence::Unset),
        }
    }

    fn set_by(&self, list: &List) -> Option<VariableName> {
        list.set_by.map(|set| self.fields.name_of(set))
    }
}
