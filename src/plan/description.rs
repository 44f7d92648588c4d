//! Describes a stored provider as variables of this environment, for cases in which changing one variable per field is
//! not enough: another type, or values that the legacy variables cannot express.

use super::edit::{Edit, VariableEdit};
use super::export::{PREFIX, shown_fields};
use super::snapshot::Snapshot;
use crate::provider::{DesiredProvider, Field, Origin, Presence, VariableName};

/// The state from which providers are described.
pub struct Descriptions<'a> {
    desired: &'a [DesiredProvider],
    snapshot: &'a Snapshot,
    /// The number for the next provider that only legacy variables describe now.
    next: usize,
}

impl<'a> Descriptions<'a> {
    pub fn new(desired: &'a [DesiredProvider], snapshot: &'a Snapshot) -> Descriptions<'a> {
        let next = desired.iter().filter(|provider| provider.index.is_some()).count();
        Descriptions { desired, snapshot, next }
    }

    /// `None`: no variables can describe it.
    pub fn describe(&mut self, label: &str) -> Option<Vec<VariableEdit>> {
        let provider = self.desired.iter().find(|provider| provider.label() == label)?;
        let row = self.snapshot.rows.get(&provider.name)?;
        let fields = shown_fields(&provider.name, row)?;
        let start = match provider.index {
            Some(_) => start(provider),
            None => {
                self.next += 1;
                format!("{}{}_", self.prefix(), self.next - 1)
            }
        };
        Some(Describing { provider, start: &start, keys_are_known: row.keys.is_some() }.edits(fields))
    }

    fn prefix(&self) -> &'static str {
        let numbered = self.desired.iter().find_map(|provider| match provider.origins.pattern {
            VariableName::Numbered { prefix, .. } => Some(prefix),
            VariableName::Other(_) => None,
        });
        numbered.unwrap_or(PREFIX)
    }
}

/// `CODER_AIBRIDGE_PROVIDER_0_`
fn start(provider: &DesiredProvider) -> String {
    provider.origins.pattern.to_string().trim_end_matches('*').to_owned()
}

struct Describing<'a> {
    provider: &'a DesiredProvider,
    /// The result of [`start`], or a prefix for a new number.
    start: &'a str,
    keys_are_known: bool,
}

impl Describing<'_> {
    fn edits(&self, fields: Vec<(&'static str, Option<String>)>) -> Vec<VariableEdit> {
        let (plain, secret) = self.set();
        let all: Vec<&String> = plain.iter().chain(&secret).collect();
        let spelled = |suffix: &str| {
            let name = format!("{}{suffix}", self.start);
            all.iter().find(|set| set.eq_ignore_ascii_case(&name)).map(|set| (*set).clone()).ok_or(name)
        };
        let variable = |suffix: &str| match suffix {
            // A list may contain a single key.
            "KEY" => spelled("KEYS").or_else(|_| spelled("KEY")),
            "BEDROCK_ACCESS_KEY" => spelled("BEDROCK_ACCESS_KEYS").or_else(|_| spelled("BEDROCK_ACCESS_KEY")),
            "BEDROCK_ACCESS_KEY_SECRET" => {
                spelled("BEDROCK_ACCESS_KEY_SECRETS").or_else(|_| spelled("BEDROCK_ACCESS_KEY_SECRET"))
            }
            suffix => spelled(suffix),
        };
        let edit_of = |variable: String, edit| VariableEdit { provider: self.provider.label(), variable, edit };
        let described = fields.into_iter().map(|(suffix, value)| {
            let value = value.filter(|_| !self.is_secret(suffix));
            let edit = value.map_or(Edit::SetSecret, |value| Edit::Set { value });
            edit_of(variable(suffix).unwrap_or_else(|name| name), edit)
        });
        let described: Vec<VariableEdit> = described.collect();
        let gone = |set: &&String| described.iter().all(|edit| edit.variable != **set);
        let gone: Vec<VariableEdit> = plain
            .iter()
            .chain(secret.iter().filter(|_| self.keys_are_known))
            .filter(gone)
            .map(|set| edit_of(set.clone(), Edit::Unset))
            .collect();
        described.into_iter().chain(gone).collect()
    }

    /// The value came from a Kubernetes Secret, so the database's value is not shown either.
    fn is_secret(&self, suffix: &str) -> bool {
        let field = match suffix {
            "TYPE" => Some(Field::Type),
            "BASE_URL" | "BEDROCK_BASE_URL" => Some(Field::BaseUrl),
            "BEDROCK_REGION" => Some(Field::BedrockRegion),
            suffix => Field::all_optional().find(|field| field.suffix() == suffix),
        };
        field.and_then(|field| self.provider.origin(field)).is_some_and(|origin| origin.source.is_secret())
    }

    /// The provider's variables that are now set: the compared ones, and those that hold credentials.
    fn set(&self) -> (Vec<String>, Vec<String>) {
        let origins = &self.provider.origins;
        let is_set = |origin: &&Origin| origin.presence == Presence::Set;
        let names = |origins: &[&Origin]| {
            let mut names: Vec<String> = Vec::new();
            for name in origins.iter().copied().filter(is_set).map(|origin| origin.variable.to_string()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            names
        };
        let texts = Field::ALL.iter().filter(|field| !field.is_credential());
        let texts = texts.filter_map(|field| self.provider.origin(*field));
        let texts: Vec<&Origin> = [&origins.name].into_iter().chain(texts).collect();
        let mut plain = names(&texts);
        if self.provider.index.is_some() && self.provider.bedrock.is_some() {
            // It may be set although it is ignored now.
            plain.push(format!("{}BASE_URL", self.start));
        }
        let mut secret = names(&[&origins.keys]);
        for access_key in names(&[&origins.bedrock_credentials]) {
            let of_secret = secret_of(&access_key);
            secret.extend([access_key, of_secret]);
        }
        (plain, secret)
    }
}

/// `…_ACCESS_KEY_SECRET` for `…_ACCESS_KEY`, `…_ACCESS_KEY_SECRETS` for `…_ACCESS_KEYS`.
pub fn secret_of(access_key: &str) -> String {
    let plural = access_key.to_ascii_uppercase().ends_with("KEYS");
    format!("{}_SECRET{}", access_key.trim_end_matches(['s', 'S']), if plural { "S" } else { "" })
}
