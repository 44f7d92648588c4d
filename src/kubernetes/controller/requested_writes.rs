//! Writes that a resource asks for, after a check and before its status: a decision by annotation, and the mode Seed. Whoever
//! wrote looks again, so that the status tells what is.

use std::time::Duration;

use kube::api::ObjectMeta;

use super::apply_status::Statuses;
use super::check::{Checked, Checker, report_of};
use super::context::Context;
use super::index::Key;
use super::write;
use crate::kubernetes::client::ApiError;
use crate::kubernetes::crd::reason::Reason;
use crate::kubernetes::crd::spec::{AIProviderSeedSpec, Mode};
use crate::kubernetes::crd::status::AIProviderSeedStatus;
use crate::kubernetes::status::conditions::{RESOLVED, SEEDED, find_condition};
use crate::kubernetes::status::observation::Seen;
use crate::kubernetes::status::resolve_annotation::{self, Decision, RESOLVE_ANNOTATION};
use crate::kubernetes::status::write_result::{self, Answer, Deed, Word};
use crate::report::Command;

/// While a first install waits for Coder's tables.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// After a write that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What the status says of it.
#[derive(Default)]
pub struct Asked {
    pub handled: Handled,
    pub resolved: Answer,
    pub seeded: Answer,
    /// Come back before the interval is over, with pauses that grow to this.
    pub come_back: Option<Duration>,
    /// What another controller wrote meanwhile: this one adds to that.
    pub fresh: Option<AIProviderSeedStatus>,
    /// Another controller settled it and is about to write the status; one from here would take its place.
    pub is_anothers: bool,
}

/// The decision that the status remembers.
#[derive(Default)]
pub enum Handled {
    #[default]
    AsBefore,
    Now(Option<String>),
}

pub struct Asking<'a> {
    pub context: &'a Context,
    pub resource: &'a Key,
    pub meta: &'a ObjectMeta,
    pub spec: &'a AIProviderSeedSpec,
    pub checker: &'a Checker<'a>,
    pub old: Option<&'a AIProviderSeedStatus>,
}

impl Asked {
    /// A decision that nobody looked at, so that the condition does not go on telling of the one before.
    pub fn unseen(meta: &ObjectMeta, old: Option<&AIProviderSeedStatus>, why: &str) -> Asked {
        let text = meta.annotations.as_ref().and_then(|all| all.get(RESOLVE_ANNOTATION));
        let waits = text.is_some_and(|text| !is_handled(old, &resolve_annotation::token(text)));
        let resolved = if waits { waiting(old, why) } else { Answer::Keep };
        Asked { resolved, ..Asked::default() }
    }
}

/// What became of an earlier try of it stays told.
fn waiting(old: Option<&AIProviderSeedStatus>, why: &str) -> Answer {
    match stands(old) {
        Some((reason, _)) if reason == Word::ResolveFailed.as_str() => Answer::Keep,
        _ => Answer::Say(Deed::new(Word::ResolveWaiting, format!("nothing was decided yet: {why}"))),
    }
}

/// Reason and message of the condition Resolved.
fn stands(old: Option<&AIProviderSeedStatus>) -> Option<(&str, &str)> {
    let condition = find_condition(old?, RESOLVED)?;
    Some((&condition.reason, &condition.message))
}

impl Asking<'_> {
    pub async fn run(&self, checked: &mut Checked) -> Result<Asked, ApiError> {
        let mut asked = Asked::default();
        self.decision(checked, &mut asked).await?;
        self.mode(checked, &mut asked).await;
        Ok(asked)
    }

    async fn decision(&self, checked: &mut Checked, asked: &mut Asked) -> Result<(), ApiError> {
        let Some(text) = self.meta.annotations.as_ref().and_then(|all| all.get(RESOLVE_ANNOTATION)) else {
            (asked.handled, asked.resolved) = (Handled::Now(None), Answer::Forget);
            return Ok(());
        };
        let token = resolve_annotation::token(text);
        let decision = Decision::parse(text);
        if is_handled(self.old, &token) {
            let resolved = stands(self.old).is_some_and(|(reason, _)| reason == Word::Resolved.as_str());
            if let (true, Decision::TakeEnvironment { id }) = (resolved, &decision)
                && resolve_annotation::is_current(id, &checked.observed.seen)
            {
                asked.resolved = Answer::Say(resolve_annotation::again(id));
            }
            return Ok(());
        }
        let deed = match (resolve_annotation::refusal(&decision, self.context.allow_writes), &decision) {
            // One that may write carries it out, now or later.
            (Some(refusal), Decision::TakeEnvironment { .. }) => {
                let told = stands(self.old) == Some((refusal.word.as_str(), &refusal.message));
                if !self.another(&token, asked).await? && !told {
                    self.told(&refusal);
                    asked.resolved = Answer::Say(refusal);
                }
                return Ok(());
            }
            (Some(refusal), _) => refusal,
            (None, Decision::TakeEnvironment { id }) => match self.take(id, &token, checked, asked).await? {
                Some(deed) => deed,
                None => return Ok(()),
            },
            (None, _) => return Ok(()),
        };
        self.told(&deed);
        match deed.word {
            Word::ResolveFailed => asked.come_back = Some(LONGEST_PAUSE),
            // Written together with the result. Between the commit and this a crash leaves a decision about a conflict that is
            // no more, and so nothing to be done twice.
            _ => asked.handled = Handled::Now(Some(token)),
        }
        asked.resolved = Answer::Say(deed);
        Ok(())
    }

    /// `None`: nothing is to be said, or not yet.
    async fn take(
        &self,
        id: &str,
        token: &str,
        checked: &mut Checked,
        asked: &mut Asked,
    ) -> Result<Option<Deed>, ApiError> {
        // Until the database was read, the conditions say why it was not.
        let (Some((target, workload)), Seen::Found { .. }) = (&checked.target, &checked.observed.seen) else {
            asked.resolved = waiting(self.old, "environment or database cannot be read; see Ready");
            return Ok(None);
        };
        if self.another(token, asked).await? {
            return Ok(None);
        }
        if !resolve_annotation::is_current(id, &checked.observed.seen) {
            return Ok(Some(resolve_annotation::gone(id, self.old, &checked.observed.seen)));
        }
        let Ok(_permit) = self.context.writers.try_acquire() else {
            asked.come_back = Some(LONGEST_PAUSE);
            asked.resolved = waiting(self.old, "other writes come first");
            return Ok(None);
        };
        let ended = write::resolve(target, id).await;
        if let Some(error) = &ended.error {
            self.context.metrics.database_error(error.code);
        }
        checked.observed = self.checker.look(target, self.spec, workload).await;
        match write_result::resolved(id, &ended) {
            Some(deed) => Ok(Some(deed)),
            None if self.another(token, asked).await? => Ok(None),
            // Whoever settled it while this one waited for the lock is about to say so; the next check tells if not.
            None if resolve_annotation::agrees(id, self.old, &checked.observed.seen) => {
                (asked.come_back, asked.is_anothers) = (Some(LONGEST_PAUSE), true);
                Ok(None)
            }
            None => Ok(Some(resolve_annotation::gone(id, self.old, &checked.observed.seen))),
        }
    }

    /// Did another controller handle it?
    async fn another(&self, token: &str, asked: &mut Asked) -> Result<bool, ApiError> {
        let fresh = Statuses::new(&self.context.client, self.resource).read().await?;
        let handled = is_handled(fresh.as_ref(), token);
        if handled {
            asked.fresh = fresh;
        }
        Ok(handled)
    }

    async fn mode(&self, checked: &mut Checked, asked: &mut Asked) {
        if self.spec.mode == Mode::Observe {
            asked.seeded = Answer::Forget;
            return;
        }
        let mut inserted = None;
        if let (true, true, Some((target, workload))) =
            (self.context.allow_writes, checked.observed.would_insert, &checked.target)
        {
            let Ok(_permit) = self.context.writers.try_acquire() else {
                asked.come_back = Some(LONGEST_PAUSE);
                return;
            };
            let ended = write::seed(target).await;
            if let Some(error) = &ended.error {
                self.context.metrics.database_error(error.code);
            }
            inserted = write_result::seeded(&report_of(Command::Seed, &target.prepared.desired, Vec::new(), ended));
            inserted.iter().for_each(|deed| self.told(deed));
            checked.observed = self.checker.look(target, self.spec, workload).await;
        }
        if self.context.allow_writes && checked.observed.reason == Reason::SchemaPending {
            checked.observed.message = write_result::PENDING.to_owned();
        }
        let before = self.old.and_then(|old| find_condition(old, SEEDED)).map(|condition| condition.reason.as_str());
        asked.seeded = write_result::mode_seed(self.context.allow_writes, inserted, &checked.observed, before);
        if let Answer::Say(deed) = &asked.seeded {
            match deed.word {
                Word::SeedFailed => asked.come_back = Some(LONGEST_PAUSE),
                Word::Waiting if checked.observed.reason != Reason::Conflict => asked.come_back = Some(LONGEST_WAIT),
                _ => {}
            }
        }
    }

    fn told(&self, deed: &Deed) {
        self.context.metrics.write(deed.word);
        match deed.word.is_warning() {
            true => tracing::warn!(result = deed.word.as_str(), "{}", deed.message),
            false => tracing::info!(result = deed.word.as_str(), "{}", deed.message),
        }
    }
}

fn is_handled(status: Option<&AIProviderSeedStatus>, token: &str) -> bool {
    status.and_then(|status| status.last_handled_resolve.as_deref()) == Some(token)
}
