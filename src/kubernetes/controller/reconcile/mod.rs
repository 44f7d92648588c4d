//! Turns a resource into its status and Events: check, next status, write it if something but time differs, then the
//! Events.

mod waiting;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use self::waiting::Admitted;
use super::apply_status::{StatusClient, has_field};
use super::check::{CheckEnd, Checker, timed_out};
use super::context::{Context, Guarded};
use super::index::{Key, key_of};
use super::metrics::CheckState;
use super::publish_events::Subject;
use super::requested_writes::{LastHandled, RequestedWrites, WriteOutcome};
use crate::kubernetes::client::{ApiError, ApiErrorKind};
use crate::kubernetes::crd::reason::{CheckStopped, Progress, Reason};
use crate::kubernetes::crd::spec::{RECONCILE_ANNOTATION, annotation};
use crate::kubernetes::crd::status::AIProviderSeedStatus;
use crate::kubernetes::status::conditions::{ReconcileInput, StatusUpdate, next};
use crate::kubernetes::status::observation::{DatabaseView, Observation};
use crate::provider::redact;

/// The limit for the writes after a check, which is separate.
const WRITING_LIMIT: Duration = Duration::from_secs(150);
/// The first pause after an error that may disappear by itself; it doubles.
const BACKOFF: Duration = Duration::from_secs(5);
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
/// The status repeats the token, so its size is limited.
const TOKEN: usize = 256;

/// For kube's controller. Errors are logged here, and [`on_error`] decides when to retry.
pub async fn reconcile(guarded: Arc<Guarded>, context: Arc<Context>) -> Result<Action, ApiError> {
    let meta = guarded.meta_of();
    let resource = key_of(meta);
    let span = tracing::info_span!(
        "reconcile",
        namespace = resource.0,
        name = resource.1,
        generation = meta.generation.unwrap_or_default()
    );
    let reconciling = Reconciling { context: &context, resource: &resource, meta, guarded: &guarded };
    reconciling.settle().instrument(span).await
}

pub fn on_error(guarded: Arc<Guarded>, error: &ApiError, context: Arc<Context>) -> Action {
    let resource = key_of(guarded.meta_of());
    let failures = context.failed(&resource);
    let mut pause =
        spread(backoff(failures, LONGEST_BACKOFF).max(error.retry_after.unwrap_or_default().min(LONGEST_BACKOFF)));
    // Then the status must say that nothing was read.
    let reconciling =
        Reconciling { context: &context, resource: &resource, meta: guarded.meta_of(), guarded: &guarded };
    if let Some(left) = reconciling.due().and_then(|due| due.checked_duration_since(Instant::now())) {
        pause = pause.min(left + BACKOFF);
    }
    Action::requeue(pause)
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
    guarded: &'a Guarded,
}

/// How a check ended.
enum Ended {
    Told(Reason, Action),
    /// The database has another route, which has no room yet.
    Elsewhere,
    /// The process ends.
    Dropped,
}

impl Reconciling<'_> {
    /// The waiting future is small: each step of the work holds its memory only while it runs.
    async fn settle(&self) -> Result<Action, ApiError> {
        let Reconciling { context, resource, .. } = *self;
        let result = loop {
            let admitted = match Box::pin(self.begin()).await {
                Ok(true) => self.admitted().await,
                Ok(false) => None,
                Err(error) => break (Err(error), Instant::now()),
            };
            if *context.ending.borrow() {
                return Ok(Action::await_change());
            }
            let _running = context.metrics.check(CheckState::Running);
            let started = Instant::now();
            match Box::pin(self.run(admitted)).await {
                Ok(Ended::Told(reason, action)) => break (Ok((reason, action)), started),
                Ok(Ended::Elsewhere) => {}
                Ok(Ended::Dropped) => return Ok(Action::await_change()),
                Err(error) => break (Err(error), started),
            }
        };
        match result {
            (Ok((reason, action)), started) => {
                context.metrics.reconciled(reason, started.elapsed());
                Ok(action)
            }
            (Err(error), _) if error.kind == ApiErrorKind::Gone => {
                context.forget(resource);
                tracing::debug!("{error}");
                Ok(Action::await_change())
            }
            (Err(error), started) => {
                context.metrics.failed(&error, started.elapsed());
                tracing::warn!("{error}");
                Err(error)
            }
        }
    }

    async fn run(&self, admitted: Option<Admitted>) -> Result<Ended, ApiError> {
        let told = |(reason, action)| Ended::Told(reason, action);
        let seed = match &self.guarded.0 {
            Ok(seed) => seed,
            Err(invalid) => return self.malformed(&invalid.error).await.map(told),
        };
        let Reconciling { context, resource, meta, .. } = *self;
        let old = context.latest_status(resource, meta, seed.status.as_ref());
        let Some(Admitted { asked, mut turn, working }) = admitted else {
            context.listeners.leave(resource);
            let outcome = WriteOutcome::deferred(meta, old.as_ref(), "spec.suspend is true");
            self.conclude(old.as_ref(), &Observation::suspended(), outcome).await?;
            context.succeeded(resource);
            return Ok(told((Reason::Suspended, Action::await_change())));
        };
        let Context { client, pool, work, metrics, index, destinations, listeners, .. } = context;
        let agreements = old.as_ref().map(|status| &status.agreements[..]).unwrap_or_default();
        let checker = Checker {
            client,
            pool,
            work,
            asked,
            metrics,
            index,
            destinations,
            listeners,
            resource,
            agreements,
            allow_writes: context.allow_writes,
        };
        let checking = checker.check(&seed.spec, &mut turn, working);
        let checked = match self.meanwhile(checking).await.transpose()? {
            None => return Ok(Ended::Dropped),
            Some(CheckEnd::LeadsTo(route)) => {
                context.leads_to(resource, Some(route));
                return Ok(Ended::Elsewhere);
            }
            Some(CheckEnd::Checked(checked)) => *checked,
        };
        if checked.target.is_none() {
            listeners.leave(resource);
        }
        context.checked(resource);
        context.leads_to(resource, turn.route().cloned());
        // The status may have changed meanwhile.
        let old = context.latest_status(resource, meta, seed.status.as_ref());
        let writes = RequestedWrites { context, meta, spec: &seed.spec, checker: &checker, old: old.as_ref() };
        let Ok(written) = timeout(WRITING_LIMIT, writes.run(checked)).await else {
            return Err(timed_out(resource));
        };
        let (observation, mut outcome) = written?;
        let (newer_status, requeue_within) = (outcome.newer_status.take(), outcome.requeue_within);
        if !outcome.superseded {
            self.conclude(newer_status.as_ref().or(old.as_ref()), &observation, outcome).await?;
        }
        Ok(told((observation.reason, self.next_check(&observation, seed.spec.interval(), requeue_within))))
    }

    /// The check requested by annotation, as the status repeats it.
    fn token(&self) -> Option<String> {
        annotation(self.meta, RECONCILE_ANNOTATION).map(|token| redact::truncate_chars(token, TOKEN))
    }

    /// A resource that another version of the definition admitted. Its status is read separately from its spec.
    async fn malformed(&self, error: &str) -> Result<(Reason, Action), ApiError> {
        let message = format!(
            "the spec cannot be read ({}); correct it as described by kubectl explain aps.spec",
            redact::truncate_chars(&redact::escape(error), 300)
        );
        self.context.listeners.leave(self.resource);
        let statuses = StatusClient::new(&self.context.client, self.resource);
        let old = self.context.latest_status(self.resource, self.meta, statuses.read().await?.status.as_ref());
        let observation = Observation::stopped(CheckStopped::new(Reason::InvalidSpec, message));
        let outcome = WriteOutcome::deferred(self.meta, old.as_ref(), "the spec cannot be read; see Ready");
        self.conclude(old.as_ref(), &observation, outcome).await?;
        Ok((Reason::InvalidSpec, Action::await_change()))
    }

    /// Writes the next status if something but time differs, and then publishes its Events.
    async fn conclude(
        &self,
        old: Option<&AIProviderSeedStatus>,
        observation: &Observation,
        outcome: WriteOutcome,
    ) -> Result<AIProviderSeedStatus, ApiError> {
        // From here on there is memory to drop when the resource is deleted.
        self.context.remember(self.resource);
        let only_at = outcome.only_at.clone();
        let update = self.compute(old, observation, outcome);
        if update.write {
            self.persist(&update.status, only_at.as_deref()).await?;
            self.announce(observation, &update);
        } else {
            tracing::debug!(reason = observation.reason.as_str(), "nothing new");
            self.context.keep_unwritten(self.resource, self.meta, &update.status);
        }
        Ok(update.status)
    }

    /// The next status and its Events; also updates the metrics of the resource.
    fn compute(
        &self,
        old: Option<&AIProviderSeedStatus>,
        observation: &Observation,
        outcome: WriteOutcome,
    ) -> StatusUpdate {
        let metrics = &self.context.metrics;
        let now = Time(Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default());
        let input = ReconcileInput {
            generation: self.meta.generation.unwrap_or_default(),
            token: self.token(),
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

    async fn persist(&self, status: &AIProviderSeedStatus, only_at: Option<&str>) -> Result<(), ApiError> {
        let context = self.context;
        let statuses = StatusClient::new(&context.client, self.resource);
        let written = statuses.write(self.meta, status, only_at).await;
        let applied = written.inspect_err(|_| context.metrics.status_write(false))?;
        context.metrics.status_write(true);
        match &applied.dropped_field {
            Some(field) => context.readiness.lacks(field),
            None => context.readiness.took(|field| has_field(status, field)),
        }
        context.keep_written(self.resource, self.meta, applied.version, status);
        Ok(())
    }

    /// Writes one log line and publishes the Events.
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

    /// The next check, unless a change comes first.
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

/// The number of fields on which environment and database disagree.
fn conflicts(status: &AIProviderSeedStatus) -> u32 {
    status.summary.as_ref().and_then(|summary| summary.conflicts).unwrap_or_default()
}

fn backoff(failures: u32, longest: Duration) -> Duration {
    BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(longest)
}

/// Varies the pause by 10 %, so that a thousand resources are not checked at the same time.
fn spread(pause: Duration) -> Duration {
    pause.mul_f64(0.9 + 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests;
