//! A decision by annotation: whether its conflict still exists, which controller carries it out, and the result.

use std::time::Duration;

use kube::api::ObjectMeta;

use super::{Fresh, LONGEST_PAUSE, LastHandled, RequestedWrites, WriteOutcome};
use crate::kubernetes::client::ApiError;
use crate::kubernetes::controller::apply_status::{LatestStatus, StatusClient};
use crate::kubernetes::controller::check::{Checked, route_of};
use crate::kubernetes::controller::write;
use crate::kubernetes::crd::spec::{RESOLVE_ANNOTATION, annotation};
use crate::kubernetes::crd::status::AIProviderSeedStatus;
use crate::kubernetes::status::conditions::{RESOLVED, find_condition};
use crate::kubernetes::status::observation::{DatabaseView, Observation};
use crate::kubernetes::status::resolve_annotation::{self, Decision, is_handled};
use crate::kubernetes::status::write_result::{self, ConditionUpdate, WriteReason, WriteResult};

/// The result of the decision.
#[derive(Default)]
pub(super) struct DecisionOutcome {
    pub handled: LastHandled,
    pub resolved: ConditionUpdate,
    pub requeue_within: Option<Duration>,
    pub newer_status: Option<AIProviderSeedStatus>,
    pub only_at: Option<String>,
    pub superseded: bool,
    /// The content of the database after a write.
    pub observation: Option<Observation>,
}

impl WriteOutcome {
    /// The result for a decision that was not considered yet, so that the condition does not keep reporting the previous
    /// one.
    pub fn deferred(meta: &ObjectMeta, old: Option<&AIProviderSeedStatus>, why: &str) -> WriteOutcome {
        let waits =
            annotation(meta, RESOLVE_ANNOTATION).is_some_and(|text| !is_handled(old, &resolve_annotation::token(text)));
        let resolved = if waits { waiting(old, why) } else { ConditionUpdate::Keep };
        WriteOutcome { resolved, ..WriteOutcome::default() }
    }
}

impl RequestedWrites<'_> {
    pub(super) async fn decision(&self, checked: &Checked) -> Result<DecisionOutcome, ApiError> {
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

    /// The conflict of a decision that was carried out may have recurred.
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

    /// Leaves the decision to a controller that may write, now or later.
    async fn leave_to_a_writer(&self, refusal: WriteResult, token: &str) -> Result<DecisionOutcome, ApiError> {
        let LatestStatus { status, version: only_at } = self.latest_status().await?;
        let newer_status = status.filter(|status| is_handled(Some(status), token));
        let is_recorded = resolved_condition(self.old) == Some((refusal.reason.as_str(), &refusal.message));
        let mut resolved = ConditionUpdate::Keep;
        if newer_status.is_none() && !is_recorded {
            self.record(&refusal);
            resolved = ConditionUpdate::Set(refusal);
        }
        Ok(DecisionOutcome { resolved, newer_status, only_at, ..DecisionOutcome::default() })
    }

    /// Carries the decision out. Without a result there is nothing to report, or not yet.
    async fn take(&self, id: &str, token: String, checked: &Checked) -> Result<DecisionOutcome, ApiError> {
        // Until the database was read, the conditions explain why it was not.
        let (Some((target, _)), DatabaseView::Found { .. }) = (&checked.target, &checked.observation.database) else {
            let resolved = waiting(self.old, "environment or database cannot be read; see Ready");
            return Ok(DecisionOutcome { resolved, ..DecisionOutcome::default() });
        };
        let newer_status = self.handled_elsewhere(&token).await?;
        if newer_status.is_some() {
            return Ok(DecisionOutcome { newer_status, ..DecisionOutcome::default() });
        }
        // It was carried out, but the status could not be written.
        if let Some((handled, result)) =
            self.context.unreported(self.checker.resource).resolved.filter(|it| it.0 == token)
        {
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
        let Some(Fresh { mut target, workload, observation, began }) = self.refresh(route_of(target).as_ref()).await?
        else {
            return Ok(later("the resource or its workload is being changed", Some(LONGEST_PAUSE)));
        };
        if !resolve_annotation::is_current(id, &observation.database) {
            let result = resolve_annotation::conflict_not_found(id, provider, &observation.database);
            return Ok(DecisionOutcome { observation: Some(observation), ..self.decided(result, token) });
        }
        self.checker.prepare_write(&mut target).await;
        let ended = write::resolve(&target, id, &self.basis(began)).await;
        if let Some(error) = &ended.error {
            self.context.metrics.database_error(error.code);
        }
        let result = write_result::resolved(id, &ended);
        if let Some(result) = result.as_ref().filter(|result| result.reason == WriteReason::Resolved) {
            self.checker.listeners.wrote(self.checker.resource);
            let committed = Some((token.clone(), result.clone()));
            self.context.report_later(self.checker.resource, |unreported| unreported.resolved = committed);
        }
        let observation = self.checker.look(&target, self.spec, &workload).await;
        let outcome = match result {
            Some(result) => self.decided(result, token),
            None => self.settled_meanwhile((id, provider), token, &observation).await?,
        };
        Ok(DecisionOutcome { observation: Some(observation), ..outcome })
    }

    /// The conflict was gone when the write reached it.
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
        // The controller that settled it while this one waited for the lock is about to report it; otherwise the next
        // check does.
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

    /// The status of another controller that has handled this decision.
    async fn handled_elsewhere(&self, token: &str) -> Result<Option<AIProviderSeedStatus>, ApiError> {
        Ok(self.latest_status().await?.status.filter(|status| is_handled(Some(status), token)))
    }

    async fn latest_status(&self) -> Result<LatestStatus, ApiError> {
        StatusClient::new(&self.context.client, self.checker.resource).read().await
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

fn outcome_of(result: WriteResult, token: String) -> DecisionOutcome {
    let (handled, requeue_within) = match result.reason {
        WriteReason::ResolveFailed => (LastHandled::AsBefore, Some(LONGEST_PAUSE)),
        // Written together with the result. A crash between the commit and this write leaves a decision about a conflict
        // that no longer exists, so nothing is done twice.
        _ => (LastHandled::Now(Some(token)), None),
    };
    let resolved = ConditionUpdate::Set(result);
    DecisionOutcome { handled, resolved, requeue_within, ..DecisionOutcome::default() }
}
