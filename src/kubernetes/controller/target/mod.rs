//! All inputs of a check before the database is queried: the container's inputs combined with the resource's own.
//! Functions of values.

use crate::env::Variable;
use crate::kubernetes::crd::reason::{Audience, CheckStopped};
use crate::kubernetes::crd::spec::{
    AIProviderSeedSpec, BlockOn as BlockOnWord, Compare as CompareWord, TakeEnvironment as TakeWord,
    Undescribed as UndescribedWord,
};
use crate::kubernetes::workload::inputs::{
    ContainerInputs, Target, TargetError, from_environment, is_of_unknown_database, refuse_files,
};
use crate::kubernetes::workload::objects::Objects;
use crate::kubernetes::workload::template::Workload;
use crate::options::{self, BlockOn, Compare, Options, TakeEnvironment, Undescribed};
use crate::problem::{Code, Outcome, Problem};
use crate::run::prepare::authentication;
use crate::store::connect::{ConnectionSource, Connector};
use crate::store::url::ConnectOptions;

use super::database;

pub fn target(spec: &AIProviderSeedSpec, workload: &Workload, objects: &Objects) -> Result<Target, TargetError> {
    let container = workload.container(&spec.workload_ref.container)?;
    let (inputs, texts) = ContainerInputs::of(workload, container, objects)?;
    let (mut options, mut findings) = options::parse(&texts, &inputs.variables);
    if spec.url_secret_ref().is_some() {
        // The container's own database is not used.
        findings.problems.retain(|problem| !is_of_unknown_database(problem));
    }
    take_options(spec, &mut options);
    findings.problems.extend(contradiction(spec, &options));
    inputs.prepare(&mut options, findings, |options, problems| {
        problems.extend(authentication(options, &inputs.variables));
        match connection(spec, options, &inputs.variables, objects)? {
            Ok(connect) => {
                let source = ConnectionSource::given(connect).require_auth(options.require_auth.clone());
                Ok(Some(Connector::new(source).among_others()))
            }
            Err(found) => {
                problems.extend(found);
                Ok(None)
            }
        }
    })
}

fn take_options(spec: &AIProviderSeedSpec, options: &mut Options) {
    let Some(given) = &spec.options else { return };
    let compare = |word: CompareWord| match word {
        CompareWord::Ignore => Compare::Ignore,
        CompareWord::Warn => Compare::Warn,
        CompareWord::Fail => Compare::Fail,
    };
    options.compare_credentials = given.compare_credentials.map_or(options.compare_credentials, compare);
    options.compare_settings = given.compare_settings.map_or(options.compare_settings, compare);
    if let Some(undescribed) = given.undescribed {
        options.undescribed = Some(match undescribed {
            UndescribedWord::Ignore => Undescribed::Ignore,
            UndescribedWord::Warn => Undescribed::Warn,
        });
    }
    let take = |word: TakeWord| match word {
        TakeWord::None => TakeEnvironment::None,
        TakeWord::Credentials => TakeEnvironment::Credentials,
        TakeWord::All => TakeEnvironment::All,
    };
    options.take_environment = given.take_environment.map_or(options.take_environment, take);
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

/// Taken fields must be compared, even if the resource sets only one of the two options. (A contradiction within the
/// container is found with its options.)
fn contradiction(spec: &AIProviderSeedSpec, options: &Options) -> Option<Problem> {
    let given = spec.options.as_ref()?;
    let says =
        given.take_environment.is_some() || given.compare_credentials.is_some() || given.compare_settings.is_some();
    let take = options.take_environment;
    let option = take.contradicts(options.compare_credentials, options.compare_settings).filter(|_| says)?;
    let field = if option == "compare-credentials" { "compareCredentials" } else { "compareSettings" };
    let message =
        format!("fields that are taken from the environment must be compared; take fewer, or set {field} to Warn");
    let fields = ["takeEnvironment", field].map(|field| format!("spec.options.{field}"));
    Some(Problem::new(Code::InvalidOption, message).variables(fields))
}

/// The location of the database: from the resource, else from the container's environment, with the resource's
/// certificates. No file or socket is opened for it.
fn connection(
    spec: &AIProviderSeedSpec,
    options: &Options,
    variables: &[Variable],
    objects: &Objects,
) -> Result<Result<ConnectOptions, Vec<Problem>>, CheckStopped> {
    let found = match spec.url_secret_ref() {
        Some(reference) => Ok(database::from_secret(reference, objects)?),
        None => from_environment(options, variables, Audience::Resource)?,
    };
    match found {
        Err(problems) => Ok(Err(problems)),
        Ok(mut connect) => {
            database::set_certificates(&mut connect, spec.database.as_ref(), objects)?;
            refuse_files(&connect, Audience::Resource)?;
            Ok(Ok(connect))
        }
    }
}

#[cfg(test)]
mod tests;
