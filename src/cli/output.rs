//! The two output streams. A lost result fails its command; a lost report does not, since the exit code remains.

use std::io::{ErrorKind, Write};

use crate::explain::pointer;
use crate::problem::Outcome;

/// Prints the result of a command to standard output and returns the exit code. A reader that closed its pipe wants no
/// more; any other error means that the result is lost.
pub fn print_result(text: &str) -> u8 {
    let failed = if is_closed() {
        Some("it is closed".to_owned())
    } else {
        let written = write(text);
        written.err().filter(|error| error.kind() != ErrorKind::BrokenPipe).map(|error| error.kind().to_string())
    };
    let Some(why) = failed else { return 0 };
    let outcome = Outcome::OutputFailed;
    print_error(&format!(
        "error: the result could not be written to standard output: {why}; send it elsewhere and run this again \
         ({outcome}) · {}\n",
        pointer(outcome.as_str())
    ));
    outcome.exit_code()
}

/// Prints the report of a run that already has an exit code. A write error does not change that code.
pub fn print(text: &str) {
    match write(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            tracing::warn!("the report could not be written to standard output: {}", error.kind());
        }
        _ => {}
    }
}

fn write(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Before `main`, Rust opens /dev/null for reading and writing in place of a closed standard stream, so that no other
/// file gets its number. Output to it is lost without an error. (A shell's `>/dev/null` is open only for writing.)
fn is_closed() -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &str| std::fs::metadata(path).map(|found| found.rdev()).ok();
    let is_null = device("/proc/self/fd/1").is_some_and(|of| device("/dev/null") == Some(of));
    let flags = || {
        let info = std::fs::read_to_string("/proc/self/fdinfo/1").ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
        u32::from_str_radix(flags.trim(), 8).ok()
    };
    const ACCESS: u32 = 0b11;
    const READ_AND_WRITE: u32 = 0b10;
    is_null && flags().is_some_and(|flags| flags & ACCESS == READ_AND_WRITE)
}

pub fn print_error(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
