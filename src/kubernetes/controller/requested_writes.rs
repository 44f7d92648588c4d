//! Writes that a resource asks for, after a check and before its status: a decision by annotation, and the mode Seed. Whoever
//! wrote looks again, so that the status tells what is.

use std::time::Duration;

use kube::api::ObjectMeta;

use super::apply_status::StatusClient;
use super::check::{Checked, Checker, report_of, route_of};
use super::context::Context;
use super::index::Key;
use super::lease_age;
use super::write::{self, Basis};
use crate::kubernetes::client::ApiError;
use crate::kubernetes::crd::reason::Reason;
use crate::kubernetes::crd::spec::{AIProviderSeedSpec, Mode, RESOLVE_ANNOTATION, annotation};
use crate::kubernetes::crd::status::AIProviderSeedStatus;
use crate::kubernetes::status::conditions::{RESOLVED, SEEDED, find_condition};
use crate::kubernetes::status::observation::{DatabaseView, Observation};
use crate::kubernetes::status::resolve_annotation::{self, Decision};
use crate::kubernetes::status::write_result::{self, ConditionUpdate, WriteReason, WriteResult};
use crate::kubernetes::workload::inputs::Target;
use crate::kubernetes::workload::template::Workload;
use crate::report::Command;
use crate::store::url::Route;

/// While a first install waits for Coder's tables.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// After a write that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What the next status says of the requested writes.
#[derive(Default)]
pub struct WriteOutcome {
    pub handled: LastHandled,
    pub resolved: ConditionUpdate,
    pub seeded: ConditionUpdate,
    /// Reconcile before the interval is over, with pauses that grow to this.
    pub requeue_within: Option<Duration>,
    /// What another controller wrote meanwhile: this one adds to that.
    pub newer_status: Option<AIProviderSeedStatus>,
    /// Another controller settled it and is about to write the status; one from here would take its place.
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
    pub resource: &'a Key,
    pub meta: &'a ObjectMeta,
    pub spec: &'a AIProviderSeedSpec,
    pub checker: &'a Checker<'a>,
    pub old: Option<&'a AIProviderSeedStatus>,
}

impl WriteOutcome {
    /// A decision that was not considered yet, so that the condition does not go on reporting the one before.
    pub fn deferred(meta: &ObjectMeta, old: Option<&AIProviderSeedStatus>, why: &str) -> WriteOutcome {
        let waits =
            annotation(meta, RESOLVE_ANNOTATION).is_some_and(|text| !is_handled(old, &resolve_annotation::token(text)));
        let resolved = if waits { waiting(old, why) } else { ConditionUpdate::Keep };
        WriteOutcome { resolved, ..WriteOutcome::default() }
    }
}

/// The result of an earlier attempt stays in the condition.
fn waiting(old: Option<&AIProviderSeedStatus>, why: &str) -> ConditionUpdate {
    match resolved_condition(old) {
        Some((reason, _)) if reason == WriteReason::ResolveFailed.as_str() => ConditionUpdate::Keep,
        _ => ConditionUpdate::Set(WriteResult::new(WriteReason::ResolveWaiting, format!("not decided yet: {why}"))),
    }
}

/// Reason and message of the condition Resolved.
fn resolved_condition(old: Option<&AIProviderSeedStatus>) -> Option<(&str, &str)> {
    let condition = find_condition(old?, RESOLVED)?;
    Some((&condition.reason, &condition.message))
}

/// What became of the decision.
#[derive(Default)]
struct DecisionOutcome {
    handled: LastHandled,
    resolved: ConditionUpdate,
    requeue_within: Option<Duration>,
    newer_status: Option<AIProviderSeedStatus>,
    superseded: bool,
    /// What the database held after a write.
    observation: Option<Observation>,
}

/// What a write rests on, and when the read of it began.
struct Fresh {
    target: Target,
    workload: Workload,
    observation: Observation,
    began: Duration,
}

/// What became of the mode.
struct ModeOutcome {
    seeded: ConditionUpdate,
    requeue_within: Option<Duration>,
    /// After a write, if there was one.
    observation: Observation,
}

impl RequestedWrites<'_> {
    /// The observation is the one after the last write.
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
            superseded: decision.superseded,
        };
        Ok((mode.observation, outcome))
    }

    async fn decision(&self, checked: &Checked) -> Result<DecisionOutcome, ApiError> {
        let Some(text) = annotation(self.meta, RESOLVE_ANNOTATION) else {
            let (handled, resolved) = (LastHandled::Now(None), ConditionUpdate::Remove);
            return Ok(DecisionOutcome { handled, resolved, ..DecisionOutcome::default() });
        };
        let token = resolve_annotation::token(text);
        let decision = Decision::parse(text);
        if is_handled(self.old, &token) {
            let resolved = self.recurred(&decision, &checked.observation);
            return Ok(DecisionOutcome { resolved, ..DecisionOutcome::default() });
        }
        match (resolve_annotation::refusal(&decision, self.context.allow_writes), &decision) {
            (Some(refusal), Decision::TakeEnvironment { .. }) => self.leave_to_a_writer(refusal, &token).await,
            (Some(refusal), _) => Ok(self.decided(refusal, token)),
            (None, Decision::TakeEnvironment { id }) => self.take(id, token, checked).await,
            (None, _) => Ok(DecisionOutcome::default()),
        }
    }

    /// The conflict of a decision that was carried out may have come back.
    fn recurred(&self, decision: &Decision, observation: &Observation) -> ConditionUpdate {
        let resolved = resolved_condition(self.old).is_some_and(|(reason, _)| reason == WriteReason::Resolved.as_str());
        match decision {
            Decision::TakeEnvironment { id }
                if resolved && resolve_annotation::is_current(id, &observation.database) =>
            {
                ConditionUpdate::Set(resolve_annotation::conflict_recurred(id))
            }
            _ => ConditionUpdate::Keep,
        }
    }

    /// A controller that may write carries the decision out, now or later.
    async fn leave_to_a_writer(&self, refusal: WriteResult, token: &str) -> Result<DecisionOutcome, ApiError> {
        let newer_status = self.handled_elsewhere(token).await?;
        let is_recorded = resolved_condition(self.old) == Some((refusal.reason.as_str(), &refusal.message));
        if newer_status.is_some() || is_recorded {
            return Ok(DecisionOutcome { newer_status, ..DecisionOutcome::default() });
        }
        self.record(&refusal);
        Ok(DecisionOutcome { resolved: ConditionUpdate::Set(refusal), ..DecisionOutcome::default() })
    }

    /// Without a result there is nothing to say, or not yet.
    async fn take(&self, id: &str, token: String, checked: &Checked) -> Result<DecisionOutcome, ApiError> {
        // Until the database was read, the conditions say why it was not.
        let (Some((target, _)), DatabaseView::Found { .. }) = (&checked.target, &checked.observation.database) else {
            let resolved = waiting(self.old, "environment or database cannot be read; see Ready");
            return Ok(DecisionOutcome { resolved, ..DecisionOutcome::default() });
        };
        let newer_status = self.handled_elsewhere(&token).await?;
        if newer_status.is_some() {
            return Ok(DecisionOutcome { newer_status, ..DecisionOutcome::default() });
        }
        // It was carried out, and the status could not be written.
        if let Some((handled, result)) = self.context.unreported(self.resource).resolved.filter(|it| it.0 == token) {
            return Ok(outcome_of(result, handled));
        }
        let provider = resolve_annotation::provider_of(id, self.old, &checked.observation.database);
        if !resolve_annotation::is_current(id, &checked.observation.database) {
            let result = resolve_annotation::conflict_not_found(id, provider, &checked.observation.database);
            return Ok(self.decided(result, token));
        }
        let later = |why: &str, requeue_within| DecisionOutcome {
            resolved: waiting(self.old, why),
            requeue_within,
            ..DecisionOutcome::default()
        };
        if let Some(why) = &checked.write_refused {
            return Ok(later(why, None));
        }
        let Ok(_permit) = self.context.writers.try_acquire() else {
            return Ok(later("waiting for other writes", Some(LONGEST_PAUSE)));
        };
        let Some(Fresh { target, workload, observation, began }) = self.refresh(route_of(target).as_ref()).await?
        else {
            return Ok(later("the resource or its workload is being changed", Some(LONGEST_PAUSE)));
        };
        if !resolve_annotation::is_current(id, &observation.database) {
            let result = resolve_annotation::conflict_not_found(id, provider, &observation.database);
            return Ok(DecisionOutcome { observation: Some(observation), ..self.decided(result, token) });
        }
        self.checker.make_room(&target).await;
        let ended = write::resolve(&target, id, &self.basis(began)).await;
        if let Some(error) = &ended.error {
            self.context.metrics.database_error(error.code);
        }
        let result = write_result::resolved(id, &ended);
        if let Some(result) = result.as_ref().filter(|result| result.reason == WriteReason::Resolved) {
            let committed = Some((token.clone(), result.clone()));
            self.context.report_later(self.resource, |unreported| unreported.resolved = committed);
        }
        let observation = self.checker.look(&target, self.spec, &workload).await;
        let outcome = match result {
            Some(result) => self.decided(result, token),
            None => self.settled_meanwhile((id, provider), token, &observation).await?,
        };
        Ok(DecisionOutcome { observation: Some(observation), ..outcome })
    }

    /// The conflict was gone when the write came to it.
    async fn settled_meanwhile(
        &self,
        (id, provider): (&str, Option<&str>),
        token: String,
        observation: &Observation,
    ) -> Result<DecisionOutcome, ApiError> {
        let newer_status = self.handled_elsewhere(&token).await?;
        if newer_status.is_some() {
            return Ok(DecisionOutcome { newer_status, ..DecisionOutcome::default() });
        }
        // The controller that settled it while this one waited for the lock is about to say so; the next check tells if not.
        if resolve_annotation::agrees(provider, &observation.database) {
            let requeue_within = Some(LONGEST_PAUSE);
            return Ok(DecisionOutcome { requeue_within, superseded: true, ..DecisionOutcome::default() });
        }
        let result = resolve_annotation::conflict_not_found(id, provider, &observation.database);
        Ok(self.decided(result, token))
    }

    fn decided(&self, result: WriteResult, token: String) -> DecisionOutcome {
        self.record(&result);
        outcome_of(result, token)
    }

    /// The status that another controller wrote with this decision handled.
    async fn handled_elsewhere(&self, token: &str) -> Result<Option<AIProviderSeedStatus>, ApiError> {
        let newer_status = StatusClient::new(&self.context.client, self.resource).read().await?;
        Ok(newer_status.filter(|status| is_handled(Some(status), token)))
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
        let mut written = self.context.unreported(self.resource).seeded;
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

    /// Rotated credentials are written only where the resource itself says that the environment owns them.
    fn carried<'o>(&self, observation: &'o Observation) -> &'o [String] {
        if self.spec.takes_credentials() { &observation.carries } else { &[] }
    }

    fn basis(&self, began: Duration) -> Basis<'_> {
        Basis { began, lease: &self.context.lease }
    }

    /// Resource, workload and objects once more, and what follows from them. `None`: they do not allow a write any more, and the
    /// watch brings the one that changed.
    async fn refresh(&self, route: Option<&Route>) -> Result<Option<Fresh>, ApiError> {
        let began = lease_age::now();
        let current = StatusClient::new(&self.context.client, self.resource).read_whole().await?;
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

    /// What the write came to, and what the database holds after it.
    async fn seed(&self, fresh: Fresh) -> (Option<WriteResult>, Observation) {
        let Fresh { target, workload, observation, began } = fresh;
        if !self.wants_write(&observation) {
            return (None, observation);
        }
        self.checker.make_room(&target).await;
        let ended = write::seed(&target, self.carried(&observation), &self.basis(began)).await;
        if let Some(error) = &ended.error {
            self.context.metrics.database_error(error.code);
        }
        let result = write_result::seeded(&report_of(Command::Seed, &target.prepared.desired, Vec::new(), ended));
        if let Some(result) = &result {
            self.record(result);
            let committed = (!result.reason.is_warning()).then(|| result.clone());
            self.context.report_later(self.resource, |unreported| unreported.seeded = committed);
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

fn is_handled(status: Option<&AIProviderSeedStatus>, token: &str) -> bool {
    status.and_then(|status| status.last_handled_resolve.as_deref()) == Some(token)
}

fn outcome_of(result: WriteResult, token: String) -> DecisionOutcome {
    let (handled, requeue_within) = match result.reason {
        WriteReason::ResolveFailed => (LastHandled::AsBefore, Some(LONGEST_PAUSE)),
        // Written together with the result. Between the commit and this a crash leaves a decision about a conflict that is
        // no more, and so nothing to be done twice.
        _ => (LastHandled::Now(Some(token)), None),
    };
    let resolved = ConditionUpdate::Set(result);
    DecisionOutcome { handled, resolved, requeue_within, ..DecisionOutcome::default() }
}
