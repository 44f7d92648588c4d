//! What `diff --from` and `resolve --from` share beside the look at the workload itself.

use crate::env::Variable;
use crate::kubernetes::workload::diff_from::Local;
use crate::options::RawOptions;
use crate::options::workload::of_this_process;
use crate::problem::{Code, Problem};
use crate::report::Report;

/// The part of a run that belongs to this process, and its problems.
pub fn local(raw: &RawOptions, variables: &[Variable]) -> (Local, Vec<Problem>) {
    let (options, problems, variables) = of_this_process(raw, variables);
    (Local { flags: raw.clone(), options, variables }, problems)
}

/// Of a run whose connection is the container's own.
pub fn meant_for_the_pod(report: &mut Report) {
    for problem in report.findings.problems.iter_mut().filter(|problem| problem.code == Code::Unreachable) {
        problem.message.push_str(
            "; this address is the pod's, which need not be known here: give --database-url, for example to a \
             kubectl port-forward",
        );
    }
}
