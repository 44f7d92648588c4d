//! A real Kubernetes API for tests: one etcd and kube-apiserver per test process, one namespace per test.
//!
//! There are no controllers and no nodes: a Deployment is stored without effect, and a namespace never goes away.

mod server;
pub mod tools;

use ai_provider_seed::testing::kubernetes::crd::spec;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount as Account;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, PostParams};
use kube::config::AuthInfo;
use kube::{Client, Config};
use secrecy::SecretString;
use serde_json::{Value, json};
use server::ControlPlane;
use std::fs;
use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Runs a future to its end from a test, which is a plain function. All futures share one runtime, so that several tests
/// may use a client.
pub fn block_on<F: Future>(future: F) -> F::Output {
    static RUNTIME: OnceLock<tokio::runtime::Handle> = OnceLock::new();
    let handle = RUNTIME.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("start tokio");
        let handle = runtime.handle().clone();
        // Waiting on the handle does not drive sockets and timers; this thread does.
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        handle
    });
    handle.block_on(future)
}

/// Calls `probe` until it returns a value, for at most 30 s.
#[track_caller]
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub struct Cluster {
    plane: Mutex<ControlPlane>,
    directory: PathBuf,
    kubeconfig: PathBuf,
    port: u16,
    certificate: String,
    token: String,
    shared: bool,
    namespaces: AtomicUsize,
}

impl Cluster {
    /// The cluster of this test process, with the definition installed. None, and the test counts as skipped, if
    /// kube-apiserver is unavailable.
    pub fn shared() -> Option<&'static Cluster> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            let cluster = Cluster { shared: true, ..Cluster::start_in(tools::directory()?) };
            cluster.install_definition();
            Some(cluster)
        });
        if shared.is_none() {
            super::skip(tools::MISSING);
        }
        shared.as_ref()
    }

    /// A separate cluster without the definition; ends when dropped. Takes a few seconds.
    pub fn start() -> Option<Cluster> {
        let directory = tools::directory();
        if directory.is_none() {
            super::skip(tools::MISSING);
        }
        directory.map(Cluster::start_in)
    }

    fn start_in(bin: &Path) -> Cluster {
        let plane = ControlPlane::start(bin);
        let (directory, port) = (plane.directory().to_owned(), plane.port);
        let (certificate, token) = (plane.certificate.clone(), plane.token.clone());
        let kubeconfig = directory.join("kubeconfig");
        write_kubeconfig(&kubeconfig, port, &certificate, &token, "default");
        let (plane, namespaces) = (Mutex::new(plane), AtomicUsize::new(0));
        Cluster { plane, directory, kubeconfig, port, certificate, token, shared: false, namespaces }
    }

    /// Installs the definition that this build of the program prints, and waits until it is served.
    pub fn install_definition(&self) {
        let (client, definition) = (self.client(), spec::definition());
        block_on(async {
            let api: Api<CustomResourceDefinition> = Api::all(client.clone());
            api.create(&PostParams::default(), &definition).await.expect("install the definition");
            let seeds: Api<spec::AIProviderSeed> = Api::all(client);
            let deadline = Instant::now() + Duration::from_secs(30);
            while let Err(error) = seeds.list(&Default::default()).await {
                assert!(Instant::now() < deadline, "the definition is not served: {error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }

    /// A client with all permissions. It does not retry.
    pub fn client(&self) -> Client {
        client(self.port, &self.certificate, &self.token, "default")
    }

    /// The same for another program.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The port of kube-apiserver, for a proxy in front of it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A new namespace for one test.
    pub fn namespace(&self) -> Namespace<'_> {
        let name = format!("test-{}", self.namespaces.fetch_add(1, Ordering::SeqCst) + 1);
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        let namespace = serde_json::from_value(namespace).expect("a namespace");
        let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(self.client());
        block_on(api.create(&PostParams::default(), &namespace)).expect("create a namespace");
        let kubeconfig = self.directory.join(format!("kubeconfig-{name}"));
        write_kubeconfig(&kubeconfig, self.port, &self.certificate, &self.token, &name);
        let namespace = Namespace { cluster: self, name, kubeconfig };
        namespace.add_lease("ai-provider-seed");
        namespace
    }

    /// Ends kube-apiserver as a crash would.
    pub fn stop_apiserver(&self) {
        assert!(!self.shared, "other tests use the shared cluster: start one with Cluster::start");
        self.plane.lock().unwrap().stop_apiserver();
    }

    /// Starts it again, with all its content.
    pub fn start_apiserver(&self) {
        self.plane.lock().unwrap().start_apiserver();
    }

    /// Stops it from answering, while every connection stays open.
    pub fn freeze_apiserver(&self) {
        assert!(!self.shared, "other tests use the shared cluster: start one with Cluster::start");
        self.plane.lock().unwrap().signal_apiserver("STOP");
    }

    /// Lets it continue.
    pub fn thaw_apiserver(&self) {
        self.plane.lock().unwrap().signal_apiserver("CONT");
    }

    /// The logs of etcd and kube-apiserver.
    pub fn log(&self) -> String {
        self.plane.lock().unwrap().log()
    }
}

pub struct Namespace<'c> {
    cluster: &'c Cluster,
    name: String,
    kubeconfig: PathBuf,
}

impl Namespace<'_> {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// With all permissions, and this namespace as the default.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The same through a proxy on this port of the loopback.
    pub fn kubeconfig_through(&self, port: u16) -> PathBuf {
        let path = self.kubeconfig.with_extension(port.to_string());
        write_kubeconfig(&path, port, &self.cluster.certificate, &self.cluster.token, &self.name);
        path
    }

    /// A client with all permissions, and this namespace as the default.
    pub fn client(&self) -> Client {
        client(self.cluster.port, &self.cluster.certificate, &self.cluster.token, &self.name)
    }

    /// As the chart creates it.
    pub fn add_lease(&self, name: &str) {
        let lease = json!({"metadata": {"name": name}});
        let lease = serde_json::from_value(lease).expect("a lease");
        let api: Api<k8s_openapi::api::coordination::v1::Lease> = self.api();
        block_on(api.create(&PostParams::default(), &lease)).expect("create a lease");
    }

    /// Objects of this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client(), &self.name)
    }

    /// Runs kubectl in this namespace.
    pub fn kubectl(&self, args: &[&str]) -> Output {
        self.kubectl_with(args, "")
    }

    /// The same with text on standard input.
    pub fn kubectl_with(&self, args: &[&str], stdin: &str) -> Output {
        let mut child = Command::new(tools::tool("kubectl").expect("there is kubectl where there is a cluster"))
            .args(args)
            .env_clear()
            .env("HOME", &self.cluster.directory)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start kubectl");
        // It may end without reading.
        let _ = child.stdin.take().expect("stdin is piped").write_all(stdin.as_bytes());
        let output = child.wait_with_output().expect("wait for kubectl");
        let text = |bytes| String::from_utf8(bytes).expect("kubectl prints UTF-8");
        Output { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// `kubectl apply` of objects in YAML; a refusal ends the test.
    #[track_caller]
    pub fn apply(&self, yaml: &str) {
        self.kubectl_with(&["apply", "-f", "-"], yaml).ok();
    }

    /// An account with only the permissions that the test binds to it: `kind: ServiceAccount, name, namespace`.
    pub fn service_account(&self, name: &str) -> ServiceAccount {
        let api: Api<Account> = self.api();
        let mut account = Account::default();
        account.metadata.name = Some(name.to_owned());
        let request = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
        let token = block_on(async {
            api.create(&PostParams::default(), &account).await.expect("create the account");
            let answer = api.create_token_request(name, &PostParams::default(), &request).await;
            answer.expect("ask for a token").status.expect("an answer has a status").token
        });
        let kubeconfig = self.cluster.directory.join(format!("kubeconfig-{}-{name}", self.name));
        let (port, certificate) = (self.cluster.port, &self.cluster.certificate);
        write_kubeconfig(&kubeconfig, port, certificate, &token, &self.name);
        ServiceAccount { client: client(port, certificate, &token, &self.name), kubeconfig, token }
    }

    /// An account with these rules in this namespace, and no other permissions.
    pub fn account_with(&self, name: &str, rules: &Value) -> ServiceAccount {
        let account = self.service_account(name);
        let group = "rbac.authorization.k8s.io";
        let metadata = json!({"name": name});
        for object in [
            json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata, "rules": rules}),
            json!({
                "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
                "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self.name}],
            }),
        ] {
            self.apply(&object.to_string());
        }
        account
    }
}

pub struct ServiceAccount {
    pub client: Client,
    pub kubeconfig: PathBuf,
    pub token: String,
}

/// The output of kubectl.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Its standard output; a failure ends the test.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.code == 0, "kubectl: exit code {}\n{}\n{}", self.code, self.stdout, self.stderr);
        self.stdout
    }
}

/// It does not retry: a test needs the first answer.
fn client(port: u16, certificate: &str, token: &str, namespace: &str) -> Client {
    let mut config = Config::new(format!("https://127.0.0.1:{port}").parse().expect("a URL"));
    config.default_namespace = namespace.to_owned();
    config.root_cert = Some(vec![pem_to_der(certificate)]);
    config.auth_info = AuthInfo { token: Some(SecretString::from(token.to_owned())), ..AuthInfo::default() };
    config.default_retry = false;
    let _ = rustls::crypto::ring::default_provider().install_default();
    block_on(async { Client::try_from(config).expect("build a client") })
}

fn pem_to_der(pem: &str) -> Vec<u8> {
    use base64::Engine;
    let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(lines.trim()).expect("PEM is base64")
}

/// JSON is YAML.
fn write_kubeconfig(path: &Path, port: u16, certificate: &str, token: &str, namespace: &str) {
    use base64::Engine;
    let certificate = base64::engine::general_purpose::STANDARD.encode(certificate);
    let server = format!("https://127.0.0.1:{port}");
    let config: Value = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "test", "cluster": { "server": server, "certificate-authority-data": certificate } }],
        "users": [{ "name": "test", "user": { "token": token } }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test", "namespace": namespace } }],
        "current-context": "test",
    });
    fs::write(path, config.to_string()).expect("write a kubeconfig");
}
