//! Steps before a check: the first status of a resource, its turn, and the status to write if the turn does not come in
//! time. None of these steps reads an object or a row.

use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use super::Reconciling;
use crate::kubernetes::client::ApiError;
use crate::kubernetes::controller::metrics::CheckState;
use crate::kubernetes::controller::requested_writes::WriteOutcome;
use crate::kubernetes::crd::reason::{CheckStopped, Reason};
use crate::kubernetes::status::conditions::find_condition;
use crate::kubernetes::status::observation::Observation;
use crate::store::pool::{Claim, Turn};

/// The pause between two checks of a resource that annotations request.
const ASKED: Duration = Duration::from_secs(1);
/// Ready never depends on a read that is older than two intervals and a minute. The remaining time is for the write that
/// reports it.
const OVERDUE: Duration = Duration::from_secs(40);
/// A check whose turn has come.
pub(super) struct Admitted {
    /// The time since which it waited.
    pub asked: Instant,
    pub turn: Turn,
    pub working: Turn,
}

impl Reconciling<'_> {
    /// Writes the first status of a new resource before any wait. `false`: there is nothing to check.
    pub(super) async fn begin(&self) -> Result<bool, ApiError> {
        let seed = match &self.guarded.0 {
            Ok(seed) if !seed.spec.suspend => seed,
            _ => return Ok(false),
        };
        let old = self.context.latest_status(self.resource, self.meta, seed.status.as_ref());
        if old.as_ref().is_none_or(|status| status.conditions.is_empty()) {
            // Closed only when the process ends.
            let _turn = self.context.first_words.acquire().await.ok();
            self.conclude(old.as_ref(), &Observation::progressing(), WriteOutcome::default()).await?;
        }
        let handled = old.as_ref().and_then(|old| old.last_handled_reconcile_at.as_deref());
        if self.token().is_some_and(|token| Some(token.as_str()) != handled) {
            tokio::time::sleep_until(self.context.next_asked(self.resource, ASKED)).await;
        }
        Ok(true)
    }

    /// Waits for its turn. `None`: the process ends.
    pub(super) async fn admitted(&self) -> Option<Admitted> {
        let Reconciling { context, resource, .. } = *self;
        let _waiting = context.metrics.check(CheckState::Waiting);
        let asked = Instant::now();
        let turns = async {
            let turn = context.pool.turns.take(context.claim(resource)).await;
            Admitted { asked, turn, working: context.work.take(Claim::of(&resource.0)).await }
        };
        self.meanwhile(turns).await
    }

    /// Runs the work, and meanwhile writes the status that becomes due. `None`: the process ends.
    pub(super) async fn meanwhile<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut ending = self.context.ending.subscribe();
        let ended = async {
            let _ = ending.wait_for(|ending| *ending).await;
        };
        let (mut work, mut ended, mut due) = (pin!(work), pin!(ended), self.due());
        loop {
            let at = due.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = &mut ended => return None,
                () = tokio::time::sleep_until(at), if due.is_some() => {
                    due = None;
                    Box::pin(self.overdue()).await;
                }
            }
        }
    }

    /// The time until which the status may stay Ready without a check.
    pub(super) fn due(&self) -> Option<Instant> {
        let seed = self.guarded.0.as_ref().ok().filter(|seed| !seed.spec.suspend)?;
        let status = self.context.latest_status(self.resource, self.meta, seed.status.as_ref())?;
        let is_ready = find_condition(&status, "Ready").is_some_and(|condition| condition.status == "True");
        is_ready.then(|| self.context.last_checked(self.resource) + seed.spec.interval() * 2 + OVERDUE)
    }

    /// Reports that no check has finished for so long that the last result no longer counts.
    pub(super) async fn overdue(&self) {
        let message = "the last check is older than twice the interval, and one more has not ended: it waits for its turn, \
                       for the database or for the API server; see the log of the controller";
        let observation = Observation::stopped(CheckStopped::new(Reason::DatabaseUnreachable, message.to_owned()));
        let watched = self.guarded.0.as_ref().ok().and_then(|seed| seed.status.as_ref());
        let old = self.context.latest_status(self.resource, self.meta, watched);
        if let Err(error) = self.conclude(old.as_ref(), &observation, WriteOutcome::default()).await {
            tracing::warn!("{error}");
        }
    }
}
