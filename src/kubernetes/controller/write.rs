//! The only place where the controller writes to a database, by the use cases of `resolve` and `seed` and nothing else: lock,
//! look again, write, commit. On sessions of its own, never on those that checks share.

use std::time::Duration;

use super::lease;
use super::lease_age::{self, LeaseAge};
use crate::kubernetes::workload::inputs::Target;
use crate::options::TakeEnvironment;
use crate::options::resolve::{Action, Request};
use crate::plan::{Access, PlanOptions};
use crate::run::may_commit::MayCommit;
use crate::run::{resolve, seed};

/// Writes at once, over all resources. A check that finds them taken comes back.
pub const WRITERS: u16 = 4;
/// A check waits no longer for another seeder, whatever its container would do.
const LOCK: Duration = Duration::from_secs(10);

/// From the read of resource, workload and objects to the commit that rests on them.
const FRESH: Duration = Duration::from_secs(5);

/// When that read began, and whether this controller still leads.
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

/// Inserts what is missing unless anything blocks, and writes the credentials of the differences with these ids unless their own
/// provider does.
pub async fn seed(target: &Target, carried: &[String], basis: &Basis<'_>) -> seed::RunOutcome {
    let Some(connector) = &target.prepared.connector else { return seed::RunOutcome::default() };
    let holds = || basis.holds();
    // What the workload or the resource takes serves the prediction alone: URL and other fields are a start's business.
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
