//! A resource to its status and Events: check, next status, write it if something but time differs, then the Events.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use super::apply_status::StatusClient;
use super::check::Checker;
use super::context::{Context, Guarded};
use super::index::{Key, key_of};
use super::metrics::CheckState;
use super::publish_events::Subject;
use super::requested_writes::{LastHandled, RequestedWrites, WriteOutcome};
use crate::kubernetes::client::{ApiError, ApiErrorKind};
use crate::kubernetes::crd::reason::{CheckStopped, Progress, Reason};
use crate::kubernetes::crd::spec::RECONCILE_ANNOTATION;
use crate::kubernetes::crd::status::AIProviderSeedStatus;
use crate::kubernetes::status::conditions::{ReconcileInput, StatusUpdate, next};
use crate::kubernetes::status::observation::{DatabaseView, Observation};
use crate::provider::redact;

/// A whole check, whatever happens in it.
const LIMIT: Duration = Duration::from_secs(90);
/// With a write in it, which has limits of its own.
const WRITING_LIMIT: Duration = Duration::from_secs(240);
/// The first pause after an error that may mend itself; it doubles.
const BACKOFF: Duration = Duration::from_secs(5);
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
/// The token is repeated in the status, so it may not be of any size.
const TOKEN: usize = 256;

/// For kube's controller. An error is logged here, and [`on_error`] decides when to come back.
pub async fn reconcile(guarded: Arc<Guarded>, context: Arc<Context>) -> Result<Action, ApiError> {
    let meta = guarded.meta_of().clone();
    let resource = key_of(&meta);
    let span = tracing::info_span!(
        "reconcile",
        namespace = resource.0,
        name = resource.1,
        generation = meta.generation.unwrap_or_default()
    );
    let work = async {
        // Only closed when the process ends.
        let waiting = context.metrics.check(CheckState::Waiting);
        let permit = context.permits.acquire().await.ok();
        drop(waiting);
        let _running = context.metrics.check(CheckState::Running);
        let started = Instant::now();
        let reconciling = Reconciling { context: &context, resource: &resource, meta: &meta };
        let limit = if context.allow_writes { WRITING_LIMIT } else { LIMIT };
        let result = match timeout(limit, reconciling.run(&guarded, permit)).await {
            Ok(result) => result,
            Err(_) => {
                let call = format!("check {} in namespace {}", resource.1, resource.0);
                Err(ApiError { call, kind: ApiErrorKind::TimedOut, retry_after: None, unknown_fields: Vec::new() })
            }
        };
        match result {
            Ok((reason, action)) => {
                context.metrics.reconciled(reason, started.elapsed());
                Ok(action)
            }
            Err(error) if error.kind == ApiErrorKind::Gone => {
                context.forget(&resource);
                tracing::debug!("{error}");
                Ok(Action::await_change())
            }
            Err(error) => {
                context.metrics.failed(&error, started.elapsed());
                tracing::warn!("{error}");
                Err(error)
            }
        }
    };
    work.instrument(span).await
}

pub fn on_error(guarded: Arc<Guarded>, error: &ApiError, context: Arc<Context>) -> Action {
    let failures = context.failed(&key_of(guarded.meta_of()));
    let pause = backoff(failures, LONGEST_BACKOFF).max(error.retry_after.unwrap_or_default().min(LONGEST_BACKOFF));
    Action::requeue(spread(pause))
}

trait Meta {
    fn meta_of(&self) -> &ObjectMeta;
}

impl Meta for Guarded {
    fn meta_of(&self) -> &ObjectMeta {
        match &self.0 {
            Ok(seed) => &seed.metadata,
            Err(invalid) => &invalid.metadata,
        }
    }
}

struct Reconciling<'a> {
    context: &'a Context,
    resource: &'a Key,
    meta: &'a ObjectMeta,
}

impl Reconciling<'_> {
    async fn run(&self, guarded: &Guarded, permit: Option<SemaphorePermit<'_>>) -> Result<(Reason, Action), ApiError> {
        let seed = match &guarded.0 {
            Ok(seed) => seed,
            Err(invalid) => return self.malformed(&invalid.error).await,
        };
        let mut old = self.context.latest_status(self.resource, self.meta, seed.status.as_ref());
        if seed.spec.suspend {
            self.context.listeners.leave(self.resource);
            let outcome = WriteOutcome::deferred(self.meta, old.as_ref(), "spec.suspend is true");
            self.conclude(old.as_ref(), &Observation::suspended(), outcome).await?;
            self.context.succeeded(self.resource);
            return Ok((Reason::Suspended, Action::await_change()));
        }
        if old.as_ref().is_none_or(|status| status.conditions.is_empty()) {
            old = Some(self.conclude(old.as_ref(), &Observation::progressing(), WriteOutcome::default()).await?);
        }
        let Context { client, pool, metrics, index, destinations, listeners, .. } = self.context;
        let agreements = old.as_ref().map(|status| &status.agreements[..]).unwrap_or_default();
        let resource = self.resource;
        let checker = Checker { client, pool, metrics, index, destinations, listeners, resource, agreements };
        let checked = checker.check(self.resource, &seed.spec).await?;
        if checked.target.is_none() {
            listeners.leave(resource);
        }
        // A write may wait for a lock.
        drop(permit);
        let Reconciling { context, resource, meta } = *self;
        let writes =
            RequestedWrites { context, resource, meta, spec: &seed.spec, checker: &checker, old: old.as_ref() };
        let (observation, mut outcome) = writes.run(checked).await?;
        let (newer_status, requeue_within) = (outcome.newer_status.take(), outcome.requeue_within);
        if !outcome.superseded {
            self.conclude(newer_status.as_ref().or(old.as_ref()), &observation, outcome).await?;
        }
        Ok((observation.reason, self.next_check(&observation, seed.spec.interval(), requeue_within)))
    }

    /// A resource that another version of the definition let in. Its status is read apart from its spec.
    async fn malformed(&self, error: &str) -> Result<(Reason, Action), ApiError> {
        let message = format!(
            "the spec cannot be read ({}); correct it as described by kubectl explain aps.spec",
            redact::truncate_chars(&redact::escape(error), 300)
        );
        self.context.listeners.leave(self.resource);
        let statuses = StatusClient::new(&self.context.client, self.resource);
        let old = self.context.latest_status(self.resource, self.meta, statuses.read().await?.as_ref());
        let observation = Observation::stopped(CheckStopped::new(Reason::InvalidSpec, message));
        let outcome = WriteOutcome::deferred(self.meta, old.as_ref(), "the spec cannot be read; see Ready");
        self.conclude(old.as_ref(), &observation, outcome).await?;
        Ok((Reason::InvalidSpec, Action::await_change()))
    }

    /// The next status, written if something but time differs, and then its Events.
    async fn conclude(
        &self,
        old: Option<&AIProviderSeedStatus>,
        observation: &Observation,
        outcome: WriteOutcome,
    ) -> Result<AIProviderSeedStatus, ApiError> {
        // From here on there is something to forget when the resource goes away.
        self.context.remember(self.resource);
        let update = self.compute(old, observation, outcome);
        if update.write {
            self.persist(&update.status).await?;
            self.announce(observation, &update);
        } else {
            tracing::debug!(reason = observation.reason.as_str(), "nothing new");
            self.context.keep_unwritten(self.resource, self.meta, &update.status);
        }
        Ok(update.status)
    }

    /// The next status and its Events; the gauges of the resource follow it.
    fn compute(
        &self,
        old: Option<&AIProviderSeedStatus>,
        observation: &Observation,
        outcome: WriteOutcome,
    ) -> StatusUpdate {
        let metrics = &self.context.metrics;
        let token = self.meta.annotations.as_ref().and_then(|all| all.get(RECONCILE_ANNOTATION));
        let now = Time(Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default());
        let input = ReconcileInput {
            generation: self.meta.generation.unwrap_or_default(),
            token: token.map(|token| redact::truncate_chars(token, TOKEN)),
            now,
            handled: match outcome.handled {
                LastHandled::Now(handled) => handled,
                LastHandled::AsBefore => old.and_then(|old| old.last_handled_resolve.clone()),
            },
            resolved: outcome.resolved,
            seeded: outcome.seeded,
        };
        let update = next(old, observation, &input);
        metrics.verdict(self.resource, observation.reason, observation.blocked);
        metrics.conflicts(self.resource, usize::try_from(conflicts(&update.status)).unwrap_or(usize::MAX));
        let checked = matches!(observation.database, DatabaseView::Found { .. }).then(|| input.now.0.as_second());
        let before = update.status.last_check_time.as_ref().or(self.meta.creation_timestamp.as_ref());
        match observation.database {
            // Without checks, an alert on their age would be false.
            DatabaseView::NotLooked => metrics.not_checked(self.resource),
            _ => metrics.checked(self.resource, checked, before.map_or(0, |time| time.0.as_second())),
        }
        update
    }

    async fn persist(&self, status: &AIProviderSeedStatus) -> Result<(), ApiError> {
        let context = self.context;
        let statuses = StatusClient::new(&context.client, self.resource);
        let applied = statuses.write(self.meta, status).await.inspect_err(|_| context.metrics.status_write(false))?;
        context.metrics.status_write(true);
        context.readiness.definition(applied.dropped_field.as_deref());
        context.keep_written(self.resource, self.meta, applied.version, status);
        Ok(())
    }

    /// One line of the log and the Events.
    fn announce(&self, observation: &Observation, update: &StatusUpdate) {
        let context = self.context;
        let (reason, conflicts) = (observation.reason.as_str(), conflicts(&update.status));
        if observation.reason.is_failure() || observation.blocked {
            tracing::warn!(reason, conflicts, "{}", observation.message);
        } else {
            tracing::info!(reason, conflicts, "{}", observation.message);
        }
        let of = Subject { meta: self.meta, workload: observation.workload.as_ref() };
        context.events.publish(Instant::now(), &of, &update.events);
    }

    /// The next check, if nothing changes before.
    fn next_check(&self, observation: &Observation, interval: Duration, requeue_within: Option<Duration>) -> Action {
        if let Some(longest) = requeue_within {
            return Action::requeue(spread(backoff(self.context.failed(self.resource), interval.min(longest))));
        }
        let pause = match observation.reason.progress(observation.blocked) {
            Progress::Reconciling => backoff(self.context.failed(self.resource), interval.min(LONGEST_BACKOFF)),
            Progress::Current | Progress::Stalled | Progress::Suspended => {
                self.context.succeeded(self.resource);
                interval
            }
        };
        Action::requeue(spread(pause))
    }
}

/// On how many fields environment and database disagree.
fn conflicts(status: &AIProviderSeedStatus) -> u32 {
    status.summary.as_ref().and_then(|summary| summary.conflicts).unwrap_or_default()
}

fn backoff(failures: u32, longest: Duration) -> Duration {
    BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(longest)
}

/// 10 % more or less, so that a thousand resources do not come at once.
fn spread(pause: Duration) -> Duration {
    pause.mul_f64(0.9 + 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests;
