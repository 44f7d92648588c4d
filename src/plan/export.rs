//! Turns stored providers into the variables that describe them: a function of values, the reverse of `env`.
//!
//! A provider that variables cannot describe fully is left out, with the reason.

use std::collections::BTreeSet;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::snapshot::{StoredProvider, Unreadable};
use crate::options::export::Secrets;
use crate::problem::{Code, Findings, Problem};
use crate::provider::redact::{self, Redacted};
use crate::provider::{
    BedrockSettings, ENCRYPTION_KEYS_VARIABLE, EXTERNAL_ID, Field, MAX_KEYS, ProviderType, check_name,
};

/// The newer prefix: a Coder that seeds by itself reads these variables too.
pub const PREFIX: &str = "CODER_AI_GATEWAY_PROVIDER_";

/// One live provider of the database, including values that are not compared.
pub struct Stored<'a> {
    pub name: &'a str,
    pub row: &'a StoredProvider,
}

/// One variable. No `Debug`: its value may be a key.
#[derive(Clone)]
pub struct ExportedVariable {
    pub name: String,
    pub value: ExportedValue,
}

#[derive(Clone)]
pub enum ExportedValue {
    /// The value may be shown.
    Plain(String),
    Secret(SecretString),
    /// Encrypted with a key that was not given: only its presence is known.
    Sealed,
}

impl ExportedValue {
    pub fn is_secret(&self) -> bool {
        !matches!(self, ExportedValue::Plain(_))
    }
}

pub struct ExportedProvider {
    pub name: String,
    /// The row's id: no variable holds it, and Terraform and Coder's API identify the provider by it.
    pub id: Uuid,
    /// The provider's number in its variables.
    pub index: usize,
    pub variables: Vec<ExportedVariable>,
}

#[derive(Default)]
pub struct Export {
    pub providers: Vec<ExportedProvider>,
    /// Contains a problem for each provider that variables cannot describe.
    pub findings: Findings,
}

/// All secrets must be readable, unless the export only names them.
pub fn export(stored: &[Stored], secrets: Secrets) -> Export {
    let mut export = Export::default();
    for provider in stored {
        let index = export.providers.len();
        match describe(provider, secrets) {
            Ok(fields) => {
                let variable = |(suffix, value)| ExportedVariable { name: format!("{PREFIX}{index}_{suffix}"), value };
                let variables = fields.into_iter().map(variable).collect();
                let (name, id) = (provider.name.to_owned(), provider.row.id);
                export.providers.push(ExportedProvider { name, id, index, variables });
                export.findings.warnings.extend(lost(provider).map(|what| {
                    let message =
                        format!("{what} is not in the export: no variable can hold it; set it again in Coder");
                    Problem::new(Code::NotInExport, message).provider(provider.name)
                }));
            }
            Err((code, message)) => {
                let problem = Problem::new(code, message);
                let named = check_name(provider.name).is_ok();
                export.findings.problems.push(if named { problem.provider(provider.name) } else { problem });
            }
        }
    }
    export
}

/// The suffix of each variable that describes the row, with its value if it may be shown. `None`: no variables can
/// describe the row.
pub fn shown_fields(name: &str, row: &StoredProvider) -> Option<Vec<(&'static str, Option<String>)>> {
    let fields = describe(&Stored { name, row }, Secrets::Named).ok()?;
    let shown = |(suffix, value)| match value {
        ExportedValue::Plain(text) => (suffix, Some(text)),
        ExportedValue::Secret(_) | ExportedValue::Sealed => (suffix, None),
    };
    Some(fields.into_iter().map(shown).collect())
}

type NotExportable = (Code, String);

/// Suffix and value of each variable. `Err`: why the variables would not recreate this row.
fn describe(provider: &Stored, secrets: Secrets) -> Result<Vec<(&'static str, ExportedValue)>, NotExportable> {
    let cannot = |what: &str| (Code::CannotExport, format!("variables cannot describe it: {what}"));
    let row = provider.row;
    if check_name(provider.name).is_err() {
        return Err(cannot("its name is not valid in a variable; rename it in Coder"));
    }
    let Ok(kind) = ProviderType::from_str(&row.kind) else {
        return Err(cannot("this version does not know its type; upgrade ai-provider-seed"));
    };
    let settings = match &row.settings {
        Ok(settings) => settings.as_ref(),
        Err(unreadable) => return Err(sealed("its settings", unreadable)),
    };
    let mut fields = vec![("TYPE", plain(kind.as_str()))];
    if provider.name != kind.as_str() {
        fields.push(("NAME", plain(provider.name)));
    }
    let keys = keys(row, kind, secrets)?;
    match settings {
        Some(settings) => {
            if !kind.allows_bedrock() {
                return Err(cannot("it has Bedrock settings, and its type takes none; recreate it in Coder"));
            }
            if keys.is_some() {
                return Err(cannot("it has keys beside Bedrock settings; remove one of the two in Coder"));
            }
            bedrock(settings, &row.base_url, &mut fields)?;
        }
        None if kind == ProviderType::Bedrock => {
            return Err(cannot("type bedrock without settings; set at least its region in Coder"));
        }
        None => {
            if !row.base_url.is_empty() {
                fields.push(("BASE_URL", url(&row.base_url)));
            }
            fields.extend(keys);
        }
    }
    fields.extend(Field::all_optional().filter_map(|field| optional(field, provider.name, row, settings)));
    Ok(fields)
}

/// `None`: the result is the same without the variable.
fn optional(
    field: Field,
    name: &str,
    row: &StoredProvider,
    settings: Option<&BedrockSettings>,
) -> Option<(&'static str, ExportedValue)> {
    let text = row.text(field, name, settings);
    (text != field.absent(name) && field.is_expressible(text))
        .then(|| (field.suffix(), shown_or_secret(text, &field.redact(text, None))))
}

fn bedrock(
    settings: &BedrockSettings,
    base_url: &str,
    fields: &mut Vec<(&'static str, ExportedValue)>,
) -> Result<(), NotExportable> {
    let cannot = |what: &str| Err((Code::CannotExport, format!("variables cannot describe it: {what}")));
    if !settings.is_configured() && base_url.is_empty() {
        return cannot("its Bedrock settings have neither region nor access key; set the region in Coder");
    }
    let pair = [&settings.access_key, &settings.access_key_secret];
    if pair.iter().filter(|half| half.is_some()).count() == 1 {
        return cannot("it has half a pair of access key and secret; complete it in Coder");
    }
    if pair.into_iter().flatten().any(|half| half.expose_secret().trim() != half.expose_secret()) {
        return cannot(
            "its access key or secret has white space around it, which variables lose; set it again in Coder",
        );
    }
    let region = shown_or_secret(&settings.region, &redact::region(&settings.region, None));
    let secret = |value: &Option<SecretString>| value.clone().map(ExportedValue::Secret);
    let set = |text: &str, value: ExportedValue| (!text.is_empty()).then_some(value);
    for (suffix, value) in [
        ("BEDROCK_BASE_URL", set(base_url, url(base_url))),
        ("BEDROCK_REGION", set(&settings.region, region)),
        ("BEDROCK_ACCESS_KEY", secret(&settings.access_key)),
        ("BEDROCK_ACCESS_KEY_SECRET", secret(&settings.access_key_secret)),
    ] {
        fields.extend(value.map(|value| (suffix, value)));
    }
    Ok(())
}

fn keys(
    row: &StoredProvider,
    kind: ProviderType,
    secrets: Secrets,
) -> Result<Option<(&'static str, ExportedValue)>, NotExportable> {
    let cannot = |what: &str| Err((Code::CannotExport, format!("variables cannot describe it: {what}")));
    let stored = row.keys.as_deref().unwrap_or_default();
    if stored.is_empty() {
        return Ok(None);
    }
    if !kind.allows_keys() {
        return cannot("it has keys, and its type takes none; remove them in Coder");
    }
    if stored.len() > MAX_KEYS {
        return cannot(&format!(
            "it has {} keys, and variables take at most {MAX_KEYS}; remove some in Coder",
            stored.len()
        ));
    }
    let suffix = if stored.len() == 1 { "KEY" } else { "KEYS" };
    let readable: Result<Vec<&str>, &Unreadable> =
        stored.iter().map(|key| key.secret.as_ref().map(ExposeSecret::expose_secret)).collect();
    let readable = match readable {
        Ok(keys) => keys,
        Err(unreadable) if secrets != Secrets::Named => return Err(sealed("one of its keys", unreadable)),
        Err(_) => return Ok(Some((suffix, ExportedValue::Sealed))),
    };
    if readable.iter().any(|key| key.trim() != *key || key.is_empty()) {
        return cannot(
            "one of its keys is empty or has white space around it, which variables lose; set it again in Coder",
        );
    }
    if readable.len() > 1 && readable.iter().any(|key| key.contains(',')) {
        return cannot("one of its keys has a comma in it, and several keys are separated by commas");
    }
    if readable.iter().collect::<BTreeSet<_>>().len() != readable.len() {
        return cannot("two of its keys are the same; remove one of them in Coder");
    }
    Ok(Some((suffix, ExportedValue::Secret(readable.join(",").into()))))
}

fn sealed(what: &str, unreadable: &Unreadable) -> NotExportable {
    let variable = ENCRYPTION_KEYS_VARIABLE;
    match unreadable {
        Unreadable::Settings(error) if error.is_opaque() => {
            let message =
                format!("variables cannot describe it: this version does not know {what}; upgrade ai-provider-seed");
            (Code::CannotExport, message)
        }
        Unreadable::Settings(error) => {
            let message =
                format!("variables cannot describe it: {what} cannot be read: {error}; save it once in Coder");
            (Code::CannotExport, message)
        }
        Unreadable::KeyRequired => {
            (Code::EncryptionKeyRequired, format!("{what} is encrypted; set {variable} on this container as for Coder"))
        }
        Unreadable::KeyUnknown { digest } => {
            let digest = redact::name(digest);
            let message = format!(
                "{what} is encrypted with key {digest}, and no given key opens it; give {variable} as for Coder"
            );
            (Code::UnknownEncryptionKey, message)
        }
        Unreadable::Damaged { digest } => {
            let digest = redact::name(digest);
            let message = format!(
                "{what} is encrypted with key {digest} and damaged: the given key of that digest does not open it; save it \
                 again in Coder"
            );
            (Code::UnknownEncryptionKey, message)
        }
    }
}

/// Values in Coder that no variable can express.
fn lost<'a>(provider: &'a Stored) -> impl Iterator<Item = String> + 'a {
    let settings = provider.row.settings.as_ref().ok().and_then(Option::as_ref);
    let said = |name: &str| Field::all_optional().any(|field| field.settings_key() == Some(name));
    let others = settings.and_then(|settings| {
        let names = settings.other.keys().filter(|name| !said(name));
        let names: Vec<String> = names.map(|name| named(name, settings.text(name))).collect();
        (!names.is_empty()).then_some(names)
    });
    let others = others.map(|names| format!("the content of its settings in {}", names.join(", ")));
    let text = move |field: &Field| provider.row.text(*field, provider.name, settings);
    let unread = Field::all_optional()
        .filter(move |field| text(field) != field.absent(provider.name) && !field.is_expressible(text(field)));
    // For example white space around it.
    let unread = unread.map(|field| format!("its {}, which a variable would change,", field.as_str()));
    unread.chain(others)
}

/// The trust policy in AWS needs a role's external id, which is not secret.
fn named(key: &str, text: &str) -> String {
    match redact::external_id(text) {
        Some(id) if key == EXTERNAL_ID => format!("{key} ({id})"),
        _ => redact::name(key),
    }
}

fn plain(value: &str) -> ExportedValue {
    ExportedValue::Plain(value.to_owned())
}

/// A URL that is shown in full contains no secret.
fn url(value: &str) -> ExportedValue {
    shown_or_secret(value, &redact::base_url(value, None))
}

fn shown_or_secret(value: &str, redacted: &Redacted) -> ExportedValue {
    if redacted.exact { plain(value) } else { ExportedValue::Secret(value.into()) }
}
