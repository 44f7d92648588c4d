//! The options that only `diff` has: where the environment is taken from, and repeated checks.

use std::time::Duration;

use super::args::RawOptions;
use super::reader::OptionReader;
use super::words::{duration, is_label, is_subdomain};
use super::workload_kind::WorkloadKind;
use crate::env::Variable;
use crate::problem::{Code, Problem};
use crate::provider::redact;

/// More often is of no use, and a burden to a database.
const SHORTEST: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadName {
    pub kind: WorkloadKind,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromPlace {
    Cluster(WorkloadName),
    /// Standard input; which workload of several.
    Manifests(Option<WorkloadName>),
}

/// `--from` and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromSource {
    pub place: FromPlace,
    pub namespace: Option<String>,
    pub container: Option<String>,
    pub context: Option<String>,
}

#[derive(Default)]
pub struct DiffOptions {
    pub from: Option<FromSource>,
    pub watch: Option<Duration>,
}

pub fn parse(raw: &RawOptions, variables: &[Variable], problems: &mut Vec<Problem>) -> DiffOptions {
    let mut reader = OptionReader::new(raw, variables);
    let options = read(&mut reader);
    let failed = !reader.problems.is_empty();
    problems.append(&mut reader.problems);
    let Some(from) = options.from else {
        let alone = ["namespace", "container", "context"].into_iter().filter(|name| raw.is_given(name));
        let alone: Vec<String> = alone.map(|name| format!("--{name}")).collect();
        if !alone.is_empty() && !failed {
            let message = "this goes with --from alone, which says whose environment to compare";
            problems.push(Problem::new(Code::InvalidOption, message).variables(alone));
        }
        return options;
    };
    let from = match contradiction(&from, raw) {
        None => Some(from),
        Some(message) => {
            problems.push(Problem::new(Code::InvalidOption, message).variable("--from"));
            None
        }
    };
    DiffOptions { from, ..options }
}

pub(super) fn read(reader: &mut OptionReader) -> DiffOptions {
    let place = reader.read_or("from", None, |text| place(text).map(Some));
    let watch = reader.read_or("watch", None, |text| match duration(text)? {
        interval if interval < SHORTEST => Err("at least 1s".to_owned()),
        interval => Ok(Some(interval)),
    });
    let from = place.map(|place| FromSource {
        place,
        namespace: reader.read_or("namespace", None, |text| label(text).map(Some)),
        container: reader.read_or("container", None, |text| label(text).map(Some)),
        context: reader.read_or("context", None, |text| Ok(Some(text.to_owned()))),
    });
    DiffOptions { from, watch }
}

fn contradiction(from: &FromSource, raw: &RawOptions) -> Option<&'static str> {
    if !cfg!(feature = "controller") {
        return Some(
            "this build is for init containers and does not read from clusters; take the full one (the image without \
             -init, or cargo install without --no-default-features)",
        );
    }
    if raw.is_given("env-file") {
        return Some("--from and --env-file both say where the variables come from; keep one of them");
    }
    let is_manifests = matches!(from.place, FromPlace::Manifests(_));
    (is_manifests && from.context.is_some()).then_some("manifests need no cluster; remove --context")
}

/// `deployment/coder`, as kubectl takes it; `-` and `-:deployment/coder`.
fn place(text: &str) -> Result<FromPlace, String> {
    match text.strip_prefix('-') {
        None => workload(text).map(FromPlace::Cluster),
        Some("") => Ok(FromPlace::Manifests(None)),
        Some(rest) => match rest.strip_prefix(':') {
            Some(rest) => workload(rest).map(|workload| FromPlace::Manifests(Some(workload))),
            None => Err("write - for manifests on standard input, or -:deployment/NAME for one of several".to_owned()),
        },
    }
}

fn workload(text: &str) -> Result<WorkloadName, String> {
    let expected = "write deployment/NAME or statefulset/NAME";
    let (kind, name) = text.split_once('/').ok_or_else(|| format!("no kind is given; {expected}"))?;
    let kind = match kind.to_ascii_lowercase().as_str() {
        "deployment"
        | "deployments"
        | "deploy"
        | "deployment.apps"
        | "deployments.apps"
        | "deployment.v1.apps"
        | "deployments.v1.apps" => WorkloadKind::Deployment,
        "statefulset"
        | "statefulsets"
        | "sts"
        | "statefulset.apps"
        | "statefulsets.apps"
        | "statefulset.v1.apps"
        | "statefulsets.v1.apps" => WorkloadKind::StatefulSet,
        _ => return Err(format!("the kind is neither Deployment nor StatefulSet; {expected}")),
    };
    if !is_subdomain(name) {
        return Err(format!("not a valid Kubernetes name after the slash; {expected}"));
    }
    Ok(WorkloadName { kind, name: name.to_owned() })
}

fn label(text: &str) -> Result<String, String> {
    if is_label(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{} that are not a valid Kubernetes name: a-z, 0-9 and - between them, at most 63",
        redact::count(text.chars().count(), "character")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::definitions::Command;

    #[test]
    fn workload_names_are_those_of_kubectl() {
        let of = |kind| Ok(FromPlace::Cluster(WorkloadName { kind, name: "coder".to_owned() }));
        for kind in ["deployment", "deployments", "deploy", "Deployment", "deployment.apps", "deployments.v1.apps"] {
            assert_eq!(place(&format!("{kind}/coder")), of(WorkloadKind::Deployment), "{kind}");
        }
        for kind in ["statefulset", "sts", "StatefulSets", "statefulsets.apps"] {
            assert_eq!(place(&format!("{kind}/coder")), of(WorkloadKind::StatefulSet), "{kind}");
        }
        assert_eq!(place("-"), Ok(FromPlace::Manifests(None)));
        let chosen = WorkloadName { kind: WorkloadKind::StatefulSet, name: "a.b".to_owned() };
        assert_eq!(place("-:sts/a.b"), Ok(FromPlace::Manifests(Some(chosen))));
        for wrong in ["coder", "pod/coder", "deployment/", "deployment/UPPER", "deploy/a/b", "-deployment/x", "-:x"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn option_combinations_are_checked() {
        let options = |texts: &[(&'static str, &str)]| {
            let mut problems = Vec::new();
            let options = parse(&RawOptions::of(Command::Diff, texts), &[], &mut problems);
            (options, problems.len())
        };
        let (own, count) = options(&[("namespace", "coder")]);
        assert_eq!((own.from, count), (None, 1));
        assert_eq!(options(&[("watch", "10ms")]).1, 1);
        let (own, count) = options(&[("watch", "10s")]);
        assert_eq!((own.watch, count), (Some(Duration::from_secs(10)), 0));
        assert_eq!(options(&[("from", "-"), ("context", "x")]).1, 1);
    }
}
