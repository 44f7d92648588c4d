//! The closed list of reasons: the result of a check, as written in conditions, Events and metrics.

use crate::words::words;

/// The progress of a resource, in the terms of kstatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing to do.
    Current,
    /// The controller retries; no action is needed.
    Reconciling,
    /// An operator must act.
    Stalled,
    /// There are no checks.
    Suspended,
}

/// The conditions of a reason while nothing blocks the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// Status of the condition Ready.
    pub ready: &'static str,
    /// Status of the condition InSync.
    pub in_sync: &'static str,
    pub progress: Progress,
}

const fn meaning(ready: &'static str, in_sync: &'static str, progress: Progress) -> Meaning {
    Meaning { ready, in_sync, progress }
}

words! {
    #[derive(PartialOrd, Ord, Hash)]
    pub enum Reason {
        fn meaning -> Meaning;
        InSync = "InSync" => meaning("True", "True", Progress::Current),
        WouldUpdate = "WouldUpdate" => meaning("True", "False", Progress::Current),
        WouldSeed = "WouldSeed" => meaning("True", "False", Progress::Current),
        RotationPending = "RotationPending" => meaning("True", "False", Progress::Current),
        WriteNotPermitted = "WriteNotPermitted" => meaning("True", "False", Progress::Current),
        CredentialsDiffer = "CredentialsDiffer" => meaning("True", "False", Progress::Current),
        SettingsDiffer = "SettingsDiffer" => meaning("True", "False", Progress::Current),
        Conflict = "Conflict" => meaning("True", "False", Progress::Current),
        SchemaPending = "SchemaPending" => meaning("True", "Unknown", Progress::Current),
        NothingDesired = "NothingDesired" => meaning("True", "Unknown", Progress::Current),
        InvalidEnvironment = "InvalidEnvironment" => meaning("False", "Unknown", Progress::Stalled),
        InvalidSpec = "InvalidSpec" => meaning("False", "Unknown", Progress::Stalled),
        DatabaseUnusable = "DatabaseUnusable" => meaning("False", "Unknown", Progress::Stalled),
        EnvironmentUnknown = "EnvironmentUnknown" => meaning("False", "Unknown", Progress::Stalled),
        WorkloadNotFound = "WorkloadNotFound" => meaning("False", "Unknown", Progress::Reconciling),
        ContainerNotFound = "ContainerNotFound" => meaning("False", "Unknown", Progress::Reconciling),
        SecretNotFound = "SecretNotFound" => meaning("False", "Unknown", Progress::Reconciling),
        SecretKeyMissing = "SecretKeyMissing" => meaning("False", "Unknown", Progress::Reconciling),
        ConfigMapNotFound = "ConfigMapNotFound" => meaning("False", "Unknown", Progress::Reconciling),
        ConfigMapKeyMissing = "ConfigMapKeyMissing" => meaning("False", "Unknown", Progress::Reconciling),
        DatabaseUnreachable = "DatabaseUnreachable" => meaning("False", "Unknown", Progress::Reconciling),
        Progressing = "Progressing" => meaning("Unknown", "Unknown", Progress::Reconciling),
        Suspended = "Suspended" => meaning("Unknown", "Unknown", Progress::Suspended),
    }
}

impl Reason {
    /// The check has no result, and an Event says so.
    pub fn is_failure(self) -> bool {
        self.meaning().ready == "False"
    }

    /// `blocked`: a conflict stops the next start.
    pub fn progress(self, blocked: bool) -> Progress {
        match self {
            Reason::Conflict if blocked => Progress::Stalled,
            reason => reason.meaning().progress,
        }
    }

    /// The statuses of Ready and InSync. `blocked`: a conflict stops the next start.
    pub fn ready_and_in_sync(self, blocked: bool) -> (&'static str, &'static str) {
        let Meaning { ready, in_sync, .. } = self.meaning();
        match self {
            Reason::Conflict if blocked => ("False", in_sync),
            _ => (ready, in_sync),
        }
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
    /// How the reader can set the location of the database.
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
            Audience::CommandLine => "give --database-url with values for this machine",
        }
    }

    pub fn container(self) -> &'static str {
        match self {
            Audience::Resource => "name the one that seeds in spec.workloadRef.container",
            Audience::CommandLine => "name the one that seeds with --container",
        }
    }
}

/// Why a check ended before the database was read. The message is safe to show and ends with the next step.
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
