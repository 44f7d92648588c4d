//! Writes that a resource requests, after a check and before its status: a decision by annotation, and the mode Seed.
//! After a write the database is read again, so that the status shows its current state.

mod decision;

use std::time::Duration;

use kube::api::ObjectMeta;

use super::apply_status::StatusClient;
use super::check::{Checked, Checker, report_of, route_of};
use super::context::Context;
use super::lease_age;
use super::write::{self, Basis};
use crate::kubernetes::client::ApiError;
use crate::kubernetes::crd::reason::Reason;
use crate::kubernetes::crd::spec::{AIProviderSeedSpec, Mode, RESOLVE_ANNOTATION, annotation};
use crate::kubernetes::crd::status::AIProviderSeedStatus;
use crate::kubernetes::status::conditions::{SEEDED, find_condition};
use crate::kubernetes::status::observation::Observation;
use crate::kubernetes::status::write_result::{self, ConditionUpdate, WriteReason, WriteResult};
use crate::kubernetes::workload::inputs::Target;
use crate::kubernetes::workload::template::Workload;
use crate::report::Command;
use crate::store::url::Route;

/// The longest pause while a first install waits for Coder's tables.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The longest pause after a failed write.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The part of the next status about the requested writes.
#[derive(Default)]
pub struct WriteOutcome {
    pub handled: LastHandled,
    pub resolved: ConditionUpdate,
    pub seeded: ConditionUpdate,
    /// Reconcile before the interval ends, with pauses that grow to this value.
    pub requeue_within: Option<Duration>,
    /// The status that another controller wrote meanwhile, to which this one adds.
    pub newer_status: Option<AIProviderSeedStatus>,
    /// Another controller may carry the decision out, and a status without its result must not overwrite that
    /// controller's status.
    pub only_at: Option<String>,
    /// Another controller settled it and is about to write the status, which a status from here would overwrite.
    pub superseded: bool,
}

/// The decision that the status remembers.
#[derive(Default)]
pub enum LastHandled {
    #[default]
    AsBefore,
    Now(Option<String>),
}

pub struct RequestedWrites<'a> {
    pub context: &'a Context,
    pub meta: &'a ObjectMeta,
    pub spec: &'a AIProviderSeedSpec,
    pub checker: &'a Checker<'a>,
    pub old: Option<&'a AIProviderSeedStatus>,
}

/// The basis of a write, and the time at which its read began.
struct Fresh {
    target: Target,
    workload: Workload,
    observation: Observation,
    began: Duration,
}

/// The result of the mode Seed.
struct ModeOutcome {
    seeded: ConditionUpdate,
    requeue_within: Option<Duration>,
    /// After a write, if there was one.
    observation: Observation,
}

impl RequestedWrites<'_> {
    /// Returns the observation after the last write.
    pub async fn run(&self, checked: Checked) -> Result<(Observation, WriteOutcome), ApiError> {
        let decision = self.decision(&checked).await?;
        let observation = decision.observation.unwrap_or(checked.observation);
        let route = checked.target.as_ref().and_then(|(target, _)| route_of(target));
        let mode = self.mode(route, checked.write_refused.as_deref(), observation).await?;
        let outcome = WriteOutcome {
            handled: decision.handled,
            resolved: decision.resolved,
            seeded: mode.seeded,
            requeue_within: mode.requeue_within.or(decision.requeue_within),
            newer_status: decision.newer_status,
            only_at: decision.only_at,
            superseded: decision.superseded,
        };
        Ok((mode.observation, outcome))
    }

    async fn mode(
        &self,
        route: Option<Route>,
        write_refused: Option<&str>,
        mut observation: Observation,
    ) -> Result<ModeOutcome, ApiError> {
        if self.spec.mode == Mode::Observe {
            return Ok(ModeOutcome { seeded: ConditionUpdate::Remove, requeue_within: None, observation });
        }
        let allow_writes = self.context.allow_writes;
        let mut written = self.context.unreported(self.checker.resource).seeded;
        if allow_writes && self.wants_write(&observation) {
            if let Some(why) = write_refused {
                let result = WriteResult::new(WriteReason::WriteNotPermitted, why);
                let (seeded, observation) = (ConditionUpdate::Set(result), observation.not_permitted(why));
                return Ok(ModeOutcome { seeded, requeue_within: None, observation });
            }
            let permit = self.context.writers.try_acquire();
            let fresh = if permit.is_ok() { self.refresh(route.as_ref()).await? } else { None };
            let Some(fresh) = fresh else {
                let requeue_within = Some(LONGEST_PAUSE);
                return Ok(ModeOutcome { seeded: ConditionUpdate::Keep, requeue_within, observation });
            };
            let now;
            (now, observation) = self.seed(fresh).await;
            written = now.or(written);
        }
        if allow_writes && observation.reason == Reason::SchemaPending {
            observation.message = write_result::PENDING.to_owned();
        }
        let before = self.old.and_then(|old| find_condition(old, SEEDED)).map(|condition| condition.reason.as_str());
        let seeded = write_result::mode_seed(allow_writes, written, &observation, before);
        let requeue_within = match &seeded {
            ConditionUpdate::Set(result) if result.reason == WriteReason::SeedFailed => Some(LONGEST_PAUSE),
            ConditionUpdate::Set(result)
                if result.reason == WriteReason::Waiting && observation.reason != Reason::Conflict =>
            {
                Some(LONGEST_WAIT)
            }
            _ => None,
        };
        Ok(ModeOutcome { seeded, requeue_within, observation })
    }

    fn wants_write(&self, observation: &Observation) -> bool {
        observation.would_insert || !self.carried(observation).is_empty()
    }

    /// Rotated credentials are written only if the resource itself says that the environment owns them.
    fn carried<'o>(&self, observation: &'o Observation) -> &'o [String] {
        if self.spec.takes_credentials() { &observation.carries } else { &[] }
    }

    fn basis(&self, began: Duration) -> Basis<'_> {
        Basis { began, lease: &self.context.lease }
    }

    /// Reads resource, workload and objects again and evaluates them. `None`: they no longer permit a write, and the
    /// watch delivers the changed one.
    async fn refresh(&self, route: Option<&Route>) -> Result<Option<Fresh>, ApiError> {
        let began = lease_age::now();
        let current = StatusClient::new(&self.context.client, self.checker.resource).read_whole().await?;
        fn asked(meta: &ObjectMeta) -> (Option<&String>, Option<i64>, Option<&String>) {
            (meta.uid.as_ref(), meta.generation, annotation(meta, RESOLVE_ANNOTATION))
        }
        let is_same = |meta: &ObjectMeta| asked(meta) == asked(self.meta) && meta.deletion_timestamp.is_none();
        let Some(current) = current.filter(|current| is_same(&current.meta)) else { return Ok(None) };
        let agreements = current.status.map(|status| status.agreements).unwrap_or_default();
        let checker = Checker { agreements: &agreements, ..*self.checker };
        let checked = checker.check_again(&current.spec, route).await?;
        let Some(Checked { observation, target, write_refused }) = checked else { return Ok(None) };
        let permitted = target.filter(|_| write_refused.is_none());
        Ok(permitted.map(|(target, workload)| Fresh { target, workload, observation, began }))
    }

    /// The result of the write, and the content of the database after it.
    async fn seed(&self, fresh: Fresh) -> (Option<WriteResult>, Observation) {
        let Fresh { mut target, workload, observation, began } = fresh;
        if !self.wants_write(&observation) {
            return (None, observation);
        }
        self.checker.prepare_write(&mut target).await;
        let ended = write::seed(&target, self.carried(&observation), &self.basis(began)).await;
        if let Some(error) = &ended.error {
            self.context.metrics.database_error(error.code);
        }
        let result = write_result::seeded(&report_of(Command::Seed, &target.prepared.desired, Vec::new(), ended));
        if let Some(result) = &result {
            self.record(result);
            let committed = (!result.reason.is_warning()).then(|| result.clone());
            if committed.is_some() {
                self.checker.listeners.wrote(self.checker.resource);
            }
            self.context.report_later(self.checker.resource, |unreported| unreported.seeded = committed);
        }
        (result, self.checker.look(&target, self.spec, &workload).await)
    }

    fn record(&self, result: &WriteResult) {
        self.context.metrics.write(result.reason);
        if result.reason.is_warning() {
            tracing::warn!(result = result.reason.as_str(), "{}", result.message);
        } else {
            tracing::info!(result = result.reason.as_str(), "{}", result.message);
        }
    }
}
