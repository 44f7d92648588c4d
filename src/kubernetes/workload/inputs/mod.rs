//! From a pod template and the objects it mentions to all that a check needs before the database is asked: desired providers,
//! options, and where the database is. Function of values; the objects are fetched elsewhere.

use std::cell::RefCell;

use k8s_openapi::api::core::v1::Container;
use secrecy::ExposeSecret;

use super::container_args;
use super::objects::Objects;
use super::template::Workload;
use crate::env::{Known, Variable, look_up};
use crate::kubernetes::controller::database;
use crate::kubernetes::crd::reason::{Asker, Reason, Stop};
use crate::kubernetes::crd::spec::{AIProviderSeedSpec, BlockOn as BlockOnWord, CompareCredentials as CompareWord};
use crate::options::args::Texts;
use crate::options::{self, BlockOn, DatabaseSource, Options};
use crate::plan::{Access, CompareCredentials};
use crate::problem::{Code, Outcome, Problem};
use crate::run::prepare::{Prepared, Refused, authentication, prepare_with};
use crate::store::connect::{Connector, Source};
use crate::store::url::ConnectOptions;

/// All that is known before the database is asked.
pub struct Target {
    pub prepared: Prepared,
    pub options: Options,
}

/// Why it is not asked.
pub enum Unfit {
    Stopped(Stop),
    /// The environment's own problems, as a seed would print them.
    Refused(Refused),
}

impl From<Stop> for Unfit {
    fn from(stop: Stop) -> Self {
        Unfit::Stopped(stop)
    }
}

pub fn target(spec: &AIProviderSeedSpec, workload: &Workload, objects: &Objects) -> Result<Target, Unfit> {
    let container = workload.container(&spec.workload_ref.container)?;
    let (inside, texts) = Inside::of(workload, container, objects)?;
    let (mut options, mut problems, warnings) = options::parse(texts, None, &inside.variables);
    if spec.url_secret_ref().is_some() {
        // Nobody asks where the container would find its database.
        problems.retain(|problem| !is_of_unknown_database(problem));
    }
    take_options(spec, &mut options);
    inside.prepare(&mut options, problems, warnings, |options, problems| {
        problems.extend(authentication(options, &inside.variables));
        match connection(spec, options, &inside.variables, objects)? {
            Ok(options) => Ok(Some(Connector::new(Source::given(options)))),
            Err(found) => {
                problems.extend(found);
                Ok(None)
            }
        }
    })
}

/// What a container sees.
pub struct Inside<'a> {
    workload: &'a Workload,
    container: &'a Container,
    objects: &'a Objects,
    pub variables: Vec<Variable>,
    /// What is wrong with its arguments.
    usage: Option<Problem>,
    /// Objects that were not given and may set any variable.
    missing: Vec<String>,
}

impl<'a> Inside<'a> {
    /// And the options in its command and arguments, unread.
    pub fn of(
        workload: &'a Workload,
        container: &'a Container,
        objects: &'a Objects,
    ) -> Result<(Inside<'a>, Texts), Stop> {
        let environment = super::container_env::Environment::of(container, workload.pod(), objects)?;
        let (texts, usage) = container_args::texts(container, &environment)?;
        let variables = environment.variables();
        Ok((Inside { workload, container, objects, variables, usage, missing: environment.missing }, texts))
    }

    /// The environment judged; `connect` says where the database is.
    pub fn prepare(
        &self,
        options: &mut Options,
        mut problems: Vec<Problem>,
        warnings: Vec<Problem>,
        connect: impl FnOnce(&Options, &mut Vec<Problem>) -> Result<Option<Connector>, Stop>,
    ) -> Result<Target, Unfit> {
        problems.extend(self.usage.clone());
        // The message goes to the container, not to this process.
        options.termination_log = None;
        if options.env_file.is_some() {
            let message = "--env-file names a file, which only the pod can read; give the variables as env or envFrom";
            return Err(Stop::new(Reason::EnvironmentUnknown, message).into());
        }
        let mut stopped = None;
        let of_options = &*options;
        let connect = |problems: &mut Vec<Problem>| {
            connect(of_options, problems).unwrap_or_else(|stop| {
                stopped = Some(stop);
                None
            })
        };
        let known = if self.objects.partial { Known::Partly(&self.missing) } else { Known::Whole };
        let prepared = prepare_with(options, Access::Read, (&self.variables, known), problems, warnings, connect);
        let also_seeds = self.workload.also_seeds(self.container, self.objects);
        match (prepared, stopped) {
            (Err(mut refused), _) => {
                refused.warnings.extend(also_seeds);
                Err(Unfit::Refused(refused))
            }
            (Ok(_), Some(stop)) => Err(stop.into()),
            (Ok(mut prepared), None) => {
                prepared.warnings.extend(also_seeds);
                Ok(Target { prepared, options: options.clone() })
            }
        }
    }
}

/// A value of the database's own variables that nobody here knows.
pub fn is_of_unknown_database(problem: &Problem) -> bool {
    problem.code == Code::EnvironmentUnknown && problem.variables.iter().any(|name| is_of_database(name))
}

fn is_of_database(name: &str) -> bool {
    let option = name.strip_prefix(options::PREFIX).is_some_and(|option| option.starts_with("DATABASE_"));
    option || ["CODER_PG_CONNECTION_URL", "DATABASE_URL"].contains(&name)
}

fn take_options(spec: &AIProviderSeedSpec, options: &mut Options) {
    let Some(given) = &spec.options else { return };
    if let Some(compare) = given.compare_credentials {
        options.compare_credentials = match compare {
            CompareWord::Ignore => CompareCredentials::Ignore,
            CompareWord::Warn => CompareCredentials::Warn,
            CompareWord::Fail => CompareCredentials::Fail,
        };
    }
    if given.block_on.contains(&BlockOnWord::All) {
        options.block_on = BlockOn::all();
    } else if !given.block_on.is_empty() {
        let outcome = |word: &BlockOnWord| match word {
            BlockOnWord::Invalid => Some(Outcome::Invalid),
            BlockOnWord::Conflict => Some(Outcome::Conflict),
            BlockOnWord::Unavailable => Some(Outcome::Unavailable),
            BlockOnWord::Unusable => Some(Outcome::Unusable),
            BlockOnWord::Locked => Some(Outcome::Locked),
            BlockOnWord::All | BlockOnWord::None => None,
        };
        options.block_on = BlockOn::of(given.block_on.iter().filter_map(outcome));
    }
}

/// Where the database is: what the resource says, or else what the container's environment says, with the resource's
/// certificates. No file and no socket is ever opened for it.
fn connection(
    spec: &AIProviderSeedSpec,
    options: &Options,
    variables: &[Variable],
    objects: &Objects,
) -> Result<Result<ConnectOptions, Vec<Problem>>, Stop> {
    let found = match spec.url_secret_ref() {
        Some(reference) => Ok(database::from_secret(reference, objects)?),
        None => from_environment(options, variables, Asker::Resource)?,
    };
    match found {
        Err(problems) => Ok(Err(problems)),
        Ok(mut connect) => {
            database::set_certificates(&mut connect, spec.database.as_ref(), objects)?;
            database::refuse_files(&connect, Asker::Resource)?;
            Ok(Ok(connect))
        }
    }
}

/// Where the container's own environment says it is.
pub fn from_environment(
    options: &Options,
    variables: &[Variable],
    asker: Asker,
) -> Result<Result<ConnectOptions, Vec<Problem>>, Stop> {
    let file = |option: &str| {
        let message = format!("{option} names a file, which only the pod can read; {}", asker.url());
        Stop::new(Reason::EnvironmentUnknown, message)
    };
    if options.password_file.is_some() {
        return Err(file("--database-password-file"));
    }
    // What only the pod knows matters only if the URL leaves it out.
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

#[cfg(test)]
mod tests;
