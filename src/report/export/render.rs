//! An export as text: dotenv lines, values of Coder's chart, manifests. What is secret goes into a text of its own.

use secrecy::{ExposeSecret, SecretString};

use super::manifest;
use super::{Export, Value, Variable};
use crate::env::dotenv_quote;
use crate::options::export::{ExportFormat, Secrets};

/// What the Secret, and the ConfigMap, are called in what is printed.
pub const SECRET_NAME: &str = "coder-ai-providers";
/// The first line of each text: by it a file is known to be ours.
pub const HEAD: &str = "# Written by ai-provider-seed export";

pub struct Rendered {
    /// For standard output. Holds a secret only with [`Secrets::Shown`].
    pub text: SecretString,
    /// For the file.
    pub secrets: SecretString,
}

pub fn render(export: &Export, format: ExportFormat, secrets: Secrets) -> Rendered {
    let (text, hidden) = match format {
        ExportFormat::Env => env(export, secrets),
        ExportFormat::Helm => manifest::helm(export, secrets),
        ExportFormat::Manifest => manifest::manifest(export, secrets),
    };
    let left_out: String = export
        .findings
        .problems
        .iter()
        .map(|problem| {
            let name = problem.provider.as_deref().unwrap_or("(a provider)");
            format!("# not exported: {name}: {}\n", problem.message)
        })
        .collect();
    Rendered { text: format!("{HEAD}\n{left_out}{text}").into(), secrets: format!("{HEAD}\n{hidden}").into() }
}

fn env(export: &Export, secrets: Secrets) -> (String, String) {
    let (mut text, mut hidden) = (String::new(), String::new());
    for provider in &export.providers {
        text += &format!("\n# {}\n", provider.name);
        for variable in &provider.variables {
            let name = &variable.name;
            match (&variable.value, secrets) {
                (Value::Plain(value), _) => text += &format!("{name}={}\n", dotenv_quote::quote(value)),
                (Value::Secret(value), Secrets::Shown) => text += &line(name, value),
                (Value::Secret(value), Secrets::File) => {
                    text += &format!("# {name} is in the secrets file\n");
                    hidden += &line(name, value);
                }
                _ => text += &format!("# {name} is not shown: add --secrets-file FILE\n"),
            }
        }
    }
    (text, hidden)
}

fn line(name: &str, value: &SecretString) -> String {
    format!("{name}={}\n", dotenv_quote::quote(value.expose_secret()))
}

/// The variables, in their order.
pub(super) fn variables(export: &Export) -> impl Iterator<Item = &Variable> {
    export.providers.iter().flat_map(|provider| &provider.variables)
}
