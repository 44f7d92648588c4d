//! Reads the objects of a check from the API server: one workload, and the Secrets and ConfigMaps that it mentions, one
//! after another. Only the used keys of each are kept.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use kube::api::{Api, GetParams};
use kube::core::Request;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::objects::{MAX_OBJECT_BYTES, Names, Objects, UsedKeys, WRITABLE_BY};
use super::template::Workload;
use crate::kubernetes::client::{ApiError, call, call_by};
use crate::kubernetes::crd::spec::annotation;
use crate::options::WorkloadKind;
use crate::problem::{Code, Problem};

/// For a workload as JSON. Each entry of an environment, 13 bytes there, takes 30 times that in memory.
pub const MAX_WORKLOAD_BYTES: usize = 1 << 20;
/// For all objects of a check.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Why there is nothing to judge.
pub enum FetchError {
    Api(ApiError),
    /// The objects exceed a limit.
    TooMuch(Problem),
}

impl From<ApiError> for FetchError {
    fn from(error: ApiError) -> Self {
        FetchError::Api(error)
    }
}

/// `None`: no workload has this name.
pub async fn workload(
    client: &Client,
    namespace: &str,
    kind: WorkloadKind,
    name: &str,
) -> Result<Option<Workload>, FetchError> {
    Ok(match kind {
        WorkloadKind::Deployment => read::<Deployment>(client, namespace, kind, name).await?.map(Workload::from),
        WorkloadKind::StatefulSet => read::<StatefulSet>(client, namespace, kind, name).await?.map(Workload::from),
    })
}

async fn read<K>(client: &Client, namespace: &str, kind: WorkloadKind, name: &str) -> Result<Option<K>, FetchError>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + DeserializeOwned,
{
    let what = format!("get {} {name} in namespace {namespace}", kind.as_str());
    let text = async {
        let request = Request::new(K::url_path(&(), Some(namespace))).get(name, &GetParams::default());
        match client.request_text(request.map_err(kube::Error::BuildRequest)?).await {
            Ok(text) => Ok(Some(text)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    };
    let Some(text) = call(&what, text).await? else { return Ok(None) };
    if text.len() > MAX_WORKLOAD_BYTES {
        let message = format!(
            "{} {name} has more than {MAX_WORKLOAD_BYTES} bytes as JSON, and no more is read; shorten its variables and \
             annotations",
            kind.as_str()
        );
        return Err(FetchError::TooMuch(Problem::new(Code::EnvironmentTooLarge, message)));
    }
    let parsed = async { serde_json::from_str(&text).map_err(kube::Error::SerdeError) };
    Ok(Some(call(&what, parsed).await?))
}

/// Reads the mentioned objects. Their number is checked before the first read.
pub async fn objects(client: &Client, namespace: &str, names: &Names) -> Result<Objects, FetchError> {
    if let Some(problem) = names.too_many() {
        return Err(FetchError::TooMuch(problem));
    }
    let deadline = Instant::now() + LIMIT;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let mut room = MAX_OBJECT_BYTES;
    let mut objects = Objects::default();
    for (name, keys) in &names.secrets {
        let what = format!("get Secret {name} in namespace {namespace}");
        let secret = call_by(deadline, &what, secrets.get_opt(name)).await?;
        let writers = secret.as_ref().and_then(|secret| annotation(&secret.metadata, WRITABLE_BY));
        if let Some(writers) = writers {
            objects.writable_by.insert(name.clone(), writers.clone());
        }
        let data = secret.map(|secret| used(secret.data.unwrap_or_default(), keys, &mut room, |value| value.0));
        objects.secrets.insert(name.clone(), data.transpose().map_err(|Full| FetchError::TooMuch(names.too_large()))?);
    }
    for (name, keys) in &names.config_maps {
        let what = format!("get ConfigMap {name} in namespace {namespace}");
        let map = call_by(deadline, &what, maps.get_opt(name)).await?;
        let data = map.map(|map| used(map.data.unwrap_or_default(), keys, &mut room, |value| value));
        objects
            .config_maps
            .insert(name.clone(), data.transpose().map_err(|Full| FetchError::TooMuch(names.too_large()))?);
    }
    Ok(objects)
}

struct Full;

/// Keeps only the used parts, as long as there is room.
fn used<V, T: AsRef<[u8]>>(
    data: BTreeMap<String, V>,
    keys: &UsedKeys,
    room: &mut usize,
    value: impl Fn(V) -> T,
) -> Result<BTreeMap<String, T>, Full> {
    let mut kept = BTreeMap::new();
    for (key, held) in data.into_iter().filter(|(key, _)| keys.contains(key)) {
        let value = value(held);
        *room = room.checked_sub(key.len() + value.as_ref().len()).ok_or(Full)?;
        kept.insert(key, value);
    }
    Ok(kept)
}
