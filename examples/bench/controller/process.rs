//! The measured controller: the kernel's numbers for it, and its own metrics.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Namespace;

/// The unit of a process's time in the kernel's files.
const TICKS_PER_SECOND: f64 = 100.0;
const STARTS_WITHIN: Duration = Duration::from_secs(60);

pub struct Process {
    child: Child,
    port: u16,
}

impl Process {
    /// Starts a controller for the namespace and waits until it is ready.
    pub fn start(path: &Path, namespace: &Namespace, args: &[&str]) -> Process {
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("find a port").port();
        let mut command = Command::new(path);
        command.args(["controller", "--log-level=error", "--allow-local"]).arg(format!("--listen=127.0.0.1:{port}"));
        command.args(args).env_clear().env("KUBECONFIG", namespace.kubeconfig());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut process = Process { child: child.expect("start the controller"), port };
        let started = Instant::now();
        while process.get("/readyz").is_none_or(|(code, _)| code != 200) {
            assert!(process.child.try_wait().expect("ask for its end").is_none(), "the controller ended");
            assert!(started.elapsed() < STARTS_WITHIN, "the controller is not ready: {:?}", process.get("/readyz"));
            std::thread::sleep(Duration::from_millis(5));
        }
        process
    }

    /// Resident memory in KiB.
    pub fn memory(&self) -> u64 {
        self.kib("VmRSS:")
    }

    /// Peak resident memory in KiB.
    pub fn peak_memory(&self) -> u64 {
        self.kib("VmHWM:")
    }

    /// Processor seconds so far.
    pub fn cpu_seconds(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("read the statistics");
        // The program's name may contain spaces. After it, utime and stime are the 12th and 13th field.
        let fields = text.rsplit(')').next().expect("there is a name").split_whitespace();
        let ticks: f64 = fields.skip(11).take(2).map(|field| field.parse::<f64>().expect("a number")).sum();
        ticks / TICKS_PER_SECOND
    }

    /// The sum of all samples whose line begins with this text.
    pub fn metric(&self, start: &str) -> f64 {
        let text = self.get("/metrics").expect("there are metrics").1;
        let samples = text.lines().filter(|line| line.starts_with(start));
        samples
            .map(|line| line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok()).expect("a number"))
            .sum()
    }

    /// The number of samples of a metric.
    pub fn samples(&self, start: &str) -> usize {
        self.get("/metrics").map_or(0, |(_, text)| text.lines().filter(|line| line.starts_with(start)).count())
    }

    /// Status and body.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let code = answer.split(' ').nth(1)?.parse().ok()?;
        Some((code, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }

    fn kib(&self, field: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("read the status");
        let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("there is such a field");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
