//! `version`: the first lines of a bug report.

use super::output::print_result;

pub fn command() -> u8 {
    let controller = if cfg!(feature = "controller") { "controller" } else { "none (init container)" };
    let commit = option_env!("AI_PROVIDER_SEED_COMMIT").filter(|commit| !commit.is_empty()).unwrap_or("unknown");
    print_result(&format!(
        "ai-provider-seed {}\ncommit    {commit}\nfeatures  {controller}\nplatform  {}-{}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
    ))
}
