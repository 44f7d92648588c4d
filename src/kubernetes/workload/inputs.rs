//! Turns a pod template and the objects that it mentions into the providers, options and database of one container, for
//! the controller and for `diff --from`. Functions of values; other code fetches the objects.

use std::cell::RefCell;

use k8s_openapi::api::core::v1::Container;
use secrecy::ExposeSecret;

use super::container_args;
use super::objects::Objects;
use super::template::Workload;
use crate::env::{Completeness, DATABASE_URL_VARIABLES, Variable, look_up};
use crate::kubernetes::crd::reason::{Audience, CheckStopped, Reason};
use crate::options::{self, DatabaseSource, Options, RawOptions};
use crate::plan::Access;
use crate::problem::{Code, Findings, Problem};
use crate::run::prepare::{Prepared, prepare_with};
use crate::store::connect::Connector;
use crate::store::url::ConnectOptions;

/// All inputs of a check before it reads the database.
pub struct Target {
    pub prepared: Prepared,
    pub options: Options,
}

/// Why the database is not queried.
pub enum TargetError {
    Stopped(CheckStopped),
    /// The environment's own problems, as a seed would print them.
    Invalid(Findings),
}

impl From<CheckStopped> for TargetError {
    fn from(stop: CheckStopped) -> Self {
        TargetError::Stopped(stop)
    }
}

/// The inputs of a container.
pub struct ContainerInputs<'a> {
    workload: &'a Workload,
    container: &'a Container,
    objects: &'a Objects,
    pub variables: Vec<Variable>,
    /// The fault of its arguments.
    usage: Option<Problem>,
    /// Objects that were not given and may set any variable.
    missing: Vec<String>,
}

impl<'a> ContainerInputs<'a> {
    /// Also the options in its command and arguments, unparsed.
    pub fn of(
        workload: &'a Workload,
        container: &'a Container,
        objects: &'a Objects,
    ) -> Result<(ContainerInputs<'a>, RawOptions), TargetError> {
        let environment = super::container_env::ContainerEnv::of(container, workload.pod(), objects)?;
        let variables = environment.variables().map_err(|problem| TargetError::Invalid(vec![problem].into()))?;
        let (texts, usage) = container_args::texts(container, &environment)?;
        Ok((ContainerInputs { workload, container, objects, variables, usage, missing: environment.missing }, texts))
    }

    /// Judges the environment; `connect` gives the location of the database.
    pub fn prepare(
        &self,
        options: &mut Options,
        mut findings: Findings,
        connect: impl FnOnce(&Options, &mut Vec<Problem>) -> Result<Option<Connector>, CheckStopped>,
    ) -> Result<Target, TargetError> {
        findings.problems.extend(self.usage.clone());
        // The message belongs to the container, not to this process.
        options.termination_log = None;
        if options.env_file.is_some() {
            let message = "--env-file names a file, which only the pod can read; give the variables as env or envFrom";
            return Err(CheckStopped::new(Reason::EnvironmentUnknown, message).into());
        }
        let mut stopped = None;
        let of_options = &*options;
        let connect = |problems: &mut Vec<Problem>| {
            connect(of_options, problems).unwrap_or_else(|stop| {
                stopped = Some(stop);
                None
            })
        };
        let completeness =
            if self.objects.partial { Completeness::Partial(&self.missing) } else { Completeness::Complete };
        let prepared = prepare_with(options, Access::Read, (&self.variables, completeness), findings, connect);
        let also_seeds = self.workload.also_seeds(self.container, self.objects);
        match (prepared, stopped) {
            (Err(mut refused), _) => {
                refused.warnings.extend(also_seeds);
                Err(TargetError::Invalid(refused))
            }
            // Without desired providers, the read of the database is optional.
            (Ok(prepared), Some(stop)) if !prepared.desired.is_empty() => Err(stop.into()),
            (Ok(mut prepared), _) => {
                prepared.warnings.extend(also_seeds);
                Ok(Target { prepared, options: options.clone() })
            }
        }
    }
}

/// Whether the problem is an unknown value of the database's variables.
pub fn is_of_unknown_database(problem: &Problem) -> bool {
    problem.code == Code::EnvironmentUnknown && problem.variables.iter().any(|name| is_of_database(name))
}

fn is_of_database(name: &str) -> bool {
    let option = name.strip_prefix(options::PREFIX).is_some_and(|option| option.starts_with("DATABASE_"));
    option || DATABASE_URL_VARIABLES.contains(&name)
}

/// The location of the database from the container's own environment.
pub fn from_environment(
    options: &Options,
    variables: &[Variable],
    audience: Audience,
) -> Result<Result<ConnectOptions, Vec<Problem>>, CheckStopped> {
    let file = |option: &str| {
        let message = format!("{option} names a file, which only the pod can read; {}", audience.url());
        CheckStopped::new(Reason::EnvironmentUnknown, message)
    };
    if options.password_file.is_some() {
        return Err(file("--database-password-file"));
    }
    // A value that only the pod knows matters only if the URL lacks it.
    let unknown = RefCell::new(Vec::new());
    let value = |name: &str| {
        let variable = look_up(variables, name)?;
        if variable.is_unknown() {
            unknown.borrow_mut().extend(variable.unreadable());
        }
        variable.value().map(str::to_owned)
    };
    let found = match &options.database {
        DatabaseSource::File { origin, .. } => return Err(file(origin)),
        DatabaseSource::Url { text, origin } => ConnectOptions::parse(text.expose_secret(), origin, &value),
        DatabaseSource::PgVariables => ConnectOptions::from_variables(&value),
    };
    let unknown = unknown.into_inner();
    Ok(if unknown.is_empty() { found } else { Err(unknown) })
}

/// A path in a URL belongs to the pod, but would be read on the controller's machine.
pub fn refuse_files(options: &ConnectOptions, audience: Audience) -> Result<(), CheckStopped> {
    let mut sentences = Vec::new();
    for parameter in options.uses_files() {
        let (what, next) = match parameter {
            "host" => ("the host is a socket", audience.url()),
            "sslrootcert" => ("sslrootcert names a file", audience.ca()),
            "sslcert" => ("sslcert names a file", audience.identity()),
            _ => continue,
        };
        sentences.push(format!("{what}, which only the pod can open; {next}"));
    }
    if sentences.is_empty() { Ok(()) } else { Err(CheckStopped::new(Reason::DatabaseUnusable, sentences.join("; "))) }
}
