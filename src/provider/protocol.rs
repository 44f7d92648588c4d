//! How Coder talks to Bedrock: the values of `protocol` in a provider's settings.

/// The one where the settings name none.
pub const INVOKE_MODEL: &str = "invoke-model";
pub const MANTLE: &str = "mantle";
