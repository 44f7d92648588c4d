//! `--from`: a decision with the environment and the options of a workload in a cluster.

use super::{Ready, Source, in_runtime, nothing_desired, settle};
use crate::cli::from::local;
use crate::env::Variable;
use crate::kubernetes::workload::diff_from::{Local, WorkloadInputs, WorkloadSource, without_workload};
use crate::options::RawOptions;
use crate::options::from::FromSource;
use crate::options::resolve::{Action, Request};
use crate::problem::{Code, Findings, Problem};

pub fn command(
    from: &FromSource,
    request: &Request,
    raw: &RawOptions,
    variables: &[Variable],
    problems: Vec<Problem>,
) -> u8 {
    let (local, problems) = local(raw, variables, problems);
    if !problems.is_empty() {
        return settle(raw, request, Err(problems.into()), without_workload(&local));
    }
    match in_runtime(inputs(from, &local)) {
        Err(exit_code) => exit_code,
        Ok(Err(problem)) => settle(raw, request, Err(vec![problem].into()), without_workload(&local)),
        Ok(Ok(inputs)) => {
            let options = inputs.options.clone();
            settle(raw, request, ready(inputs, request), options)
        }
    }
}

async fn inputs(from: &FromSource, local: &Local) -> Result<WorkloadInputs, Problem> {
    WorkloadSource::open(from, "").await?.answer(local).await
}

fn ready(inputs: WorkloadInputs, request: &Request) -> Result<Ready, Findings> {
    let mut prepared = inputs.prepared?;
    if let Some(connector) = prepared.connector.take() {
        let source = Source { place: Some(inputs.place), database_of_container: inputs.database_of_container };
        return Ok(Ready { prepared, connector, source });
    }
    let (mut problems, warnings) = nothing_desired(&mut prepared);
    if request.action == Action::Restore {
        let message = "the container describes no provider and no database to look at; leave --from out, and give \
                       --database-url";
        problems = vec![Problem::new(Code::DatabaseUrlMissing, message)];
    }
    Err(Findings { problems, warnings })
}
