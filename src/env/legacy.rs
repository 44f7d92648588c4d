//! The older variables of a single OpenAI and a single Anthropic or Bedrock provider.

use secrecy::SecretString;

use super::endpoint::{bedrock_without_credentials, suspicious_url};
use super::names::FAMILIES;
use super::partial::Unknown;
use super::variable::{Variable, look_up};
use crate::problem::{Code, Findings, Problem};
use crate::provider::{BedrockSettings, DesiredProvider, Origin, Origins, Presence, ProviderType};

const OPENAI_URL: &str = "https://api.openai.com/v1/";
const ANTHROPIC_URL: &str = "https://api.anthropic.com/";
const BEDROCK_MODEL: &str = "global.anthropic.claude-sonnet-4-5-20250929-v1:0";
const BEDROCK_SMALL_FAST_MODEL: &str = "global.anthropic.claude-haiku-4-5-20251001-v1:0";

/// A value and the variable that decides it.
struct Field<'a> {
    variable: Option<&'a Variable>,
    family: &'static str,
    name: &'static str,
}

impl<'a> Field<'a> {
    fn text(&self) -> &'a str {
        self.variable.and_then(Variable::value).unwrap_or_default()
    }

    fn or(&self, default: &str) -> String {
        if self.text().is_empty() { default.to_owned() } else { self.text().to_owned() }
    }

    fn secret(&self) -> Option<SecretString> {
        Some(self.text()).filter(|text| !text.is_empty()).map(SecretString::from)
    }

    fn is_set(&self) -> bool {
        !self.text().is_empty() || self.is_unknown()
    }

    /// It is set, and nobody here knows to what.
    fn is_unknown(&self) -> bool {
        self.variable.is_some_and(Variable::is_unknown)
    }

    fn spelled(&self) -> String {
        self.variable.map_or_else(|| format!("{}{}", self.family, self.name), |variable| variable.name.clone())
    }

    fn origin(&self, presence: Presence) -> Origin {
        match self.variable {
            Some(variable) => Origin::set(variable.name.clone(), variable.source.clone()),
            None => Origin::absent(self.spelled(), presence),
        }
    }
}

/// The older providers, in name order. `Err` holds nothing: what is wrong was added to `problems`.
pub fn read(variables: &[Variable], findings: &mut Findings, unknown: &mut Vec<Unknown>) -> Vec<DesiredProvider> {
    let family = family(variables);
    let [aibridge, gateway] = FAMILIES;
    // Decided per variable: the newer spelling if it is not empty, else the older one. Mixing is no error.
    let field = |name: &'static str| Field {
        variable: look_up(variables, &format!("{gateway}{name}"))
            .or_else(|| look_up(variables, &format!("{aibridge}{name}"))),
        family,
        name,
    };
    let url_warning = |provider: &DesiredProvider, warnings: &mut Vec<Problem>| {
        let origin = &provider.origins.base_url;
        if let Some(message) = suspicious_url(&provider.base_url, provider.bedrock.is_some(), origin) {
            let warning = Problem::new(Code::BaseUrlSuspicious, message).provider(&provider.name);
            warnings.push(warning.variable(&origin.variable));
        }
    };
    let mut providers = Vec::new();

    let (key, url) = (field("ANTHROPIC_KEY"), field("ANTHROPIC_BASE_URL"));
    let bedrock = Bedrock {
        url: field("BEDROCK_BASE_URL"),
        region: field("BEDROCK_REGION"),
        access_key: field("BEDROCK_ACCESS_KEY"),
        access_key_secret: field("BEDROCK_ACCESS_KEY_SECRET"),
    };
    let configured = bedrock.configured();
    if !key.text().is_empty() && !configured.is_empty() {
        let message = "the Anthropic key and the Bedrock variables exclude each other; unset one or the other";
        let variables = [key.spelled()].into_iter().chain(configured.iter().cloned());
        findings
            .problems
            .push(Problem::new(Code::LegacyKeyWithBedrock, message).provider("anthropic").variables(variables));
    }
    if !configured.is_empty() {
        let settings = BedrockSettings {
            region: bedrock.region.text().to_owned(),
            access_key: bedrock.access_key.secret(),
            access_key_secret: bedrock.access_key_secret.secret(),
            model: field("BEDROCK_MODEL").or(BEDROCK_MODEL),
            small_fast_model: field("BEDROCK_SMALL_FAST_MODEL").or(BEDROCK_SMALL_FAST_MODEL),
            ..BedrockSettings::default()
        };
        if !settings.is_configured() {
            let warning = Problem::new(Code::BedrockWithoutCredentials, bedrock_without_credentials());
            findings.warnings.push(warning.provider("anthropic").variable(bedrock.url.spelled()));
        }
        providers.push(DesiredProvider {
            index: None,
            name: "anthropic".to_owned(),
            kind: ProviderType::Anthropic,
            base_url: bedrock.url.text().to_owned(),
            bedrock: Some(settings),
            keys: Vec::new(),
            credentials_unknown: bedrock.access_key.is_unknown() || bedrock.access_key_secret.is_unknown(),
            origins: Box::new(Origins {
                pattern: format!("{family}BEDROCK_*"),
                name: Origin::absent(configured[0].clone(), Presence::Default),
                kind: Origin::absent(configured[0].clone(), Presence::Default),
                base_url: bedrock.url.origin(Presence::Unset),
                bedrock_region: bedrock.region.origin(Presence::Unset),
                keys: key.origin(Presence::Unset),
                bedrock_credentials: bedrock.access_key.origin(Presence::Unset),
            }),
        });
    } else if key.is_set() {
        providers.push(bearer("anthropic", ProviderType::Anthropic, &key, &url, ANTHROPIC_URL, &bedrock));
    }
    if bedrock.url.is_unknown() || bedrock.region.is_unknown() || url.is_unknown() {
        unknown.extend(providers.pop().map(Unknown::of_older));
    }

    let (key, url) = (field("OPENAI_KEY"), field("OPENAI_BASE_URL"));
    if key.is_set() {
        let openai = bearer("openai", ProviderType::Openai, &key, &url, OPENAI_URL, &bedrock);
        match url.is_unknown() {
            true => unknown.push(Unknown::of_older(openai)),
            false => providers.push(openai),
        }
    }
    providers.iter().for_each(|provider| url_warning(provider, &mut findings.warnings));
    unreadable(variables, &mut findings.problems);
    providers
}

struct Bedrock<'a> {
    url: Field<'a>,
    region: Field<'a>,
    access_key: Field<'a>,
    access_key_secret: Field<'a>,
}

impl Bedrock<'_> {
    /// What makes it a Bedrock provider. Models have defaults and never count.
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
    let origin = key.origin(Presence::Unset);
    DesiredProvider {
        index: None,
        name: name.to_owned(),
        kind,
        base_url: url.or(default_url),
        bedrock: None,
        keys: key.secret().into_iter().collect(),
        credentials_unknown: key.is_unknown(),
        origins: Box::new(Origins {
            pattern: format!("{}{}_*", key.family, name.to_ascii_uppercase()),
            // Neither name nor type has a variable of its own: the key's presence decides both.
            name: Origin::absent(origin.variable.clone(), Presence::Default),
            kind: Origin::absent(origin.variable.clone(), Presence::Default),
            base_url: url.origin(Presence::Default),
            bedrock_region: bedrock.region.origin(Presence::Unset),
            keys: origin,
            bedrock_credentials: bedrock.access_key.origin(Presence::Unset),
        }),
    }
}

/// How a variable that is not set would be spelled: as its set neighbours are.
fn family(variables: &[Variable]) -> &'static str {
    let [aibridge, gateway] = FAMILIES;
    if variables.iter().any(|v| v.name.starts_with(gateway) && !v.name.starts_with(super::names::PREFIXES[1])) {
        gateway
    } else {
        aibridge
    }
}

fn unreadable(variables: &[Variable], problems: &mut Vec<Problem>) {
    let ours = |name: &str| {
        let rest = FAMILIES.iter().find_map(|family| name.strip_prefix(family));
        rest.is_some_and(|rest| super::names::LEGACY.contains(&rest))
    };
    problems.extend(variables.iter().filter(|v| ours(&v.name)).filter_map(Variable::unreadable));
}
