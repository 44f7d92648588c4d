//! Finds the API server as kubectl does, and explains why the configuration gives no client.

use std::net::IpAddr;
use std::path::PathBuf;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::credential_plugin;
use crate::options::cluster::ApiServer;
use crate::problem::{Code, Problem};
use crate::provider::redact;

/// The variables for a proxy, as in kubectl.
const PROXY_VARIABLES: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Bytes of one file: certificates of a hundred clusters take a hundredth of it.
const MAX_KUBECONFIG: u64 = 4 << 20;

/// The most contexts that a message names.
const NAMED: usize = 12;

/// A client for this API server, and the namespace of its context. Without a file and a context: the files of
/// `KUBECONFIG` (missing ones are skipped) or `~/.kube/config`, else the service account of the pod.
pub async fn connect(server: &ApiServer) -> Result<(Client, String), Problem> {
    let mut config = match (of_files(server).await, Config::incluster()) {
        (Err(_), Ok(config)) if server.kubeconfig.is_none() && server.context.is_none() => {
            if let Some(name) = PROXY_VARIABLES.into_iter().find(|name| variable(&[name]).is_some()) {
                tracing::info!("{name} is not used: in a cluster the API server is reached directly");
            }
            config
        }
        (found, _) => found.map_err(|why| why.into_problem(server))?,
    };
    if server.user.is_some() {
        config.auth_info.impersonate.clone_from(&server.user);
        config.auth_info.impersonate_groups = Some(server.groups.clone());
    }
    client(config).map_err(|message| Problem::new(Code::KubeconfigInvalid, message))
}

/// Why the files give no settings.
enum Unusable {
    NoSuchContext { has: Vec<String> },
    File(KubeconfigError),
}

impl From<KubeconfigError> for Unusable {
    fn from(error: KubeconfigError) -> Unusable {
        Unusable::File(error)
    }
}

impl Unusable {
    fn into_problem(self, server: &ApiServer) -> Problem {
        let invalid = |message: String| Problem::new(Code::KubeconfigInvalid, message);
        match self {
            Unusable::NoSuchContext { has } => {
                let message = format!("the kubeconfig has no such context; {}", listed(&has));
                invalid(message).variable("--context")
            }
            Unusable::File(KubeconfigError::ReadConfig(error, _)) if server.kubeconfig.is_some() => {
                let why = match error.kind() {
                    std::io::ErrorKind::NotFound => "there is no such file",
                    std::io::ErrorKind::PermissionDenied => "permission denied",
                    _ => "the system reports an error, or it is too large",
                };
                let message = format!("the file cannot be read: {why}; correct the path");
                invalid(message).variable("--kubeconfig")
            }
            Unusable::File(_) if server.kubeconfig.is_some() => {
                let message = "the file is not a usable kubeconfig; check it with kubectl config view --kubeconfig";
                invalid(message.to_owned()).variable("--kubeconfig")
            }
            Unusable::File(_) if server.context.is_some() => {
                invalid("the kubeconfig cannot be used; check it with kubectl config view".to_owned())
            }
            Unusable::File(KubeconfigError::Parse(_)) => invalid(
                "a file of KUBECONFIG, or ~/.kube/config, is not a usable kubeconfig; check it with kubectl config view"
                    .to_owned(),
            ),
            Unusable::File(_) => invalid(
                "no Kubernetes API server configured: no usable KUBECONFIG or ~/.kube/config, and not running in a pod; \
                 check that kubectl get pods works"
                    .to_owned(),
            ),
        }
    }
}

/// `choose one of a, b and 3 others`
fn listed(contexts: &[String]) -> String {
    if contexts.is_empty() {
        return "it has none; log in to the cluster first".to_owned();
    }
    let named: Vec<String> = contexts.iter().take(NAMED).map(|name| redact::name(name)).collect();
    let more = contexts.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {}", redact::count(more, "other")) };
    format!("choose one of {}{more}", named.join(", "))
}

async fn of_files(server: &ApiServer) -> Result<Config, Unusable> {
    let listed = std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty());
    let kubeconfig = match (&server.kubeconfig, listed) {
        (Some(path), _) => read(path.clone())?,
        (None, Some(list)) => merged(std::env::split_paths(&list))?,
        (None, None) => read(std::env::home_dir().ok_or(KubeconfigError::FindPath)?.join(".kube/config"))?,
    };
    let context = server.context.clone();
    if context.as_ref().is_some_and(|wanted| kubeconfig.contexts.iter().all(|named| named.name != *wanted)) {
        let has = kubeconfig.contexts.into_iter().map(|named| named.name).collect();
        return Err(Unusable::NoSuchContext { has });
    }
    let own = own_proxy(&kubeconfig, context.as_deref());
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    // The library matches the exceptions with the proxy; kubectl matches them with the API server.
    config.proxy_url = match own.or_else(|| variable(&PROXY_VARIABLES).filter(|_| is_behind_proxy(&config))) {
        Some(proxy) => Some(proxy.parse().map_err(KubeconfigError::ParseProxyUrl)?),
        None => None,
    };
    Ok(config)
}

/// Among several files, the first one with a value counts.
fn merged(paths: impl Iterator<Item = PathBuf>) -> Result<Kubeconfig, KubeconfigError> {
    paths.filter(|path| path.is_file()).try_fold(Kubeconfig::default(), |merged, path| merged.merge(read(path)?))
}

fn read(path: PathBuf) -> Result<Kubeconfig, KubeconfigError> {
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.len() > MAX_KUBECONFIG => {
            Err(KubeconfigError::ReadConfig(std::io::Error::from(std::io::ErrorKind::FileTooLarge), path))
        }
        _ => Kubeconfig::read_from(path),
    }
}

/// The `proxy-url` of the context's cluster, to which exceptions do not apply.
fn own_proxy(kubeconfig: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let context = context.or(kubeconfig.current_context.as_deref())?;
    let context = kubeconfig.contexts.iter().find(|named| named.name == context)?.context.as_ref()?;
    let cluster = kubeconfig.clusters.iter().find(|named| named.name == context.cluster)?.cluster.as_ref()?;
    cluster.proxy_url.clone().filter(|url| !url.is_empty())
}

fn variable(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| std::env::var(name).ok().filter(|text| !text.is_empty()))
}

/// Whether the environment's proxy applies to this API server.
fn is_behind_proxy(config: &Config) -> bool {
    let host = config.cluster_url.host().unwrap_or_default().trim_matches(['[', ']']);
    let exceptions = variable(&NO_PROXY_VARIABLES).unwrap_or_default();
    !is_direct(host, &exceptions)
}

/// `exceptions`: `NO_PROXY`, a list of hosts with their subdomains, addresses, networks and `*`. This machine is always
/// an exception.
fn is_direct(host: &str, exceptions: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    if host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    let host = host.to_ascii_lowercase();
    exceptions.split(',').map(|exception| exception.trim().to_ascii_lowercase()).any(|exception| {
        let domain = exception.trim_start_matches("*.").trim_start_matches('.');
        match (exception.as_str(), address) {
            ("", _) => false,
            ("*", _) => true,
            (_, Some(address)) => is_within(address, &exception),
            (_, None) if domain == exception => {
                host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
            }
            (_, None) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
        }
    })
}

/// `network`: an address, with or without a prefix length.
fn is_within(address: IpAddr, network: &str) -> bool {
    let (base, length) = network.split_once('/').map_or((network, None), |(base, length)| (base, length.parse().ok()));
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let ((address, of_address), Ok(base)) = (bits(address), base.parse::<IpAddr>()) else { return false };
    let (base, of_base) = bits(base);
    let length: u32 = length.unwrap_or(of_base);
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length)).unwrap_or(0);
    of_address == of_base && address & mask == base & mask
}

/// A client for these settings, and their namespace. `Err`: the reason, with the next step.
fn client(config: Config) -> Result<(Client, String), String> {
    let plugin = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone());
    let (client, namespace) = try_client(config).map_err(|error| unusable(&error, plugin.as_deref()))?;
    let client = match plugin {
        Some(plugin) => credential_plugin::naming_failures(client, &namespace, plugin),
        None => client,
    };
    Ok((client, namespace))
}

fn try_client(mut config: Config) -> Result<(Client, String), kube::Error> {
    // Its retries may take a quarter of an hour, while every call here has a deadline.
    config.default_retry = false;
    let namespace = config.default_namespace.clone();
    // Both kube and Postgres use it; the first to install it wins, and both install the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok((Client::try_from(config)?, namespace))
}

fn unusable(error: &kube::Error, plugin: Option<&str>) -> String {
    match error {
        kube::Error::Auth(failure) => credential_plugin::sentence(failure, plugin.unwrap_or_default()),
        kube::Error::ProxyProtocolUnsupported { .. } | kube::Error::ProxyProtocolDisabled { .. } => {
            "the proxy of the API server is of an unknown kind; use http:// or https:// in proxy-url or HTTPS_PROXY"
                .to_owned()
        }
        _ => credential_plugin::NO_CLIENT.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text(text: &str) -> Kubeconfig {
        Kubeconfig::from_yaml(text).unwrap()
    }

    #[test]
    fn missing_files_of_the_list_are_skipped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("there");
        std::fs::write(&path, "apiVersion: v1\nkind: Config\ncurrent-context: mine\n").unwrap();
        let list = [directory.path().join("absent"), path, directory.path().to_owned()];
        assert_eq!(merged(list.into_iter()).unwrap().current_context.as_deref(), Some("mine"));
        let broken = directory.path().join("broken");
        std::fs::write(&broken, "clusters: 7\n").unwrap();
        assert!(merged([broken].into_iter()).is_err(), "one that cannot be read is no missing one");
    }

    #[tokio::test]
    async fn failing_plugin_is_named_with_its_exit_code() {
        let of = |command: &str, args: &str| {
            let text = format!(
                "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}],\n\
                 clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1'}}}}],\n\
                 users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: '{command}', args: {args},\n\
                 interactiveMode: Never, env: [{{name: TOKEN, value: sk-canary}}]}}}}}}]}}"
            );
            async move {
                let config =
                    Config::from_custom_kubeconfig(of_text(&text), &KubeConfigOptions::default()).await.unwrap();
                client(config).map(|_| ()).unwrap_err()
            }
        };
        let failed = of("sh", "[-c, 'echo sk-canary >&2; exit 7']").await;
        assert_eq!(
            failed,
            "the credential plugin sh of the kubeconfig ended with exit code 7; run it by hand to see why"
        );
        let absent = of("no-such-plugin", "[]").await;
        assert!(
            absent.starts_with("the credential plugin no-such-plugin of the kubeconfig cannot be started: "),
            "{absent}"
        );
        for printed in [
            "",
            "sk-canary",
            "{}",
            "{\"kind\": \"ExecCredential\", \"apiVersion\": \"client.authentication.k8s.io/v1\"}",
        ] {
            let silent = of("printf", &serde_json::json!(["%s", printed]).to_string()).await;
            assert!(
                silent.contains("plugin printf") && silent.contains("printed no ExecCredential"),
                "{printed}: {silent}"
            );
        }
    }

    #[test]
    fn proxy_of_the_cluster_is_that_of_its_context() {
        let kubeconfig = of_text(
            "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a}}, {name: b, context: {cluster: b}}],\n\
             clusters: [{name: a, cluster: {server: 'https://a', proxy-url: 'http://proxy:3128'}}, {name: b, cluster: {server: 'https://b'}}]}",
        );
        assert_eq!(own_proxy(&kubeconfig, None).as_deref(), Some("http://proxy:3128"));
        assert_eq!(own_proxy(&kubeconfig, Some("b")), None);
        assert_eq!(own_proxy(&kubeconfig, Some("c")), None);
    }

    #[test]
    fn exceptions_of_a_proxy_are_about_the_api_server() {
        for (host, exceptions, direct) in [
            ("api.example.com", "", false),
            ("api.example.com", "other.com, example.com", true),
            ("example.com", "example.com", true),
            ("example.com", ".example.com", false),
            ("api.example.com", ".example.com", true),
            ("api.example.com", "*.Example.com", true),
            ("notexample.com", "example.com", false),
            ("api.example.com", "*", true),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4,11.0.0.0/8,fd00::/8", false),
            ("10.1.2.3", "0.0.0.0/0", true),
            ("fd00::1", "fd00::/8", true),
            ("fd00::1", "0.0.0.0/0", false),
            ("10.1.2.3", "10.1.2.x/8,/,10.0.0.0/", false),
            ("127.0.0.1", "", true),
            ("::1", "", true),
            ("localhost", "", true),
        ] {
            assert_eq!(is_direct(host, exceptions), direct, "{host} {exceptions}");
        }
    }
}
