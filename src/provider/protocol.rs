//! The protocols between Coder and Bedrock: the values of `protocol` in a provider's settings.

/// The protocol if the settings name none.
pub const INVOKE_MODEL: &str = "invoke-model";
pub const MANTLE: &str = "mantle";
