//! PgBouncer in transaction mode in front of a server, for the tests with PgBouncer.

use super::postgres::Server;
use super::process::{Process, free_port};
use super::user;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub struct PgBouncer {
    port: u16,
    directory: PathBuf,
    process: Process,
}

impl PgBouncer {
    /// For these roles and their passwords, with at most two server connections per database and role, so that clients
    /// must share them. None, and the test counts as skipped, if PgBouncer is not installed.
    pub fn start(server: &Server, roles: &[(&str, &str)]) -> Option<PgBouncer> {
        Self::start_with(server, roles, "", &[])
    }

    /// The same with more configuration lines, and files that these name by their bare names.
    pub fn start_with(
        server: &Server,
        roles: &[(&str, &str)],
        more: &str,
        files: &[(&str, &str)],
    ) -> Option<PgBouncer> {
        let Some(program) = program() else {
            super::skip("PgBouncer is not installed (Debian: pgbouncer)");
            return None;
        };
        let directory = user::directory();
        let port = free_port();
        let write = |name: &str, contents: String| {
            let path = directory.join(name);
            std::fs::write(&path, contents).expect("write a file for PgBouncer");
            user::hand_over(&path);
            path.to_string_lossy().into_owned()
        };
        let users = roles.iter().map(|(role, password)| format!("\"{role}\" \"{password}\"\n")).collect();
        let users = write("users", users);
        // ignore_startup_parameters stays empty: a client that needs it does not work with every PgBouncer.
        let ini = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {users}\npool_mode = transaction\n\
             default_pool_size = 2\nmax_client_conn = 200\n{more}",
            server.port()
        );
        for (name, contents) in files {
            write(name, (*contents).to_owned());
        }
        let ini = write("pgbouncer.ini", ini);
        let process = Process::start(&directory, "KILL", &[&program.to_string_lossy(), &ini]);
        let mut bouncer = PgBouncer { port, directory, process };
        bouncer.wait_until_it_listens();
        Some(bouncer)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    fn wait_until_it_listens(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.log().contains("process up") {
            let waiting = self.process.exited().is_none() && Instant::now() < deadline;
            assert!(waiting, "PgBouncer did not start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Debian installs it outside of an ordinary user's PATH.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]);
    places.map(|place| place.join("pgbouncer")).find(|program| program.is_file())
}
