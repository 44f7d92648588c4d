//! The only place where the controller writes to a database, by the use cases of `resolve` and `seed` and nothing else: lock,
//! look again, write, commit. On sessions of its own, never on those that checks share.

use std::time::Duration;

use crate::kubernetes::workload::inputs::Target;
use crate::options::TakeEnvironment;
use crate::options::resolve::{Action, Request};
use crate::plan::{Access, PlanOptions};
use crate::run::{resolve, seed};

/// Writes at once, over all resources. Whoever finds them taken comes back.
pub const WRITERS: u16 = 4;
/// A check waits no longer for another seeder, whatever its container would do.
const LOCK: Duration = Duration::from_secs(10);

/// Takes the environment into the row, if the conflict is still the one that was named.
pub async fn resolve(target: &Target, id: &str) -> resolve::ResolveOutcome {
    let Some(connector) = &target.prepared.connector else { return resolve::ResolveOutcome::default() };
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
    };
    run.run(connector).await
}

/// Inserts what is missing.
pub async fn seed(target: &Target) -> seed::RunOutcome {
    let Some(connector) = &target.prepared.connector else { return seed::RunOutcome::default() };
    let run = seed::SeedRun {
        desired: &target.prepared.desired,
        keyring: &target.prepared.keyring,
        // The container's options serve the prediction alone; a row that is there is a start's business.
        plan: PlanOptions { access: Access::Write, take: TakeEnvironment::None, ..target.prepared.plan },
        wait: Duration::ZERO,
        lock_timeout: lock_timeout(target),
        if_schema_missing: target.options.if_schema_missing,
        undescribed: false,
        decided: None,
    };
    run.run(connector).await
}

fn lock_timeout(target: &Target) -> Duration {
    target.options.lock_timeout.min(LOCK)
}
