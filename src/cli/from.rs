//! Parts that `diff --from` and `resolve --from` share, beside reading the workload.

use crate::cli::log_to_stderr;
use crate::env::Variable;
use crate::kubernetes::workload::diff_from::Local;
use crate::options::RawOptions;
use crate::options::workload::of_this_process;
use crate::problem::{Code, Problem};
use crate::report::Report;

/// The options of a run that belong to this process, and their problems after the given ones. Starts the log.
pub fn local(raw: &RawOptions, variables: &[Variable], mut problems: Vec<Problem>) -> (Local, Vec<Problem>) {
    let (options, of_options, variables) = of_this_process(raw, variables);
    log_to_stderr(options.log_format, options.log_level);
    problems.extend(of_options);
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
