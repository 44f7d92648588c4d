//! The controller's answer. The API server refuses a whole status if one list in it is too long or has a duplicate, so
//! every writer truncates at the limits here. The schema limits neither the length of strings nor the values of words:
//! a CRD older than the controller must not make the API server refuse its status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// The most `providers`.
pub const MAX_PROVIDERS: usize = 256;
/// The most `conflicts`.
pub const MAX_CONFLICTS: usize = 64;
/// The most `agreements`.
pub const MAX_AGREEMENTS: usize = 256;
/// The most `credentials` of an agreement; with more, none is recorded. (Coder: at most 5 keys.)
pub const MAX_CREDENTIALS: usize = 16;
/// The most `warnings`.
pub const MAX_WARNINGS: usize = 32;
/// The most `undescribed`.
pub const MAX_UNDESCRIBED: usize = crate::plan::undescribed::LISTED;
/// The most `variables` of a warning.
pub const MAX_VARIABLES: usize = 16;

/// The result of the last check. The controller writes it only when it changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AIProviderSeedStatus {
    /// The metadata.generation of this status. If smaller than metadata.generation, the last change was not checked
    /// yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub observed_generation: Option<i64>,

    /// The last handled value of the annotation aiproviders.dev/reconcile.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub last_handled_reconcile_at: Option<String>,

    /// The last value of the annotation aiproviders.dev/resolve that was carried out or refused; it is not handled
    /// again. Removing the annotation clears this field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub last_handled_resolve: Option<String>,

    /// Time of the last check (RFC 3339). Without another change it is updated at most once an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::date_time")]
    pub last_check_time: Option<Time>,

    /// Ready: the check succeeded, and the next start would too. InSync: environment and database agree. Reconciling,
    /// Stalled and Suspended exist only while they are true. Resolved, while the annotation aiproviders.dev/resolve
    /// exists: whether the decision was carried out. Seeded, in mode Seed: whether missing providers are inserted. The
    /// reason says what happened, the message what to do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,

    /// The figures that `kubectl get` shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Summary")]
    pub summary: Option<Summary>,

    /// How the controller notices changes in the database between two checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DatabaseWatchStatus")]
    pub database_watch: Option<DatabaseWatchStatus>,

    /// The providers of the environment, those not in sync first. At most 256; summary.desired has the total.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_PROVIDERS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub providers: Vec<ProviderStatus>,

    /// Every field on which environment and database disagree. At most 64; summary.conflicts has the total.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_CONFLICTS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["provider", "field"])
    )]
    pub conflicts: Vec<ConflictStatus>,

    /// The values on which both sides last agreed, per provider; they show which side of a conflict changed. At most 256.
    /// An entry ends when its provider leaves the environment, or its row is deleted or replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_AGREEMENTS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub agreements: Vec<AgreementStatus>,

    /// Findings that deserve attention but do not stop a start. At most 32.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_WARNINGS), extend("x-kubernetes-list-type" = "atomic"))]
    pub warnings: Vec<WarningStatus>,

    /// The names of live rows that no variable describes, such as the old name of a provider that was renamed. At most 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_UNDESCRIBED), extend("x-kubernetes-list-type" = "atomic"))]
    pub undescribed: Vec<String>,
}

/// The result in four figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// Providers in sync / providers in the environment, such as 2/3. Absent while the database is unreadable.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub in_sync: Option<String>,

    /// How many providers the environment has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0))]
    pub desired: Option<u32>,

    /// On how many fields environment and database disagree.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0))]
    pub conflicts: Option<u32>,

    /// The result and what to do, in one sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// How the controller notices changes in the database between two checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseWatchStatus {
    /// Listening: Coder's announcements arrive, and each starts a check. Polling: the interval alone starts one.
    #[schemars(with = "String")]
    pub state: WatchState,

    /// For Polling: Pooler, a connection pooler is in between; Standby, the server is a standby; Budget, other
    /// databases use all listeners of the host or of the controller; NotAnnounced, a check found the last change
    /// without an announcement; Unavailable, the listening session could not be opened or was lost, and the controller
    /// retries; Off, by --watch-database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub reason: Option<PollingReason>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchState {
    Listening,
    Polling,
    /// A value from a newer controller. Never written.
    #[default]
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PollingReason {
    Pooler,
    Standby,
    Budget,
    NotAnnounced,
    Unavailable,
    Off,
    /// A value from a newer controller. Never written.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A provider of the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// Its name.
    pub name: String,

    /// Its type in the environment, such as openai or anthropic.
    pub r#type: String,

    /// InSync; Created or Updated, by this check; WouldUpdate, the next start overwrites differing fields; Missing, the
    /// next start inserts it; Conflict, both sides disagree; CredentialsDiffer, only keys differ, which does not stop a
    /// start; SettingsDiffer, the same for optional fields; Deleted, an operator deleted it and it stays deleted;
    /// Unsupported, this database does not know the type.
    #[schemars(with = "String")]
    pub state: ProviderState,

    /// The id of its row in the database (a UUID); absent without a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub id: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProviderState {
    InSync,
    Created,
    Updated,
    WouldUpdate,
    Missing,
    Conflict,
    CredentialsDiffer,
    SettingsDiffer,
    Deleted,
    Unsupported,
    /// A value from a newer controller. Never written.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A field on which environment and database disagree. Secret values are not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConflictStatus {
    /// 32 characters (a to z, 2 to 7), shared by all conflicts of the provider; they change when either side does.
    pub id: String,

    /// The name of the provider.
    pub provider: String,

    /// The name of the field, such as base_url or api_keys.
    pub field: String,

    /// Whether it stops a start.
    pub blocking: bool,

    /// The value in the environment. For keys: their number and fingerprints.
    pub environment: String,

    /// The value in the database. For keys: their number and fingerprints.
    pub database: String,

    /// The variable of the environment's value.
    pub variable: String,

    /// The source of the variable, such as `Secret coder-ai, key openai`.
    pub source: String,

    /// The side of the provider that has changed since the last agreement: Environment, Database or Both. Absent if
    /// unknown: the first check already found a difference, the row was replaced, or only credentials differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub changed: Option<Changed>,

    /// Time of the last agreement (RFC 3339); the change came later. Absent without changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::date_time")]
    pub since: Option<Time>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Changed {
    Environment,
    Database,
    Both,
    /// A value from a newer controller. Never written.
    #[default]
    #[serde(other)]
    Unknown,
}

/// The values on which both sides of a provider last agreed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgreementStatus {
    /// The name of the provider.
    pub name: String,

    /// The id of its row (a UUID).
    pub id: String,

    /// SHA-256 of type, base URL and Bedrock region, 64 hex digits, as in the JSON document of `diff`. Credentials are not
    /// part of it.
    pub hash: String,

    /// Fingerprints of the credentials that both sides had, keyed with the id of the row, 16 hex digits each: the API
    /// keys sorted, or the Bedrock access key and its secret. Empty: neither had any. Absent: they were not compared.
    /// In mode Seed with takeEnvironment the controller writes rotated credentials only to a row that still holds
    /// exactly these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "Vec<String>",
        length(max = MAX_CREDENTIALS),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub credentials: Option<Vec<String>>,

    /// Time of the last agreement (RFC 3339). Without another change it is updated at most once an hour.
    #[schemars(schema_with = "schema::date_time")]
    pub time: Time,
}

/// A finding that deserves attention.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WarningStatus {
    /// Its code, such as unknown_variable.
    pub code: String,

    /// The affected provider, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub provider: Option<String>,

    /// The affected variables. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_VARIABLES), extend("x-kubernetes-list-type" = "atomic"))]
    pub variables: Vec<String>,

    /// What is wrong and what to do.
    pub message: String,
}
