//! Every check that needs no database: turns variables, options, keys and the connection string into a runnable state, or
//! into all problems found.

use secrecy::ExposeSecret;

use crate::env::{
    Completeness, DATABASE_URL_VARIABLES, Environment, OF_PROVIDERS, UnknownProvider, Variable, characters, look_up,
    read_file, reference, size,
};
use crate::options::{Compare, DatabaseSource, Options, OutputFormat, Undescribed};
use crate::plan::{Access, PlanOptions};
use crate::problem::{Code, Findings, Problem};
use crate::provider::{DesiredProvider, ENCRYPTION_KEYS_VARIABLE};
use crate::store::connect::{ConnectionSource, Connector};
use crate::store::dbcrypt::Keyring;
use crate::store::url::{self, ConnectOptions};

pub struct Prepared {
    pub desired: Vec<DesiredProvider>,
    /// Providers that cannot be compared, because some of their values are unknown.
    pub unknown: Vec<UnknownProvider>,
    pub keyring: Keyring,
    pub plan: PlanOptions,
    pub warnings: Vec<Problem>,
    /// Also name live rows that no variable describes.
    pub undescribed: bool,
    /// `None`: no database has to be queried.
    pub connector: Option<Connector>,
}

/// `Err`: all problems and warnings of the arguments and the environment.
pub fn prepare(
    options: &Options,
    access: Access,
    variables: &[Variable],
    of_options: Findings,
) -> Result<Prepared, Findings> {
    let mut of_options = of_options;
    of_options.warnings.extend(database_url_warnings(&options.database));
    let connect = |problems: &mut Vec<Problem>| connector(options, variables, problems);
    prepare_with(options, access, (variables, Completeness::Complete), of_options, connect)
}

/// The same with another way to connect. `connect` adds its problems to those of the environment.
pub fn prepare_with(
    options: &Options,
    access: Access,
    (variables, completeness): (&[Variable], Completeness<'_>),
    of_options: Findings,
    connect: impl FnOnce(&mut Vec<Problem>) -> Option<Connector>,
) -> Result<Prepared, Findings> {
    let Findings { mut problems, warnings: option_warnings } = of_options;
    let mut environment = match &options.env_file {
        None => match size::of_process(variables) {
            None => Environment::read(variables),
            Some(problem) => Environment { findings: vec![problem].into(), ..Environment::default() },
        },
        Some(path) => match read_file(path) {
            Ok(variables) => Environment::read(&variables),
            Err(problem) => Environment { findings: vec![problem].into(), ..Environment::default() },
        },
    };
    if let Completeness::Partial(missing) = completeness {
        environment.downgrade_unknown(variables, missing);
        if options.compare_credentials == Compare::Ignore {
            environment.findings.warnings.retain(|warning| warning.code != Code::CredentialsNotCompared);
        }
    }
    environment.findings.warnings.extend(option_warnings);
    if options.strict {
        environment.strict();
    }
    // An unreadable environment gives no number of providers.
    if problems.is_empty()
        && environment.findings.problems.is_empty()
        && !matches!(completeness, Completeness::Partial([_, ..]))
    {
        environment.require(options.require_providers, &options.require_origin);
    }
    let mut of_keyring = Vec::new();
    let keyring = keyring(variables, &mut of_keyring);
    for problem in of_keyring {
        if matches!(completeness, Completeness::Partial(_)) && problem.code == Code::EnvironmentUnknown {
            let message = format!("{}, so no encrypted value in the database can be read", problem.message);
            environment.findings.warnings.push(Problem { code: Code::NotInManifests, message, ..problem });
        } else {
            problems.push(problem);
        }
    }
    let nothing = environment.providers.is_empty() && environment.findings.problems.is_empty();
    // Unknown objects or values may describe such a row.
    let is_partial = matches!(completeness, Completeness::Partial([_, ..])) || !environment.unknown.is_empty();
    // A start reports them only on request; `diff` and the controller always do.
    let default = if access == Access::Write { Undescribed::Ignore } else { Undescribed::Warn };
    let undescribed = options.undescribed.unwrap_or(default) == Undescribed::Warn && !is_partial;
    let connector = if options.offline || (nothing && !undescribed) {
        None
    } else if nothing {
        // Without a named database there is nothing to check.
        let mut found = Vec::new();
        let connector = connect(&mut found);
        problems.extend(found.into_iter().filter(|problem| problem.code != Code::DatabaseUrlMissing));
        connector
    } else {
        connect(&mut problems)
    };
    if options.offline {
        environment.warn_of_undecided();
    }
    environment.findings.problems.append(&mut problems);
    let findings = environment.findings;
    if !findings.problems.is_empty() {
        return Err(findings);
    }
    let plan = PlanOptions {
        compare_credentials: options.compare_credentials,
        compare_settings: options.compare_settings,
        take: options.take_environment,
        audit: options.audit,
        fingerprints: false,
        hashes: options.output == OutputFormat::Json,
        access,
        keys_given: !keyring.is_empty(),
    };
    let warnings = findings.warnings;
    let (desired, unknown) = (environment.providers, environment.unknown);
    Ok(Prepared { desired, unknown, keyring, plan, warnings, undescribed, connector })
}

/// Prepares only a read of the database, with encryption keys and connection but without an environment.
pub fn prepare_reader(
    options: &Options,
    variables: &[Variable],
    mut problems: Vec<Problem>,
) -> Result<(Keyring, Connector), Vec<Problem>> {
    let keyring = keyring(variables, &mut problems);
    let connector = connector(options, variables, &mut problems);
    match connector.filter(|_| problems.is_empty()) {
        Some(connector) => Ok((keyring, connector)),
        None => Err(problems),
    }
}

fn keyring(variables: &[Variable], problems: &mut Vec<Problem>) -> Keyring {
    let Some(variable) = look_up(variables, ENCRYPTION_KEYS_VARIABLE) else { return Keyring::default() };
    problems.extend(variable.unreadable());
    let Some(text) = variable.value() else { return Keyring::default() };
    Keyring::parse(text).unwrap_or_else(|found| {
        problems.extend(found);
        Keyring::default()
    })
}

/// Warnings about a URL that is readable in spite of them.
fn database_url_warnings(database: &DatabaseSource) -> Vec<Problem> {
    let DatabaseSource::Url { text, origin } = database else { return Vec::new() };
    let text = text.expose_secret();
    let lookup = |_: &str| None;
    let mut warnings = Vec::new();
    if let Some(found) = reference::find(text).filter(|_| ConnectOptions::parse(text, origin, &lookup).is_ok()) {
        let message = format!("{} was not replaced by a value: {}", found.form, found.advice);
        warnings.push(Problem::new(Code::UnexpandedReference, message).variable(origin));
    }
    // Coder reads this URL too, and Go refuses a control character or a space in it.
    let odd = characters::oddity(text).filter(|_| text.trim() != text && *origin == DATABASE_URL_VARIABLES[0]);
    if let Some(odd) = odd {
        let message = format!("{odd}; it is left out here, but Coder itself refuses such a URL: remove it");
        warnings.push(Problem::new(Code::DatabaseUrlInvalid, message).variable(origin));
    }
    warnings
}

/// A login method that this program does not know.
pub fn authentication(options: &Options, variables: &[Variable]) -> Option<Problem> {
    let is_file = matches!(options.database, DatabaseSource::File { .. });
    let variable = look_up(variables, "CODER_PG_AUTH").filter(|variable| variable.value() == Some("awsiamrds"))?;
    if options.password_file.is_some() || is_file {
        return None;
    }
    let message = "awsiamrds creates a password for each connection, which this program does not support; \
                   give --database-password-file with a fresh token, or --database-url-file";
    Some(Problem::new(Code::AuthenticationUnsupported, message).variable(&variable.name))
}

pub fn connector(options: &Options, variables: &[Variable], problems: &mut Vec<Problem>) -> Option<Connector> {
    // Each look-up walks through them all.
    let others: Vec<&Variable> = variables.iter().filter(|variable| !variable.name.starts_with(OF_PROVIDERS)).collect();
    let value = |name: &str| look_up(others.iter().copied(), name).and_then(Variable::value).map(str::to_owned);
    problems.extend(authentication(options, variables));
    // If an unreadable variable counted as unset, TLS could be weaker than requested.
    let read =
        |variable: &&Variable| variable.name.starts_with("PG") && url::variables().any(|name| name == variable.name);
    problems.extend(others.iter().copied().filter(read).filter_map(Variable::unreadable));
    let source = match &options.database {
        DatabaseSource::Url { text, origin } => {
            ConnectOptions::parse(text.expose_secret(), origin, &value).map(ConnectionSource::given)
        }
        DatabaseSource::File { path, origin } => Ok(ConnectionSource::url_file(path, origin, &value)),
        DatabaseSource::PgVariables => ConnectOptions::from_variables(&value).map(ConnectionSource::given),
    };
    let source = match source {
        Ok(source) => source,
        Err(found) => {
            problems.extend(found);
            return None;
        }
    };
    let source = match &options.password_file {
        Some(path) => source.password_file(path, "--database-password-file"),
        None => source,
    }
    .require_auth(options.require_auth.clone());
    // Files are read again at each attempt, but a missing file or one without a URL is reported at once.
    if let Err(error) = source.options() {
        problems.extend(error.into_problems());
        return None;
    }
    Some(Connector::new(source))
}
