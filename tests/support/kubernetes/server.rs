//! etcd and kube-apiserver on free ports of 127.0.0.1, with RBAC, TLS and tokens.

use super::super::process::{Process, free_port};
use kube::api::GetParams;
use kube::core::Request;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub struct ControlPlane {
    bin: PathBuf,
    directory: PathBuf,
    pub port: u16,
    etcd_port: u16,
    /// PEM; clients trust only this certificate.
    pub certificate: String,
    /// The token of a member of system:masters.
    pub token: String,
    apiserver: Option<Process>,
    etcd: Option<Process>,
}

impl ControlPlane {
    /// Another process may take a free port before it is used.
    pub fn start(bin: &Path) -> Self {
        for _ in 0..4 {
            match Self::try_start(bin) {
                Ok(plane) => return plane,
                Err(log) => assert!(log.contains("address already in use"), "the control plane did not start:\n{log}"),
            }
        }
        panic!("the control plane found no free port");
    }

    fn try_start(bin: &Path) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix("ai-provider-seed-kubernetes-").tempdir();
        let directory = directory.expect("create a directory").keep();
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("make a certificate");
        let signing = rcgen::KeyPair::generate().expect("make a key");
        let token = uuid::Uuid::new_v4().simple().to_string();
        for (name, contents) in [
            ("tls.crt", certified.cert.pem()),
            ("tls.key", certified.signing_key.serialize_pem()),
            ("accounts.key", signing.serialize_pem()),
            ("accounts.pub", signing.public_key_pem()),
            ("tokens.csv", format!("{token},admin,1,system:masters\n")),
        ] {
            fs::write(directory.join(name), contents).expect("write a file for kube-apiserver");
        }
        let mut plane = ControlPlane {
            bin: bin.to_owned(),
            directory,
            port: free_port(),
            etcd_port: free_port(),
            certificate: certified.cert.pem(),
            token,
            apiserver: None,
            etcd: None,
        };
        plane.launch_etcd();
        plane.wait_for_etcd()?;
        plane.launch_apiserver();
        plane.wait_until_ready().map(|()| plane)
    }

    /// All its files are here, and are removed with it.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn log(&self) -> String {
        let read = |path: &str| fs::read_to_string(self.directory.join(path)).unwrap_or_default();
        format!("--- etcd\n{}\n--- kube-apiserver\n{}", read("log"), read("apiserver/log"))
    }

    /// Ends kube-apiserver as a crash would; etcd keeps its content.
    pub fn stop_apiserver(&mut self) {
        self.apiserver = None;
    }

    /// Starts it on its old port and waits until it is ready.
    pub fn start_apiserver(&mut self) {
        self.launch_apiserver();
        self.wait_until_ready().unwrap_or_else(|log| panic!("kube-apiserver did not start again:\n{log}"));
    }

    /// `STOP` stops it from answering while its port stays open, `CONT` lets it continue.
    pub fn signal_apiserver(&mut self, name: &str) {
        self.apiserver.as_mut().expect("kube-apiserver runs").signal(name);
    }

    fn launch_etcd(&mut self) {
        let clients = format!("http://127.0.0.1:{}", self.etcd_port);
        let etcd = self.bin.join("etcd");
        let data = self.directory.join("etcd");
        let command = [
            &*etcd.to_string_lossy(),
            "--data-dir",
            &data.to_string_lossy(),
            "--unsafe-no-fsync",
            "--log-level=warn",
            "--listen-client-urls",
            &clients,
            "--advertise-client-urls",
            &clients,
            "--listen-peer-urls=http://127.0.0.1:0",
        ];
        self.etcd = Some(Process::start_as_ourselves(&self.directory, "KILL", &command));
    }

    /// kube-apiserver would wait a second after its first attempt.
    fn wait_for_etcd(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", self.etcd_port)).is_err() {
            let ended = self.etcd.as_mut().is_some_and(|process| process.exited().is_some());
            if ended || Instant::now() > deadline {
                return Err(self.log());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn launch_apiserver(&mut self) {
        let directory = self.directory.join("apiserver");
        fs::create_dir_all(&directory).expect("create a directory");
        let file = |name: &str| self.directory.join(name).to_string_lossy().into_owned();
        let command = [
            self.bin.join("kube-apiserver").to_string_lossy().into_owned(),
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            "--bind-address=127.0.0.1".into(),
            format!("--secure-port={}", self.port),
            format!("--tls-cert-file={}", file("tls.crt")),
            format!("--tls-private-key-file={}", file("tls.key")),
            format!("--cert-dir={}", file("apiserver")),
            "--authorization-mode=RBAC".into(),
            format!("--token-auth-file={}", file("tokens.csv")),
            format!("--service-account-key-file={}", file("accounts.pub")),
            format!("--service-account-signing-key-file={}", file("accounts.key")),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            "--service-cluster-ip-range=10.96.0.0/16".into(),
            // No controller creates the account "default" here, and without it this plugin refuses every pod.
            "--disable-admission-plugins=ServiceAccount".into(),
        ];
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        self.apiserver = Some(Process::start_as_ourselves(&directory, "KILL", &command));
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let client = super::client(self.port, &self.certificate, &self.token, "default");
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let readyz = Request::new("").get("readyz", &GetParams::default()).expect("build a request");
            if super::block_on(client.request_text(readyz)).is_ok_and(|answer| answer == "ok") {
                return Ok(());
            }
            let processes = [&mut self.etcd, &mut self.apiserver];
            let ended = processes.into_iter().flatten().any(|process| process.exited().is_some());
            if ended || Instant::now() > deadline {
                return Err(self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        (self.apiserver, self.etcd) = (None, None);
        // If etcd ended by itself, the directory still exists.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
