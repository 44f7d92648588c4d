//! One check: the workload, what it uses, the environment, one look at the database. Reads only; what is to be written is
//! written elsewhere (write.rs), to the target that a check found.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::time::{Instant, timeout};

use super::database;
use super::index::{Index, Key};
use super::listen::{Listeners, Watched};
use super::metrics::Metrics;
use super::target::target;
use crate::kubernetes::client::{ApiError, ApiErrorKind};
use crate::kubernetes::crd::reason::{CheckStopped, Reason};
use crate::kubernetes::crd::spec::{AIProviderSeedSpec, WorkloadRef};
use crate::kubernetes::crd::status::AgreementStatus;
use crate::kubernetes::status::observation::{self, Observation};
use crate::kubernetes::workload::fetch::{self, FetchError};
use crate::kubernetes::workload::inputs::{Target, TargetError};
use crate::kubernetes::workload::template::Workload;
use crate::problem::Problem;
use crate::provider::DesiredProvider;
use crate::report::{Command, Report, RunResult};
use crate::run::seed::{RunOutcome, SeedRun};
use crate::store::connect::Connector;
use crate::store::connect::destinations::Destinations;
use crate::store::pool::Pool;
use crate::store::{Error, Retry};

/// To a session, all hosts tried.
const CONNECT: Duration = Duration::from_secs(10);
/// A look has at most four round trips, each with a limit of its own.
const LOOK: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(250);

pub struct Checker<'a> {
    pub client: &'a Client,
    pub pool: &'a Pool,
    pub metrics: &'a Metrics,
    pub index: &'a Index,
    pub destinations: &'a Destinations,
    pub listeners: &'a Arc<Listeners>,
    pub resource: &'a Key,
    /// On what both sides last agreed.
    pub agreements: &'a [AgreementStatus],
}

/// What a check came to.
pub struct Checked {
    pub observation: Observation,
    /// Where one could look again, if the environment is known.
    pub target: Option<(Target, Workload)>,
}

impl From<Observation> for Checked {
    fn from(observation: Observation) -> Self {
        Checked { observation, target: None }
    }
}

/// Why a check did not come to its end: something that the status tells, or that the API server must be asked again.
enum Ending {
    Stopped(CheckStopped),
    Failed(ApiError),
    /// More than is read.
    TooMuch(Problem),
}

impl From<CheckStopped> for Ending {
    fn from(stop: CheckStopped) -> Self {
        Ending::Stopped(stop)
    }
}

impl From<FetchError> for Ending {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Api(error) => Ending::Failed(error),
            FetchError::TooMuch(problem) => Ending::TooMuch(problem),
        }
    }
}

impl From<ApiError> for Ending {
    fn from(error: ApiError) -> Self {
        Ending::Failed(error)
    }
}

impl Checker<'_> {
    pub async fn check(&self, resource: &Key, spec: &AIProviderSeedSpec) -> Result<Checked, ApiError> {
        match self.observe(resource, spec).await {
            Ok(checked) => Ok(checked),
            Err(Ending::Stopped(stop)) => Ok(Observation::stopped(stop).into()),
            Err(Ending::TooMuch(problem)) => Ok(Observation::refused(&vec![problem].into()).into()),
            // That stays so until somebody grants it, and no condition may go on saying InSync meanwhile.
            Err(Ending::Failed(error)) if error.kind == ApiErrorKind::Forbidden => {
                self.metrics.api_error(error.kind);
                Ok(Observation::stopped(CheckStopped::new(Reason::EnvironmentUnknown, error.to_string())).into())
            }
            Err(Ending::Failed(error)) => Err(error),
        }
    }

    async fn observe(&self, resource: &Key, spec: &AIProviderSeedSpec) -> Result<Checked, Ending> {
        let reference = &spec.workload_ref;
        let mut names = database::names(spec.database.as_ref());
        self.index.set(resource, (reference.kind, &reference.name), &names);
        let workload = self.workload(&resource.0, reference).await?;
        let container = match workload.container(&reference.container) {
            Ok(container) => container,
            Err(stop) => return Ok(Observation::stopped(stop).with_workload(&workload).into()),
        };
        names.of_container(container);
        if let Some(problem) = names.too_many() {
            return Err(Ending::TooMuch(problem));
        }
        self.index.set(resource, (reference.kind, &reference.name), &names);
        let objects = fetch::objects(self.client, &resource.0, &names).await?;
        let target = target(spec, &workload, &objects);
        // What a database is waited for with is small.
        drop(objects);
        let workload = workload.without_pod();
        let observation = match target {
            Ok(mut target) => {
                let destinations = self.destinations.on_behalf_of(&resource.0);
                let connector = target.prepared.connector.take();
                target.prepared.connector = connector.map(|connector| connector.only_to(destinations));
                let observation = self.look(&target, spec, &workload).await;
                return Ok(Checked { observation, target: Some((target, workload)) });
            }
            Err(TargetError::Stopped(stop)) => Observation::stopped(stop),
            Err(TargetError::Invalid(refused)) => Observation::refused(&refused),
        };
        Ok(observation.with_workload(&workload).into())
    }

    async fn workload(&self, namespace: &str, reference: &WorkloadRef) -> Result<Workload, Ending> {
        let (kind, name) = (reference.kind.as_str(), &reference.name);
        let found = fetch::workload(self.client, namespace, reference.kind, name).await?;
        found.ok_or_else(|| {
            let message = format!(
                "{kind} {name} does not exist in namespace {namespace}; create it, or correct spec.workloadRef"
            );
            CheckStopped::new(Reason::WorkloadNotFound, message).into()
        })
    }

    /// What the database holds now.
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
                    plan: prepared.plan,
                    wait: Duration::ZERO,
                    lock_timeout: Duration::ZERO,
                    if_schema_missing: options.if_schema_missing,
                    undescribed: prepared.undescribed,
                    decided: None,
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
        };
        let mut observation = Observation::report(&report, retry, &options.block_on, &of);
        if observation.reason == Reason::DatabaseUnreachable {
            observation.message.push_str(hint);
        }
        self.listeners.compare(self.resource, &observation.database);
        let watch = self.listeners.status_of(self.resource);
        observation.with_desired(desired).with_workload(workload).with_database_watch(watch)
    }

    /// A session that died since its last use, or a server that is just failing over, gets a second try.
    async fn ask(&self, run: &SeedRun<'_>, connector: &Connector) -> RunOutcome {
        let watched = self.listeners.enter(self.resource, connector);
        let first = self.ask_once(run, connector, watched.as_ref()).await;
        if first.error.as_ref().is_none_or(|error| error.retry == Retry::No) {
            return first;
        }
        tokio::time::sleep(PAUSE).await;
        self.ask_once(run, connector, watched.as_ref()).await
    }

    async fn ask_once(&self, run: &SeedRun<'_>, connector: &Connector, watched: Option<&Watched>) -> RunOutcome {
        let loan = match self.pool.take(connector, Instant::now() + CONNECT).await {
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
        // In this order in one flight.
        let both = async { tokio::join!(run.observe(&loan), prove).0 };
        let Ok(ended) = timeout(LOOK, both).await else {
            return RunOutcome { error: Some(Error::timed_out(&loan.endpoint)), ..RunOutcome::default() };
        };
        if ended.error.is_none() {
            loan.give_back();
        }
        ended
    }
}

/// The report of a run of `seed`, or of its read alone.
pub fn report_of(command: Command, desired: &[DesiredProvider], warnings: Vec<Problem>, outcome: RunOutcome) -> Report {
    let RunOutcome { plan, error, written, commit_unknown, database, warnings: of_session } = outcome;
    let problems = error.map(Error::into_problems).unwrap_or_default();
    let warnings = [warnings, of_session].concat();
    Report::of_run(command, desired, warnings, RunResult { plan, problems, written, commit_unknown, database })
}

fn is_local(connector: &Connector) -> bool {
    let hosts = connector.source().options().map(|options| options.hosts().to_vec()).unwrap_or_default();
    hosts.iter().any(|host| {
        let host = host.to_string();
        ["localhost:", "127.", "[::1]:"].iter().any(|local| host.starts_with(local))
    })
}
