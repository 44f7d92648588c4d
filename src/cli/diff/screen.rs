//! Where `--watch` shows what it sees: a terminal gets one table that is redrawn, anything else a block for each change.

use std::io::{IsTerminal, Write};
use std::time::{Duration, SystemTime};

use crate::cli::output::may_colour;
use crate::options::OutputFormat;
use crate::report::{self, Report, Style, TimedReport};

/// Everything away, and to the upper left corner.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

pub struct Screen {
    format: OutputFormat,
    every: Duration,
    is_terminal: bool,
    /// The last time that the database was read.
    whole: Option<TimedReport>,
    shown: String,
}

impl Screen {
    pub fn new(format: OutputFormat, every: Duration) -> Screen {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let is_terminal = std::io::stdout().is_terminal() && !is_dumb;
        Screen { format, every, is_terminal, whole: None, shown: String::new() }
    }

    /// `false`: the output is closed.
    pub fn show(&mut self, report: &Report) -> bool {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let time = |text: &str| format!("{} UTC", text.get(11..19).unwrap_or_default());
        if self.format == OutputFormat::Json {
            return self.on_change(report::json(report) + "\n", "");
        }
        let seen = TimedReport { report: report.clone(), at: time(&now) };
        let table = report::table(&seen, self.whole.as_ref(), Style { colour: may_colour() });
        if seen.is_whole() {
            self.whole = Some(seen);
        }
        if self.is_terminal {
            let every = humantime::format_duration(self.every);
            return written(&format!("{CLEAR}{table}  checked {} · every {every} · Ctrl-C ends\n", time(&now)));
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
