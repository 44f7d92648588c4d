//! The program at a separate terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Standard input, output and error are one terminal.
pub struct Terminal {
    child: Child,
    screen: File,
    pub shown: String,
}

impl Terminal {
    /// Nothing of this process's environment reaches it. Without colours, and without a log.
    pub fn start(arguments: &[&str], env: &[(&str, &str)]) -> Terminal {
        let quiet = [("AI_PROVIDER_SEED_LOG_LEVEL", "error"), ("NO_COLOR", "1")];
        Terminal::person(arguments, &[env, &quiet].concat())
    }

    /// The same as for a user: only with these variables.
    pub fn person(arguments: &[&str], env: &[(&str, &str)]) -> Terminal {
        Terminal::of_width(0, arguments, env)
    }

    /// With this many columns; 0: the terminal does not report them.
    pub fn of_width(columns: u16, arguments: &[&str], env: &[(&str, &str)]) -> Terminal {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("open a terminal");
        grantpt(&ours).expect("grant it");
        unlockpt(&ours).expect("unlock it");
        let name = ptsname(&ours, Vec::new()).expect("know its name");
        let theirs: OwnedFd = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("open the other end");
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&theirs, size).expect("set its size");
        let end = || Stdio::from(theirs.try_clone().expect("another handle"));
        let mut command = Command::new(super::binary::program());
        command.args(arguments).env_clear().envs(env.iter().copied());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("start the program");
        Terminal { child, screen: File::from(ours), shown: String::new() }
    }

    /// Reads until this text has been shown since the last call.
    pub fn until(&mut self, text: &str) {
        let mut bytes = [0; 512];
        while !self.shown.contains(text) {
            let read = self.screen.read(&mut bytes).unwrap_or_else(|error| panic!("{error}; so far: {}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    }

    /// Types the answer and reads to the end.
    pub fn answer(mut self, text: &str) -> (i32, String) {
        self.screen.write_all(format!("{text}\n").as_bytes()).expect("type");
        self.end()
    }

    /// The signal of Ctrl-C; reads to the end.
    pub fn interrupt(self) -> (i32, String) {
        let sent = Command::new("kill").args(["-s", "INT", &self.child.id().to_string()]).status();
        assert!(sent.expect("start kill").success());
        self.end()
    }

    /// Reads to its end.
    pub fn end(mut self) -> (i32, String) {
        let mut bytes = [0; 512];
        // On Linux the end of a terminal is an error.
        while let Ok(read @ 1..) = self.screen.read(&mut bytes) {
            self.shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        let code = self.child.wait().expect("wait for the program").code().unwrap_or(-1);
        (code, self.shown.replace("\r\n", "\n"))
    }
}
