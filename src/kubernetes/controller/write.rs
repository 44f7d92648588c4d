//! The only place where the controller writes to a database, and only through the use cases of `resolve` and `seed`:
//! lock, read again, write, commit. It uses separate sessions, never those that checks share.

use std::time::Duration;

use super::lease;
use super::lease_age::{self, LeaseAge};
use crate::kubernetes::workload::inputs::Target;
use crate::options::TakeEnvironment;
use crate::options::resolve::{Action, Request};
use crate::plan::{Access, PlanOptions};
use crate::run::may_commit::MayCommit;
use crate::run::{resolve, seed};

/// Concurrent writes, over all resources. A check that finds none free is repeated later.
pub const WRITERS: u16 = 4;
/// The longest wait for another seeder, even if the container would wait longer.
const LOCK: Duration = Duration::from_secs(10);

/// The limit from the read of resource, workload and objects to the commit that depends on them.
const FRESH: Duration = Duration::from_secs(5);

/// The time at which that read began, and whether this controller still leads.
pub struct Basis<'a> {
    pub began: Duration,
    pub lease: &'a LeaseAge,
}

impl Basis<'_> {
    fn holds(&self) -> bool {
        lease_age::now().saturating_sub(self.began) <= FRESH && self.lease.is_below(lease::DEADLINE)
    }
}

/// Updates the row from the environment, if the named conflict still exists.
pub async fn resolve(target: &Target, id: &str, basis: &Basis<'_>) -> resolve::ResolveOutcome {
    let Some(connector) = &target.prepared.connector else { return resolve::ResolveOutcome::default() };
    let holds = || basis.holds();
    let request = Request { action: Action::TakeEnvironment, providers: Vec::new(), conflicts: vec![id.to_owned()] };
    let run = resolve::ResolveRun {
        desired: &target.prepared.desired,
        keyring: &target.prepared.keyring,
        plan: target.prepared.plan,
        request: &request,
        wait: Duration::ZERO,
        lock_timeout: lock_timeout(target),
        dry_run: false,
        shown: None,
        may_commit: MayCommit::if_true(&holds),
    };
    run.run(connector).await
}

/// Inserts the missing rows unless anything blocks, and writes the credentials of the differences with these ids unless
/// their own provider blocks.
pub async fn seed(target: &Target, carried: &[String], basis: &Basis<'_>) -> seed::RunOutcome {
    let Some(connector) = &target.prepared.connector else { return seed::RunOutcome::default() };
    let holds = || basis.holds();
    // The take option of workload or resource serves only the prediction: a start writes the URL and other fields.
    let take = if carried.is_empty() { TakeEnvironment::None } else { TakeEnvironment::Credentials };
    let run = seed::SeedRun {
        desired: &target.prepared.desired,
        keyring: &target.prepared.keyring,
        plan: PlanOptions { access: Access::Write, take, fingerprints: false, hashes: true, ..target.prepared.plan },
        wait: Duration::ZERO,
        lock_timeout: lock_timeout(target),
        if_schema_missing: target.options.if_schema_missing,
        undescribed: false,
        decided: Some(carried),
        may_commit: MayCommit::if_true(&holds),
    };
    run.run(connector).await
}

fn lock_timeout(target: &Target) -> Duration {
    target.options.lock_timeout.min(LOCK)
}
