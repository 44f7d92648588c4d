//! An error or a warning: a code, the affected variables, and a sentence that ends with the next step.
//!
//! A message is safe to show: it contains no credential and no control character.

use serde::Serialize;

use crate::words::words;

words! {
    /// The outcome of a run. People, scripts, the JSON document and the exit code use the same word.
    #[derive(PartialOrd, Ord, Serialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Outcome {
        fn exit_code -> u8;
        /// Nothing to do, or done.
        Ok = "ok" => 0,
        /// `diff` only: a seed would insert, or update under `--take-environment`.
        Changes = "changes" => 1,
        /// Arguments or environment.
        Invalid = "invalid" => 2,
        /// Environment and database disagree; nothing was written.
        Conflict = "conflict" => 3,
        /// No usable connection within `--wait`.
        Unavailable = "unavailable" => 4,
        /// Connected, but the database does not allow this plan to be read or carried out.
        Unusable = "unusable" => 5,
        /// Another seeder held the lock longer than `--lock-timeout`.
        Locked = "locked" => 6,
        /// `export`, `crd`, `explain` and `resolve --take database`: the result could not be written to standard output.
        OutputFailed = "output_failed" => 74,
        /// A bug.
        Internal = "internal" => 70,
    }
}

words! {
    /// Every problem and warning code. docs/codes.md explains each; a test compares the two lists.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum Code {
        /// The outcome of a run with this problem. For a code that is only a warning: `Ok`.
        fn outcome -> Outcome;
        // The environment and the arguments, judged without a database.
        MalformedVariable = "malformed_variable" => Outcome::Invalid,
        IndexGap = "index_gap" => Outcome::Invalid,
        TypeRequired = "type_required" => Outcome::Invalid,
        UnknownType = "unknown_type" => Outcome::Invalid,
        BedrockUnsupported = "bedrock_unsupported" => Outcome::Invalid,
        BedrockRequired = "bedrock_required" => Outcome::Invalid,
        KeysUnsupported = "keys_unsupported" => Outcome::Invalid,
        KeysWithBedrock = "keys_with_bedrock" => Outcome::Invalid,
        TooManyKeys = "too_many_keys" => Outcome::Invalid,
        EmptyKey = "empty_key" => Outcome::Invalid,
        DuplicateKey = "duplicate_key" => Outcome::Invalid,
        KeyUnusable = "key_unusable" => Outcome::Invalid,
        CredentialCountMismatch = "credential_count_mismatch" => Outcome::Invalid,
        DuplicateName = "duplicate_name" => Outcome::Invalid,
        InvalidName = "invalid_name" => Outcome::Invalid,
        InvalidField = "invalid_field" => Outcome::Invalid,
        SingularAndPlural = "singular_and_plural" => Outcome::Invalid,
        MixedPrefixes = "mixed_prefixes" => Outcome::Invalid,
        LegacyKeyWithBedrock = "legacy_key_with_bedrock" => Outcome::Invalid,
        LegacyNameConflict = "legacy_name_conflict" => Outcome::Invalid,
        NotUnicode = "not_unicode" => Outcome::Invalid,
        TooFewProviders = "too_few_providers" => Outcome::Invalid,
        EncryptionKeyInvalid = "encryption_key_invalid" => Outcome::Invalid,
        EnvFileInvalid = "env_file_invalid" => Outcome::Invalid,
        EnvironmentTooLarge = "environment_too_large" => Outcome::Invalid,
        /// The controller and `diff --from`: a value that is unknown before the pod runs.
        EnvironmentUnknown = "environment_unknown" => Outcome::Invalid,
        InvalidOption = "invalid_option" => Outcome::Invalid,
        DatabaseUrlInvalid = "database_url_invalid" => Outcome::Invalid,
        DatabaseUrlMissing = "database_url_missing" => Outcome::Invalid,
        AuthenticationUnsupported = "authentication_unsupported" => Outcome::Invalid,
        // The connection to the database.
        Unreachable = "unreachable" => Outcome::Unavailable,
        AuthenticationFailed = "authentication_failed" => Outcome::Unavailable,
        Tls = "tls" => Outcome::Unavailable,
        /// The controller only, in its log.
        DestinationRefused = "destination_refused" => Outcome::Unavailable,
        // The database itself.
        ReadOnly = "read_only" => Outcome::Unusable,
        SchemaMissing = "schema_missing" => Outcome::Unusable,
        SchemaUnsupported = "schema_unsupported" => Outcome::Unusable,
        PermissionDenied = "permission_denied" => Outcome::Unusable,
        StoredSettingsUnreadable = "stored_settings_unreadable" => Outcome::Unusable,
        UnknownEncryptionKey = "unknown_encryption_key" => Outcome::Unusable,
        EncryptionKeyRequired = "encryption_key_required" => Outcome::Unusable,
        EncryptionKeyRevoked = "encryption_key_revoked" => Outcome::Unusable,
        ServerError = "server_error" => Outcome::Unusable,
        CannotResolve = "cannot_resolve" => Outcome::Unusable,
        CannotExport = "cannot_export" => Outcome::Unusable,
        LockTimeout = "lock_timeout" => Outcome::Locked,
        // `diff --from` only: reading the environment of a workload.
        WorkloadNotFound = "workload_not_found" => Outcome::Invalid,
        WorkloadAmbiguous = "workload_ambiguous" => Outcome::Invalid,
        ContainerNotFound = "container_not_found" => Outcome::Invalid,
        ObjectNotFound = "object_not_found" => Outcome::Invalid,
        /// Also the controller.
        ObjectsTooMany = "objects_too_many" => Outcome::Invalid,
        ManifestInvalid = "manifest_invalid" => Outcome::Invalid,
        KubeconfigInvalid = "kubeconfig_invalid" => Outcome::Invalid,
        ClusterForbidden = "cluster_forbidden" => Outcome::Unavailable,
        ClusterUnreachable = "cluster_unreachable" => Outcome::Unavailable,
        /// `check` and `decide` only.
        ControllerSilent = "controller_silent" => Outcome::Unavailable,
        /// `decide` only: the resource has another decision that no controller has handled.
        DecisionPending = "decision_pending" => Outcome::Locked,
        // The named conflict no longer exists.
        ConflictMoved = "conflict_moved" => Outcome::Conflict,
        Internal = "internal" => Outcome::Internal,
        // Warnings; the first five are problems under `--strict`.
        UnknownVariable = "unknown_variable" => Outcome::Invalid,
        ProviderWithoutKeys = "provider_without_keys" => Outcome::Invalid,
        BaseUrlSuspicious = "base_url_suspicious" => Outcome::Invalid,
        BedrockWithoutModels = "bedrock_without_models" => Outcome::Invalid,
        BedrockModelUnresolved = "bedrock_model_unresolved" => Outcome::Invalid,
        KeySuspicious = "key_suspicious" => Outcome::Invalid,
        RegionSuspicious = "region_suspicious" => Outcome::Invalid,
        UnexpandedReference = "unexpanded_reference" => Outcome::Invalid,
        DuplicateVariable = "duplicate_variable" => Outcome::Invalid,
        NothingDesired = "nothing_desired" => Outcome::Invalid,
        UnsupportedByDatabase = "unsupported_by_database" => Outcome::Ok,
        PreviouslyDeleted = "previously_deleted" => Outcome::Ok,
        BaseUrlIgnored = "base_url_ignored" => Outcome::Ok,
        IconUnusual = "icon_unusual" => Outcome::Ok,
        BedrockWithoutCredentials = "bedrock_without_credentials" => Outcome::Ok,
        BedrockRoleWithoutRegion = "bedrock_role_without_region" => Outcome::Ok,
        BedrockRowOfOldType = "bedrock_row_of_old_type" => Outcome::Ok,
        ProviderDisabled = "provider_disabled" => Outcome::Ok,
        UndescribedProvider = "undescribed_provider" => Outcome::Ok,
        SettingsNotUnderstood = "settings_not_understood" => Outcome::Ok,
        SchemaPending = "schema_pending" => Outcome::Ok,
        EncryptionPending = "encryption_pending" => Outcome::Ok,
        RotationPending = "rotation_pending" => Outcome::Ok,
        CannotInsert = "cannot_insert" => Outcome::Ok,
        TlsFallback = "tls_fallback" => Outcome::Ok,
        CredentialsNotCompared = "credentials_not_compared" => Outcome::Ok,
        NotInExport = "not_in_export" => Outcome::Ok,
        /// The controller only: another container of the pod seeds too.
        WorkloadAlsoSeeds = "workload_also_seeds" => Outcome::Ok,
        /// `diff --from -` only.
        NotInManifests = "not_in_manifests" => Outcome::Ok,
    }
}

impl Code {
    /// The warnings that `--strict` turns into problems.
    pub const STRICT: [Code; 10] = [
        Code::UnknownVariable,
        Code::ProviderWithoutKeys,
        Code::BaseUrlSuspicious,
        Code::BedrockWithoutModels,
        Code::BedrockModelUnresolved,
        Code::KeySuspicious,
        Code::RegionSuspicious,
        Code::UnexpandedReference,
        Code::DuplicateVariable,
        Code::NothingDesired,
    ];

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

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Whether a retry can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    No,
    /// After a pause, on a new connection or another host, until the retry budget is spent.
    Wait,
    /// The whole attempt again, soon, only a few times: another session was faster.
    Again,
}

/// One problem or one warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub code: Code,
    /// The provider's number in the environment, if it has one.
    pub index: Option<u64>,
    /// The provider's name, if it is known and valid.
    pub provider: Option<String>,
    /// The variables, options or files to check, spelled as the operator spelled them.
    pub variables: Vec<String>,
    pub message: String,
    /// The name of a variable or a type that was probably meant.
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

/// The findings of a run: problems stop it, warnings do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

impl Findings {
    /// Appends the findings of the other.
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
