//! What starts a check: a change of a resource, of its workload, or of a Secret or ConfigMap that it uses. Only resources are
//! kept; of everything else metadata comes by, and is forgotten.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;

use futures::stream::{BoxStream, select_all};
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Resource;
use kube::api::{Api, ObjectMeta, PartialObjectMeta};
use kube::runtime::controller::{Config, ReconcileRequest, applier};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{Predicate, WatchStreamExt, predicates};
use serde::de::DeserializeOwned;

use super::context::{Context, Guarded, Scope};
use super::index::{Key, key_of};
use super::reconcile::{on_error, reconcile};
use crate::kubernetes::client::{ApiErrorKind, of_code};
use crate::kubernetes::workload::objects::ObjectKind;
use crate::options::WorkloadKind;

type Requests = BoxStream<'static, Result<ReconcileRequest<Guarded>, Infallible>>;

/// Checks the resources of one scope until `stop`, and lets the checks that run then come to their end.
pub async fn run(scope: Scope, context: Arc<Context>, most: u16, stop: impl Future<Output = ()> + Send + 'static) {
    let (reader, writer) = reflector::store();
    let streams = select_all([
        resources(&scope, &context, writer),
        related::<Deployment>(ObjectKind::Workload(WorkloadKind::Deployment), &scope, &context),
        related::<StatefulSet>(ObjectKind::Workload(WorkloadKind::StatefulSet), &scope, &context),
        related::<Secret>(ObjectKind::Secret, &scope, &context),
        related::<ConfigMap>(ObjectKind::ConfigMap, &scope, &context),
    ]);
    let reconcile = |guarded, context| Box::pin(reconcile(guarded, context));
    let config = Config::default().concurrency(most);
    applier(reconcile, on_error, context, reader, streams.take_until(stop), config)
        // What there is to say was said where it happened.
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!("{error}");
            }
        })
        .await;
}

fn resources(scope: &Scope, context: &Arc<Context>, writer: reflector::store::Writer<Guarded>) -> Requests {
    let reader = writer.as_reader();
    let (label, context) = (scope.label(), Arc::clone(context));
    let told = {
        let (label, context) = (label.clone(), Arc::clone(&context));
        move |event: &watcher::Result<Event<Guarded>>| match event {
            Ok(Event::InitDone) => context.readiness.listed(&label),
            Ok(Event::Delete(guarded)) => context.forget(&key_of(guarded.meta())),
            Ok(_) => {}
            Err(error) => {
                context.metrics.api_error(kind_of(error));
                let message = describe(kind_of(error), "AIProviderSeeds", &label);
                if is_start(error) && kind_of(error) != ApiErrorKind::Expired {
                    context.readiness.failed(&label, message.clone());
                }
                tell(kind_of(error), &message);
            }
        }
    };
    // What went away while the watch was down never comes as a deletion.
    let swept = {
        let context = Arc::clone(&context);
        let scope = scope.clone();
        move |event: &watcher::Result<Event<Guarded>>| {
            if let Ok(Event::InitDone) = event {
                let there = reader.state().iter().map(|guarded| key_of(guarded.meta())).collect();
                context.retain(&scope, &there);
            }
        }
    };
    watcher(scope.api::<Guarded>(&context.client), watcher::Config::default())
        .default_backoff()
        .inspect(told)
        .reflect(writer)
        .inspect(swept)
        .applied_objects()
        // Our own writes of the status are no reason to look again.
        .predicate_filter(predicates::generation.combine(predicates::annotations), Default::default())
        .filter_map(|result| async move {
            let guarded = result.ok()?;
            Some(Ok(ReconcileRequest::from(ObjectRef::from_obj(&guarded))))
        })
        .boxed()
}

fn related<K>(kind: ObjectKind, scope: &Scope, context: &Arc<Context>) -> Requests
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    PartialObjectMeta<K>: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    let (label, context) = (scope.label(), Arc::clone(context));
    let api: Api<PartialObjectMeta<K>> = scope.api(&context.client);
    let mut changes = Changes::default();
    let events: BoxStream<'static, watcher::Result<Event<PartialObjectMeta<K>>>> =
        watcher(api, watcher::Config::default()).default_backoff().boxed();
    requests(events, move |event| match event {
        Ok(event) => changes.of(&event).map(|object| (object.clone(), context.index.users(kind, &object))),
        Err(error) => {
            context.metrics.api_error(kind_of(&error));
            tell(kind_of(&error), &describe(kind_of(&error), &format!("{}s", kind.as_str()), &label));
            None
        }
    })
}

fn requests<E: Send + 'static>(
    events: impl Stream<Item = E> + Send + 'static,
    mut users: impl FnMut(E) -> Option<(Key, Vec<String>)> + Send + 'static,
) -> Requests {
    events
        .flat_map(move |event| {
            let (object, names) = users(event).unwrap_or_default();
            let requests: Vec<_> = names
                .into_iter()
                .map(|name| Ok(ReconcileRequest::from(ObjectRef::<Guarded>::new(&name).within(&object.0))))
                .collect();
            futures::stream::iter(requests)
        })
        .boxed()
}

/// The versions that were seen, so that neither a new list nor a change of a workload's own status starts a check.
#[derive(Default)]
struct Changes(HashMap<Key, String>);

impl Changes {
    fn of<K: Resource<DynamicType = ()>>(&mut self, event: &Event<K>) -> Option<Key> {
        match event {
            Event::Init | Event::InitDone => None,
            Event::Apply(object) | Event::InitApply(object) => {
                let (key, version) = (key_of(object.meta()), version(object.meta()));
                let known = self.0.insert(key.clone(), version.clone());
                (known != Some(version)).then_some(key)
            }
            Event::Delete(object) => {
                let key = key_of(object.meta());
                self.0.remove(&key);
                Some(key)
            }
        }
    }
}

/// The generation of what has one; uid too, because a new object may begin where the old one ended.
fn version(meta: &ObjectMeta) -> String {
    let uid = meta.uid.as_deref().unwrap_or_default();
    match meta.generation {
        Some(generation) => format!("{uid}/{generation}"),
        None => format!("{uid}/{}", meta.resource_version.as_deref().unwrap_or_default()),
    }
}

/// Nothing is watched until this is mended.
fn is_start(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(_) | watcher::Error::WatchStartFailed(_))
}

fn kind_of(error: &watcher::Error) -> ApiErrorKind {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => ApiErrorKind::of(error),
        watcher::Error::WatchError(status) => of_code(status.code),
        watcher::Error::NoResourceVersion => ApiErrorKind::Other,
    }
}

/// A watch that was away for long begins anew; that is its ordinary course.
fn tell(kind: ApiErrorKind, message: &str) {
    match kind {
        ApiErrorKind::Expired => tracing::debug!("{message}"),
        _ => tracing::warn!("{message}"),
    }
}

/// Why something cannot be watched, or listed for the first time.
pub fn describe(kind: ApiErrorKind, what: &str, scope: &str) -> String {
    let cause = match kind {
        ApiErrorKind::NotFound => {
            "the CustomResourceDefinition is not installed, or does not serve v1alpha1; apply the output of ai-provider-seed crd"
        }
        other => other.sentence(),
    };
    format!("cannot watch {what} in {scope}: {cause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_that_matter() {
        let object = |uid: &str, generation: Option<i64>, version: &str| {
            let metadata = ObjectMeta {
                name: Some("coder".to_owned()),
                namespace: Some("ns".to_owned()),
                uid: Some(uid.to_owned()),
                generation,
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            };
            Secret { metadata, ..Secret::default() }
        };
        let mut changes = Changes::default();
        let mut seen = |event| changes.of(&event).is_some();
        assert!(seen(Event::InitApply(object("a", Some(1), "1"))));
        assert!(!seen(Event::Apply(object("a", Some(1), "2"))), "a status of a workload");
        assert!(seen(Event::Apply(object("a", Some(2), "3"))));
        assert!(!seen(Event::InitApply(object("a", Some(2), "9"))), "a new list");
        assert!(seen(Event::Delete(object("a", Some(2), "9"))));
        assert!(seen(Event::Apply(object("b", Some(2), "10"))));
        assert!(seen(Event::Apply(object("b", None, "11"))));
        assert!(seen(Event::Apply(object("b", None, "12"))));
        assert!(!seen(Event::Init));
    }
}
