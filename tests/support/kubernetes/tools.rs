//! The programs of Kubernetes: those of `KUBEBUILDER_ASSETS`, or built once from tests/tools into `target/kubernetes`.

use super::super::archive;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

const NEEDED: [&str; 3] = ["etcd", "kube-apiserver", "kubectl"];

/// Why `directory` is None.
pub const MISSING: &str = "needs Go (https://go.dev/dl), or KUBEBUILDER_ASSETS with etcd, kube-apiserver and kubectl";

/// The directory with these programs; None if they are unavailable: a test that needs them then calls `skip`.
pub fn directory() -> Option<&'static Path> {
    static DIRECTORY: OnceLock<Option<PathBuf>> = OnceLock::new();
    DIRECTORY.get_or_init(find).as_deref()
}

/// One of them or, for helm, which `KUBEBUILDER_ASSETS` usually lacks, the one on the PATH.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = directory().map(Path::to_owned);
    own.into_iter()
        .chain(std::env::split_paths(&path))
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

fn find() -> Option<PathBuf> {
    if let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|assets| !assets.is_empty()) {
        let assets = PathBuf::from(assets);
        for name in NEEDED {
            assert!(assets.join(name).is_file(), "KUBEBUILDER_ASSETS is {}, which has no {name}", assets.display());
        }
        return Some(assets);
    }
    let home = archive::target().join("kubernetes");
    fs::create_dir_all(&home).expect("create target/kubernetes");
    let bin = home.join("bin");
    if is_current(&bin) {
        return Some(bin);
    }
    let go = Command::new("go").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !go.is_ok_and(|status| status.success()) {
        return None;
    }
    // One process builds, the others wait for it.
    let lock = File::create(home.join("lock")).expect("create the lock file");
    lock.lock().expect("lock target/kubernetes");
    if !is_current(&bin) {
        build(&home, &bin);
    }
    Some(bin)
}

/// Whether they were built from these versions: a copy of go.mod, written last, shows it.
fn is_current(bin: &Path) -> bool {
    fs::read_to_string(bin.join("go.mod")).is_ok_and(|built| built == go_mod())
}

fn build(home: &Path, bin: &Path) {
    progress(&format!(
        "compiling kube-apiserver, etcd, kubectl and helm, once, about 7 minutes on two cores: {}",
        bin.display()
    ));
    let partial = tempfile::Builder::new().prefix("partial-").tempdir_in(home).expect("create a directory");
    let version = kubernetes_version();
    let mut go = Command::new("go")
        .args(["install", "-v", "-ldflags"])
        .arg(format!("-s -w -X k8s.io/component-base/version.gitVersion={version}"))
        .arg("tool")
        .current_dir(tools())
        .env("CGO_ENABLED", "0")
        .env("GOBIN", partial.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start go");
    let said = follow(&mut go);
    assert!(
        go.wait().expect("wait for go").success(),
        "the programs of Kubernetes could not be built; with a network this works, and KUBEBUILDER_ASSETS may name \
         a directory that has them\n{said}"
    );
    // The name of its package.
    fs::rename(partial.path().join("server"), partial.path().join("etcd")).expect("rename etcd");
    fs::copy(tools().join("go.mod"), partial.path().join("go.mod")).expect("say from what they were built");
    let _ = fs::remove_dir_all(bin);
    fs::rename(partial.keep(), bin).expect("put the programs in place");
}

/// Every 15 s, shows the progress of `go install -v`, which names each package that it begins; returns its other output.
fn follow(go: &mut Child) -> String {
    const PAUSE: Duration = Duration::from_secs(15);
    let (sender, receiver) = std::sync::mpsc::channel();
    let lines = BufReader::new(go.stderr.take().expect("stderr is piped")).lines();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let (start, mut next) = (Instant::now(), Instant::now() + PAUSE);
    let (mut packages, mut said) = (0, String::new());
    loop {
        match receiver.recv_timeout(next.saturating_duration_since(Instant::now())) {
            // Any other line has more than one word.
            Ok(line) if line.contains(' ') => said += &format!("{line}\n"),
            Ok(_) => packages += 1,
            Err(RecvTimeoutError::Timeout) => {
                progress(&format!("compiling Kubernetes: {packages} packages after {} s", start.elapsed().as_secs()));
                next += PAUSE;
            }
            Err(RecvTimeoutError::Disconnected) => return said,
        }
    }
}

/// To the terminal at once: `eprintln!` output is shown only once a test has failed.
fn progress(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Such as `v1.36.3`.
fn kubernetes_version() -> String {
    let version = go_mod().lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("k8s.io/kubernetes")).then(|| words.next().map(str::to_owned)).flatten()
    });
    version.expect("go.mod names the version of k8s.io/kubernetes")
}

fn go_mod() -> String {
    fs::read_to_string(tools().join("go.mod")).expect("read tests/tools/go.mod")
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools")
}
