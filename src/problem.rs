//! What went wrong, or deserves a look: a code, the variables it is about, and a sentence that ends with the next step.
//!
//! A message is already safe to show: it holds no credential and no control character.

use serde::Serialize;

/// How a run ends. The same word for people, scripts, the JSON document and the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing to do, or done.
    Ok,
    /// `diff` only: a seed would insert.
    Changes,
    /// Arguments or environment.
    Invalid,
    /// Environment and database disagree; nothing was written.
    Conflict,
    /// No usable connection within `--wait`.
    Unavailable,
    /// Connected, but this plan cannot be read or carried out there.
    Unusable,
    /// Another seeder held the lock longer than `--lock-timeout`.
    Locked,
    /// A bug.
    Internal,
}

impl Outcome {
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Ok => 0,
            Outcome::Changes => 1,
            Outcome::Invalid => 2,
            Outcome::Conflict => 3,
            Outcome::Unavailable => 4,
            Outcome::Unusable => 5,
            Outcome::Locked => 6,
            Outcome::Internal => 70,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Changes => "changes",
            Outcome::Invalid => "invalid",
            Outcome::Conflict => "conflict",
            Outcome::Unavailable => "unavailable",
            Outcome::Unusable => "unusable",
            Outcome::Locked => "locked",
            Outcome::Internal => "internal",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal => $outcome:ident,)*) => {
        /// Every problem and warning code. docs/codes.md explains each; a test compares the two lists.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)* }
            }

            /// How a run ends that has this as a problem. For a code that is only ever a warning: `Ok`.
            pub fn outcome(self) -> Outcome {
                match self { $(Code::$variant => Outcome::$outcome,)* }
            }
        }
    };
}

codes! {
    // The environment and the arguments, decided without a database.
    MalformedVariable = "malformed_variable" => Invalid,
    IndexGap = "index_gap" => Invalid,
    TypeRequired = "type_required" => Invalid,
    UnknownType = "unknown_type" => Invalid,
    BedrockUnsupported = "bedrock_unsupported" => Invalid,
    BedrockRequired = "bedrock_required" => Invalid,
    KeysUnsupported = "keys_unsupported" => Invalid,
    KeysWithBedrock = "keys_with_bedrock" => Invalid,
    FederationUnsupported = "federation_unsupported" => Invalid,
    BedrockWithFederation = "bedrock_with_federation" => Invalid,
    KeysWithFederation = "keys_with_federation" => Invalid,
    FederationIncomplete = "federation_incomplete" => Invalid,
    TooManyKeys = "too_many_keys" => Invalid,
    EmptyKey = "empty_key" => Invalid,
    DuplicateKey = "duplicate_key" => Invalid,
    CredentialCountMismatch = "credential_count_mismatch" => Invalid,
    DuplicateName = "duplicate_name" => Invalid,
    InvalidName = "invalid_name" => Invalid,
    SingularAndPlural = "singular_and_plural" => Invalid,
    MixedPrefixes = "mixed_prefixes" => Invalid,
    LegacyKeyWithBedrock = "legacy_key_with_bedrock" => Invalid,
    LegacyNameConflict = "legacy_name_conflict" => Invalid,
    NotUnicode = "not_unicode" => Invalid,
    TooFewProviders = "too_few_providers" => Invalid,
    EncryptionKeyInvalid = "encryption_key_invalid" => Invalid,
    EnvFileInvalid = "env_file_invalid" => Invalid,
    /// The controller and `diff --from`: a value that nobody knows before the pod runs.
    EnvironmentUnknown = "environment_unknown" => Invalid,
    InvalidOption = "invalid_option" => Invalid,
    DatabaseUrlInvalid = "database_url_invalid" => Invalid,
    DatabaseUrlMissing = "database_url_missing" => Invalid,
    AuthenticationUnsupported = "authentication_unsupported" => Invalid,
    // The way to the database.
    Unreachable = "unreachable" => Unavailable,
    AuthenticationFailed = "authentication_failed" => Unavailable,
    Tls = "tls" => Unavailable,
    // The database itself.
    ReadOnly = "read_only" => Unusable,
    SchemaMissing = "schema_missing" => Unusable,
    SchemaUnsupported = "schema_unsupported" => Unusable,
    PermissionDenied = "permission_denied" => Unusable,
    StoredSettingsUnreadable = "stored_settings_unreadable" => Unusable,
    UnknownEncryptionKey = "unknown_encryption_key" => Unusable,
    EncryptionKeyRequired = "encryption_key_required" => Unusable,
    EncryptionKeyRevoked = "encryption_key_revoked" => Unusable,
    ServerError = "server_error" => Unusable,
    CannotResolve = "cannot_resolve" => Unusable,
    CannotExport = "cannot_export" => Unusable,
    LockTimeout = "lock_timeout" => Locked,
    // `diff --from` only: the way to the environment of a workload.
    WorkloadNotFound = "workload_not_found" => Invalid,
    WorkloadAmbiguous = "workload_ambiguous" => Invalid,
    ContainerNotFound = "container_not_found" => Invalid,
    ObjectNotFound = "object_not_found" => Invalid,
    ManifestInvalid = "manifest_invalid" => Invalid,
    KubeconfigInvalid = "kubeconfig_invalid" => Invalid,
    ClusterForbidden = "cluster_forbidden" => Unavailable,
    ClusterUnreachable = "cluster_unreachable" => Unavailable,
    // The conflict that was named is not the one that is there.
    ConflictMoved = "conflict_moved" => Conflict,
    Internal = "internal" => Internal,
    // Warnings; the first four are problems under `--strict`.
    UnknownVariable = "unknown_variable" => Invalid,
    ProviderWithoutKeys = "provider_without_keys" => Invalid,
    BaseUrlSuspicious = "base_url_suspicious" => Invalid,
    NothingDesired = "nothing_desired" => Invalid,
    UnsupportedByDatabase = "unsupported_by_database" => Ok,
    PreviouslyDeleted = "previously_deleted" => Ok,
    BaseUrlIgnored = "base_url_ignored" => Ok,
    BedrockWithoutCredentials = "bedrock_without_credentials" => Ok,
    FederationNotStored = "federation_not_stored" => Ok,
    SchemaPending = "schema_pending" => Ok,
    EncryptionPending = "encryption_pending" => Ok,
    CannotInsert = "cannot_insert" => Ok,
    CredentialsNotCompared = "credentials_not_compared" => Ok,
    NotInExport = "not_in_export" => Ok,
    /// The controller only: another container of the pod seeds too.
    WorkloadAlsoSeeds = "workload_also_seeds" => Ok,
    /// `diff --from -` only.
    NotInManifests = "not_in_manifests" => Ok,
}

impl Code {
    /// The warnings that `--strict` turns into problems.
    pub const STRICT: [Code; 4] =
        [Code::UnknownVariable, Code::ProviderWithoutKeys, Code::BaseUrlSuspicious, Code::NothingDesired];

    /// The environment of a workload could not be read.
    pub const NO_WORKLOAD: [Code; 8] = [
        Code::WorkloadNotFound,
        Code::WorkloadAmbiguous,
        Code::ContainerNotFound,
        Code::ObjectNotFound,
        Code::ManifestInvalid,
        Code::KubeconfigInvalid,
        Code::ClusterForbidden,
        Code::ClusterUnreachable,
    ];
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One problem or one warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub code: Code,
    /// The provider's number in the environment, where there is one.
    pub index: Option<u64>,
    /// The provider's name, where it is known and valid.
    pub provider: Option<String>,
    /// The variables, options or files to look at, spelled as the operator spelled them.
    pub variables: Vec<String>,
    pub message: String,
    /// What was probably meant: a variable's name or a type.
    pub suggestion: Option<String>,
}

impl Problem {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Problem { code, index: None, provider: None, variables: Vec::new(), message: message.into(), suggestion: None }
    }

    pub fn variable(mut self, name: impl Into<String>) -> Self {
        self.variables.push(name.into());
        self
    }

    pub fn variables(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.variables.extend(names.into_iter().map(Into::into));
        self
    }

    pub fn index(mut self, index: u64) -> Self {
        self.index = Some(index);
        self
    }

    pub fn provider(mut self, name: impl Into<String>) -> Self {
        self.provider = Some(name.into());
        self
    }

    pub fn suggestion(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }
}

/// What a run found: problems stop it, warnings do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

impl Findings {
    /// Appends what the other holds.
    pub fn extend(&mut self, other: Findings) {
        self.problems.extend(other.problems);
        self.warnings.extend(other.warnings);
    }
}

impl From<Vec<Problem>> for Findings {
    fn from(problems: Vec<Problem>) -> Findings {
        Findings { problems, warnings: Vec::new() }
    }
}
