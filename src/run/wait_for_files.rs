//! Files that another container of the pod may still be writing: `seed` waits for them as for a database.

use std::path::Path;
use std::time::{Duration, Instant};

use super::prepare::{Prepared, prepare};
use crate::env::Variable;
use crate::options::{DatabaseSource, Options};
use crate::plan::Access;
use crate::problem::{Findings, Problem};
use crate::provider::redact;

/// A short pause, since checking for a file is cheap.
const PAUSE: Duration = Duration::from_millis(200);
const LOG_EVERY: Duration = Duration::from_secs(10);

/// [`prepare`] for `seed`, repeated within `--wait` while a missing file is the only problem. The time spent here is
/// subtracted from the time for the database.
pub fn prepare_waiting(
    options: &mut Options,
    variables: &[Variable],
    of_options: Findings,
) -> Result<Prepared, Findings> {
    let (started, wait) = (Instant::now(), options.wait);
    let mut logged: Option<Instant> = None;
    loop {
        let prepared = prepare(options, Access::Write, variables, of_options.clone());
        let absent = absent(options);
        let mut findings = match prepared {
            Err(findings) if is_only_of(&findings, &absent) => findings,
            prepared => {
                options.wait = wait.saturating_sub(started.elapsed());
                return prepared;
            }
        };
        let left = wait.saturating_sub(started.elapsed());
        if left.is_zero() {
            if !wait.is_zero() {
                let waited = humantime::format_duration(wait);
                findings
                    .problems
                    .iter_mut()
                    .for_each(|problem| problem.message.push_str(&format!(" (waited {waited})")));
            }
            return Err(findings);
        }
        if logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            logged = Some(Instant::now());
            let names: Vec<&str> = absent.iter().map(|(_, name)| name.as_str()).collect();
            tracing::warn!(seconds_left = left.as_secs(), "{} does not exist yet; waiting for it", names.join(", "));
        }
        std::thread::sleep(PAUSE.min(left));
    }
}

/// The named files that do not exist: how a problem names each, and its path.
fn absent(options: &Options) -> Vec<(String, String)> {
    let shown = |path: &Path| redact::name(&path.to_string_lossy());
    let env_file = options.env_file.as_deref().map(|path| (shown(path), path));
    let url_file = match &options.database {
        DatabaseSource::File { path, origin } => Some((origin.clone(), path.as_path())),
        _ => None,
    };
    let password_file = options.password_file.as_deref().map(|path| ("--database-password-file".to_owned(), path));
    let all = [env_file, url_file, password_file].into_iter().flatten();
    let is_absent =
        |path: &Path| std::fs::metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    all.filter(|(_, path)| is_absent(path)).map(|(place, path)| (place, shown(path))).collect()
}

/// Any other mistake ends the wait.
fn is_only_of(findings: &Findings, absent: &[(String, String)]) -> bool {
    let is_of = |problem: &Problem| {
        let [variable] = &problem.variables[..] else { return false };
        absent.iter().any(|(place, path)| {
            place == variable && problem.message.contains(NO_FILE) && {
                // The message contains the path, or the variable is the path.
                place == path || problem.message.contains(path.as_str())
            }
        })
    };
    !findings.problems.is_empty() && findings.problems.iter().all(is_of)
}

/// The readers of these files use this message.
const NO_FILE: &str = "there is no such file";
