//! `--from`: the same for a workload in a cluster or in manifests on standard input.

use std::io::Read;
use std::time::Duration;

use super::{Look, again, once};
use crate::cli::from::{local, meant_for_the_pod};
use crate::cli::{finish, look};
use crate::env::Variable;
use crate::kubernetes::workload::diff_from::{Local, WorkloadInputs, WorkloadSource, without_workload};
use crate::options::from::{FromPlace, FromSource};
use crate::options::{BlockOn, Options, RawOptions};
use crate::problem::{Code, Problem};
use crate::report::{Command, Report};

/// Time for a login, the workload, and its objects one after another, each with its own limit.
const CLUSTER: Duration = Duration::from_secs(60);
/// More bytes than any chart prints.
const LIMIT: u64 = 16 << 20;

pub fn command(
    from: FromSource,
    watch: Option<Duration>,
    raw: &RawOptions,
    variables: &[Variable],
    problems: Vec<Problem>,
) -> u8 {
    let (local, problems) = local(raw, variables, problems);
    if !problems.is_empty() {
        // No start would come to what is wrong on this command line.
        let options = Options { block_on: BlockOn::all(), ..local.options };
        return finish(Report::new(Command::Diff, problems), &options, None);
    }
    let manifests = match from.place {
        FromPlace::Manifests(_) => manifests(),
        FromPlace::Cluster(_) => Ok(String::new()),
    };
    let manifests = match manifests {
        Ok(manifests) => manifests,
        Err(problem) => return finish(Report::new(Command::Diff, vec![problem]), &without_workload(&local), None),
    };
    let remote = Remote { from, manifests, local, source: None };
    match watch {
        Some(every) => again(remote, every),
        None => once(remote, CLUSTER),
    }
}

struct Remote {
    from: FromSource,
    manifests: String,
    local: Local,
    source: Option<WorkloadSource>,
}

impl Look for Remote {
    async fn look(&mut self) -> (Report, Options) {
        let answer = match self.answer().await {
            Ok(answer) => answer,
            Err(problem) => {
                return (Report::new(Command::Diff, vec![problem]), without_workload(&self.local));
            }
        };
        let WorkloadInputs { place, options, prepared, database_of_container } = answer;
        let (mut report, _) = look(Command::Diff, &options, prepared).await;
        report.source = Some(place);
        if database_of_container {
            meant_for_the_pod(&mut report);
        }
        (report, options)
    }

    fn options(&mut self) -> &mut Options {
        &mut self.local.options
    }
}

impl Remote {
    async fn answer(&mut self) -> Result<WorkloadInputs, Problem> {
        let source = match self.source.take() {
            Some(source) => source,
            None => WorkloadSource::open(&self.from, &self.manifests).await?,
        };
        self.source.insert(source).answer(&self.local).await
    }
}

fn manifests() -> Result<String, Problem> {
    let invalid = |message: &str| Problem::new(Code::ManifestInvalid, message).variable("--from");
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(LIMIT + 1).read_to_end(&mut bytes);
    match read {
        Err(error) => Err(invalid(&format!("standard input cannot be read: {}", error.kind()))),
        Ok(size) if size as u64 > LIMIT => {
            Err(invalid("more than 16 MiB on standard input; give the workload and its objects alone"))
        }
        Ok(_) if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) => {
            Err(invalid("standard input is UTF-16, as Windows PowerShell pipes it; set $OutputEncoding to UTF-8"))
        }
        Ok(_) => String::from_utf8(bytes).map_err(|_| invalid("standard input is not Unicode (UTF-8)")),
    }
}
