//! Names that other tools have for the same thing, and the variables that are meant.

/// What stands for a field of a numbered provider, where closeness in letters would mislead or find nothing.
const FIELDS: [(&str, &str); 24] = [
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
];

/// The vendors that have older variables.
const OLDER_VENDORS: [(&str, &str); 5] = [
    ("OPENAI", "OPENAI"),
    ("ANTHROPIC", "ANTHROPIC"),
    ("CLAUDE", "ANTHROPIC"),
    ("BEDROCK", "BEDROCK"),
    ("AWS", "BEDROCK"),
];

/// Those that have none, longest first, and the type that a numbered provider of theirs has.
const OTHER_VENDORS: [(&str, &str); 17] = [
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
];

/// The field that another name means.
pub fn field(name: &str) -> Option<&'static str> {
    FIELDS.iter().find(|(other, _)| *other == name).map(|(_, field)| *field)
}

/// `OPENAI_API_KEY` → `OPENAI_KEY`: the older variable, behind a family, that another name means.
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

/// `AZURE_KEY` → `azure`, `KEY`: the type and the field that are meant for a vendor that has no older variables.
pub fn other_vendor(name: &str) -> Option<(&'static str, &'static str)> {
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
            ("AZURE_REGION", None),
            ("AZURE", None),
            ("OPENAI_KEY", None),
        ] {
            assert_eq!(other_vendor(name), meant, "{name}");
        }
    }
}
