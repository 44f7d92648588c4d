//! Stored providers for Terraform's import: their ids, and the values for which the resource `coderd_ai_provider` has no
//! field.

use super::export::{Export, ExportedProvider, Stored};
use crate::problem::{Code, Problem};
use crate::provider::{Field, check_name, redact};

/// All providers without variables: an import needs only an id, so rows that variables cannot describe are included.
pub fn imports(stored: &[Stored]) -> Export {
    let mut export = Export::default();
    for (index, provider) in stored.iter().enumerate() {
        let named = check_name(provider.name).is_ok();
        let name = if named { provider.name.to_owned() } else { redact::provider(provider.name) };
        export.findings.warnings.extend(without_field(provider).into_iter().map(|message| {
            let problem = Problem::new(Code::NotInExport, message);
            if named { problem.provider(provider.name) } else { problem }
        }));
        export.providers.push(ExportedProvider { name, id: provider.row.id, index, variables: Vec::new() });
    }
    export
}

/// The schema of Terraform's resource: one key, which it never reads back; a non-empty URL; no icon.
fn without_field(provider: &Stored) -> Vec<String> {
    let row = provider.row;
    let mut messages = Vec::new();
    let keys = row.keys.as_ref().map_or(0, Vec::len);
    if keys > 1 {
        messages.push(format!(
            "Terraform's resource has one key, and it has {keys}: leave out api_key_wo, and Coder keeps them"
        ));
    }
    if row.base_url.is_empty() {
        messages.push("Terraform's resource needs a base URL, and it has none: set it in Coder first".to_owned());
    }
    if row.text(Field::Icon, provider.name, None) != Field::Icon.absent(provider.name) {
        messages.push("Terraform's resource has no icon: go on setting it in Coder".to_owned());
    }
    messages
}
