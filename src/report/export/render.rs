//! The formats, and dotenv lines as the simplest of them.

use secrecy::{ExposeSecret, SecretString};

use super::shared::{HEAD, Rendered};
use super::{manifest, terraform};
use crate::env::dotenv_quote;
use crate::options::export::{ExportFormat, Secrets};
use crate::plan::{Export, ExportedValue};

pub fn render(export: &Export, format: ExportFormat, secrets: Secrets) -> Rendered {
    let (text, hidden) = match format {
        ExportFormat::Helm => manifest::helm(export, secrets),
        ExportFormat::Manifest => manifest::manifest(export, secrets),
        ExportFormat::Env => env(export, secrets),
        ExportFormat::Terraform => (terraform::import_blocks(export), String::new()),
    };
    let left_out: String = export
        .findings
        .problems
        .iter()
        .map(|problem| {
            let of = problem.provider.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            format!("# not exported: {of}{}\n", problem.message)
        })
        .collect();
    Rendered { text: format!("{HEAD}\n{left_out}{text}").into(), secrets: format!("{HEAD}\n{hidden}").into() }
}

fn env(export: &Export, secrets: Secrets) -> (String, String) {
    let (mut text, mut hidden) = (String::new(), String::new());
    for provider in &export.providers {
        text += &format!("\n# {}, id {}\n", provider.name, provider.id);
        for variable in &provider.variables {
            let name = &variable.name;
            match (&variable.value, secrets) {
                (ExportedValue::Plain(value), _) => text += &format!("{name}={}\n", dotenv_quote::quote(value)),
                (ExportedValue::Secret(value), Secrets::Shown) => text += &line(name, value),
                (ExportedValue::Secret(value), Secrets::File) => {
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
