//! Finds the API server as kubectl does, and explains why the configuration gives no client.

mod proxy;
mod unusable;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use self::proxy::{PROXY_VARIABLES, is_behind_proxy, own_proxy, variable};
use self::unusable::Unusable;
use super::credential_plugin;
use crate::options::cluster::ApiServer;
use crate::problem::{Code, Problem};
use crate::provider::redact;

/// Bytes of one file: certificates of a hundred clusters take a hundredth of it.
const MAX_KUBECONFIG: u64 = 4 << 20;

/// An API server and the connection to it.
pub struct Connection {
    pub client: Client,
    /// The namespace of its context.
    pub namespace: String,
    /// `https://api.example.com:6443`, with the proxy if there is one; safe to show.
    pub address: String,
}

/// A client for this API server. Without a file and a context: the files of
/// `KUBECONFIG` (missing ones are skipped) or `~/.kube/config`, else the service account of the pod.
pub async fn connect(server: &ApiServer) -> Result<Connection, Problem> {
    let mut config = match (of_files(server).await, Config::incluster()) {
        (Err(Unusable::NotConfigured), Ok(config)) if server.kubeconfig.is_none() && server.context.is_none() => {
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
    let address = match &config.proxy_url {
        Some(proxy) => format!("{} (through the proxy {})", address(&config.cluster_url), address(proxy)),
        None => address(&config.cluster_url),
    };
    let (client, namespace) = client(config).map_err(|message| Problem::new(Code::KubeconfigInvalid, message))?;
    Ok(Connection { client, namespace, address })
}

/// Without the user and the path, which may contain a key of a proxy.
fn address(url: &hyper::Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("https");
    let port = url.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    redact::name(&format!("{scheme}://{}{port}", url.host().unwrap_or_default()))
}

async fn of_files(server: &ApiServer) -> Result<Config, Unusable> {
    let listed = std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty());
    let kubeconfig = match (&server.kubeconfig, listed) {
        (Some(path), _) => read(path)?,
        (None, Some(list)) => merged(std::env::split_paths(&list))?,
        (None, None) => of_home()?,
    };
    let context = server.context.clone();
    has_what_it_names(&kubeconfig, context.as_deref())?;
    let own = own_proxy(&kubeconfig, context.as_deref());
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let invalid = |error| Unusable::of(error, None);
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(invalid)?;
    // The library matches the exceptions with the proxy; kubectl matches them with the API server.
    config.proxy_url = match own.or_else(|| variable(&PROXY_VARIABLES).filter(|_| is_behind_proxy(&config))) {
        Some(proxy) => Some(proxy.parse().map_err(KubeconfigError::ParseProxyUrl).map_err(invalid)?),
        None => None,
    };
    Ok(config)
}

/// The context with its cluster and user; as in kubectl, each must exist.
fn has_what_it_names(kubeconfig: &Kubeconfig, wanted: Option<&str>) -> Result<(), Unusable> {
    let current = kubeconfig.current_context.as_deref().filter(|name| !name.is_empty());
    let name = wanted.or(current).ok_or(Unusable::NotConfigured)?;
    let Some(context) = kubeconfig.contexts.iter().find(|named| named.name == name) else {
        let has = kubeconfig.contexts.iter().map(|named| named.name.clone()).collect();
        return Err(Unusable::NoSuchContext { current: wanted.is_none().then(|| name.to_owned()), has });
    };
    let Some(context) = &context.context else { return Err(Unusable::Invalid { path: None }) };
    if kubeconfig.clusters.iter().all(|named| named.name != context.cluster) {
        return Err(Unusable::NoSuchCluster {
            context: name.to_owned(),
            cluster: context.cluster.clone(),
            has: kubeconfig.clusters.iter().map(|named| named.name.clone()).collect(),
        });
    }
    match context.user.as_deref().filter(|user| !user.is_empty()) {
        Some(user) if kubeconfig.auth_infos.iter().all(|named| named.name != user) => {
            Err(Unusable::NoSuchUser { context: name.to_owned(), user: user.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Among several files, the first one with a value counts. A missing file is skipped; an unreadable one is an error.
fn merged(paths: impl Iterator<Item = PathBuf>) -> Result<Kubeconfig, Unusable> {
    let mut merged = Kubeconfig::default();
    for path in paths.filter(|path| !path.as_os_str().is_empty()) {
        match read(&path) {
            Err(Unusable::Unreadable { kind: ErrorKind::NotFound, .. }) => {}
            found => merged = merged.merge(found?).map_err(|error| Unusable::of(error, Some(&path)))?,
        }
    }
    Ok(merged)
}

/// The file of a user without one, or in a folder that this process may not enter, counts as missing.
fn of_home() -> Result<Kubeconfig, Unusable> {
    let home = std::env::home_dir().ok_or(Unusable::NotConfigured)?;
    match read(&home.join(".kube/config")) {
        Err(Unusable::Unreadable { kind: ErrorKind::NotFound | ErrorKind::PermissionDenied, .. }) => {
            Err(Unusable::NotConfigured)
        }
        found => found,
    }
}

fn read(path: &Path) -> Result<Kubeconfig, Unusable> {
    let unreadable = |kind| Unusable::Unreadable { path: path.to_owned(), kind };
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(error.kind()))?;
    if metadata.is_dir() {
        return Err(unreadable(ErrorKind::IsADirectory));
    }
    if metadata.len() > MAX_KUBECONFIG {
        return Err(unreadable(ErrorKind::FileTooLarge));
    }
    let found = if metadata.is_file() { Kubeconfig::read_from(path) } else { of_stream(path).map_err(unreadable)? };
    found.map_err(|error| Unusable::of(error, Some(path)))
}

/// A pipe of a shell, or /dev/null, whose length is unknown before its end.
fn of_stream(path: &Path) -> Result<Result<Kubeconfig, KubeconfigError>, ErrorKind> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_KUBECONFIG + 1).read_to_string(&mut text));
    match read {
        Ok(size) if size as u64 > MAX_KUBECONFIG => Err(ErrorKind::FileTooLarge),
        Ok(_) => Ok(Kubeconfig::from_yaml(&text)),
        Err(error) => Err(error.kind()),
    }
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
        let list = [directory.path().join("absent"), path.clone(), "/dev/null".into(), PathBuf::new()];
        let current = |list: Vec<PathBuf>| merged(list.into_iter()).map(|found| found.current_context);
        assert_eq!(current(list.to_vec()).ok().flatten().as_deref(), Some("mine"));
        let broken = directory.path().join("broken");
        std::fs::write(&broken, "clusters: 7\n").unwrap();
        for one in [broken, directory.path().to_owned(), path.join("below")] {
            let found = current(vec![path.clone(), one]);
            // In a pod, the service account does not replace such a file.
            assert!(
                !matches!(found, Ok(_) | Err(Unusable::NotConfigured)),
                "one that cannot be read is no missing one"
            );
        }
        let none = merged([directory.path().join("absent")].into_iter()).ok().unwrap();
        assert!(matches!(has_what_it_names(&none, None), Err(Unusable::NotConfigured)));
    }

    #[test]
    fn context_needs_its_cluster_and_its_user() {
        let text = "{apiVersion: v1, kind: Config, current-context: gone, clusters: [{name: a, cluster: {server: 'https://a'}}],\n\
                    users: [{name: u}], contexts: [{name: ok, context: {cluster: a, user: u}}, {name: anonymous, context: {cluster: a}},\n\
                    {name: x, context: {cluster: b}}, {name: y, context: {cluster: a, user: sk-canary}}]}";
        let said = |context: Option<&str>| {
            let error = has_what_it_names(&of_text(text), context).err()?;
            Some(error.into_problem(&ApiServer::default()).message)
        };
        assert_eq!((said(Some("ok")), said(Some("anonymous"))), (None, None));
        assert!(
            said(None)
                .unwrap()
                .starts_with("the kubeconfig has no context gone, its current-context; choose one of ok")
        );
        assert!(said(Some("z")).unwrap().starts_with("the kubeconfig has no such context; choose one of ok"));
        let cluster = said(Some("x")).unwrap();
        assert!(cluster.contains("x is of the cluster b, which the kubeconfig does not have; it has a"), "{cluster}");
        let user = said(Some("y")).unwrap();
        assert!(user.contains("the context y is of the user ***, whom"), "{user}");
    }

    #[test]
    fn address_has_no_user_and_no_path() {
        for (url, shown) in [
            ("https://me:sk-canary@api.example.com:6443/k8s/clusters/c?token=x", "https://api.example.com:6443"),
            ("http://127.0.0.1:1", "http://127.0.0.1:1"),
            ("https://[fd00::1]:6443/", "https://[fd00::1]:6443"),
        ] {
            assert_eq!(address(&url.parse().unwrap()), shown);
        }
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
}
