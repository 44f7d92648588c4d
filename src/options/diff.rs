//! The options that only `diff` has: where the environment is taken from, and looking again and again.

use std::time::Duration;

use super::args::{DiffTexts, Texts};
use super::{Options, Reader, duration, variable_name};
use crate::env::Variable;
use crate::problem::{Code, Findings, Problem};
use crate::provider::redact;

/// More often is of no use to anybody, and a burden to a database.
const SHORTEST: Duration = Duration::from_secs(1);
/// Whoever sits before a laptop wants to know soon that the database cannot be reached from there.
const WAIT: Duration = Duration::from_secs(10);
/// Options of this run and this machine. All others are about the workload, and stand there.
const OF_THIS_RUN: [&str; 9] = [
    "database-url",
    "database-url-file",
    "database-password-file",
    "wait",
    "lock-timeout",
    "output",
    "termination-log",
    "log-format",
    "log-level",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Deployment,
    StatefulSet,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Deployment => "Deployment",
            Kind::StatefulSet => "StatefulSet",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    pub kind: Kind,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Cluster(Workload),
    /// Standard input; which workload of several.
    Manifests(Option<Workload>),
}

/// `--from` and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    pub place: Place,
    pub namespace: Option<String>,
    pub container: Option<String>,
    pub context: Option<String>,
}

#[derive(Default)]
pub struct Own {
    pub from: Option<From>,
    pub watch: Option<Duration>,
}

pub fn parse(texts: &mut DiffTexts, variables: &[Variable], problems: &mut Vec<Problem>) -> Own {
    let mut reader = Reader { variables, known: Vec::new(), problems: Vec::new() };
    let take = |text: &mut Option<String>| text.take();
    let place = reader.read("from", take(&mut texts.from), None, |text| place(text).map(Some));
    let given = ["namespace", "container", "context"];
    let flags = [&mut texts.namespace, &mut texts.container, &mut texts.context].map(Option::take);
    let alone: Vec<String> =
        given.iter().zip(&flags).filter(|(_, flag)| flag.is_some()).map(|(name, _)| format!("--{name}")).collect();
    let [namespace, container, context] = flags;
    let watch = reader.read("watch", take(&mut texts.watch), None, |text| {
        duration(text).and_then(|every| match every < SHORTEST {
            true => Err("at least 1s".to_owned()),
            false => Ok(Some(every)),
        })
    });
    let failed = !reader.problems.is_empty();
    let from = place.map(|place| From {
        place,
        namespace: reader.read("namespace", namespace, None, |text| label(text).map(Some)),
        container: reader.read("container", container, None, |text| label(text).map(Some)),
        context: reader.read("context", context, None, |text| Ok(Some(text.to_owned()))),
    });
    problems.append(&mut reader.problems);
    if from.is_none() && !alone.is_empty() && !failed {
        let message = "this goes with --from alone, which says whose environment it is about";
        problems.push(Problem::new(Code::InvalidOption, message).variables(alone));
    }
    let from = from.filter(|from| {
        let message = match (&from.place, &texts.texts.env_file) {
            _ if !cfg!(feature = "controller") => {
                "this build is for init containers and does not read from clusters; take the full one (the image \
                 without -init, or cargo install without --no-default-features)"
            }
            (_, Some(_)) => "--from and --env-file both say where the variables come from; keep one of them",
            (Place::Manifests(_), _) if from.context.is_some() => "manifests need no cluster; remove --context",
            _ => return true,
        };
        problems.push(Problem::new(Code::InvalidOption, message).variable("--from"));
        false
    });
    Own { from, watch }
}

/// The options of this run when the environment is a workload's: flags, and the variables of this run alone. Of the others a
/// local variable says nothing, because it is not the workload's.
pub fn of_this_run(
    texts: Texts,
    offline: Option<String>,
    variables: &[Variable],
) -> (Options, Vec<Problem>, Vec<Variable>) {
    let waits = texts.wait.is_some();
    let names: Vec<String> = OF_THIS_RUN.iter().chain(&["offline"]).map(|option| variable_name(option)).collect();
    let own = |variable: &&Variable| variable.name.starts_with("PG") || names.contains(&variable.name);
    let variables: Vec<Variable> = variables.iter().filter(own).cloned().collect();
    let waits = waits || variables.iter().any(|v| v.name == variable_name("wait") && v.value() != Some(""));
    let (mut options, Findings { problems, .. }) = super::parse(texts, Some(offline), &variables);
    if !waits {
        options.wait = WAIT;
    }
    (options, problems, variables)
}

/// A workload's options with the flags of this command line above them.
pub fn with_flags(flags: &Texts, of_workload: Texts) -> Texts {
    let over = |flag: &Option<String>, text: Option<String>| flag.clone().or(text);
    Texts {
        compare_credentials: over(&flags.compare_credentials, of_workload.compare_credentials),
        block_on: over(&flags.block_on, of_workload.block_on),
        strict: over(&flags.strict, of_workload.strict),
        require_providers: over(&flags.require_providers, of_workload.require_providers),
        if_schema_missing: over(&flags.if_schema_missing, of_workload.if_schema_missing),
        audit: over(&flags.audit, of_workload.audit),
        ..of_workload
    }
}

/// `deployment/coder`, as kubectl takes it; `-` and `-:deployment/coder`.
fn place(text: &str) -> Result<Place, String> {
    match text.strip_prefix('-') {
        None => workload(text).map(Place::Cluster),
        Some("") => Ok(Place::Manifests(None)),
        Some(rest) => match rest.strip_prefix(':') {
            Some(rest) => workload(rest).map(|workload| Place::Manifests(Some(workload))),
            None => Err("write - for manifests on standard input, or -:deployment/NAME for one of several".to_owned()),
        },
    }
}

fn workload(text: &str) -> Result<Workload, String> {
    let expected = "write deployment/NAME or statefulset/NAME";
    let (kind, name) = text.split_once('/').ok_or_else(|| format!("no kind is given; {expected}"))?;
    let kind = match kind.to_ascii_lowercase().as_str() {
        "deployment"
        | "deployments"
        | "deploy"
        | "deployment.apps"
        | "deployments.apps"
        | "deployment.v1.apps"
        | "deployments.v1.apps" => Kind::Deployment,
        "statefulset"
        | "statefulsets"
        | "sts"
        | "statefulset.apps"
        | "statefulsets.apps"
        | "statefulset.v1.apps"
        | "statefulsets.v1.apps" => Kind::StatefulSet,
        _ => return Err(format!("another kind than Deployment and StatefulSet; {expected}")),
    };
    let is_part = |part: &str| label(part).is_ok();
    if name.len() > 253 || !name.split('.').all(is_part) {
        return Err(format!("what stands behind the slash is no name of Kubernetes; {expected}"));
    }
    Ok(Workload { kind, name: name.to_owned() })
}

fn label(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = (1..=63).contains(&text.len()) && text.chars().all(plain);
    match fits && !text.starts_with('-') && !text.ends_with('-') {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "{} that are no name of Kubernetes: a-z, 0-9 and - between them, at most 63",
            redact::count(text.chars().count(), "character")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_as_kubectl_takes_them() {
        let of = |kind| Ok(Place::Cluster(Workload { kind, name: "coder".to_owned() }));
        for kind in ["deployment", "deployments", "deploy", "Deployment", "deployment.apps", "deployments.v1.apps"] {
            assert_eq!(place(&format!("{kind}/coder")), of(Kind::Deployment), "{kind}");
        }
        for kind in ["statefulset", "sts", "StatefulSets", "statefulsets.apps"] {
            assert_eq!(place(&format!("{kind}/coder")), of(Kind::StatefulSet), "{kind}");
        }
        assert_eq!(place("-"), Ok(Place::Manifests(None)));
        let chosen = Workload { kind: Kind::StatefulSet, name: "a.b".to_owned() };
        assert_eq!(place("-:sts/a.b"), Ok(Place::Manifests(Some(chosen))));
        for wrong in ["coder", "pod/coder", "deployment/", "deployment/UPPER", "deploy/a/b", "-deployment/x", "-:x"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_goes_together() {
        let problems = |texts: &mut DiffTexts| {
            let mut problems = Vec::new();
            let own = parse(texts, &[], &mut problems);
            (own, problems.len())
        };
        let some = |text: &str| Some(text.to_owned());
        let (own, count) = problems(&mut DiffTexts { namespace: some("coder"), ..DiffTexts::default() });
        assert_eq!((own.from, count), (None, 1));
        let (_, count) = problems(&mut DiffTexts { watch: some("10ms"), ..DiffTexts::default() });
        assert_eq!(count, 1);
        let (own, count) = problems(&mut DiffTexts { watch: some("10s"), ..DiffTexts::default() });
        assert_eq!((own.watch, count), (Some(Duration::from_secs(10)), 0));
        let both = DiffTexts { from: some("-"), context: some("x"), ..DiffTexts::default() };
        assert_eq!(problems(&mut { both }).1, 1);
    }
}
