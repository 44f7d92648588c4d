//! Output of `--watch`: a terminal shows one table that is redrawn; any other output gets a block for each change.

use std::io::Write;
use std::time::{Duration, SystemTime};

use crate::cli::terminal::{can_redraw, style};
use crate::options::OutputFormat;
use crate::report::{self, Report, TimedReport};

/// Clears the screen and moves to the upper left corner.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";
/// Switches to the terminal's alternate screen, which has no scrollback, and back.
const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";

pub struct Screen {
    format: OutputFormat,
    every: Duration,
    is_terminal: bool,
    /// The last report for which the database was read.
    whole: Option<TimedReport>,
    shown: String,
    /// The terminal shows its alternate screen.
    is_entered: bool,
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_entered {
            written(LEAVE);
        }
    }
}

impl Screen {
    pub fn new(format: OutputFormat, every: Duration) -> Screen {
        let is_terminal = can_redraw(&std::io::stdout());
        Screen { format, every, is_terminal, whole: None, shown: String::new(), is_entered: false }
    }

    /// `false`: the output is closed.
    pub fn show(&mut self, report: &Report) -> bool {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let time = |text: &str| format!("{} UTC", text.get(11..19).unwrap_or_default());
        match self.format {
            OutputFormat::Json => return self.on_change(report::json(report) + "\n", ""),
            OutputFormat::Github => return self.on_change(report::github(report), ""),
            OutputFormat::Text => {}
        }
        let seen = TimedReport { report: report.clone(), at: time(&now) };
        let table = report::table(&seen, self.whole.as_ref(), style(&std::io::stdout()));
        if seen.is_whole() {
            self.whole = Some(seen);
        }
        if self.is_terminal {
            let every = humantime::format_duration(self.every);
            let enter = if std::mem::replace(&mut self.is_entered, true) { "" } else { ENTER };
            return written(&format!("{enter}{CLEAR}{table}  checked {} · every {every} · Ctrl-C ends\n", time(&now)));
        }
        let title = format!("{} {}\n", now.get(..10).unwrap_or_default(), time(&now));
        let gap = if self.shown.is_empty() { "" } else { "\n" };
        self.on_change(table, &format!("{gap}{title}"))
    }

    fn on_change(&mut self, text: String, before: &str) -> bool {
        if text == self.shown {
            return true;
        }
        let taken = written(&format!("{before}{text}"));
        self.shown = text;
        taken
    }
}

fn written(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}
