//! What the formats of an export share.

use secrecy::SecretString;

use crate::plan::{Export, ExportedVariable};

/// The name of the Secret and of the ConfigMap in the output.
pub const SECRET_NAME: &str = "coder-ai-providers";
/// The first line of each text: by it a file is known to be ours.
pub const HEAD: &str = "# Written by ai-provider-seed export";

pub struct Rendered {
    /// For standard output. Holds a secret only with [`Secrets::Shown`](crate::options::export::Secrets::Shown).
    pub text: SecretString,
    /// For the file.
    pub secrets: SecretString,
}

/// The variables, in their order.
pub(super) fn variables(export: &Export) -> impl Iterator<Item = &ExportedVariable> {
    export.providers.iter().flat_map(|provider| &provider.variables)
}
