//! The legacy variables of a single OpenAI and a single Anthropic or Bedrock provider.

use secrecy::SecretString;

use super::endpoint::{bedrock_without_credentials, suspicious_url, unresolved_model, without_models};
use super::named::{Named, Older};
use super::names::FAMILIES;
use super::unknown::UnknownProvider;
use super::variable::Variable;
use crate::problem::{Code, Findings, Problem};
use crate::provider::Field as Known;
use crate::provider::{BedrockSettings, DesiredProvider, Origin, Origins, Presence, ProviderType, SetField, redact};

const OPENAI_URL: &str = "https://api.openai.com/v1/";
const ANTHROPIC_URL: &str = "https://api.anthropic.com/";
const BEDROCK_MODEL: &str = "global.anthropic.claude-sonnet-4-5-20250929-v1:0";
const BEDROCK_SMALL_FAST_MODEL: &str = "global.anthropic.claude-haiku-4-5-20251001-v1:0";

/// Indexes of the families in [`FAMILIES`].
const AIBRIDGE: usize = 0;
const GATEWAY: usize = 1;

/// A value and the variable that sets it.
struct Field<'a> {
    variable: Option<&'a Variable>,
    family: &'static str,
    name: &'static str,
}

impl<'a> Field<'a> {
    fn text(&self) -> &'a str {
        self.variable.and_then(Variable::value).unwrap_or_default()
    }

    /// A variable that is set overrides the default, even if it is empty (as serpent does).
    fn or(&self, default: &str) -> String {
        self.variable.and_then(Variable::value).unwrap_or(default).to_owned()
    }

    fn secret(&self) -> Option<SecretString> {
        Some(self.text()).filter(|text| !text.is_empty()).map(SecretString::from)
    }

    fn is_set(&self) -> bool {
        !self.text().is_empty() || self.is_unknown()
    }

    /// The variable has an unknown value.
    fn is_unknown(&self) -> bool {
        self.variable.is_some_and(Variable::is_unknown)
    }

    fn spelled(&self) -> String {
        self.variable.map_or_else(|| format!("{}{}", self.family, self.name), |variable| redact::name(&variable.name))
    }

    fn origin(&self, presence: Presence) -> Origin {
        match self.variable {
            Some(variable) => Origin::set(redact::name(&variable.name), variable.source.clone()),
            None => Origin::absent(self.spelled(), presence),
        }
    }
}

/// The legacy providers, in name order.
pub fn read(variables: &Named, findings: &mut Findings, unknown: &mut Vec<UnknownProvider>) -> Vec<DesiredProvider> {
    let legacy = Legacy::of(variables);
    let bedrock = Bedrock::of(&legacy);
    let mut providers = Vec::new();
    let mut add = |provider: DesiredProvider, is_unknown: bool| {
        if is_unknown {
            unknown.push(UnknownProvider::of_legacy(provider));
        } else {
            providers.push(provider);
        }
    };
    let (key, url) = (legacy.key("ANTHROPIC_KEY"), legacy.field("ANTHROPIC_BASE_URL"));
    if let Some(anthropic) = anthropic(&legacy, &key, &url, &bedrock, findings) {
        add(anthropic, bedrock.url.is_unknown() || bedrock.region.is_unknown() || url.is_unknown());
    }
    let (key, url) = (legacy.key("OPENAI_KEY"), legacy.field("OPENAI_BASE_URL"));
    if key.is_set() {
        let openai = bearer("openai", ProviderType::Openai, &key, &url, OPENAI_URL, &bedrock);
        add(openai, url.is_unknown());
    }
    findings.warnings.extend(providers.iter().filter_map(url_warning));
    findings.problems.extend(variables.older.iter().filter_map(|older| older.variable.unreadable()));
    providers
}

/// The older variables, read as Coder reads them.
pub struct Legacy<'a, 'b> {
    variables: &'b Named<'a>,
    /// The family in which an unset variable is named: that of the variables that are set.
    family: &'static str,
}

impl<'a, 'b> Legacy<'a, 'b> {
    pub fn of(variables: &'b Named<'a>) -> Legacy<'a, 'b> {
        Legacy { variables, family: FAMILIES[usize::from(variables.has_family(GATEWAY))] }
    }

    /// The effective one among all spellings of an older variable (`OPENAI_KEY`).
    pub fn deciding(&self, name: &'static str) -> Option<&'a Variable> {
        let is_key = matches!(name, "OPENAI_KEY" | "ANTHROPIC_KEY");
        if is_key { self.key(name).variable } else { self.field(name).variable }
    }

    /// Per variable: the newer spelling if it is set, else the older one. Mixing the families is not an error.
    fn field(&self, name: &'static str) -> Field<'a> {
        let variable = self.last(GATEWAY, name).or_else(|| self.last(AIBRIDGE, name));
        Field { variable, family: self.family, name }
    }

    /// A deliberate difference from Coder: an empty key of the newer spelling does not hide the older one. Coder would
    /// seed no provider.
    fn key(&self, name: &'static str) -> Field<'a> {
        let set = |family| self.last(family, name).filter(|variable| variable.value() != Some(""));
        let variable = set(GATEWAY).or_else(|| set(AIBRIDGE));
        Field { variable, family: self.family, name }
    }

    /// The last variable of this name.
    fn last(&self, family: usize, name: &str) -> Option<&'a Variable> {
        let is_it = |older: &&Older| older.family == family && older.name == name;
        self.variables.older.iter().rfind(is_it).map(|older| older.variable)
    }
}

fn url_warning(provider: &DesiredProvider) -> Option<Problem> {
    let origin = &provider.origins.base_url;
    let message = suspicious_url(provider.kind, &provider.base_url)?;
    Some(Problem::new(Code::BaseUrlSuspicious, message).provider(&provider.name).variable(&origin.variable))
}

/// A provider with keys, or with Bedrock settings as soon as one of their variables is set.
fn anthropic(
    legacy: &Legacy,
    key: &Field,
    url: &Field,
    bedrock: &Bedrock,
    findings: &mut Findings,
) -> Option<DesiredProvider> {
    let configured = bedrock.configured();
    let Some(first) = configured.first() else {
        let anthropic = || bearer("anthropic", ProviderType::Anthropic, key, url, ANTHROPIC_URL, bedrock);
        return key.is_set().then(anthropic);
    };
    if !key.text().is_empty() {
        let message = "the Anthropic key and the Bedrock variables exclude each other; unset one or the other";
        let problem = Problem::new(Code::LegacyKeyWithBedrock, message).provider("anthropic");
        findings.problems.push(problem.variable(key.spelled()).variables(&configured));
    }
    let settings = bedrock.settings(legacy);
    if !settings.is_configured() {
        let warning = Problem::new(Code::BedrockWithoutCredentials, bedrock_without_credentials());
        findings.warnings.push(warning.provider("anthropic").variable(bedrock.url.spelled()));
    }
    let models = [("BEDROCK_MODEL", &settings.model), ("BEDROCK_SMALL_FAST_MODEL", &settings.small_fast_model)];
    let missing = models.iter().filter(|(_, model)| model.is_empty()).map(|(name, _)| legacy.field(name).spelled());
    if let Some(warning) = without_models(missing.collect()) {
        findings.warnings.push(warning.provider("anthropic"));
    }
    for (name, model) in models {
        let warning = unresolved_model(model).map(|message| Problem::new(Code::BedrockModelUnresolved, message));
        findings.warnings.extend(warning.map(|w| w.provider("anthropic").variable(legacy.field(name).spelled())));
    }
    let origins = Origins {
        base_url: bedrock.url.origin(Presence::Unset),
        bedrock_region: bedrock.region.origin(Presence::Unset),
        keys: key.origin(Presence::Unset),
        bedrock_credentials: bedrock.access_key.origin(Presence::Unset),
        ..Origins::all(format!("{}BEDROCK_*", legacy.family).into(), &Origin::absent(first.as_str(), Presence::Default))
    };
    let models = [(Known::BedrockModel, "BEDROCK_MODEL"), (Known::BedrockSmallFastModel, "BEDROCK_SMALL_FAST_MODEL")];
    let models = models.map(|(model, name)| (model, legacy.field(name)));
    let set = |field: &Field| SetField { text: field.text().to_owned(), origin: field.origin(Presence::Unset) };
    let optional =
        models.iter().filter(|(_, field)| !field.text().is_empty()).map(|(model, field)| (*model, set(field)));
    Some(DesiredProvider {
        optional: optional.collect(),
        base_url: bedrock.url.text().to_owned(),
        bedrock: Some(settings),
        credentials_unknown: bedrock.access_key.is_unknown() || bedrock.access_key_secret.is_unknown(),
        ..DesiredProvider::new("anthropic", ProviderType::Anthropic, origins)
    })
}

struct Bedrock<'a> {
    url: Field<'a>,
    region: Field<'a>,
    access_key: Field<'a>,
    access_key_secret: Field<'a>,
}

impl<'a> Bedrock<'a> {
    fn of(legacy: &Legacy<'a, '_>) -> Bedrock<'a> {
        Bedrock {
            url: legacy.field("BEDROCK_BASE_URL"),
            region: legacy.field("BEDROCK_REGION"),
            access_key: legacy.field("BEDROCK_ACCESS_KEY"),
            access_key_secret: legacy.field("BEDROCK_ACCESS_KEY_SECRET"),
        }
    }

    fn settings(&self, legacy: &Legacy) -> BedrockSettings {
        BedrockSettings {
            region: self.region.text().to_owned(),
            access_key: self.access_key.secret(),
            access_key_secret: self.access_key_secret.secret(),
            model: legacy.field("BEDROCK_MODEL").or(BEDROCK_MODEL),
            small_fast_model: legacy.field("BEDROCK_SMALL_FAST_MODEL").or(BEDROCK_SMALL_FAST_MODEL),
            ..BedrockSettings::default()
        }
    }

    /// The variables that make it a Bedrock provider. Models have defaults and never count.
    fn configured(&self) -> Vec<String> {
        let fields = [&self.region, &self.url, &self.access_key, &self.access_key_secret];
        fields.into_iter().filter(|field| field.is_set()).map(Field::spelled).collect()
    }
}

fn bearer(
    name: &str,
    kind: ProviderType,
    key: &Field,
    url: &Field,
    default_url: &str,
    bedrock: &Bedrock,
) -> DesiredProvider {
    // No variable sets the name or the type: the key determines both.
    let of_key = Origin::absent(key.spelled(), Presence::Default);
    let origins = Origins {
        base_url: url.origin(Presence::Default),
        bedrock_region: bedrock.region.origin(Presence::Unset),
        keys: key.origin(Presence::Unset),
        bedrock_credentials: bedrock.access_key.origin(Presence::Unset),
        ..Origins::all(format!("{}{}_*", key.family, name.to_ascii_uppercase()).into(), &of_key)
    };
    DesiredProvider {
        base_url: url.or(default_url),
        keys: key.secret().into_iter().collect(),
        credentials_unknown: key.is_unknown(),
        ..DesiredProvider::new(name, kind, origins)
    }
}
