//! The read of the database in a check.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{Checker, report_of};
use crate::kubernetes::controller::listen::Watched;
use crate::kubernetes::crd::reason::Reason;
use crate::kubernetes::crd::spec::AIProviderSeedSpec;
use crate::kubernetes::status::observation::{self, Observation};
use crate::kubernetes::workload::inputs::Target;
use crate::kubernetes::workload::template::Workload;
use crate::plan::PlanOptions;
use crate::report::Command;
use crate::run::may_commit::MayCommit;
use crate::run::seed::{RunOutcome, SeedRun};
use crate::store::connect::Connector;
use crate::store::pool::{Claim, Wanted};
use crate::store::{Error, Retry};

/// The time to open a session, over all hosts.
const CONNECT: Duration = Duration::from_secs(10);
/// A check has at most four round trips, each with a separate limit.
const LOOK: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(250);
/// A read that took longer is not retried at once, since other checks wait.
const QUICK: Duration = Duration::from_secs(2);

impl Checker<'_> {
    /// Reads the current content of the database.
    pub async fn look(&self, target: &Target, spec: &AIProviderSeedSpec, workload: &Workload) -> Observation {
        let Target { prepared, options } = target;
        let desired = prepared.desired.len();
        let mut hint = "";
        let ended = match &prepared.connector {
            None => RunOutcome::default(),
            Some(connector) => {
                let run = SeedRun {
                    desired: &prepared.desired,
                    keyring: &prepared.keyring,
                    plan: PlanOptions { fingerprints: true, hashes: true, ..prepared.plan },
                    wait: Duration::ZERO,
                    lock_timeout: Duration::ZERO,
                    if_schema_missing: options.if_schema_missing,
                    undescribed: prepared.undescribed,
                    decided: None,
                    may_commit: MayCommit::default(),
                };
                if spec.url_secret_ref().is_none() && is_local(connector) {
                    hint = "; localhost is the controller here, not the pod: set spec.database.urlSecretRef";
                }
                self.ask(&run, connector).await
            }
        };
        if let Some(error) = &ended.error {
            self.metrics.database_error(error.code);
        }
        let retry = ended.error.as_ref().map_or(Retry::No, |error| error.retry);
        let report = report_of(Command::Diff, &prepared.desired, prepared.warnings.clone(), ended);
        let of = observation::ReportSubject {
            workload,
            container: &spec.workload_ref.container,
            agreements: self.agreements,
            decided_by: self.allow_writes.then_some(self.resource.1.as_str()),
        };
        let mut observation = Observation::report(&report, retry, &options.block_on, &of);
        if observation.reason == Reason::DatabaseUnreachable {
            observation.message.push_str(hint);
        }
        self.listeners.compare(self.resource, &observation.database);
        let watch = self.listeners.status_of(self.resource);
        observation.with_desired(desired).with_workload(workload).with_database_watch(watch)
    }

    /// Gives a second try to a session that died since its last use, and to a server during a fail-over.
    async fn ask(&self, run: &SeedRun<'_>, connector: &Connector) -> RunOutcome {
        // For a host that failed before, this check gets one result, and others wait for theirs.
        let (began, is_known) = (Instant::now(), self.pool.is_failing(connector));
        let watched = self.listeners.enter(self.resource, connector);
        let watched = watched.as_ref();
        let first = self.ask_once(run, connector, self.asked, watched).await;
        if first.error.as_ref().is_none_or(|error| error.retry == Retry::No) || is_known || began.elapsed() > QUICK {
            return first;
        }
        tokio::time::sleep(PAUSE).await;
        self.ask_once(run, connector, Instant::now(), watched).await
    }

    async fn ask_once(
        &self,
        run: &SeedRun<'_>,
        connector: &Connector,
        asked: Instant,
        watched: Option<&Watched>,
    ) -> RunOutcome {
        let wanted = Wanted { connector, asked, deadline: Instant::now() + CONNECT };
        let loan = match self.pool.take(wanted).await {
            Ok(loan) => loan,
            Err(error) => return RunOutcome { error: Some(error), ..RunOutcome::default() },
        };
        let proof = match watched {
            Some(watched) => self.listeners.prepare(watched, connector, &loan).await,
            None => None,
        };
        let prove = async {
            if let Some(proof) = &proof {
                proof.send(&loan).await;
            }
        };
        let _working = self.work.take(Claim::of(&self.resource.0)).await;
        // In this order within one round trip.
        let both = async { tokio::join!(run.observe(&loan), prove).0 };
        let ended = match timeout(LOOK, both).await {
            Ok(ended) => ended,
            Err(_) => RunOutcome { error: Some(Error::timed_out(&loan.endpoint)), ..RunOutcome::default() },
        };
        match &ended.error {
            None => loan.give_back(),
            Some(error) if error.is_no_answer() => self.pool.gave_no_answer(connector, error).await,
            Some(_) => {}
        }
        ended
    }
}

fn is_local(connector: &Connector) -> bool {
    let hosts = connector.source().options().map(|options| options.hosts().to_vec()).unwrap_or_default();
    hosts.iter().any(|host| {
        let host = host.to_string();
        ["localhost:", "127.", "[::1]:"].iter().any(|local| host.starts_with(local))
    })
}
