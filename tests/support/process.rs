//! A server process that cannot outlive the test process, however that ends.

use super::user;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The shell between this process and the server holds the read end of a pipe. Each line is a signal for the server. The
/// end of the pipe, which the kernel causes even if this process is killed, means: end the server and remove its
/// directory.
const WATCHDOG: &str = r#"
directory=$1 last=$2; shift 2
exec 3<&0 </dev/null
"$@" 3<&- & server=$!
(
  while read -r signal; do kill -s "$signal" "$server"; done <&3
  : > "$directory/abandoned"
  kill -s "$last" "$server"
  sleep 10
  kill -s KILL "$server"
) 2>/dev/null & watcher=$!
exec 3<&-
wait "$server"; code=$?
if [ -e "$directory/abandoned" ]; then rm -rf "$directory"; fi
kill "$watcher"
exit $code
"#;

pub struct Process {
    shell: Child,
    signals: Option<ChildStdin>,
}

impl Process {
    /// Starts `command` as the server's user with its output going to `directory`/log. `last` is the signal that ends it
    /// at once; after that, or when this process is gone, `directory` is removed.
    pub fn start(directory: &Path, last: &str, command: &[&str]) -> Self {
        Self::launch(user::command("/bin/sh"), directory, last, command)
    }

    /// The same for a program that any user may run.
    pub fn start_as_ourselves(directory: &Path, last: &str, command: &[&str]) -> Self {
        Self::launch(Command::new("/bin/sh"), directory, last, command)
    }

    fn launch(mut shell: Command, directory: &Path, last: &str, command: &[&str]) -> Self {
        let log = File::options().create(true).append(true).open(directory.join("log")).expect("open the server's log");
        let mut shell = shell
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(directory)
            .arg(last)
            .args(command)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("clone the log"))
            .stderr(log)
            // Ctrl-C at a terminal must reach this process, not the server before it.
            .process_group(0)
            .spawn()
            .expect("start /bin/sh");
        let signals = shell.stdin.take();
        Process { shell, signals }
    }

    /// Sends a signal by its name, such as `INT`.
    pub fn signal(&mut self, name: &str) {
        // It may be gone already; `exited` tells.
        let _ = writeln!(self.signals.as_mut().expect("the pipe is open until drop"), "{name}");
    }

    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.shell.try_wait().expect("ask for the server's end")
    }

    /// Waits for the end; the directory stays.
    pub fn wait(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.exited().is_none() {
            assert!(Instant::now() < deadline, "the server did not end within 30 s");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Ends the server if it still runs, and then its directory is removed; after `wait` there is nothing left to do.
impl Drop for Process {
    fn drop(&mut self) {
        drop(self.signals.take());
        let _ = self.shell.wait();
    }
}

/// A port of 127.0.0.1 that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("bind a free port");
    listener.local_addr().expect("read the port").port()
}
