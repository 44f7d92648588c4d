//! The one word for what was found, as it stands in conditions, Events and metrics.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    InSync,
    WouldSeed,
    CredentialsDiffer,
    Conflict,
    SchemaPending,
    NothingDesired,
    InvalidEnvironment,
    InvalidSpec,
    DatabaseUnusable,
    EnvironmentUnknown,
    WorkloadNotFound,
    ContainerNotFound,
    SecretNotFound,
    SecretKeyMissing,
    ConfigMapNotFound,
    ConfigMapKeyMissing,
    DatabaseUnreachable,
    Progressing,
    Suspended,
}

/// How a resource goes on (kstatus): nothing to do, retrying, an operator has to act, or no checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Settled,
    Reconciling,
    Stalled,
    Suspended,
}

impl Reason {
    pub const ALL: [Reason; 19] = [
        Reason::InSync,
        Reason::WouldSeed,
        Reason::CredentialsDiffer,
        Reason::Conflict,
        Reason::SchemaPending,
        Reason::NothingDesired,
        Reason::InvalidEnvironment,
        Reason::InvalidSpec,
        Reason::DatabaseUnusable,
        Reason::EnvironmentUnknown,
        Reason::WorkloadNotFound,
        Reason::ContainerNotFound,
        Reason::SecretNotFound,
        Reason::SecretKeyMissing,
        Reason::ConfigMapNotFound,
        Reason::ConfigMapKeyMissing,
        Reason::DatabaseUnreachable,
        Reason::Progressing,
        Reason::Suspended,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Reason::InSync => "InSync",
            Reason::WouldSeed => "WouldSeed",
            Reason::CredentialsDiffer => "CredentialsDiffer",
            Reason::Conflict => "Conflict",
            Reason::SchemaPending => "SchemaPending",
            Reason::NothingDesired => "NothingDesired",
            Reason::InvalidEnvironment => "InvalidEnvironment",
            Reason::InvalidSpec => "InvalidSpec",
            Reason::DatabaseUnusable => "DatabaseUnusable",
            Reason::EnvironmentUnknown => "EnvironmentUnknown",
            Reason::WorkloadNotFound => "WorkloadNotFound",
            Reason::ContainerNotFound => "ContainerNotFound",
            Reason::SecretNotFound => "SecretNotFound",
            Reason::SecretKeyMissing => "SecretKeyMissing",
            Reason::ConfigMapNotFound => "ConfigMapNotFound",
            Reason::ConfigMapKeyMissing => "ConfigMapKeyMissing",
            Reason::DatabaseUnreachable => "DatabaseUnreachable",
            Reason::Progressing => "Progressing",
            Reason::Suspended => "Suspended",
        }
    }

    /// The check came to no answer, and an Event says so.
    pub fn is_failure(self) -> bool {
        !matches!(
            self,
            Reason::InSync
                | Reason::WouldSeed
                | Reason::CredentialsDiffer
                | Reason::Conflict
                | Reason::SchemaPending
                | Reason::NothingDesired
                | Reason::Progressing
                | Reason::Suspended
        )
    }

    pub fn progress(self, blocked: bool) -> Progress {
        match self {
            Reason::Conflict if blocked => Progress::Stalled,
            Reason::InSync
            | Reason::WouldSeed
            | Reason::CredentialsDiffer
            | Reason::Conflict
            | Reason::SchemaPending
            | Reason::NothingDesired => Progress::Settled,
            Reason::InvalidEnvironment
            | Reason::InvalidSpec
            | Reason::DatabaseUnusable
            | Reason::EnvironmentUnknown => Progress::Stalled,
            Reason::WorkloadNotFound
            | Reason::ContainerNotFound
            | Reason::SecretNotFound
            | Reason::SecretKeyMissing
            | Reason::ConfigMapNotFound
            | Reason::ConfigMapKeyMissing
            | Reason::DatabaseUnreachable
            | Reason::Progressing => Progress::Reconciling,
            Reason::Suspended => Progress::Suspended,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The reader of a message; the next step depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The author of an AIProviderSeed.
    Resource,
    /// The caller of `diff --from`.
    CommandLine,
}

impl Audience {
    /// How to say where the database is.
    pub fn url(self) -> &'static str {
        self.or_flag("set spec.database.urlSecretRef")
    }

    pub fn ca(self) -> &'static str {
        self.or_flag("set spec.database.ca")
    }

    pub fn identity(self) -> &'static str {
        self.or_flag("set spec.database.clientCertSecretRef")
    }

    fn or_flag(self, of_resource: &'static str) -> &'static str {
        match self {
            Audience::Resource => of_resource,
            Audience::CommandLine => "give --database-url with what this machine has",
        }
    }

    pub fn container(self) -> &'static str {
        match self {
            Audience::Resource => "name the one that seeds in spec.workloadRef.container",
            Audience::CommandLine => "name the one that seeds with --container",
        }
    }
}

/// Why a check ends before the database was read. The message is safe to show and ends with the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckStopped {
    pub reason: Reason,
    pub message: String,
}

impl CheckStopped {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        CheckStopped { reason, message: message.into() }
    }
}
