//! Parts that `diff --from` and `resolve --from` share, beside reading the workload.

use crate::env::Variable;
use crate::kubernetes::workload::diff_from::Local;
use crate::options::RawOptions;
use crate::options::workload::of_this_process;
use crate::problem::{Code, Problem};
use crate::report::Report;

/// The options of a run that belong to this process, and their problems.
pub fn local(raw: &RawOptions, variables: &[Variable]) -> (Local, Vec<Problem>) {
    let (options, problems, variables) = of_this_process(raw, variables);
    (Local { flags: raw.clone(), options, variables }, problems)
}

/// Adds advice to the report of a run that uses the container's own connection.
pub fn meant_for_the_pod(report: &mut Report) {
    for problem in report.findings.problems.iter_mut().filter(|problem| problem.code == Code::Unreachable) {
        problem.message.push_str(
            "; this address is the pod's, which need not be known here: give --database-url, for example to a \
             kubectl port-forward",
        );
    }
}
