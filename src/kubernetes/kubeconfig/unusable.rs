//! Why the user's files give no API server, with the next step.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kube::config::KubeconfigError;

use crate::kubernetes::failure::listed;
use crate::options::cluster::ApiServer;
use crate::problem::{Code, Problem};
use crate::provider::redact;

pub enum Unusable {
    /// There is no file, or no file names a cluster.
    NotConfigured,
    NoSuchContext {
        /// `None`: the context of `--context`.
        current: Option<String>,
        has: Vec<String>,
    },
    NoSuchCluster {
        context: String,
        cluster: String,
        has: Vec<String>,
    },
    NoSuchUser {
        context: String,
        user: String,
    },
    Unreadable {
        path: PathBuf,
        kind: ErrorKind,
    },
    /// `path`: the file, unless the fault concerns several files.
    Invalid {
        path: Option<PathBuf>,
    },
}

impl Unusable {
    /// A fault in one file, or in all files together.
    pub fn of(error: KubeconfigError, path: Option<&Path>) -> Unusable {
        match error {
            KubeconfigError::ReadConfig(error, path) => Unusable::Unreadable { path, kind: error.kind() },
            KubeconfigError::FindPath | KubeconfigError::CurrentContextNotSet => Unusable::NotConfigured,
            _ => Unusable::Invalid { path: path.map(Path::to_owned) },
        }
    }

    pub fn into_problem(self, server: &ApiServer) -> Problem {
        let is_option = server.kubeconfig.is_some();
        let view = if is_option { "kubectl config view --kubeconfig" } else { "kubectl config view" };
        let (message, option) = match self {
            Unusable::NotConfigured if is_option => {
                (format!("the file says no current-context; give --context, or check it with {view}"), None)
            }
            Unusable::NotConfigured => {
                let message = "no Kubernetes API server configured: no KUBECONFIG or ~/.kube/config with a current-context, and not \
                               running in a pod; check that kubectl get pods works";
                (message.to_owned(), None)
            }
            Unusable::NoSuchContext { current: None, has } => {
                (format!("the kubeconfig has no such context; {}", choice(&has)), Some("--context"))
            }
            Unusable::NoSuchContext { current: Some(current), has } => {
                let current = redact::name(&current);
                (format!("the kubeconfig has no context {current}, its current-context; {}", choice(&has)), None)
            }
            Unusable::NoSuchCluster { context, cluster, has } => {
                let (context, cluster) = (redact::name(&context), redact::name(&cluster));
                let has = if has.is_empty() { "it has none".to_owned() } else { format!("it has {}", named(&has)) };
                let message = format!(
                    "the context {context} is of the cluster {cluster}, which the kubeconfig does not have; {has}: log in again, or \
                     correct it with kubectl config set-context"
                );
                (message, None)
            }
            Unusable::NoSuchUser { context, user } => {
                let (context, user) = (redact::name(&context), redact::name(&user));
                let message = format!(
                    "the context {context} is of the user {user}, whom the kubeconfig does not have; log in again, or correct it \
                     with kubectl config set-context"
                );
                (message, None)
            }
            Unusable::Unreadable { path, kind } => {
                let why = match kind {
                    ErrorKind::NotFound => "there is no such file",
                    ErrorKind::PermissionDenied => "permission denied",
                    ErrorKind::IsADirectory => "it is a folder",
                    _ => "the system reports an error, or it is too large",
                };
                let file = if is_option { "the file".to_owned() } else { shown(&path) };
                (format!("{file} cannot be read: {why}; correct the path"), None)
            }
            Unusable::Invalid { path } => {
                let file = match path {
                    Some(path) if !is_option => shown(&path),
                    _ if is_option => "the file".to_owned(),
                    _ => "the kubeconfig".to_owned(),
                };
                (format!("{file} is not a usable kubeconfig; check it with {view}"), None)
            }
        };
        let problem = Problem::new(Code::KubeconfigInvalid, message);
        match option.or(is_option.then_some("--kubeconfig")) {
            Some(option) => problem.variable(option),
            None => problem,
        }
    }
}

fn shown(path: &Path) -> String {
    redact::name(&path.to_string_lossy())
}

/// `choose one of a, b and 3 others`
fn choice(contexts: &[String]) -> String {
    if contexts.is_empty() {
        return "it has none; log in to the cluster first".to_owned();
    }
    format!("choose one of {}", named(contexts))
}

fn named(all: &[String]) -> String {
    listed(all.iter().map(|name| redact::name(name)))
}
