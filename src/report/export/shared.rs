//! Common parts of the export formats.

use secrecy::SecretString;

use crate::plan::{Export, ExportedVariable};

/// The name of the Secret and of the ConfigMap in the output.
pub const SECRET_NAME: &str = "coder-ai-providers";
/// The first line of each text, which identifies a file from an earlier export.
pub const HEAD: &str = "# Written by ai-provider-seed export";

pub struct Rendered {
    /// The text for standard output. It contains a secret only with
    /// [`Secrets::Shown`](crate::options::export::Secrets::Shown).
    pub text: SecretString,
    /// The text for the file.
    pub secrets: SecretString,
}

/// The variables in order.
pub(super) fn variables(export: &Export) -> impl Iterator<Item = &ExportedVariable> {
    export.providers.iter().flat_map(|provider| &provider.variables)
}
