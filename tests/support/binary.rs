//! Runs the built program as a user would: a process with exactly the environment of the test.

use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One run in preparation. Nothing of this process's environment reaches it.
#[derive(Clone)]
pub struct Run {
    under: Vec<OsString>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    termination_log: bool,
    stdin: Option<String>,
    limit: Duration,
    memory: Option<usize>,
}

impl Run {
    pub fn new(args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Run {
            under: Vec::new(),
            args,
            env: Vec::new(),
            termination_log: true,
            stdin: None,
            limit: Duration::from_secs(60),
            memory: None,
        }
    }

    pub fn seed() -> Self {
        Run::new(["seed"])
    }

    pub fn diff() -> Self {
        Run::new(["diff"])
    }

    /// Adds `--output json`.
    pub fn json(self) -> Self {
        self.arg("--output").arg("json")
    }

    /// Removes `--output json`.
    pub fn with_text(mut self) -> Self {
        self.args.retain(|word| word != "--output" && word != "json");
        self
    }

    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub fn args(self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        args.into_iter().fold(self, Run::arg)
    }

    /// Replaces the argument that begins with this text.
    pub fn replacing(mut self, beginning: &str, by: &str) -> Self {
        for arg in &mut self.args {
            if let Some(rest) = arg.to_str().and_then(|text| text.strip_prefix(beginning)) {
                *arg = format!("{by}{rest}").into();
            }
        }
        self
    }

    /// Started by these words, which are followed by the program's own, and become it.
    pub fn under(mut self, words: &[&str]) -> Self {
        self.under = words.iter().map(Into::into).collect();
        self
    }

    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Removes a variable that `env` set.
    pub fn without(mut self, name: &str) -> Self {
        self.env.retain(|(given, _)| given != name);
        self
    }

    pub fn envs<N: Into<OsString>, V: Into<OsString>>(self, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        pairs.into_iter().fold(self, |run, (name, value)| run.env(name, value))
    }

    /// The database to use, as Coder's own variable.
    pub fn database(self, url: impl AsRef<OsStr>) -> Self {
        self.env("CODER_PG_CONNECTION_URL", url.as_ref())
    }

    /// The text of its standard input; without this, none.
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// Without this there is a termination log, in a temporary file, named by AI_PROVIDER_SEED_TERMINATION_LOG.
    pub fn without_termination_log(mut self) -> Self {
        self.termination_log = false;
        self
    }

    /// The time limit (60 s), after which it is killed and the test fails.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The MiB that it may allocate: beyond that the kernel refuses, and the program ends by a signal. Every private
    /// writable page that it requests counts; the pages of its own file do not.
    pub fn memory(mut self, mebibytes: usize) -> Self {
        self.memory = Some(mebibytes);
        self
    }

    /// Runs it to its end.
    pub fn run(&self) -> Finished {
        self.start().wait()
    }

    /// Starts it, for tests that act in the meantime.
    pub fn start(&self) -> Started {
        let mut command = match (self.memory, self.under.split_first()) {
            (None, None) => Command::new(program()),
            (None, Some((first, more))) => {
                let mut command = Command::new(first);
                command.args(more).arg(program());
                command
            }
            (Some(mebibytes), _) => {
                let mut shell = Command::new("/bin/sh");
                let kibibytes = (mebibytes << 10).to_string();
                shell.args(["-c", "ulimit -d \"$0\" && exec \"$@\"", &kibibytes]).arg(program());
                shell
            }
        };
        command.args(&self.args).env_clear().envs(self.env.iter().cloned());
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // Created before, as by the kubelet.
        let termination_log = self.termination_log.then(|| tempfile::NamedTempFile::new().expect("create a file"));
        if let Some(file) = &termination_log {
            command.env("AI_PROVIDER_SEED_TERMINATION_LOG", file.path());
        }
        let started = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("start {}: {error}", program().display()));
        if let Some(text) = self.stdin.clone() {
            let mut stdin = child.stdin.take().expect("stdin is piped");
            // It may end without reading.
            std::thread::spawn(move || std::io::Write::write_all(&mut stdin, text.as_bytes()));
        }
        let stdout = collect(child.stdout.take().expect("stdout is piped"));
        let stderr = collect(child.stderr.take().expect("stderr is piped"));
        Started { child, stdout, stderr, termination_log, started, limit: self.limit }
    }
}

/// A running process.
pub struct Started {
    child: Child,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
    termination_log: Option<tempfile::NamedTempFile>,
    started: Instant,
    limit: Duration,
}

impl Started {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn ended(&mut self) -> bool {
        self.child.try_wait().expect("ask for the end").is_some()
    }

    /// SIGKILL. A later `wait` returns the output so far, with `code` -1.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill the program");
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status().expect("start kill");
        assert!(sent.success(), "kill -s {name} failed");
    }

    /// Waits for its end; after the limit it is killed and the test fails.
    pub fn wait(mut self) -> Finished {
        while !self.ended() && self.started.elapsed() < self.limit {
            std::thread::sleep(Duration::from_millis(2));
        }
        let elapsed = self.started.elapsed();
        let in_time = self.ended();
        if !in_time {
            self.kill();
        }
        let status = self.child.wait().expect("wait for the program");
        let text = |bytes: JoinHandle<Vec<u8>>| {
            String::from_utf8(bytes.join().expect("join the reader")).expect("the program prints UTF-8 only")
        };
        let finished = Finished {
            code: status.code().unwrap_or(-1),
            stdout: text(self.stdout),
            stderr: text(self.stderr),
            termination: self.termination_log.map(|file| {
                let bytes = std::fs::read(file.path()).expect("read the termination log");
                String::from_utf8(bytes).expect("the termination message is UTF-8")
            }),
            elapsed,
        };
        assert!(in_time, "did not end within {:?}\n{finished}", self.limit);
        finished
    }
}

/// The results of a run.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit code; -1 if a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// The termination message; None only after `without_termination_log`.
    pub termination: Option<String>,
    pub elapsed: Duration,
}

impl Finished {
    /// The JSON document on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("standard output is not JSON: {error}\n{self}"))
    }

    /// Ends the test with the whole output unless the exit code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert!(self.code == code, "exit code {} instead of {code}\n{self}", self.code);
        self
    }

    /// The codes in the list `problems` or `warnings` of the JSON document.
    pub fn codes(&self, list: &str) -> Vec<String> {
        let json = self.json();
        let entries = json[list].as_array().unwrap_or_else(|| panic!("no list {list}\n{self}"));
        entries.iter().map(|entry| entry["code"].as_str().expect("a code is a string").to_owned()).collect()
    }

    /// All output of the program, to search for secrets.
    pub fn everything(&self) -> String {
        [&self.stdout, &self.stderr, self.termination.as_deref().unwrap_or_default()].join("\n")
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let termination = self.termination.as_deref().unwrap_or_default();
        write!(f, "exit code {} after {:?}", self.code, self.elapsed)?;
        write!(f, "\n--- stdout\n{}\n--- stderr\n{}\n--- termination message\n{termination}", self.stdout, self.stderr)
    }
}

/// The program that cargo built for this test or, for an example, beside it.
pub fn program() -> PathBuf {
    let Some(path) = option_env!("CARGO_BIN_EXE_ai-provider-seed") else {
        let example = std::env::current_exe().expect("know this program's path");
        return example.parent().and_then(|path| path.parent()).expect("it lies in target").join("ai-provider-seed");
    };
    path.into()
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("read the program's output");
        bytes
    })
}
