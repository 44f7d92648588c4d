//! The publisher of this program and its addresses. The repository's test `identity` lists the other files that may name
//! them: those that are read without a build.

/// The account that owns the repository and the images.
pub const ORGANISATION: &str = "aiproviders";
/// The registry of images and charts.
pub const REGISTRY: &str = "ghcr.io";
/// The image of the program, without a tag.
pub const IMAGE: &str = "ghcr.io/aiproviders/ai-provider-seed";

/// The address of this version's published pages, set when the program is built. Without it no message has a link, so
/// that no foreign page is named.
pub const DOCS: Option<&str> = match option_env!("AI_PROVIDER_SEED_DOCS_URL") {
    Some(base) if !base.is_empty() => Some(base),
    _ => None,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_is_in_the_registry_of_the_organisation() {
        assert_eq!(IMAGE, format!("{REGISTRY}/{ORGANISATION}/{}", env!("CARGO_PKG_NAME")));
        assert_eq!(
            env!("CARGO_PKG_REPOSITORY"),
            format!("https://github.com/{ORGANISATION}/{}", env!("CARGO_PKG_NAME"))
        );
    }
}
