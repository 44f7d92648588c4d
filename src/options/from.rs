//! `--from`: the workload whose environment and options a run uses instead of its own, and incompatible options.

use super::args::RawOptions;
#[cfg(feature = "controller")]
use super::cluster::quoted;
use super::cluster::{ApiServer, some};
use super::definitions::Command;
use super::reader::OptionReader;
use super::words::{is_label, is_subdomain};
use super::workload_kind::WorkloadKind;
use crate::env::Variable;
use crate::problem::{Code, Problem};
use crate::provider::redact;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadName {
    pub kind: WorkloadKind,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromPlace {
    Cluster(WorkloadName),
    /// Standard input, with the name of the workload if the manifests have several.
    Manifests(Option<WorkloadName>),
}

/// `--from` and its related options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromSource {
    pub place: FromPlace,
    pub namespace: Option<String>,
    pub container: Option<String>,
    pub server: ApiServer,
}

#[cfg(feature = "controller")]
impl FromSource {
    /// The options by which another command uses the same workload. `None`: manifests, which no other command reads.
    pub fn options(&self) -> Option<Vec<String>> {
        let FromPlace::Cluster(WorkloadName { kind, name }) = &self.place else { return None };
        let mut options = vec![format!("--from {}/{}", kind.lower_case(), redact::name(name))];
        let mut add = |option: &str, value: Option<&str>| {
            options.extend(value.map(|value| format!("--{option} {}", quoted(value))));
        };
        add("namespace", self.namespace.as_deref());
        add("container", self.container.as_deref());
        options.extend(self.server.as_options());
        Some(options)
    }
}

/// `None`: the option was not given, or there is a problem.
pub fn parse(raw: &RawOptions, variables: &[Variable], problems: &mut Vec<Problem>) -> Option<FromSource> {
    let mut reader = OptionReader::new(raw, variables);
    let from = read(&mut reader);
    let failed = !reader.problems.is_empty();
    problems.append(&mut reader.problems);
    let Some(from) = from else {
        let of_from = ["namespace", "container"].into_iter().chain(ApiServer::OPTIONS);
        let alone: Vec<String> = of_from.filter(|name| raw.is_given(name)).map(|name| format!("--{name}")).collect();
        if !alone.is_empty() && !failed {
            let message = "this goes with --from alone, which says whose environment to compare";
            problems.push(Problem::new(Code::InvalidOption, message).variables(alone));
        }
        return None;
    };
    match contradiction(&from, raw) {
        None => Some(from),
        Some(message) => {
            problems.push(Problem::new(Code::InvalidOption, message).variable("--from"));
            None
        }
    }
}

pub(super) fn read(reader: &mut OptionReader) -> Option<FromSource> {
    let place = reader.read_or("from", None, |text| place(text).map(Some))?;
    Some(FromSource {
        place,
        namespace: namespace(reader),
        container: reader.read_or("container", None, |text| label(text).map(Some)),
        server: ApiServer::read(reader),
    })
}

/// `None`: the namespace of the context.
pub(super) fn namespace(reader: &mut OptionReader) -> Option<String> {
    reader.read_or("namespace", None, |text| label(text).map(Some))
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
    let asks_cluster = from.server != ApiServer::default();
    if is_manifests && raw.command == Command::Resolve {
        return Some(
            "a decision is about what a cluster runs, and manifests need not hold all of it; write deployment/NAME or \
             statefulset/NAME",
        );
    }
    (is_manifests && asks_cluster).then_some("manifests need no cluster; remove --context, --kubeconfig, --as")
}

/// `deployment/coder`, as in kubectl; `-` and `-:deployment/coder`.
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
    some(text)?;
    Err(format!(
        "{} that are not a valid Kubernetes name: a-z, 0-9 and - between them, at most 63",
        redact::count(text.chars().count(), "character")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let from = |texts: &[(&'static str, &str)]| {
            let mut problems = Vec::new();
            let from = parse(&RawOptions::of(Command::Diff, texts), &[], &mut problems);
            (from, problems.len())
        };
        assert_eq!(from(&[("namespace", "coder")]), (None, 1));
        assert_eq!(from(&[("as", "jane")]), (None, 1));
        for option in [("context", "x"), ("kubeconfig", "/x"), ("as", "jane")] {
            assert_eq!(from(&[("from", "-"), option]), (None, 1), "{option:?}");
        }
        assert_eq!(from(&[("from", "deploy/coder"), ("as-group", "admins")]).1, 1, "groups without a user");
        assert_eq!(from(&[("from", "deploy/coder"), ("as", "jane\n")]).1, 1);
        assert_eq!(from(&[("from", "deploy/coder"), ("kubeconfig", "")]).1, 1);
        let options =
            [("from", "deploy/coder"), ("as", "jane"), ("as-group", "a"), ("as-group", "b"), ("context", "c")];
        let server = ApiServer {
            kubeconfig: None,
            context: Some("c".to_owned()),
            user: Some("jane".to_owned()),
            groups: vec!["a".to_owned(), "b".to_owned()],
        };
        #[cfg(feature = "controller")]
        assert_eq!(
            from(&[("from", "deploy/coder"), ("context", "my own")]).0.and_then(|from| from.options()),
            Some(["--from deployment/coder", "--context 'my own'"].map(str::to_owned).to_vec())
        );
        assert_eq!(from(&options).0.map(|from| from.server), cfg!(feature = "controller").then_some(server));
    }
}
