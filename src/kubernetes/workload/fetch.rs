//! Reads from the API server what a check looks at: one workload, and the Secrets and ConfigMaps that it mentions.

use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use kube::api::Api;

use super::objects::{Names, Objects};
use super::template::Workload;
use crate::kubernetes::client::{ApiError, call};
use crate::options::WorkloadKind;

/// `None`: there is none of this name.
pub async fn workload(
    client: &Client,
    namespace: &str,
    kind: WorkloadKind,
    name: &str,
) -> Result<Option<Workload>, ApiError> {
    let what = format!("get {} {name} in namespace {namespace}", kind.as_str());
    Ok(match kind {
        WorkloadKind::Deployment => {
            let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
            call(&what, api.get_opt(name)).await?.map(Workload::from)
        }
        WorkloadKind::StatefulSet => {
            let api: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
            call(&what, api.get_opt(name)).await?.map(Workload::from)
        }
    })
}

pub async fn objects(client: &Client, namespace: &str, names: &Names) -> Result<Objects, ApiError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let secret = async |name: &String| {
        let what = format!("get Secret {name} in namespace {namespace}");
        let secret = call(&what, secrets.get_opt(name)).await?;
        let data = secret.map(|secret| secret.data.unwrap_or_default());
        let data = data.map(|data| data.into_iter().map(|(key, value)| (key, value.0)).collect());
        Ok::<_, ApiError>((name.clone(), data))
    };
    let map = async |name: &String| {
        let what = format!("get ConfigMap {name} in namespace {namespace}");
        let map = call(&what, maps.get_opt(name)).await?;
        Ok::<_, ApiError>((name.clone(), map.map(|map| map.data.unwrap_or_default())))
    };
    let secrets = try_join_all(names.secrets.iter().map(secret));
    let config_maps = try_join_all(names.config_maps.iter().map(map));
    let (secrets, config_maps) = futures::future::try_join(secrets, config_maps).await?;
    let (secrets, config_maps) = (secrets.into_iter().collect(), config_maps.into_iter().collect());
    Ok(Objects { secrets, config_maps, partial: false })
}
