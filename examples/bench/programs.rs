//! The measured programs, as processes with a separate environment.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The measured program is the delivered one: the static program of the init container's image, and the floor built in
/// the same way.
const INIT: &str = "target/bench";
/// The same with the controller.
const WHOLE: &str = "target";

fn built(directory: &str, name: &str) -> PathBuf {
    let triple = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory).join(triple).join("release").join(name);
    assert!(program.is_file(), "{} is not there: run `make bench`", program.display());
    unpacked(&program, directory, name)
}

/// A copy, which is written as a container runtime or a package manager writes it. The linker writes through a memory map,
/// and the kernel starts such a file more slowly, page by page, until it is read from the disk again.
fn unpacked(program: &Path, directory: &str, name: &str) -> PathBuf {
    let copies = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory).join("unpacked");
    std::fs::create_dir_all(&copies).expect("create a directory");
    let copy = copies.join(name);
    // Removed first: a new file gets new pages.
    let _ = std::fs::remove_file(&copy);
    std::fs::copy(program, &copy).expect("copy a program");
    copy
}

pub struct Programs {
    seed: PathBuf,
    floor: PathBuf,
    whole: PathBuf,
    psql: Option<PathBuf>,
}

impl Programs {
    pub fn find() -> Programs {
        Programs {
            seed: built(INIT, "ai-provider-seed"),
            floor: built(INIT, "floor"),
            whole: built(WHOLE, "ai-provider-seed"),
            psql: psql(),
        }
    }

    pub fn seed(&self, url: &str) -> Program {
        Program::new(&self.seed).arg("seed").env("CODER_PG_CONNECTION_URL", url).arg("--termination-log=")
    }

    pub fn with_controller(&self) -> PathBuf {
        self.whole.clone()
    }

    pub fn floor(&self, url: &str, what: &str) -> Program {
        Program::new(&self.floor).arg(what).env("DATABASE_URL", url)
    }

    pub fn psql(&self, url: &str) -> Option<Program> {
        // -X: no .psqlrc.
        Some(Program::new(self.psql.as_ref()?).args(["-X", "-c", "select 1", url]))
    }

    /// With the CA roots of this machine, not compressed; and their maximum size.
    pub fn images(&self) -> [(&'static str, PathBuf, u64); 2] {
        let megabyte = 1_000_000;
        let image = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench").join(name);
        [
            ("the image of the init container", image("init.tar"), 4 * megabyte),
            ("the full image", image("full.tar"), 10 * megabyte),
        ]
    }
}

/// The program itself: distributions put a wrapper script before it that takes longer than psql.
fn psql() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions.filter_map(|entry| Some(entry.ok()?.path().join("bin/psql"))).find(|path| path.is_file())
}

#[derive(Clone)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Program {
    fn new(path: &Path) -> Program {
        Program { path: path.to_owned(), arguments: Vec::new(), variables: Vec::new() }
    }

    pub fn arg(mut self, argument: &str) -> Program {
        self.arguments.push(argument.to_owned());
        self
    }

    pub fn args<'a>(self, arguments: impl IntoIterator<Item = &'a str>) -> Program {
        arguments.into_iter().fold(self, Program::arg)
    }

    pub fn env(mut self, name: &str, value: &str) -> Program {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn envs(mut self, variables: Vec<(String, String)>) -> Program {
        self.variables.extend(variables);
        self
    }

    /// The time from before the start to after the end.
    pub fn run(&self) -> Duration {
        let mut command = self.command();
        let started = Instant::now();
        let child = command.spawn().expect("start a program");
        let output = child.wait_with_output().expect("wait for a program");
        let elapsed = started.elapsed();
        self.assert_success(&output);
        elapsed
    }

    /// Several at once: the time from before the first start to after the last end.
    pub fn crowd(&self, number: usize) -> Duration {
        let mut commands: Vec<Command> = (0..number).map(|_| self.command()).collect();
        let started = Instant::now();
        let children: Vec<Child> =
            commands.iter_mut().map(|command| command.spawn().expect("start a program")).collect();
        for child in children {
            let output = child.wait_with_output().expect("wait for a program");
            self.assert_success(&output);
        }
        started.elapsed()
    }

    /// In KiB, as the kernel reports it to the parent; the median of five.
    pub fn peak_memory(&self) -> Option<u64> {
        let sample = || {
            let (output, peak) = self.watched()?;
            self.assert_success(&output);
            Some(peak)
        };
        let mut samples: Vec<u64> = (0..5).filter_map(|_| sample()).collect();
        samples.sort_unstable();
        samples.get(2).copied()
    }

    /// The same for a run that must fail.
    pub fn peak_memory_of_failure(&self) -> Option<u64> {
        let (output, peak) = self.watched()?;
        assert!(!output.status.success(), "{:?} is expected to fail", self.path);
        Some(peak)
    }

    fn watched(&self) -> Option<(Output, u64)> {
        let time = Path::new("/usr/bin/time");
        if !time.is_file() {
            return None;
        }
        let report = tempfile::NamedTempFile::new().expect("create a file");
        let before = ["-f", "%M", "-o", &report.path().to_string_lossy()].map(str::to_owned);
        let output = self.below(time, &before).output().expect("start time");
        let text = std::fs::read_to_string(report.path()).expect("read the report of time");
        // After a line with the exit status, if it failed.
        let peak = text.lines().last().and_then(|line| line.trim().parse().ok()).expect("time reports a number");
        Some((output, peak))
    }

    /// Instructions of one run, measured by callgrind. `None` if valgrind is not installed.
    pub fn instructions(&self) -> Option<u64> {
        let before = ["--tool=callgrind", "--callgrind-out-file=/dev/null"].map(str::to_owned);
        let output =
            self.below(Path::new("valgrind"), &before).env("PATH", "/usr/local/bin:/usr/bin:/bin").output().ok()?;
        self.assert_success(&output);
        let said = String::from_utf8_lossy(&output.stderr);
        let count = said.split("Collected :").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        Some(count.expect("callgrind reports a number"))
    }

    /// Started by another program, with separate arguments for that program.
    fn below(&self, other: &Path, arguments: &[String]) -> Command {
        let mut command = Command::new(other);
        command.args(arguments).arg(&self.path).args(&self.arguments);
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn assert_success(&self, output: &Output) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{:?}: {}, {said}", self.path, output.status);
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }
}

/// This number of OpenAI providers with this number of keys each.
pub fn provider_variables(providers: u32, keys: u32) -> Vec<(String, String)> {
    let of = |n: u32| {
        let keys: Vec<String> = (0..keys).map(|key| format!("sk-{n}-{key}")).collect();
        [
            ("TYPE", "openai".to_owned()),
            ("NAME", format!("p{n}")),
            ("BASE_URL", "https://ai.example/v1".to_owned()),
            ("KEYS", keys.join(",")),
        ]
        .map(|(suffix, value)| (format!("CODER_AIBRIDGE_PROVIDER_{n}_{suffix}"), value))
    };
    (0..providers).flat_map(of).collect()
}
