//! Writes that a resource asks for, after a check and before its status: a decision by annotation, and the mode Seed. Whoever
//! wrote looks again, so that the status tells what is.

use std::time::Duration;

use kube::api::ObjectMeta;

use super::apply_status::StatusClient;
use super::check::{Checked, Checker, report_of};
use super::context::Context;
use super::index::Key;
use super::write;
use crate::kubernetes::client::ApiError;
use crate::kubernetes::crd::reason::Reason;
use crate::kubernetes::crd::spec::{AIProviderSeedSpec, Mode};
use crate::kubernetes::crd::status::AIProviderSeedStatus;
use crate::kubernetes::status::conditions::{RESOLVED, SEEDED, find_condition};
use crate::kubernetes::status::observation::DatabaseView;
use crate::kubernetes::status::resolve_annotation::{self, Decision, RESOLVE_ANNOTATION};
use crate::kubernetes::status::write_result::{self, ConditionUpdate, WriteReason, WriteResult};
use crate::report::Command;

/// While a first install waits for Coder's tables.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// After a write that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What the status says of it.
#[derive(Default)]
pub struct WriteOutcome {
    pub handled: LastHandled,
    pub resolved: ConditionUpdate,
    pub seeded: ConditionUpdate,
    /// Come back before the interval is over, with pauses that grow to this.
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
    /// A decision that nobody looked at, so that the condition does not go on telling of the one before.
    pub fn deferred(meta: &ObjectMeta, old: Option<&AIProviderSeedStatus>, why: &str) -> WriteOutcome {
        let text = meta.annotations.as_ref().and_then(|all| all.get(RESOLVE_ANNOTATION));
        let waits = text.is_some_and(|text| !is_handled(old, &resolve_annotation::token(text)));
        let resolved = if waits { waiting(old, why) } else { ConditionUpdate::Keep };
        WriteOutcome { resolved, ..WriteOutcome::default() }
    }
}

/// What became of an earlier try of it stays told.
fn waiting(old: Option<&AIProviderSeedStatus>, why: &str) -> ConditionUpdate {
    match stands(old) {
        Some((reason, _)) if reason == WriteReason::ResolveFailed.as_str() => ConditionUpdate::Keep,
        _ => ConditionUpdate::Set(WriteResult::new(
            WriteReason::ResolveWaiting,
            format!("nothing was decided yet: {why}"),
        )),
    }
}

/// Reason and message of the condition Resolved.
fn stands(old: Option<&AIProviderSeedStatus>) -> Option<(&str, &str)> {
    let condition = find_condition(old?, RESOLVED)?;
    Some((&condition.reason, &condition.message))
}

impl RequestedWrites<'_> {
    pub async fn run(&self, checked: &mut Checked) -> Result<WriteOutcome, ApiError> {
        let mut outcome = WriteOutcome::default();
        self.decision(checked, &mut outcome).await?;
        self.mode(checked, &mut outcome).await;
        Ok(outcome)
    }

    async fn decision(&self, checked: &mut Checked, outcome: &mut WriteOutcome) -> Result<(), ApiError> {
        let Some(text) = self.meta.annotations.as_ref().and_then(|all| all.get(RESOLVE_ANNOTATION)) else {
            (outcome.handled, outcome.resolved) = (LastHandled::Now(None), ConditionUpdate::Remove);
            return Ok(());
        };
        let token = resolve_annotation::token(text);
        let decision = Decision::parse(text);
        if is_handled(self.old, &token) {
            let resolved = stands(self.old).is_some_and(|(reason, _)| reason == WriteReason::Resolved.as_str());
            if let (true, Decision::TakeEnvironment { id }) = (resolved, &decision)
                && resolve_annotation::is_current(id, &checked.observation.database)
            {
                outcome.resolved = ConditionUpdate::Set(resolve_annotation::conflict_recurred(id));
            }
            return Ok(());
        }
        let result = match (resolve_annotation::refusal(&decision, self.context.allow_writes), &decision) {
            // One that may write carries it out, now or later.
            (Some(refusal), Decision::TakeEnvironment { .. }) => {
                let told = stands(self.old) == Some((refusal.reason.as_str(), &refusal.message));
                if !self.handled_elsewhere(&token, outcome).await? && !told {
                    self.record(&refusal);
                    outcome.resolved = ConditionUpdate::Set(refusal);
                }
                return Ok(());
            }
            (Some(refusal), _) => refusal,
            (None, Decision::TakeEnvironment { id }) => match self.take(id, &token, checked, outcome).await? {
                Some(result) => result,
                None => return Ok(()),
            },
            (None, _) => return Ok(()),
        };
        self.record(&result);
        match result.reason {
            WriteReason::ResolveFailed => outcome.requeue_within = Some(LONGEST_PAUSE),
            // Written together with the result. Between the commit and this a crash leaves a decision about a conflict that is
            // no more, and so nothing to be done twice.
            _ => outcome.handled = LastHandled::Now(Some(token)),
        }
        outcome.resolved = ConditionUpdate::Set(result);
        Ok(())
    }

    /// `None`: nothing is to be said, or not yet.
    async fn take(
        &self,
        id: &str,
        token: &str,
        checked: &mut Checked,
        outcome: &mut WriteOutcome,
    ) -> Result<Option<WriteResult>, ApiError> {
        // Until the database was read, the conditions say why it was not.
        let (Some((target, workload)), DatabaseView::Found { .. }) = (&checked.target, &checked.observation.database)
        else {
            outcome.resolved = waiting(self.old, "environment or database cannot be read; see Ready");
            return Ok(None);
        };
        if self.handled_elsewhere(token, outcome).await? {
            return Ok(None);
        }
        if !resolve_annotation::is_current(id, &checked.observation.database) {
            return Ok(Some(resolve_annotation::conflict_not_found(id, self.old, &checked.observation.database)));
        }
        let Ok(_permit) = self.context.writers.try_acquire() else {
            outcome.requeue_within = Some(LONGEST_PAUSE);
            outcome.resolved = waiting(self.old, "other writes come first");
            return Ok(None);
        };
        let ended = write::resolve(target, id).await;
        if let Some(error) = &ended.error {
            self.context.metrics.database_error(error.code);
        }
        checked.observation = self.checker.look(target, self.spec, workload).await;
        match write_result::resolved(id, &ended) {
            Some(result) => Ok(Some(result)),
            None if self.handled_elsewhere(token, outcome).await? => Ok(None),
            // Whoever settled it while this one waited for the lock is about to say so; the next check tells if not.
            None if resolve_annotation::agrees(id, self.old, &checked.observation.database) => {
                (outcome.requeue_within, outcome.superseded) = (Some(LONGEST_PAUSE), true);
                Ok(None)
            }
            None => Ok(Some(resolve_annotation::conflict_not_found(id, self.old, &checked.observation.database))),
        }
    }

    /// Did another controller handle it?
    async fn handled_elsewhere(&self, token: &str, outcome: &mut WriteOutcome) -> Result<bool, ApiError> {
        let newer_status = StatusClient::new(&self.context.client, self.resource).read().await?;
        let handled = is_handled(newer_status.as_ref(), token);
        if handled {
            outcome.newer_status = newer_status;
        }
        Ok(handled)
    }

    async fn mode(&self, checked: &mut Checked, outcome: &mut WriteOutcome) {
        if self.spec.mode == Mode::Observe {
            outcome.seeded = ConditionUpdate::Remove;
            return;
        }
        let mut inserted = None;
        if let (true, true, Some((target, workload))) =
            (self.context.allow_writes, checked.observation.would_insert, &checked.target)
        {
            let Ok(_permit) = self.context.writers.try_acquire() else {
                outcome.requeue_within = Some(LONGEST_PAUSE);
                return;
            };
            let ended = write::seed(target).await;
            if let Some(error) = &ended.error {
                self.context.metrics.database_error(error.code);
            }
            inserted = write_result::seeded(&report_of(Command::Seed, &target.prepared.desired, Vec::new(), ended));
            inserted.iter().for_each(|result| self.record(result));
            checked.observation = self.checker.look(target, self.spec, workload).await;
        }
        if self.context.allow_writes && checked.observation.reason == Reason::SchemaPending {
            checked.observation.message = write_result::PENDING.to_owned();
        }
        let before = self.old.and_then(|old| find_condition(old, SEEDED)).map(|condition| condition.reason.as_str());
        outcome.seeded = write_result::mode_seed(self.context.allow_writes, inserted, &checked.observation, before);
        if let ConditionUpdate::Set(result) = &outcome.seeded {
            match result.reason {
                WriteReason::SeedFailed => outcome.requeue_within = Some(LONGEST_PAUSE),
                WriteReason::Waiting if checked.observation.reason != Reason::Conflict => {
                    outcome.requeue_within = Some(LONGEST_WAIT)
                }
                _ => {}
            }
        }
    }

    fn record(&self, result: &WriteResult) {
        self.context.metrics.write(result.reason);
        match result.reason.is_warning() {
            true => tracing::warn!(result = result.reason.as_str(), "{}", result.message),
            false => tracing::info!(result = result.reason.as_str(), "{}", result.message),
        }
    }
}

fn is_handled(status: Option<&AIProviderSeedStatus>, token: &str) -> bool {
    status.and_then(|status| status.last_handled_resolve.as_deref()) == Some(token)
}
