//! One check: the workload, the objects that it uses, the environment, one read of the database. A check only reads;
//! write.rs writes, to the target that a check found.

mod look;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::time::{Instant, timeout};

use super::database;
use super::index::{Index, Key};
use super::listen::Listeners;
use super::metrics::Metrics;
use super::permission;
use super::target::target;
use crate::kubernetes::client::{ApiError, ApiErrorKind};
use crate::kubernetes::crd::reason::{CheckStopped, Reason};
use crate::kubernetes::crd::spec::{AIProviderSeedSpec, WorkloadRef};
use crate::kubernetes::crd::status::AgreementStatus;
use crate::kubernetes::status::observation::Observation;
use crate::kubernetes::workload::fetch::{self, FetchError};
use crate::kubernetes::workload::inputs::{Target, TargetError};
use crate::kubernetes::workload::template::Workload;
use crate::problem::Problem;
use crate::provider::DesiredProvider;
use crate::report::{Command, Report, RunResult};
use crate::run::seed::RunOutcome;
use crate::store::Error;
use crate::store::connect::destinations::Destinations;
use crate::store::pool::{Pool, Turn, Turns};
use crate::store::url::Route;

/// The limit for a whole check from its turn on.
const LIMIT: Duration = Duration::from_secs(90);

pub struct Checker<'a> {
    pub client: &'a Client,
    pub pool: &'a Pool,
    pub work: &'a Arc<Turns>,
    /// The time since which this check waits for its turn.
    pub asked: Instant,
    pub metrics: &'a Metrics,
    pub index: &'a Index,
    pub destinations: &'a Destinations,
    pub listeners: &'a Arc<Listeners>,
    pub resource: &'a Key,
    /// The values on which both sides last agreed.
    pub agreements: &'a [AgreementStatus],
    /// Whether decisions by annotation are carried out.
    pub allow_writes: bool,
}

/// The result of a check.
pub struct Checked {
    pub observation: Observation,
    /// The target for a second read, if the environment is known.
    pub target: Option<(Target, Workload)>,
    /// Why nothing may be written there, even if the controller may write.
    pub write_refused: Option<String>,
}

/// The inputs for reading a database.
struct Gathered {
    target: Target,
    workload: Workload,
    write_refused: Option<String>,
}

/// How a turn ended.
pub enum CheckEnd {
    Checked(Box<Checked>),
    /// The database has another route than the turn, and that route has no room now: no query was sent.
    LeadsTo(Route),
}

impl From<Observation> for Checked {
    fn from(observation: Observation) -> Self {
        Checked { observation, target: None, write_refused: None }
    }
}

/// Why a check ended early: a fact for the status, or a request to the API server that must be repeated.
enum Ending {
    Stopped(CheckStopped),
    Failed(ApiError),
    /// The inputs exceed a limit.
    TooMuch(Problem),
    Elsewhere(Route),
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
    /// `turn`: for a session, until the caller is done. `working`: for the reads, so only for a part of the check.
    pub async fn check(&self, spec: &AIProviderSeedSpec, turn: &mut Turn, working: Turn) -> Result<CheckEnd, ApiError> {
        let checked = |checked: Checked| Ok(CheckEnd::Checked(Box::new(checked)));
        let Ok(observed) = timeout(LIMIT, self.observe(spec, turn, working)).await else {
            return Err(timed_out(self.resource));
        };
        match observed {
            Ok(found) => checked(found),
            Err(Ending::Elsewhere(route)) => Ok(CheckEnd::LeadsTo(route)),
            Err(Ending::Stopped(stop)) => checked(Observation::stopped(stop).into()),
            Err(Ending::TooMuch(problem)) => checked(Observation::refused(&vec![problem].into()).into()),
            // This lasts until the permission is granted, and no condition may keep InSync until then.
            Err(Ending::Failed(error)) if error.kind == ApiErrorKind::Forbidden => {
                self.metrics.api_error(error.kind);
                checked(Observation::stopped(CheckStopped::new(Reason::EnvironmentUnknown, error.to_string())).into())
            }
            Err(Ending::Failed(error)) => Err(error),
        }
    }

    /// The same check again, right before a write, if the database still has this `route`. `None`: it has another one, or
    /// there is no target for a write.
    pub async fn check_again(
        &self,
        spec: &AIProviderSeedSpec,
        route: Option<&Route>,
    ) -> Result<Option<Checked>, ApiError> {
        let Ok(gathered) = timeout(LIMIT, self.gather(spec)).await else { return Err(timed_out(self.resource)) };
        match gathered {
            Ok(Ok(gathered)) if route_of(&gathered.target).as_ref() == route => {
                Ok(Some(self.judge(gathered, spec).await))
            }
            Ok(_) => Ok(None),
            Err(Ending::Failed(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    async fn observe(&self, spec: &AIProviderSeedSpec, turn: &mut Turn, working: Turn) -> Result<Checked, Ending> {
        let gathered = match self.gather(spec).await? {
            Ok(gathered) => gathered,
            Err(observation) => return Ok((*observation).into()),
        };
        if let Some(route) = route_of(&gathered.target)
            && !turn.lead_to(&route)
        {
            return Err(Ending::Elsewhere(route));
        }
        // A server may take long to answer.
        drop(working);
        Ok(self.judge(gathered, spec).await)
    }

    async fn judge(&self, gathered: Gathered, spec: &AIProviderSeedSpec) -> Checked {
        let Gathered { target, workload, write_refused } = gathered;
        let observation = self.look(&target, spec, &workload).await;
        Checked { observation, target: Some((target, workload)), write_refused }
    }

    /// Everything that is read from the API server, or the result of a check that ends without a database.
    async fn gather(&self, spec: &AIProviderSeedSpec) -> Result<Result<Gathered, Box<Observation>>, Ending> {
        let ended = |observation: Observation| Ok(Err(Box::new(observation)));
        let (resource, reference) = (self.resource, &spec.workload_ref);
        let mut names = database::names(spec.database.as_ref());
        self.index.set(resource, (reference.kind, &reference.name), &names);
        let workload = self.workload(reference).await?;
        let container = match workload.container(&reference.container) {
            Ok(container) => container,
            Err(stop) => return ended(Observation::stopped(stop).with_workload(&workload)),
        };
        names.of_container(container);
        if let Some(problem) = names.too_many() {
            return Err(Ending::TooMuch(problem));
        }
        self.index.set(resource, (reference.kind, &reference.name), &names);
        let objects = fetch::objects(self.client, &resource.0, &names).await?;
        let target = target(spec, &workload, &objects);
        let write_refused = permission::refused(&resource.1, spec, container, &objects);
        // Waiting for a database needs little memory.
        drop(objects);
        let workload = workload.without_pod();
        match target {
            Ok(mut target) => {
                let destinations = self.destinations.on_behalf_of(&resource.0);
                let connector = target.prepared.connector.take();
                target.prepared.connector = connector.map(|connector| connector.only_to(destinations));
                Ok(Ok(Gathered { target, workload, write_refused }))
            }
            Err(TargetError::Stopped(stop)) => ended(Observation::stopped(stop).with_workload(&workload)),
            Err(TargetError::Invalid(refused)) => ended(Observation::refused(&refused).with_workload(&workload)),
        }
    }

    async fn workload(&self, reference: &WorkloadRef) -> Result<Workload, Ending> {
        let (namespace, kind, name) = (&self.resource.0, reference.kind.as_str(), &reference.name);
        let found = fetch::workload(self.client, namespace, reference.kind, name).await?;
        found.ok_or_else(|| {
            let message = format!(
                "{kind} {name} does not exist in namespace {namespace}; create it, or correct spec.workloadRef"
            );
            CheckStopped::new(Reason::WorkloadNotFound, message).into()
        })
    }

    /// Called before a write, which has its own session: the limits apply to it too, and listeners must recognize it.
    pub async fn prepare_write(&self, target: &mut Target) {
        if let Some(route) = route_of(target) {
            self.pool.make_room(&route).await;
        }
        let connector = target.prepared.connector.take();
        target.prepared.connector = connector.map(|connector| self.listeners.writer(self.resource, connector));
    }
}

/// The check, or the writes after it, exceeded the time limit.
pub fn timed_out(resource: &Key) -> ApiError {
    ApiError::timed_out(format!("check {} in namespace {}", resource.1, resource.0))
}

pub fn route_of(target: &Target) -> Option<Route> {
    target.prepared.connector.as_ref()?.source().options().ok().map(|options| options.route())
}

/// The report of a run of `seed`, or of its read alone.
pub fn report_of(command: Command, desired: &[DesiredProvider], warnings: Vec<Problem>, outcome: RunOutcome) -> Report {
    let RunOutcome { plan, error, written, commit_unknown, database, warnings: of_session, .. } = outcome;
    let problems = error.map(Error::into_problems).unwrap_or_default();
    let warnings = [warnings, of_session].concat();
    Report::of_run(command, desired, warnings, RunResult { plan, problems, written, commit_unknown, database })
}
