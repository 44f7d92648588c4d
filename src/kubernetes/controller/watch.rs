//! Events that start a check: a change of a resource, of its workload, or of a Secret or ConfigMap that it uses. Only
//! resources are kept; of all other objects only metadata is received, and dropped.

use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, select_all};
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Resource;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::controller::{Config, ReconcileRequest, applier};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{Predicate, WatchStreamExt, predicates};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use super::changes::Changes;
use super::context::{Context, Guarded};
use super::index::{Key, key_of};
use super::reconcile::{on_error, reconcile};
use super::rollout::Rollouts;
use super::scope::Scope;
use crate::kubernetes::client::{ApiErrorKind, of_code};
use crate::kubernetes::workload::objects::ObjectKind;
use crate::options::WorkloadKind;

/// The objects in one answer to a list: with metadata of 250 kB each these are 12 MB.
const PAGE: u32 = 50;
/// How long a watch waits for the first lists of others.
const TURN: Duration = Duration::from_secs(20);
/// The prefix of this program's annotations.
const ANNOTATIONS: &str = "aiproviders.dev/";

type Requests = BoxStream<'static, Result<ReconcileRequest<Guarded>, Infallible>>;

/// Checks the resources of one scope until `stop`, and then lets the running checks finish.
pub async fn run(scope: Scope, context: Arc<Context>, turns: Turns, stop: impl Future<Output = ()> + Send + 'static) {
    let (reader, writer) = reflector::store();
    let streams = select_all([
        resources(&scope, &context, (writer, &turns)),
        related::<Deployment>(ObjectKind::Workload(WorkloadKind::Deployment), &scope, &context, &turns),
        related::<StatefulSet>(ObjectKind::Workload(WorkloadKind::StatefulSet), &scope, &context, &turns),
        related::<Secret>(ObjectKind::Secret, &scope, &context, &turns),
        related::<ConfigMap>(ObjectKind::ConfigMap, &scope, &context, &turns),
        context.rechecks.of(&scope).map(|key| Ok(request(&key.0, &key.1))).boxed(),
    ]);
    let reconcile = |guarded, context| Box::pin(reconcile(guarded, context));
    // Resources wait in this program's own queue, where they hold little memory and namespaces have their share.
    let config = Config::default().concurrency(0);
    applier(reconcile, on_error, context, reader, streams.take_until(stop), config)
        // Results are reported where they occur.
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!("{error}");
            }
        })
        .await;
}

/// The watch whose first list is in progress: one at a time, over all namespaces, so that only one page is in memory.
#[derive(Clone)]
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Turns(Arc::new(Semaphore::new(1)))
    }
}

impl Turns {
    /// Begins the watch at its turn, which ends with the first list or with an error: a list that fails delays no other,
    /// and a list without an answer does so only briefly.
    fn begin<K: Send + 'static>(
        &self,
        watch: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
    ) -> BoxStream<'static, watcher::Result<Event<K>>> {
        let turns = Arc::clone(&self.0);
        let begun = async move {
            let mut turn = tokio::time::timeout(TURN, turns.acquire_owned()).await.ok();
            watch.inspect(move |event| {
                if matches!(event, Ok(Event::InitDone) | Err(_)) {
                    drop(turn.take());
                }
            })
        };
        futures::stream::once(begun).flatten().boxed()
    }
}

/// A list of many objects with large metadata holds at most one page.
fn pages() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

/// Keeps only the name and this program's annotations of a resource's metadata.
fn strip(guarded: &mut Guarded) {
    let meta = guarded.meta_mut();
    meta.managed_fields = None;
    meta.labels = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.retain(|key, _| key.starts_with(ANNOTATIONS));
    }
}

fn resources(
    scope: &Scope,
    context: &Arc<Context>,
    (writer, turns): (reflector::store::Writer<Guarded>, &Turns),
) -> Requests {
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
    // A deletion while the watch was down is never reported as an event.
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
    turns
        .begin(watcher(scope.api::<Guarded>(&context.client), pages()).default_backoff())
        .modify(strip)
        .inspect(told)
        .reflect(writer)
        .inspect(swept)
        .applied_objects()
        // The controller's own status writes start no check.
        .predicate_filter(predicates::generation.combine(predicates::annotations), Default::default())
        .filter_map(|result| async move {
            let guarded = result.ok()?;
            Some(Ok(ReconcileRequest::from(ObjectRef::from_obj(&guarded))))
        })
        .boxed()
}

fn related<K>(kind: ObjectKind, scope: &Scope, context: &Arc<Context>, turns: &Turns) -> Requests
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    PartialObjectMeta<K>: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    let (label, context) = (scope.label(), Arc::clone(context));
    let api: Api<PartialObjectMeta<K>> = scope.api(&context.client);
    let (mut changes, mut rollouts) = (Changes::default(), Rollouts::default());
    let events = turns.begin(watcher(api, pages()).default_backoff());
    requests(events, move |event| match event {
        Ok(event) => {
            let changed = changes.of(&event, |object| context.index.users(kind, object))?;
            let (now, object) = (Instant::now(), &changed.object);
            let at = if changed.only_moved { rollouts.moved(object, now)? } else { now };
            if at > now {
                recheck_at(at, &context, kind, changed.object);
                return None;
            }
            Some((changed.object, changed.users))
        }
        Err(error) => {
            context.metrics.api_error(kind_of(&error));
            tell(kind_of(&error), &describe(kind_of(&error), &format!("{}s", kind.as_str()), &label));
            None
        }
    })
}

/// Checks the resources that use the object at that time.
fn recheck_at(at: Instant, context: &Arc<Context>, kind: ObjectKind, object: Key) {
    let context = Arc::clone(context);
    tokio::spawn(async move {
        sleep_until(at).await;
        for name in context.index.users(kind, &object) {
            context.rechecks.ask(&(object.0.clone(), name));
        }
    });
}

fn requests<E: Send + 'static>(
    events: impl Stream<Item = E> + Send + 'static,
    mut users: impl FnMut(E) -> Option<(Key, Vec<String>)> + Send + 'static,
) -> Requests {
    events
        .flat_map(move |event| {
            let (object, names) = users(event).unwrap_or_default();
            let requests: Vec<_> = names.into_iter().map(|name| Ok(request(&object.0, &name))).collect();
            futures::stream::iter(requests)
        })
        .boxed()
}

fn request(namespace: &str, name: &str) -> ReconcileRequest<Guarded> {
    ObjectRef::<Guarded>::new(name).within(namespace).into()
}

/// No watch is possible until this is fixed.
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

/// A watch that was interrupted for long restarts, which is normal.
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

    #[tokio::test]
    async fn watches_begin_one_after_another_and_errors_hold_up_none() {
        let turns = Turns::default();
        let secret = || Secret::default();
        let first = futures::stream::iter([Ok(Event::Init), Ok(Event::InitApply(secret())), Ok(Event::InitDone)]);
        let mut first = turns.begin(first.chain(futures::stream::pending()));
        let mut second = turns.begin(
            futures::stream::iter([watcher::Result::<Event<Secret>>::Err(watcher::Error::NoResourceVersion)])
                .chain(futures::stream::pending()),
        );
        let mut third = turns.begin(futures::stream::iter([Ok(Event::Apply(secret()))]));
        assert!(first.next().await.is_some());
        assert!(futures::poll!(second.next()).is_pending(), "the first list is on its way");
        assert!(first.next().await.is_some() && first.next().await.is_some());
        assert!(second.next().await.is_some_and(|event| event.is_err()));
        assert!(third.next().await.is_some());
    }

    #[test]
    fn only_own_annotations_of_a_resource_are_kept() {
        let long = "x".repeat(1000);
        let metadata = serde_json::json!({"name": "a", "labels": {"l": long}, "managedFields": [{"manager": "m"}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": long, "aiproviders.dev/resolve": "id"}});
        let resource = serde_json::json!({"metadata": metadata, "spec": {"workloadRef": {"name": "coder"}}});
        let mut guarded: Guarded = serde_json::from_value(resource).unwrap();
        strip(&mut guarded);
        let annotations: Vec<&String> = guarded.meta().annotations.iter().flatten().map(|(key, _)| key).collect();
        assert_eq!(annotations, ["aiproviders.dev/resolve"]);
        assert!(guarded.meta().labels.is_none() && guarded.meta().managed_fields.is_none());
    }
}
