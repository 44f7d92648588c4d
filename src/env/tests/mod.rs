//! Coder's rules for the environment as tables: variables on the left, expected findings on the right.

mod elsewhere;
mod hostile;
mod indexed;
mod legacy;
mod validation;

use super::*;
use crate::provider::Source;

/// Variables as pairs of name and value.
type Pairs<'a> = &'a [(&'a str, &'a str)];

const AIBRIDGE: &str = "CODER_AIBRIDGE_PROVIDER_";

/// Names that start with a digit or a sign get the prefix `CODER_AIBRIDGE_PROVIDER_`.
fn read(pairs: &[(&str, &str)]) -> Environment {
    Environment::read(&variables(pairs))
}

fn variables(pairs: &[(&str, &str)]) -> Vec<Variable> {
    let full = |name: &str| {
        if name.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c)) {
            format!("{AIBRIDGE}{name}")
        } else {
            name.to_owned()
        }
    };
    pairs.iter().map(|(name, value)| Variable::new(full(name), *value, Source::Process)).collect()
}

/// `code[index] VARIABLE VARIABLE`, sorted, without the prefix.
fn lines(problems: &[Problem]) -> Vec<String> {
    let mut lines: Vec<String> = problems
        .iter()
        .map(|problem| {
            let index = problem.index.map(|index| format!("[{index}]")).unwrap_or_default();
            format!("{}{index} {}", problem.code, problem.variables.join(" "))
                .replace(AIBRIDGE, "")
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.sort();
    lines
}

#[track_caller]
fn assert_problems(pairs: &[(&str, &str)], expected: &[&str]) -> Environment {
    let environment = read(pairs);
    assert_eq!(
        lines(&environment.findings.problems),
        sorted(expected),
        "{pairs:?}: {:?}",
        environment.findings.problems
    );
    environment
}

#[track_caller]
fn assert_warnings(pairs: &[(&str, &str)], expected: &[&str]) -> Environment {
    let environment = assert_problems(pairs, &[]);
    assert_eq!(
        lines(&environment.findings.warnings),
        sorted(expected),
        "{pairs:?}: {:?}",
        environment.findings.warnings
    );
    environment
}

fn sorted<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut lines = lines.to_vec();
    lines.sort_unstable();
    lines
}

/// The messages of all findings.
fn said(environment: &Environment) -> String {
    let of = |problem: &Problem| {
        let more = [problem.provider.clone(), problem.suggestion.clone()].into_iter().flatten();
        more.chain(problem.variables.iter().cloned()).chain([problem.message.clone()]).collect::<Vec<_>>().join(" ")
    };
    environment.findings.problems.iter().chain(&environment.findings.warnings).map(of).collect::<Vec<_>>().join("\n")
}
