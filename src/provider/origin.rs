/// The source of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The environment of this process.
    Process,
    /// The file of `--env-file`.
    EnvFile,
    /// A literal value in a container of a pod template.
    Container,
    ConfigMap(Box<ObjectKey>),
    Secret(Box<ObjectKey>),
}

/// Boxed in [`Source`], since few variables have one, and each variable and each field has a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectKey {
    name: String,
    key: String,
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, key {}", self.name, self.key)
    }
}

impl Source {
    #[cfg(any(test, feature = "controller"))]
    pub fn config_map(name: impl Into<String>, key: impl Into<String>) -> Source {
        Source::ConfigMap(Box::new(ObjectKey { name: name.into(), key: key.into() }))
    }

    #[cfg(any(test, feature = "controller"))]
    pub fn secret(name: impl Into<String>, key: impl Into<String>) -> Source {
        Source::Secret(Box::new(ObjectKey { name: name.into(), key: key.into() }))
    }

    /// A value in a Secret is secret, whatever the variable's name suggests.
    pub fn is_secret(&self) -> bool {
        matches!(self, Source::Secret(_))
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Process => f.write_str("environment"),
            Source::EnvFile => f.write_str("env file"),
            Source::Container => f.write_str("container"),
            Source::ConfigMap(place) => write!(f, "ConfigMap {place}"),
            Source::Secret(place) => write!(f, "Secret {place}"),
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

/// The name of a variable, spelled as the operator spelled it; for an unset variable, the spelling that it would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariableName {
    /// A field of a numbered provider in capital letters, or all of them with `*` for the field. Its text is made only where
    /// it is shown: most runs show none, and a hundred providers have hundreds.
    Numbered { prefix: &'static str, index: u64, field: &'static str },
    /// Any other name, redacted.
    Other(String),
}

impl std::fmt::Display for VariableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&String::from(self))
    }
}

impl PartialEq<&str> for VariableName {
    fn eq(&self, name: &&str) -> bool {
        let text: String = self.into();
        text == *name
    }
}

impl From<String> for VariableName {
    fn from(name: String) -> Self {
        VariableName::Other(name)
    }
}

impl From<&str> for VariableName {
    fn from(name: &str) -> Self {
        VariableName::Other(name.to_owned())
    }
}

impl From<&VariableName> for String {
    fn from(name: &VariableName) -> Self {
        let mut text = String::new();
        name.append_to(&mut text);
        text
    }
}

impl VariableName {
    /// Appends its text, which may be shown.
    pub fn append_to(&self, out: &mut String) {
        match self {
            VariableName::Numbered { prefix, index, field } => {
                // Not formatted, which would cost twice as much.
                out.push_str(prefix);
                out.push_str(&index.to_string());
                out.push('_');
                out.push_str(field);
            }
            VariableName::Other(name) => out.push_str(name),
        }
    }
}

/// The variable that determines a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub variable: VariableName,
    pub presence: Presence,
    pub source: Source,
}

impl Origin {
    pub fn set(variable: impl Into<VariableName>, source: Source) -> Self {
        Origin { variable: variable.into(), presence: Presence::Set, source }
    }

    pub fn absent(variable: impl Into<VariableName>, presence: Presence) -> Self {
        Origin { variable: variable.into(), presence, source: Source::Process }
    }
}
