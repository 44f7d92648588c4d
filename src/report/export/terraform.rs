//! Blocks that import the rows into Terraform. They contain no secret: an id is enough.

use crate::plan::{Export, ExportedProvider};
use crate::provider::check_name;

/// One `import` block for each provider, after the list of values for which Terraform's resource has no field.
pub fn import_blocks(export: &Export) -> String {
    let mut text = String::new();
    for provider in &export.providers {
        text += &format!("\n# {}\n", provider.name);
        let of_it =
            export.findings.warnings.iter().filter(|warning| warning.provider.as_deref() == Some(&provider.name));
        of_it.for_each(|warning| text += &format!("# {}\n", warning.message));
        text += &format!("import {{\n  to = coderd_ai_provider.{}\n  id = \"{}\"\n}}\n", label(provider), provider.id);
    }
    text
}

/// A name in Terraform: letters, digits, `_` and `-`, not starting with a digit. Coder's names have no `_`, so different
/// names stay different.
fn label(provider: &ExportedProvider) -> String {
    let name = &provider.name;
    if check_name(name).is_err() {
        format!("id_{}", provider.id)
    } else if name.starts_with(|first: char| first.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name.clone()
    }
}
