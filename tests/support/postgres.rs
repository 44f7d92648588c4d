//! A real Postgres for tests: one server per test process, additional ones for tests that need a separate server.

use super::process::{Process, free_port};
use super::{archive, user};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// The superuser of the helpers. It may always connect without password and TLS, whatever a test configures for others.
pub const CHECKS: &str = "checks";

/// How to stop: `Fast` ends sessions and checkpoints, `Immediate` is a crash.
#[derive(Clone, Copy)]
pub enum Mode {
    Fast,
    Immediate,
}

/// The settings of a separate server. Default: version `POSTGRES_VERSION` or 15, all clients trusted, no TLS.
#[derive(Clone, Default)]
pub struct Options {
    version: Option<String>,
    settings: Vec<(String, String)>,
    hba: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
    speaks_german: bool,
}

impl Options {
    pub fn new() -> Self {
        Self::default()
    }

    /// Another version than that of the run, such as "13".
    pub fn version(mut self, version: &str) -> Self {
        self.version = Some(version.into());
        self
    }

    /// A server setting, such as `("ssl", "on")`.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// A line of pg_hba.conf. With one, only clients that such a line admits may connect (and the helpers).
    pub fn hba(mut self, line: &str) -> Self {
        self.hba.push(line.into());
        self
    }

    /// Passwords (SCRAM) for all clients; the role `postgres` has the password `postgres`.
    pub fn scram(self) -> Self {
        self.hba("host all all 127.0.0.1/32 scram-sha-256")
    }

    /// A file in the data directory with mode 0600, named in settings by its bare name: `.file("server.key", pem)`.
    pub fn file(mut self, name: &str, contents: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.into(), contents.into()));
        self
    }

    /// Messages in German. The archive's binaries have no translations, so these are Debian's; `None`, and the test
    /// counts as skipped, if they or the locale's source are not installed.
    pub fn german(mut self) -> Option<Self> {
        if debian().is_none() || !Path::new("/usr/share/i18n/locales/de_DE").is_file() {
            super::skip("no Postgres that speaks German (Debian: postgresql, locales)");
            return None;
        }
        self.speaks_german = true;
        Some(self.setting("lc_messages", GERMAN))
    }

    /// TLS with this certificate chain and key (PEM).
    pub fn tls(self, certificates: &str, key: &str) -> Self {
        self.file("server.crt", certificates)
            .file("server.key", key)
            .setting("ssl", "on")
            .setting("ssl_cert_file", "server.crt")
            .setting("ssl_key_file", "server.key")
    }
}

pub struct Server {
    options: Options,
    home: PathBuf,
    directory: PathBuf,
    port: u16,
    shared: bool,
    process: Mutex<Option<Process>>,
    /// Existing template databases; see database.rs.
    pub(super) templates: Mutex<BTreeSet<String>>,
    pub(super) databases: AtomicUsize,
}

impl Server {
    /// The server of this test process. Never stop it or change its settings: other tests use it at the same time.
    pub fn shared() -> &'static Server {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| {
            let mut server = Server::start(Options::new());
            server.shared = true;
            server
        })
    }

    /// A separate server; ends when dropped. Takes about a second.
    pub fn start(options: Options) -> Server {
        let version = options.version.clone().unwrap_or_else(default_version);
        let german = debian().filter(|_| options.speaks_german);
        let home = german.unwrap_or_else(|| archive::home(&version));
        let mut server = Server::new(options, home);
        server.initdb();
        server.launch_on_free_port();
        server.bootstrap();
        server
    }

    fn new(options: Options, home: PathBuf) -> Server {
        Server {
            options,
            home,
            directory: user::directory(),
            port: 0,
            shared: false,
            process: Mutex::new(None),
            templates: Mutex::default(),
            databases: AtomicUsize::new(0),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// The server's log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Writes a file into the data directory with the server's ownership (certificates may change between two starts).
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.data().join(name);
        fs::write(&path, contents).expect("write into the data directory");
        user::hand_over(&path);
    }

    pub fn stop(&self, mode: Mode) {
        assert!(!self.shared, "other tests use the shared server: start one with Server::start");
        let mut process = self.process.lock().unwrap().take().expect("the server runs");
        process.signal(if matches!(mode, Mode::Fast) { "INT" } else { "QUIT" });
        process.wait();
    }

    /// Starts a stopped server on its old port with its old data.
    pub fn start_again(&self) {
        self.launch().unwrap_or_else(|log| panic!("Postgres did not start again:\n{log}"));
    }

    pub fn restart(&self, mode: Mode) {
        self.stop(mode);
        self.start_again();
    }

    /// A hot standby that streams from this server (restarts this server once). `promote` makes it a primary.
    ///
    /// The archive has no pg_basebackup, so the data directory is copied while the server is down.
    pub fn standby(&self) -> Server {
        self.stop(Mode::Fast);
        let mut standby = Server::new(self.options.clone(), self.home.clone());
        copy(&self.data(), &standby.data());
        self.start_again();
        let source = format!("host=127.0.0.1 port={} user={CHECKS} sslmode=disable", self.port);
        standby.options.settings.push(("primary_conninfo".into(), source));
        standby.write("standby.signal", "");
        standby.launch_on_free_port();
        standby
    }

    /// Makes a standby a primary; returns when it accepts writes.
    pub fn promote(&self) {
        self.client("postgres").simple_query("select pg_promote()").expect("promote");
    }

    /// A connection of the helpers, also if the server is read-only, TLS-only or password-only.
    pub fn client(&self, database: &str) -> ::postgres::Client {
        let connected = self.config(database).connect(::postgres::NoTls);
        connected.unwrap_or_else(|error| panic!("connect to {database}: {error:?}\n{}", self.log()))
    }

    pub(super) fn config(&self, database: &str) -> ::postgres::Config {
        let mut config = ::postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user(CHECKS).dbname(database);
        config.options("-c default_transaction_read_only=off -c client_min_messages=warning");
        config
    }

    fn initdb(&self) {
        let output = user::command(self.home.join("bin/initdb"))
            .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username", CHECKS, "--pgdata"])
            .arg(self.data())
            .env_clear()
            .current_dir(&self.directory)
            .output()
            .expect("start initdb");
        assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
        for (name, contents) in &self.options.files {
            self.write(name, contents);
        }
        let everybody = ["host all all 127.0.0.1/32 trust".to_owned()];
        let lines = if self.options.hba.is_empty() { &everybody[..] } else { &self.options.hba };
        let helpers = format!("host all,replication {CHECKS} 127.0.0.1/32 trust");
        self.write("pg_hba.conf", format!("{helpers}\n{}\n", lines.join("\n")));
    }

    /// glibc looks for locales in LOCPATH; the system's own are not changed.
    fn make_locale(&self) {
        if self.directory.join(GERMAN).is_dir() {
            return;
        }
        let made = user::command("localedef")
            .args(["--no-archive", "-i", "de_DE", "-f", "UTF-8"])
            .arg(self.directory.join(GERMAN))
            .output()
            .expect("start localedef");
        assert!(self.directory.join(GERMAN).is_dir(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn bootstrap(&self) {
        self.client("postgres")
            .batch_execute("create role postgres superuser login password 'postgres'")
            .expect("create the role postgres");
    }

    /// Another process may take the free port before the server does.
    fn launch_on_free_port(&mut self) {
        for attempt in 1.. {
            self.port = free_port();
            match self.launch() {
                Ok(()) => return,
                Err(log) if attempt == 5 || !log.contains("could not bind") => panic!("Postgres did not start:\n{log}"),
                Err(_) => {}
            }
        }
    }

    fn launch(&self) -> Result<(), String> {
        let pid_file = self.data().join("postmaster.pid");
        // A file left by a crash would look like a ready server.
        let _ = fs::remove_file(&pid_file);
        let program = self.home.join("bin/postgres").to_string_lossy().into_owned();
        let data = self.data().to_string_lossy().into_owned();
        let port = self.port.to_string();
        let settings = [
            ("port", port.as_str()),
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", ""),
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("shared_buffers", "32MB"),
            ("max_connections", "200"),
            ("timezone", "UTC"),
            ("password_encryption", "scram-sha-256"),
        ];
        let own = self.options.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let settings: Vec<String> = settings
            .into_iter()
            .chain(own)
            .flat_map(|(name, value)| ["-c".into(), format!("{name}={value}")])
            .collect();
        let locales = format!("LOCPATH={}", self.directory.display());
        if self.options.speaks_german {
            self.make_locale();
        }
        let command: Vec<&str> = ["/usr/bin/env", &locales, &program, "-D", &data]
            .into_iter()
            .chain(settings.iter().map(String::as_str))
            .collect();

        let mut process = Process::start(&self.directory, "QUIT", &command);
        let deadline = Instant::now() + Duration::from_secs(60);
        // The server writes its state into the last line of this file; a query at the port could reach another server.
        while fs::read_to_string(&pid_file).unwrap_or_default().lines().last().map(str::trim) != Some("ready") {
            if process.exited().is_some() || Instant::now() > deadline {
                return Err(self.log());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        *self.process.lock().unwrap() = Some(process);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.lock().unwrap().take().is_none() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

const GERMAN: &str = "de_DE.UTF-8";

/// Debian's Postgres, the only one with translations of its messages.
fn debian() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let homes = versions.flatten().map(|entry| entry.path());
    homes.filter(|home| home.join("bin/postgres").is_file() && home.join("bin/initdb").is_file()).max()
}

fn default_version() -> String {
    std::env::var("POSTGRES_VERSION").unwrap_or_else(|_| "15".into())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("create a directory");
    user::hand_over(to);
    for entry in fs::read_dir(from).expect("read a directory") {
        let entry = entry.expect("read a directory");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("read a file type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("copy a file");
            user::hand_over(&target);
        }
    }
}
