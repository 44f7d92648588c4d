//! `--from` of `diff` and `resolve`: environment and options of a workload, from a cluster or from manifests, read by the
//! controller's own code. Only two things differ: the reader of the next steps, and the precedence of the command line's
//! flags.

use kube::Client;

use super::fetch::{self, FetchError};
use super::inputs::{ContainerInputs, Target, TargetError, from_environment, is_of_unknown_database, refuse_files};
use super::manifests::Manifests;
use super::objects::{Names, ObjectKind, Objects};
use super::template::Workload;
use crate::env::{DATABASE_URL_VARIABLES, Variable, is_of_provider, size};
use crate::kubernetes::client::ApiError;
use crate::kubernetes::crd::reason::{Audience, CheckStopped, Reason};
use crate::kubernetes::crd::spec::DEFAULT_CONTAINER;
use crate::kubernetes::failure;
use crate::kubernetes::kubeconfig::{self, Connection};
use crate::options::from::{FromPlace, FromSource, WorkloadName};
use crate::options::{self, BlockOn, DatabaseSource, Options, RawOptions};
use crate::problem::{Code, Findings, Problem};
use crate::provider::{ENCRYPTION_KEYS_VARIABLE, Source, redact};
use crate::report;
use crate::run::prepare::{Prepared, authentication, connector};
use crate::store::connect::{ConnectionSource, Connector};

/// The settings of this machine: flags, the options of this run, and the variables of the connection.
pub struct Local {
    pub flags: RawOptions,
    pub options: Options,
    pub variables: Vec<Variable>,
}

impl Local {
    fn gives_database(&self) -> bool {
        !matches!(self.options.database, DatabaseSource::PgVariables)
    }
}

/// The source of the workload for repeated reads. `again`: the options that name it.
pub enum WorkloadSource {
    Cluster { cluster: Box<Cluster>, wanted: WorkloadName, container: String, again: Vec<String> },
    Manifests { workload: Box<Workload>, objects: Objects, container: String },
}

pub struct Cluster {
    client: Client,
    namespace: String,
    /// Of the API server.
    address: String,
    /// kubectl's options that lead to it.
    options: Vec<String>,
}

/// The judged environment of a workload.
pub struct WorkloadInputs {
    pub place: report::EnvironmentSource,
    pub options: Options,
    pub prepared: Result<Prepared, Findings>,
    /// Whether the connection is the container's own.
    pub database_of_container: bool,
}

impl WorkloadSource {
    /// `manifests`: the text of standard input, for [`FromPlace::Manifests`].
    pub async fn open(from: &FromSource, manifests: &str) -> Result<WorkloadSource, Problem> {
        let container = from.container.clone().unwrap_or_else(|| DEFAULT_CONTAINER.to_owned());
        match &from.place {
            FromPlace::Manifests(wanted) => {
                let manifests = Manifests::read(manifests)?;
                let (workload, objects) = manifests.choose(wanted.as_ref(), from.namespace.as_deref(), &container)?;
                Ok(WorkloadSource::Manifests { workload: Box::new(workload), objects, container })
            }
            FromPlace::Cluster(wanted) => {
                let Connection { client, namespace: own, address } = kubeconfig::connect(&from.server).await?;
                let namespace = from.namespace.clone().unwrap_or(own);
                let cluster = Cluster { client, namespace, address, options: from.server.as_options() };
                let again = from.options().unwrap_or_default();
                Ok(WorkloadSource::Cluster { cluster: Box::new(cluster), wanted: wanted.clone(), container, again })
            }
        }
    }

    pub async fn answer(&self, local: &Local) -> Result<WorkloadInputs, Problem> {
        match self {
            WorkloadSource::Manifests { workload, objects, container } => answer(workload, objects, container, local),
            WorkloadSource::Cluster { cluster, wanted, container, again } => {
                let Cluster { client, namespace, .. } = &**cluster;
                let failed = |error: FetchError| match error {
                    FetchError::Api(error) => cluster.failed(&error, wanted),
                    FetchError::TooMuch(problem) => problem,
                };
                let found = fetch::workload(client, namespace, wanted.kind, &wanted.name).await;
                let Some(workload) = found.map_err(failed)? else {
                    let message = format!(
                        "{} {} does not exist in namespace {}; correct the name, or say where it is with \
                         --namespace or --context",
                        wanted.kind.as_str(),
                        redact::name(&wanted.name),
                        redact::name(namespace)
                    );
                    return Err(Problem::new(Code::WorkloadNotFound, message).variable("--from"));
                };
                let mut names = Names::default();
                names.of_container(workload.container_for(container, Audience::CommandLine).map_err(of_stop)?);
                let objects = fetch::objects(client, namespace, &names).await.map_err(failed)?;
                let mut inputs = answer(&workload, &objects, container, local)?;
                inputs.place.options.clone_from(again);
                Ok(inputs)
            }
        }
    }
}

impl Cluster {
    fn failed(&self, error: &ApiError, wanted: &WorkloadName) -> Problem {
        let mut kubectl = format!("kubectl get {}/{}", wanted.kind.lower_case(), redact::name(&wanted.name));
        let place = [format!("--namespace {}", redact::name(&self.namespace))];
        self.options.iter().chain(&place).for_each(|option| kubectl.push_str(&format!(" {option}")));
        failure::problem(error, ", or compare manifests with --from -", &kubectl, &self.address)
    }
}

fn of_stop(stop: CheckStopped) -> Problem {
    let code = match stop.reason {
        Reason::WorkloadNotFound => Code::WorkloadNotFound,
        Reason::ContainerNotFound => Code::ContainerNotFound,
        Reason::SecretNotFound | Reason::SecretKeyMissing | Reason::ConfigMapNotFound | Reason::ConfigMapKeyMissing => {
            Code::ObjectNotFound
        }
        Reason::InvalidEnvironment => Code::NotUnicode,
        _ => Code::EnvironmentUnknown,
    };
    Problem::new(code, stop.message)
}

fn of_target_error(error: TargetError) -> Problem {
    match error {
        TargetError::Stopped(stop) => of_stop(stop),
        TargetError::Invalid(refused) => refused.problems.into_iter().next().unwrap_or_else(size::too_large_in_all),
    }
}

fn answer(workload: &Workload, objects: &Objects, container: &str, local: &Local) -> Result<WorkloadInputs, Problem> {
    let container = workload.container_for(container, Audience::CommandLine).map_err(of_stop)?;
    let (inputs, texts) = ContainerInputs::of(workload, container, objects).map_err(of_target_error)?;
    let (mut options, mut findings) = options::parse(&texts.with_flags(&local.flags), &inputs.variables);
    take_this_run(&mut options, &local.options);
    let elsewhere = local.gives_database() || options.offline;
    if elsewhere {
        findings.problems.retain(|problem| !is_of_unknown_database(problem));
    }
    if objects.partial {
        let unknown = |p: &Problem| p.code == Code::EnvironmentUnknown && !is_of_unknown_database(p);
        let (unknown, others) = findings.problems.into_iter().partition(unknown);
        findings.problems = others;
        findings.warnings.extend::<Vec<_>>(unknown.into_iter().map(default_counts).collect());
    }
    findings.warnings.extend(objects.encrypted.iter().map(|(kind, name)| encrypted(*kind, name)));
    let connect = |options: &Options, problems: &mut Vec<Problem>| {
        if local.gives_database() {
            return Ok(connector(&local.options, &local.variables, problems));
        }
        let mut of_container = options.clone();
        if local.options.password_file.is_some() {
            of_container.password_file = None;
        } else {
            problems.extend(authentication(options, &inputs.variables));
        }
        match from_environment(&of_container, &inputs.variables, Audience::CommandLine)? {
            Err(found) => {
                problems.extend(found.into_iter().map(|problem| of_container_database(problem, &of_container)));
                Ok(None)
            }
            Ok(found) => {
                refuse_files(&found, Audience::CommandLine)?;
                let require_auth = local.options.require_auth.clone().or(of_container.require_auth);
                let source = ConnectionSource::given(found).require_auth(require_auth);
                Ok(Some(Connector::new(match &local.options.password_file {
                    Some(path) => source.password_file(path, "--database-password-file"),
                    None => source,
                })))
            }
        }
    };
    let prepared = match inputs.prepare(&mut options, findings, connect) {
        Ok(Target { prepared, .. }) => Ok(prepared),
        Err(TargetError::Stopped(stop)) => Err(vec![of_stop(stop)].into()),
        Err(TargetError::Invalid(refused)) => Err(told(refused, objects.partial)),
    };
    let place = place(workload, &container.name, &inputs.variables, elsewhere);
    // Local again, since this process writes the message.
    options.termination_log.clone_from(&local.options.termination_log);
    Ok(WorkloadInputs { place, options, prepared, database_of_container: !elsewhere })
}

/// This machine's variables are not read for the container's connection.
fn of_container_database(problem: Problem, options: &Options) -> Problem {
    match (problem.code, &options.database) {
        (Code::DatabaseUrlMissing, DatabaseSource::PgVariables) => {
            let message = "the container's environment names no database, as far as it is known; give --database-url, or \
                           --offline for the environment alone";
            Problem::new(Code::DatabaseUrlMissing, message)
        }
        _ => problem,
    }
}

fn encrypted(kind: ObjectKind, name: &str) -> Problem {
    let message = format!(
        "{} {} is encrypted by sops, so its values are unknown; pipe the output of sops --decrypt, or compare in the \
         cluster",
        kind.as_str(),
        redact::name(name)
    );
    Problem::new(Code::NotInManifests, message)
}

fn take_this_run(options: &mut Options, local: &Options) {
    options.wait = local.wait;
    options.lock_timeout = local.lock_timeout;
    options.offline = local.offline;
    options.output = local.output;
    options.log_format = local.log_format;
    options.log_level = local.log_level;
}

fn default_counts(problem: Problem) -> Problem {
    let message = format!("{}, so its default applies here; set the flag if it matters", problem.message);
    Problem { code: Code::NotInManifests, message, ..problem }
}

/// A conclusion from an unknown value may be false, so only the unknown values are reported.
fn told(mut refused: Findings, manifests: bool) -> Findings {
    let is_unknown = |problem: &Problem| problem.code == Code::EnvironmentUnknown;
    if refused.problems.iter().any(is_unknown) {
        refused.problems.retain(is_unknown);
    }
    let database = "give --database-url, or --offline for the environment alone";
    for problem in refused.problems.iter_mut().filter(|problem| is_unknown(problem)) {
        let next = match (is_of_unknown_database(problem), manifests) {
            (true, _) => database,
            (false, true) => "add it",
            (false, false) => {
                "give the value as text, or through a Secret or ConfigMap (for the database: --database-url)"
            }
        };
        problem.message.push_str(&format!("; {next}"));
    }
    refused
}

fn place(
    workload: &Workload,
    container: &str,
    variables: &[Variable],
    database_elsewhere: bool,
) -> report::EnvironmentSource {
    let is_ours = |name: &str| {
        let of_database = DATABASE_URL_VARIABLES.contains(&name) || name.starts_with("PG");
        is_of_provider(name)
            || name == ENCRYPTION_KEYS_VARIABLE
            || name.starts_with(options::PREFIX)
            || (of_database && !database_elsewhere)
    };
    let origin = |variable: &Variable| match (variable.is_elsewhere(), variable.is_unknown()) {
        (true, _) => format!("{}, not among the manifests", variable.source),
        (false, true) => "known only in the pod".to_owned(),
        (false, false) if variable.source == Source::Container => "pod template".to_owned(),
        (false, false) => variable.source.to_string(),
    };
    let ours = variables.iter().filter(|variable| is_ours(&variable.name));
    report::EnvironmentSource {
        workload: redact::name(&workload.label()),
        namespace: Some(redact::name(&workload.namespace)).filter(|namespace| !namespace.is_empty()),
        container: redact::name(container),
        variables: ours.map(|variable| (redact::name(&variable.name), origin(variable))).collect(),
        options: Vec::new(),
    }
}

/// Options for a run without a workload: only a flag may make it look like "does not stop the start".
pub fn without_workload(local: &Local) -> Options {
    let mut options = local.options.clone();
    if !local.flags.is_given("block-on") {
        options.block_on = BlockOn::all();
    }
    options
}
