use std::str::FromStr;

/// The nine provider types that Coder knows (codersdk; the first release had only `openai` and `anthropic`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProviderType {
    Openai,
    Anthropic,
    Azure,
    Bedrock,
    Google,
    OpenaiCompat,
    Openrouter,
    Vercel,
    Copilot,
}

impl ProviderType {
    pub const ALL: [ProviderType; 9] = [
        ProviderType::Openai,
        ProviderType::Anthropic,
        ProviderType::Azure,
        ProviderType::Bedrock,
        ProviderType::Google,
        ProviderType::OpenaiCompat,
        ProviderType::Openrouter,
        ProviderType::Vercel,
        ProviderType::Copilot,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ProviderType::Openai => "openai",
            ProviderType::Anthropic => "anthropic",
            ProviderType::Azure => "azure",
            ProviderType::Bedrock => "bedrock",
            ProviderType::Google => "google",
            ProviderType::OpenaiCompat => "openai-compat",
            ProviderType::Openrouter => "openrouter",
            ProviderType::Vercel => "vercel",
            ProviderType::Copilot => "copilot",
        }
    }

    /// Every release with the tables has these two labels, so they need no look at the schema.
    pub fn in_every_schema(self) -> bool {
        matches!(self, ProviderType::Openai | ProviderType::Anthropic)
    }

    /// Whether the type may have Bedrock settings.
    pub fn allows_bedrock(self) -> bool {
        matches!(self, ProviderType::Anthropic | ProviderType::Bedrock)
    }

    /// Coder builds these types as an OpenAI client: without a base URL, the requests and the key go to OpenAI's
    /// endpoint.
    pub fn falls_back_to_openai(self) -> bool {
        match self {
            ProviderType::Azure
            | ProviderType::Google
            | ProviderType::OpenaiCompat
            | ProviderType::Openrouter
            | ProviderType::Vercel => true,
            ProviderType::Openai | ProviderType::Anthropic | ProviderType::Bedrock | ProviderType::Copilot => false,
        }
    }

    /// Whether the type takes bearer keys.
    pub fn allows_keys(self) -> bool {
        !matches!(self, ProviderType::Bedrock | ProviderType::Copilot)
    }
}

impl FromStr for ProviderType {
    type Err = ();

    /// Exact: case matters and nothing is trimmed, as in Coder.
    fn from_str(text: &str) -> Result<Self, ()> {
        ProviderType::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}
