//! YAML. Every value is in double quotes with everything but printable ASCII escaped, so a parser restores it exactly.

use secrecy::ExposeSecret;

use super::shared::{SECRET_NAME, variables};
use crate::identity::IMAGE;
use crate::options::export::Secrets;
use crate::plan::{Export, ExportedValue, ExportedVariable};

/// Values for Coder's chart: the init container with its environment, keys by reference.
pub fn helm(export: &Export, secrets: Secrets) -> (String, String) {
    let mut text = format!(
        "coder:\n  initContainers:\n    - name: ai-provider-seed\n      \
         image: {IMAGE}:{}\n      args: [seed]\n      env:\n        \
         - name: CODER_PG_CONNECTION_URL\n          valueFrom:\n            secretKeyRef:\n              \
         name: coder-db-url\n              key: url\n",
        env!("CARGO_PKG_VERSION")
    );
    for provider in &export.providers {
        text += &format!("        # {}, id {}\n", provider.name, provider.id);
        provider.variables.iter().for_each(|variable| text += &helm_variable(variable, secrets));
    }
    (text, secret(export))
}

fn helm_variable(variable: &ExportedVariable, secrets: Secrets) -> String {
    let name = &variable.name;
    // In `value` the kubelet expands $(NAME), and $$ means a plain $.
    let entry =
        |value: &str| format!("        - name: {name}\n          value: {}\n", quoted(&value.replace('$', "$$")));
    match &variable.value {
        ExportedValue::Plain(value) => entry(value),
        ExportedValue::Secret(value) if secrets == Secrets::Shown => entry(value.expose_secret()),
        _ => format!(
            "        - name: {name}\n          valueFrom:\n            secretKeyRef:\n              \
             name: {SECRET_NAME}\n              key: {name}\n"
        ),
    }
}

/// A ConfigMap, a Secret, and the resource that lets the controller watch them.
pub fn manifest(export: &Export, secrets: Secrets) -> (String, String) {
    let mut text = format!(
        "# The init container reads both: envFrom with configMapRef and secretRef {SECRET_NAME}\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {SECRET_NAME}\n"
    );
    text += if export.providers.is_empty() { "data: {}\n" } else { "data:\n" };
    for provider in &export.providers {
        text += &format!("  # {}, id {}\n", provider.name, provider.id);
        // Every provider has at least its type.
        for variable in &provider.variables {
            if let ExportedValue::Plain(value) = &variable.value {
                text += &format!("  {}: {}\n", variable.name, quoted(value));
            }
        }
    }
    let hidden = secret(export);
    match secrets {
        Secrets::Shown => text += &format!("---\n{hidden}"),
        Secrets::File => text += &format!("# The Secret {SECRET_NAME} is in the secrets file.\n"),
        Secrets::Named => {
            let names = variables(export).filter(|variable| variable.value.is_secret()).map(|variable| &variable.name);
            text += &format!("# The Secret {SECRET_NAME} is not shown: add --secrets-file FILE. Its keys:\n");
            names.for_each(|name| text += &format!("#   {name}\n"));
        }
    }
    text += "---\napiVersion: aiproviders.dev/v1alpha1\nkind: AIProviderSeed\nmetadata:\n  name: coder\nspec:\n  \
             workloadRef:\n    kind: Deployment\n    name: coder\n";
    (text, hidden)
}

fn secret(export: &Export) -> String {
    let mut text = format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {SECRET_NAME}\ntype: Opaque\n");
    let secrets: Vec<String> = variables(export)
        .filter_map(|variable| match &variable.value {
            ExportedValue::Secret(value) => Some(format!("  {}: {}\n", variable.name, quoted(value.expose_secret()))),
            _ => None,
        })
        .collect();
    text += if secrets.is_empty() { "stringData: {}\n" } else { "stringData:\n" };
    text + &secrets.concat()
}

/// A double-quoted YAML scalar.
pub fn quoted(value: &str) -> String {
    let mut quoted = String::from("\"");
    for character in value.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            ' '..='~' => quoted.push(character),
            _ if u32::from(character) <= 0xFFFF => quoted += &format!("\\u{:04X}", u32::from(character)),
            _ => quoted += &format!("\\U{:08X}", u32::from(character)),
        }
    }
    quoted + "\""
}
