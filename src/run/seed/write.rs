//! The second half of `seed`: lock, read, plan, insert and update, commit; and the outcome of a commit whose answer was
//! lost.

use futures::FutureExt;

use super::{RunOutcome, SeedAttempt, Unanswered, only_read_only};
use crate::plan::resolve::Resolution;
use crate::plan::{Insert, State};
use crate::run::may_commit;
use crate::run::retry::{ROUND_TRIP_TIMEOUT, within, within_lock_timeout};
use crate::store::lock::lock_and_read;
use crate::store::snapshot::{self, ReadScope};
use crate::store::transaction::rollback;
use crate::store::{Error, insert, update};

impl SeedAttempt<'_> {
    pub(super) async fn write(&mut self, outcome: &mut RunOutcome) -> Result<(), Error> {
        let run = self.run;
        let mut encryption = outcome.plan.as_ref().is_some_and(|plan| run.needs_encryption(plan));
        let request = self.request();
        let scope = ReadScope::Schema { encryption };
        let rows = outcome.plan.as_ref().map(|plan| plan.update.rows()).unwrap_or_default();
        let locked = lock_and_read(self.session, &request, scope, run.lock_timeout, &rows);
        let snapshot = within_lock_timeout(run.lock_timeout, self.session, locked).await?;
        self.replan(snapshot, outcome);
        // A row was removed in between, so a provider with secrets is now missing.
        if !encryption && outcome.plan.as_ref().is_some_and(|plan| plan.needs_schema) {
            encryption = true;
            let again = snapshot::read_locked(self.session, &request, ReadScope::Schema { encryption });
            let snapshot = within(ROUND_TRIP_TIMEOUT, self.session, again).await?;
            self.replan(snapshot, outcome);
        }
        let Some(plan) = &mut outcome.plan else { return Ok(()) };
        if run.stops(plan) || !plan.writes() {
            rollback(self.session).await;
            return only_read_only(plan, self.session).await.map_or(Ok(()), Err);
        }
        if plan.update.rows().iter().any(|row| !rows.contains(row)) {
            rollback(self.session).await;
            return Err(update::rows_changed(self.session));
        }
        if !run.may_commit.says_yes() {
            rollback(self.session).await;
            plan.findings.problems.push(may_commit::too_late());
            return Ok(());
        }
        match plan.insert.take() {
            Some(insert) if plan.update.updates.is_empty() => self.insert(outcome, &insert).await,
            insert => self.update(outcome, insert.as_ref()).await,
        }
    }

    /// A role with INSERT may lack UPDATE: this reports every missing grant at once, as `resolve` does.
    pub(super) async fn lacking_grants(&self, outcome: &mut RunOutcome, error: Error) -> Result<(), Error> {
        let Some(plan) = outcome.plan.as_mut().filter(|plan| !plan.update.updates.is_empty()) else {
            return Err(error);
        };
        rollback(self.session).await;
        let lacking = update::lacking_grants(self.session, &plan.update);
        let lacking = within(ROUND_TRIP_TIMEOUT, self.session, lacking).await?;
        if lacking.is_empty() {
            return Err(error);
        }
        plan.insert = None;
        plan.findings.problems.extend(lacking);
        Ok(())
    }

    async fn insert(&mut self, outcome: &mut RunOutcome, insert: &Insert) -> Result<(), Error> {
        let run = self.run;
        // This session holds the lock, so an earlier commit without an answer is over and did not take effect. From here
        // to the answer the outcome is unknown, also if the run is stopped in between.
        outcome.commit_unknown = true;
        let inserted = insert::insert_and_commit(self.session, run.desired, insert, run.keyring, self.ids);
        let inserted = within(ROUND_TRIP_TIMEOUT, self.session, inserted).await;
        outcome.commit_unknown = inserted.as_ref().is_err_and(|error| error.connection_lost);
        inserted?;
        self.note_written(outcome, Some(insert));
        Ok(())
    }

    /// Updates and inserts in one transaction, whose number later reveals its outcome.
    async fn update(&mut self, outcome: &mut RunOutcome, insert: Option<&Insert>) -> Result<(), Error> {
        let (run, session) = (self.run, self.session);
        let Some(plan) = &mut outcome.plan else { return Ok(()) };
        // Added here, so that the report can show them.
        update::add_external_ids(session, &mut plan.update)?;
        let updated = plan.update.clone();
        let inserted = async {
            match insert {
                Some(insert) => insert::insert(session, run.desired, insert, run.keyring, self.ids).await,
                None => Ok(()),
            }
        };
        let written = async { tokio::join!(inserted, update::write(session, &updated, run.keyring)) };
        let written = within(ROUND_TRIP_TIMEOUT, session, written.map(Ok)).await?;
        written.0?;
        *self.unanswered = Some(Unanswered { transaction: written.1?, updated });
        // From here to the answer the outcome is unknown, also if the run is stopped in between.
        outcome.commit_unknown = true;
        let committed = within(ROUND_TRIP_TIMEOUT, session, update::commit(session)).await;
        outcome.commit_unknown = committed.as_ref().is_err_and(|error| error.connection_lost);
        if !outcome.commit_unknown {
            *self.unanswered = None;
        }
        committed?;
        self.note_written(outcome, insert);
        Ok(())
    }

    fn note_written(&mut self, outcome: &mut RunOutcome, insert: Option<&Insert>) {
        outcome.written = true;
        let Some(plan) = &mut outcome.plan else { return };
        for entry in &mut plan.entries {
            if insert.is_some_and(|insert| insert.providers.contains(&entry.desired)) {
                entry.state = State::Created;
                let name = &self.run.desired[entry.desired].name;
                entry.id = Some(self.ids.of(name));
                entry.external_id = self.ids.external_id(name);
            } else if entry.state == State::WouldUpdate {
                entry.state = State::Updated;
                entry.external_id = entry.id.and_then(|row| plan.update.external_id(row));
            } else {
                continue;
            }
            entry.database_hash = entry.environment_hash.clone();
        }
    }

    /// The commit whose answer was lost took effect: reads the current state of the database with this run's rows.
    pub(super) async fn look_at_written(&mut self, outcome: &mut RunOutcome, updated: Resolution) -> Result<(), Error> {
        outcome.written = true;
        let snapshot = self.read(ReadScope::Rows).await?;
        self.replan(snapshot, outcome);
        let Some(plan) = &mut outcome.plan else { return Ok(()) };
        let is_ours = |name: &String| updated.updates.iter().any(|update| update.name == *name);
        for entry in plan.entries.iter_mut().filter(|entry| is_ours(&self.run.desired[entry.desired].name)) {
            if !matches!(entry.state, State::Conflict | State::Deleted | State::Missing) {
                entry.state = State::Updated;
                entry.external_id = entry.id.and_then(|row| updated.external_id(row));
            }
        }
        plan.needs_schema = false;
        plan.update = updated;
        Ok(())
    }
}
