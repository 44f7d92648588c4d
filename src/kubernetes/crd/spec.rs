//! The resource `AIProviderSeed`: the operator's request (here) and the controller's answer (status.rs).
//!
//! `kubectl explain` prints the documentation comments, so they are written for operators. The schema validates;
//! crds/aiproviderseeds.yaml is printed from here, and a test compares them.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{CustomResource, CustomResourceExt};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::status::AIProviderSeedStatus;
use crate::options::WorkloadKind;

/// Any new value asks for a check now: `kubectl annotate --overwrite aps/coder aiproviders.dev/reconcile=$(date +%s)`.
pub const RECONCILE_ANNOTATION: &str = "aiproviders.dev/reconcile";
/// The annotation that decides a conflict.
pub const RESOLVE_ANNOTATION: &str = "aiproviders.dev/resolve";
/// The name of the checked container unless the resource names another.
pub const DEFAULT_CONTAINER: &str = "ai-provider-seed";
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);
pub const MIN_INTERVAL: Duration = Duration::from_secs(10);

pub fn annotation<'m>(meta: &'m ObjectMeta, name: &str) -> Option<&'m String> {
    meta.annotations.as_ref()?.get(name)
}

/// The workload whose next start is checked, and how to reach its database.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "aiproviders.dev",
    version = "v1alpha1",
    kind = "AIProviderSeed",
    plural = "aiproviderseeds",
    shortname = "aps",
    category = "coder",
    namespaced,
    status = "AIProviderSeedStatus",
    derive = "PartialEq",
    doc = "AIProviderSeed names a workload whose pods seed Coder's AI providers from their environment. The controller reads \
           the same environment and the same rows, and reports in conditions and Events whether the next start would succeed, \
           and if not, why. It writes to the database only if it runs with --allow-writes, and then only if spec.mode or \
           the annotation aiproviders.dev/resolve requests it.",
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].status",
        "description": "Whether the check and the next start succeed"}"#,
    printcolumn = r#"{"name": "In sync", "type": "string", "jsonPath": ".status.conditions[?(@.type=='InSync')].status",
        "description": "Whether environment and database agree"}"#,
    printcolumn = r#"{"name": "Providers", "type": "string", "jsonPath": ".status.summary.inSync",
        "description": "Providers in sync / providers in the environment"}"#,
    printcolumn = r#"{"name": "Conflicts", "type": "integer", "jsonPath": ".status.summary.conflicts",
        "description": "Fields on which environment and database disagree"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].reason",
        "description": "Why it is ready or not"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Workload", "type": "string", "jsonPath": ".spec.workloadRef.name", "priority": 1,
        "description": "The workload that is checked"}"#,
    printcolumn = r#"{"name": "Message", "type": "string", "jsonPath": ".status.summary.message", "priority": 1,
        "description": "What was found and what to do"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct AIProviderSeedSpec {
    /// The workload in this namespace whose pods seed the providers. Its pod template is the only source of the environment.
    pub workload_ref: WorkloadRef,

    /// Observe: read only. Seed: also insert providers that the database lacks, as the init container would, so that a
    /// first install is complete as soon as Coder has created its tables. With options.takeEnvironment Credentials or
    /// All also write rotated credentials into rows that still hold the values of the last agreement. The controller
    /// changes no other existing values, and deleted providers stay deleted. A conflict that stops the start also stops
    /// inserts, and the credentials of its own provider. Seed needs a controller with --allow-writes (allowWrites in its chart) and a role that may write. If
    /// database.urlSecretRef names a Secret, its annotation aiproviders.dev/writable-by must list this resource.
    /// Default Observe.
    #[serde(default)]
    pub mode: Mode,

    /// How to reach the database. Default: the environment of the container. Set it if that environment names a file or
    /// a socket, which only the pod can open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Database")]
    pub database: Option<Database>,

    /// Options that override the container's. Default: its args and its AI_PROVIDER_SEED_* variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SeedOptions")]
    pub options: Option<SeedOptions>,

    /// How often to check, as a duration in hours (h), minutes (m), seconds (s) and milliseconds (ms), such as 30s, 5m
    /// or 1h30m. At least 10s; default 5m. Each wait varies by up to 10 %. A change of the resource, the workload, or a
    /// Secret or ConfigMap that it uses starts a check at once.
    #[serde(default = "default_interval")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-validations" = [{
            "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('10s')",
            "message": "must be a duration of at least 10s in h, m, s or ms, such as 30s, 5m or 1h30m"
        }])
    )]
    pub interval: String,

    /// true stops the checks until it is false again; the status keeps the last result. Default false.
    #[serde(default)]
    pub suspend: bool,
}

impl AIProviderSeedSpec {
    /// The interval as a time. A text that the schema would refuse (it may be older than the schema) counts as the
    /// default, a short one as the minimum.
    pub fn interval(&self) -> Duration {
        humantime::parse_duration(&self.interval).unwrap_or(DEFAULT_INTERVAL).max(MIN_INTERVAL)
    }

    /// Whether the resource itself says that the environment owns the credentials.
    pub fn takes_credentials(&self) -> bool {
        let take = self.options.as_ref().and_then(|options| options.take_environment);
        matches!(take, Some(TakeEnvironment::Credentials | TakeEnvironment::All))
    }

    /// A way to reach the database that replaces the container's.
    pub fn url_secret_ref(&self) -> Option<&KeyRef> {
        self.database.as_ref()?.url_secret_ref.as_ref()
    }
}

fn default_interval() -> String {
    "5m".to_owned()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    #[default]
    Observe,
    Seed,
}

/// A workload in the namespace of the resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRef {
    /// Deployment or StatefulSet. Default Deployment.
    #[serde(default)]
    pub kind: WorkloadKind,

    /// Its name: a DNS subdomain of at most 253 characters.
    #[schemars(schema_with = "subdomain")]
    pub name: String,

    /// The container (init or not) that runs seed: a DNS label of at most 63 characters. Default ai-provider-seed.
    #[serde(default = "default_container")]
    #[schemars(length(max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub container: String,
}

fn default_container() -> String {
    DEFAULT_CONTAINER.to_owned()
}

/// How to reach the database if the environment of the container does not say it, or if only the pod can reach it that
/// way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// The key of a Secret in this namespace that holds the connection URL or key=value list. Default: the variables of
    /// the container (CODER_PG_CONNECTION_URL and the others). A role that may only read is enough, unless the
    /// controller writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeyRef")]
    pub url_secret_ref: Option<KeyRef>,

    /// The CA certificates (PEM) for the server's certificate: exactly one of secretKeyRef and configMapKeyRef.
    /// Replaces sslrootcert. Default: the system's certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CertificateSource")]
    pub ca: Option<CertificateSource>,

    /// A Secret in this namespace of type kubernetes.io/tls: the client's certificate (tls.crt) and key (tls.key), PEM.
    /// Replaces sslcert and sslkey. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretRef")]
    pub client_cert_secret_ref: Option<SecretRef>,
}

/// Certificates in PEM: exactly one of secretKeyRef and configMapKeyRef.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.secretKeyRef) != has(self.configMapKeyRef)",
    "message": "must have exactly one of secretKeyRef and configMapKeyRef"
}]))]
pub struct CertificateSource {
    /// The key of a Secret in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeyRef")]
    pub secret_key_ref: Option<KeyRef>,

    /// The key of a ConfigMap in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeyRef")]
    pub config_map_key_ref: Option<KeyRef>,
}

/// One key of a Secret or ConfigMap in this namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// The name of the object: a DNS subdomain of at most 253 characters.
    #[schemars(schema_with = "subdomain")]
    pub name: String,

    /// The key in its data: at most 253 letters, digits, dots, hyphens and underscores.
    #[schemars(length(max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// A Secret in this namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Its name: a DNS subdomain of at most 253 characters.
    #[schemars(schema_with = "subdomain")]
    pub name: String,
}

/// Options of the check, with the meaning of the same options of `ai-provider-seed seed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeedOptions {
    /// How to treat differing API keys: Ignore, do not compare; Warn, report them and start; Fail, a conflict like any
    /// other. Default: the container's option, else Warn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Compare")]
    pub compare_credentials: Option<Compare>,

    /// How to treat differing models and other optional fields, each compared only where its variable is set: Ignore,
    /// Warn or Fail, as above. Default: the container's option, else Warn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Compare")]
    pub compare_settings: Option<Compare>,

    /// How to treat live rows that no variable describes: Ignore; Warn, list them in status.undescribed. Default: the
    /// container's option, else Warn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Undescribed")]
    pub undescribed: Option<Undescribed>,
    /// The fields that a start overwrites in an existing row: None; Credentials, keys and Bedrock credentials; All,
    /// every field that the environment sets. In mode Seed the controller writes rotated credentials by itself only if
    /// this field is Credentials or All. Default: the container's option, else None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TakeEnvironment")]
    pub take_environment: Option<TakeEnvironment>,

    /// The outcomes that stop a start: any of Invalid, Conflict, Unavailable, Unusable and Locked, or All or None
    /// alone. 1 to 5 of them. Default: the container's option, else All.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 5),
        extend("x-kubernetes-list-type" = "set", "x-kubernetes-validations" = [{
            "rule": "self.size() == 1 || !self.exists(outcome, outcome == 'All' || outcome == 'None')",
            "message": "All and None cannot be combined with other values"
        }])
    )]
    pub block_on: Vec<BlockOn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TakeEnvironment {
    None,
    Credentials,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Compare {
    Ignore,
    Warn,
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Undescribed {
    Ignore,
    Warn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BlockOn {
    All,
    None,
    Invalid,
    Conflict,
    Unavailable,
    Unusable,
    Locked,
}

/// The name of a Secret, ConfigMap or workload.
fn subdomain(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 253,
        "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    })
}

/// The definition to apply.
pub fn definition() -> CustomResourceDefinition {
    AIProviderSeed::crd()
}

/// The definition in the form that `ai-provider-seed crd` prints.
pub fn definition_yaml() -> Result<String, serde_saphyr::ser::Error> {
    Ok(format!("# Generated by `ai-provider-seed crd`. Do not edit.\n{}", serde_saphyr::to_string(&definition())?))
}
