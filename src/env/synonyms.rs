//! Other tools' names for these variables, and the variable that each one means.

/// Other names for a field of a numbered provider where the closest spelling would mislead or find no match.
const FIELDS: [(&str, &str); 33] = [
    ("ENDPOINT", "BASE_URL"),
    ("API_BASE", "BASE_URL"),
    ("BASE", "BASE_URL"),
    ("HOST", "BASE_URL"),
    ("API_ENDPOINT", "BASE_URL"),
    ("TOKEN", "KEY"),
    ("API_TOKEN", "KEY"),
    ("AUTH_TOKEN", "KEY"),
    ("SECRET", "KEY"),
    ("SECRET_KEY", "KEY"),
    ("APIKEY", "KEY"),
    ("APIKEYS", "KEYS"),
    ("TOKENS", "KEYS"),
    ("KIND", "TYPE"),
    ("PROVIDER", "TYPE"),
    ("ACCESS_KEY_ID", "BEDROCK_ACCESS_KEY"),
    ("AWS_ACCESS_KEY_ID", "BEDROCK_ACCESS_KEY"),
    ("BEDROCK_ACCESS_KEY_ID", "BEDROCK_ACCESS_KEY"),
    ("SECRET_ACCESS_KEY", "BEDROCK_ACCESS_KEY_SECRET"),
    ("AWS_SECRET_ACCESS_KEY", "BEDROCK_ACCESS_KEY_SECRET"),
    ("BEDROCK_SECRET_ACCESS_KEY", "BEDROCK_ACCESS_KEY_SECRET"),
    ("BEDROCK_SECRET_KEY", "BEDROCK_ACCESS_KEY_SECRET"),
    ("BEDROCK_SECRET", "BEDROCK_ACCESS_KEY_SECRET"),
    ("AWS_REGION", "BEDROCK_REGION"),
    ("MODEL", "BEDROCK_MODEL"),
    ("FAST_MODEL", "BEDROCK_SMALL_FAST_MODEL"),
    ("SMALL_MODEL", "BEDROCK_SMALL_FAST_MODEL"),
    ("ROLE", "BEDROCK_ROLE_ARN"),
    ("AWS_ROLE_ARN", "BEDROCK_ROLE_ARN"),
    ("ICON_URL", "ICON"),
    ("LOGO", "ICON"),
    ("TITLE", "DISPLAY_NAME"),
    ("LABEL", "DISPLAY_NAME"),
];

/// Vendors that have older variables.
const OLDER_VENDORS: [(&str, &str); 5] = [
    ("OPENAI", "OPENAI"),
    ("ANTHROPIC", "ANTHROPIC"),
    ("CLAUDE", "ANTHROPIC"),
    ("BEDROCK", "BEDROCK"),
    ("AWS", "BEDROCK"),
];

/// Vendors without older variables, longest first, and the type of a numbered provider for each.
const OTHER_VENDORS: [(&str, &str); 31] = [
    ("OPENAI_COMPATIBLE", "openai-compat"),
    ("OPENAI_COMPAT", "openai-compat"),
    ("GITHUB_COPILOT", "copilot"),
    ("AZURE_OPENAI", "azure"),
    ("OPENROUTER", "openrouter"),
    ("DEEPSEEK", "openai-compat"),
    ("LITELLM", "openai-compat"),
    ("MISTRAL", "openai-compat"),
    ("COPILOT", "copilot"),
    ("VERCEL", "vercel"),
    ("GEMINI", "google"),
    ("GOOGLE", "google"),
    ("OLLAMA", "openai-compat"),
    ("AZURE", "azure"),
    ("VERTEX", "google"),
    ("VLLM", "openai-compat"),
    ("GROQ", "openai-compat"),
    ("XAI", "openai-compat"),
    ("GROK", "openai-compat"),
    ("QWEN", "openai-compat"),
    ("COHERE", "openai-compat"),
    ("NVIDIA", "openai-compat"),
    ("TOGETHER", "openai-compat"),
    ("CEREBRAS", "openai-compat"),
    ("FIREWORKS", "openai-compat"),
    ("LM_STUDIO", "openai-compat"),
    ("LMSTUDIO", "openai-compat"),
    ("MOONSHOT", "openai-compat"),
    ("PERPLEXITY", "openai-compat"),
    ("HUGGINGFACE", "openai-compat"),
    ("DATABRICKS", "openai-compat"),
];

/// Fields that only a numbered provider has, for vendors that have older variables.
const NUMBERED: [(&str, &str, &str); 11] = [
    ("BEDROCK_ROLE_ARN", "bedrock", "BEDROCK_ROLE_ARN"),
    ("BEDROCK_PROTOCOL", "bedrock", "BEDROCK_PROTOCOL"),
    ("BEDROCK_DISPLAY_NAME", "bedrock", "DISPLAY_NAME"),
    ("BEDROCK_ICON", "bedrock", "ICON"),
    ("BEDROCK_ENABLED", "bedrock", "ENABLED"),
    ("OPENAI_DISPLAY_NAME", "openai", "DISPLAY_NAME"),
    ("OPENAI_ICON", "openai", "ICON"),
    ("OPENAI_ENABLED", "openai", "ENABLED"),
    ("ANTHROPIC_DISPLAY_NAME", "anthropic", "DISPLAY_NAME"),
    ("ANTHROPIC_ICON", "anthropic", "ICON"),
    ("ANTHROPIC_ENABLED", "anthropic", "ENABLED"),
];

/// The field that another name means.
pub fn field(name: &str) -> Option<&'static str> {
    FIELDS.iter().find(|(other, _)| *other == name).map(|(_, field)| *field)
}

/// `OPENAI_API_KEY` → `OPENAI_KEY`: the older variable, without its family, that another name means.
pub fn older(name: &str) -> Option<String> {
    OLDER_VENDORS.iter().find_map(|(vendor, meant)| {
        let tail = name.strip_prefix(vendor)?.strip_prefix('_')?;
        let field = match (tail, *meant) {
            ("API_KEY" | "API_KEYS", "OPENAI" | "ANTHROPIC") => "KEY",
            ("URL" | "API_URL" | "API_BASE_URL", _) => "BASE_URL",
            _ => field(tail).or_else(|| field(name))?,
        };
        let bedrock = field.strip_prefix("BEDROCK_");
        match (*meant, bedrock, field) {
            ("BEDROCK", Some(field), _) => Some(format!("BEDROCK_{field}")),
            ("BEDROCK", None, "BASE_URL") => Some("BEDROCK_BASE_URL".to_owned()),
            ("OPENAI" | "ANTHROPIC", None, "KEY" | "BASE_URL") => Some(format!("{meant}_{field}")),
            _ => None,
        }
    })
}

/// `AZURE_KEY` → `azure`, `KEY`: the intended type and field, for a vendor or field without older variables.
pub fn other_vendor(name: &str) -> Option<(&'static str, &'static str)> {
    if let Some((_, kind, field)) = NUMBERED.iter().find(|(numbered, ..)| *numbered == name) {
        return Some((kind, field));
    }
    let (tail, kind) =
        OTHER_VENDORS.iter().find_map(|(vendor, kind)| Some((name.strip_prefix(vendor)?.strip_prefix('_')?, *kind)))?;
    let field = match tail {
        "KEY" | "API_KEY" => "KEY",
        "KEYS" | "API_KEYS" => "KEYS",
        "BASE_URL" | "URL" | "API_URL" | "API_BASE_URL" => "BASE_URL",
        _ => field(tail).filter(|field| ["KEY", "KEYS", "BASE_URL"].contains(field))?,
    };
    Some((kind, field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_tools_are_known() {
        for (name, meant) in [
            ("OPENAI_API_KEY", Some("OPENAI_KEY")),
            ("OPENAI_API_BASE", Some("OPENAI_BASE_URL")),
            ("OPENAI_ENDPOINT", Some("OPENAI_BASE_URL")),
            ("ANTHROPIC_AUTH_TOKEN", Some("ANTHROPIC_KEY")),
            ("CLAUDE_API_KEY", Some("ANTHROPIC_KEY")),
            ("ANTHROPIC_URL", Some("ANTHROPIC_BASE_URL")),
            ("BEDROCK_ACCESS_KEY_ID", Some("BEDROCK_ACCESS_KEY")),
            ("BEDROCK_SECRET_ACCESS_KEY", Some("BEDROCK_ACCESS_KEY_SECRET")),
            ("AWS_SECRET_ACCESS_KEY", Some("BEDROCK_ACCESS_KEY_SECRET")),
            ("AWS_REGION", Some("BEDROCK_REGION")),
            ("BEDROCK_URL", Some("BEDROCK_BASE_URL")),
            ("OPENAI_ORG_ID", None),
            ("OPENAI", None),
            ("AZURE_KEY", None),
        ] {
            assert_eq!(older(name).as_deref(), meant, "{name}");
        }
        for (name, meant) in [
            ("AZURE_KEY", Some(("azure", "KEY"))),
            ("GEMINI_API_KEY", Some(("google", "KEY"))),
            ("AZURE_OPENAI_ENDPOINT", Some(("azure", "BASE_URL"))),
            ("OPENROUTER_KEYS", Some(("openrouter", "KEYS"))),
            ("BEDROCK_ROLE_ARN", Some(("bedrock", "BEDROCK_ROLE_ARN"))),
            ("XAI_API_KEY", Some(("openai-compat", "KEY"))),
            ("AZURE_REGION", None),
            ("AZURE", None),
            ("OPENAI_KEY", None),
        ] {
            assert_eq!(other_vendor(name), meant, "{name}");
        }
    }
}
