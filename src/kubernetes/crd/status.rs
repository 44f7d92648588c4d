//! What the controller answers. The API server refuses a status as a whole if one list in it is too long or names something
//! twice, so whoever fills it cuts at the limits here. Strings have no limit and words no list of allowed values in the
//! schema: a definition older than the controller must not make it fall silent.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// How many of `providers` there may be.
pub const MAX_PROVIDERS: usize = 256;
/// How many of `conflicts` there may be.
pub const MAX_CONFLICTS: usize = 64;
/// How many of `agreements` there may be.
pub const MAX_AGREEMENTS: usize = 256;
/// How many `credentials` an agreement may have; of more nothing is remembered. (Coder: at most 5 keys.)
pub const MAX_CREDENTIALS: usize = 16;
/// How many of `warnings` there may be.
pub const MAX_WARNINGS: usize = 32;
/// How many of `undescribed` there may be.
pub const MAX_UNDESCRIBED: usize = crate::plan::undescribed::LISTED;
/// How many `variables` a warning may have.
pub const MAX_VARIABLES: usize = 16;

/// What was found. Written by the controller, and only when it changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AIProviderSeedStatus {
    /// The metadata.generation that this status is about. Smaller than metadata.generation: the change was not seen yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub observed_generation: Option<i64>,

    /// The value of the annotation aiproviders.dev/reconcile that was last acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub last_handled_reconcile_at: Option<String>,

    /// The value of the annotation aiproviders.dev/resolve that was last carried out or refused; it is not acted on again.
    /// Remove the annotation, and it is forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub last_handled_resolve: Option<String>,

    /// When the workload was last checked (RFC 3339). While nothing else changes it is refreshed at most once an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub last_check_time: Option<Time>,

    /// Ready: it could be checked, and the next start would go ahead. InSync: environment and database agree. Only while they
    /// are true, Reconciling, Stalled and Suspended. Resolved, while the annotation aiproviders.dev/resolve is there: whether
    /// it was carried out. Seeded, in mode Seed: whether what was missing is inserted. The reason says what happened, the
    /// message what to do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,

    /// The figures that `kubectl get` shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Summary")]
    pub summary: Option<Summary>,

    /// How changes in the database are noticed between two checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DatabaseWatchStatus")]
    pub database_watch: Option<DatabaseWatchStatus>,

    /// The providers of the environment, those not in sync first. At most 256; summary.desired has the whole number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_PROVIDERS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub providers: Vec<ProviderStatus>,

    /// Every field on which environment and database disagree. At most 64; summary.conflicts has the whole number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_CONFLICTS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["provider", "field"])
    )]
    pub conflicts: Vec<ConflictStatus>,

    /// On what both sides last agreed, per provider: by this a conflict tells which side changed. At most 256. An entry goes
    /// when its provider leaves the environment, or its row is deleted or another one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_AGREEMENTS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub agreements: Vec<AgreementStatus>,

    /// What deserves a look and does not stop a start. At most 32.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_WARNINGS), extend("x-kubernetes-list-type" = "atomic"))]
    pub warnings: Vec<WarningStatus>,

    /// The names of live rows that no variable describes, such as the old name of a provider that was renamed. At most 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_UNDESCRIBED), extend("x-kubernetes-list-type" = "atomic"))]
    pub undescribed: Vec<String>,
}

/// The whole in four figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// Providers in sync / providers in the environment, such as 2/3. Not there while the database could not be read.
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

    /// What was found and what to do, in one sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// How changes in the database are noticed between two checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseWatchStatus {
    /// Listening: Coder's announcements arrive, and each starts a check. Polling: the interval alone starts one.
    #[schemars(with = "String")]
    pub state: WatchState,

    /// Of Polling: Pooler, a connection pooler is in between; Standby, the server is one; Budget, other databases hold all
    /// listeners of the host or of the controller; NotAnnounced, the last change was found and not announced; Unavailable, the
    /// session that listens could not be opened or was lost, and is tried again; Off, by --watch-database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub reason: Option<PollingReason>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchState {
    Listening,
    Polling,
    /// A word that a newer controller wrote. Never written.
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
    /// A word that a newer controller wrote. Never written.
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

    /// InSync; Created or Updated, by a seed just now; WouldUpdate, the environment owns what differs; Missing, the next start
    /// inserts it; Conflict, the database has it otherwise; CredentialsDiffer, only keys differ and that does not stop a start; SettingsDiffer, the same of optional fields;
    /// Deleted, an operator deleted it and it stays so; Unsupported, this database does not know the type.
    #[schemars(with = "String")]
    pub state: ProviderState,

    /// The id of its row in the database (a UUID); not there if there is no row.
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
    /// A word that a newer controller wrote. Never written.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A field on which environment and database disagree. Values are shown as far as they are no secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConflictStatus {
    /// 32 characters (a to z, 2 to 7) that all conflicts of the provider share; they change when either side does, and mean
    /// nothing in part.
    pub id: String,

    /// The name of the provider.
    pub provider: String,

    /// type, base_url, bedrock_region, api_keys or bedrock_credentials.
    pub field: String,

    /// Whether it stops a start.
    pub blocking: bool,

    /// What the environment says. Of keys: how many, and fingerprints.
    pub environment: String,

    /// What the database says. Of keys: how many, and fingerprints.
    pub database: String,

    /// The variable that says it.
    pub variable: String,

    /// Where the variable comes from, such as `Secret coder-ai, key openai`.
    pub source: String,

    /// Which side of the provider is another one than at the last agreement: Environment, Database or Both. Not there if
    /// nobody knows: the first look found them different, the row is another one, or only credentials differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub changed: Option<Changed>,

    /// When both sides were last seen in agreement (RFC 3339); the change came later. Not there without changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub since: Option<Time>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Changed {
    Environment,
    Database,
    Both,
    /// A word that a newer controller wrote. Never written.
    #[default]
    #[serde(other)]
    Unknown,
}

/// On what both sides of a provider last agreed.
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

    /// Fingerprints of the credentials that both sides had, keyed with the id of the row, 16 hex digits each: the API keys
    /// sorted, or the Bedrock access key and its secret. Empty: neither had any. Not there: they were not compared. In mode Seed
    /// with takeEnvironment a row is given rotated credentials only while it holds exactly these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "Vec<String>",
        length(max = MAX_CREDENTIALS),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub credentials: Option<Vec<String>>,

    /// When they were last seen to agree (RFC 3339). While nothing else changes it is refreshed at most once an hour.
    #[schemars(schema_with = "date_time")]
    pub time: Time,
}

/// Something that deserves a look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WarningStatus {
    /// The word for it, such as unknown_variable.
    pub code: String,

    /// The provider that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub provider: Option<String>,

    /// The variables that it is about. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_VARIABLES), extend("x-kubernetes-list-type" = "atomic"))]
    pub variables: Vec<String>,

    /// What is the matter and what to do.
    pub message: String,
}

fn date_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

/// metav1.Condition with the limits that its own documentation states, which no client library enforces.
fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "description": "Ready, InSync, Reconciling, Stalled, Suspended, Resolved or Seeded.",
                    "type": "string",
                    "maxLength": 316
                },
                "status": { "description": "True, False or Unknown.", "type": "string", "enum": ["True", "False", "Unknown"] },
                "observedGeneration": {
                    "description": "The metadata.generation that this condition is about.",
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0
                },
                "lastTransitionTime": {
                    "description": "When status last changed (RFC 3339).",
                    "type": "string",
                    "format": "date-time"
                },
                "reason": {
                    "description": "One word for what happened, such as Conflict or DatabaseUnreachable.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
                },
                "message": {
                    "description": "What happened and what to do, at most 32768 characters.",
                    "type": "string",
                    "maxLength": 32768
                }
            }
        }
    })
}
