//! Postgres and PgBouncer refuse to run as root. Under root they run as the user `nobody`, otherwise as the current user.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// `nobody` of Debian, Fedora, Alpine and the others; initdb wants a user that /etc/passwd knows.
const NOBODY: u32 = 65534;

pub fn we_are_root() -> bool {
    static ROOT: OnceLock<bool> = OnceLock::new();
    // The owner of a new file is the current user: std has no geteuid, and calling it would be unsafe code.
    *ROOT.get_or_init(|| owner(tempfile::tempdir().expect("create a directory").path()) == 0)
}

/// Starts `program` as the server's user.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    if we_are_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Gives `path` to the server's user, readable only for it (Postgres requires that for keys).
pub fn hand_over(path: &Path) {
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set the mode");
    if we_are_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("set the owner");
    }
}

/// A new temporary directory of the server's user. Only the watchdog in process.rs removes it.
pub fn directory() -> PathBuf {
    let parent = Some(std::env::temp_dir()).filter(|path| enterable(path)).unwrap_or_else(|| "/tmp".into());
    let directory = tempfile::Builder::new().prefix("ai-provider-seed-").tempdir_in(parent);
    let directory = directory.expect("create a directory").keep();
    hand_over(&directory);
    directory
}

/// Whether the server's user can reach `path`.
pub fn enterable(path: &Path) -> bool {
    !we_are_root() || path.canonicalize().is_ok_and(|path| path.ancestors().all(|path| mode(path) & 0o001 != 0))
}

pub fn owner(path: &Path) -> u32 {
    fs::metadata(path).expect("read the owner").uid()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("read the mode").mode()
}
