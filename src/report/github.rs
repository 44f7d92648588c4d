//! `--output github`: annotations as workflow commands of GitHub Actions.

use super::headline::headline;
use super::layout::Style;
use super::model::Report;
use super::sentence::{conflict_sentence, problem_sentence};
use crate::problem::Outcome;

/// GitHub shows ten annotations per kind and step, so those that stop a start come first.
pub fn github(report: &Report) -> String {
    let mut out = String::new();
    let headline = headline(report, Style { colour: false, width: usize::MAX });
    let headline = headline.trim_start_matches("error: ");
    let kind = match report.outcome {
        Outcome::Ok => "notice",
        Outcome::Changes => "warning",
        _ => "error",
    };
    out.push_str(&annotation(kind, report.outcome.as_str(), headline));
    for problem in &report.findings.problems {
        out.push_str(&annotation("error", problem.code.as_str(), &problem_sentence(problem)));
    }
    let (blocking, others): (Vec<_>, Vec<_>) = report.conflicts.iter().partition(|conflict| conflict.blocking);
    for (kind, conflicts) in [("error", blocking), ("warning", others)] {
        for conflict in conflicts {
            let text = format!("{}; conflict {}", conflict_sentence(conflict), conflict.id);
            out.push_str(&annotation(kind, "conflict", &text));
        }
    }
    for warning in &report.findings.warnings {
        out.push_str(&annotation("warning", warning.code.as_str(), &problem_sentence(warning)));
    }
    out
}

/// A title is a property, which a colon or a comma would end. Other characters are escaped as in actions/toolkit.
fn annotation(kind: &str, title: &str, message: &str) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let title = escape(&format!("ai-provider-seed {title}")).replace(':', "%3A").replace(',', "%2C");
    format!("::{kind} title={title}::{}\n", escape(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Code, Findings, Problem};
    use crate::report::Command;

    #[test]
    fn annotations_are_one_line_each_and_escaped() {
        let problems = vec![Problem::new(Code::UnknownType, "100 %\nof it::error").variable("A_TYPE")];
        let findings = Findings { problems, warnings: vec![Problem::new(Code::UnknownVariable, "x, y").variable("B")] };
        let mut report = Report::new(Command::Diff, findings);
        report.blocked = true;
        assert_eq!(
            github(&report),
            "::error title=ai-provider-seed invalid::1 problem in the environment; nothing was written\n\
             ::error title=ai-provider-seed unknown_type::A_TYPE: 100 %25%0Aof it::error (unknown_type)\n\
             ::warning title=ai-provider-seed unknown_variable::B: x, y (unknown_variable)\n"
        );
        assert_eq!(annotation("notice", "a:b,c", "d"), "::notice title=ai-provider-seed a%3Ab%2Cc::d\n");
    }
}
