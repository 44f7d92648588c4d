/// The source of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The environment of this process.
    Process,
    /// The file of `--env-file`.
    EnvFile,
    /// A literal value in a container of a pod template.
    Container,
    ConfigMap {
        name: String,
        key: String,
    },
    Secret {
        name: String,
        key: String,
    },
}

impl Source {
    /// A value in a Secret is secret, whatever the variable's name suggests.
    pub fn is_secret(&self) -> bool {
        matches!(self, Source::Secret { .. })
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Process => f.write_str("environment"),
            Source::EnvFile => f.write_str("env file"),
            Source::Container => f.write_str("container"),
            Source::ConfigMap { name, key } => write!(f, "ConfigMap {name}, key {key}"),
            Source::Secret { name, key } => write!(f, "Secret {name}, key {key}"),
        }
    }
}

/// Whether the variable is set, and the value that applies otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Set,
    /// Not set: Coder's default applies.
    Default,
    /// Not set, and therefore empty.
    Unset,
}

/// The variable that determines a field, spelled as the operator spelled it; for an unset variable, the spelling that it
/// would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub variable: String,
    pub presence: Presence,
    pub source: Source,
}

impl Origin {
    pub fn set(variable: impl Into<String>, source: Source) -> Self {
        Origin { variable: variable.into(), presence: Presence::Set, source }
    }

    pub fn absent(variable: impl Into<String>, presence: Presence) -> Self {
        Origin { variable: variable.into(), presence, source: Source::Process }
    }
}
