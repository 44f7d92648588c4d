//! The kubeconfig's credential plugin: the error when it fails, at the start or later.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use kube::Client;
use kube::client::AuthError;

use crate::provider::redact;

pub const NO_CLIENT: &str = "cannot create a Kubernetes client; check the kubeconfig with kubectl config view";

/// Replaces the library's error, which contains the plugin's output and arguments.
#[derive(Debug)]
pub struct PluginFailed(String);

impl fmt::Display for PluginFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for PluginFailed {}

/// The plugin's output may be its secret, and its arguments may contain one, so neither is shown.
pub fn sentence(failure: &AuthError, plugin: &str) -> String {
    let plugin = redact::name(plugin);
    match failure {
        AuthError::AuthExecRun { out, .. } => {
            let end = match out.status.code() {
                Some(code) => format!("exit code {code}"),
                None => "a signal".to_owned(),
            };
            format!("the credential plugin {plugin} of the kubeconfig ended with {end}; run it by hand to see why")
        }
        AuthError::AuthExecStart(error) => {
            format!("the credential plugin {plugin} of the kubeconfig cannot be started: {}; install it", error.kind())
        }
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            format!(
                "the credential plugin {plugin} of the kubeconfig printed no ExecCredential; run it by hand to see what"
            )
        }
        _ => NO_CLIENT.to_owned(),
    }
}

/// The same client with named failures. The plugin's credentials expire, and it then runs again during a call.
pub fn naming_failures(client: Client, namespace: &str, plugin: String) -> Client {
    let (plugin, logged) = (Arc::new(plugin), Arc::<Mutex<Option<LoggedFailure>>>::default());
    let service = tower::service_fn(move |request| {
        let (client, plugin, logged) = (client.clone(), Arc::clone(&plugin), Arc::clone(&logged));
        async move {
            let began = Instant::now();
            let answer = client.send(request).await.map_err(|error| named(error, &plugin));
            let mut logged = logged.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(sentence) = failure_of(&answer) {
                // All calls fail for the same reason, which is logged once.
                if logged.as_ref().is_none_or(|before| before.sentence != sentence) {
                    tracing::warn!("{sentence}");
                }
                *logged = Some(LoggedFailure { sentence, at: Instant::now() });
            } else if logged.as_ref().is_some_and(|before| before.at < began) {
                *logged = None;
            }
            answer
        }
    });
    Client::new(service, namespace)
}

/// The newest failure. Only a later call proves that the plugin works again: an earlier one used older credentials.
struct LoggedFailure {
    sentence: String,
    at: Instant,
}

fn failure_of<T>(answer: &Result<T, kube::Error>) -> Option<String> {
    match answer {
        Err(kube::Error::Service(cause)) => cause.downcast_ref::<PluginFailed>().map(ToString::to_string),
        _ => None,
    }
}

fn named(error: kube::Error, plugin: &str) -> kube::Error {
    let failed = |failure: &AuthError| kube::Error::Service(Box::new(PluginFailed(sentence(failure, plugin))));
    match error {
        kube::Error::Auth(failure) => failed(&failure),
        kube::Error::Service(cause) => match cause.downcast::<AuthError>() {
            Ok(failure) => failed(&failure),
            Err(cause) => kube::Error::Service(cause),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use kube::Config;
    use kube::config::{KubeConfigOptions, Kubeconfig};
    use serde_json::json;

    use super::*;

    /// Its first credentials expire at once, so the first call runs it again.
    #[tokio::test]
    async fn plugin_that_fails_later_is_named_too() {
        let directory = tempfile::tempdir().unwrap();
        let credential = json!({
            "kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
            "status": {"token": "sk-canary", "expirationTimestamp": "2020-01-01T00:00:00Z"},
        });
        let script = "if test -e \"$0\"; then echo sk-canary >&2; exit 9; fi; touch \"$0\"; printf %s \"$1\"";
        let exec = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "interactiveMode": "Never",
            "args": ["-c", script, directory.path().join("asked"), credential.to_string()],
        });
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
            "users": [{"name": "u", "user": {"exec": exec}}],
        });
        let kubeconfig = Kubeconfig::from_yaml(&kubeconfig.to_string()).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = naming_failures(Client::try_from(config).unwrap(), "team", "sh".to_owned());
        assert_eq!(client.default_namespace(), "team");
        let error = client.apiserver_version().await.unwrap_err();
        let kube::Error::Service(cause) = error else { panic!("{error}") };
        assert!(cause.is::<PluginFailed>());
        assert_eq!(
            cause.to_string(),
            "the credential plugin sh of the kubeconfig ended with exit code 9; run it by hand to see why"
        );
    }
}
