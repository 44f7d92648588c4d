//! The measurements: printed at once, and written to the pages at the end.

use std::fmt::Write;
use std::time::Duration;

use crate::measure::Spread;
use crate::plot::Plot;

/// A page under construction.
#[derive(Default)]
pub struct Page {
    /// Sections, each with its text and its measurements.
    goals: String,
    times: String,
    sizes: String,
    growth: String,
    resources: String,
    notes: Vec<String>,
    plots: Vec<(Plot, &'static str)>,
}

const CONTROLLER: &str = "# Performance of the controller

Written by `make bench` (alone: `BENCH_PART=controller make bench`): the released program, with a real
kube-apiserver and a real Postgres on the same machine. [controller.md](controller.md) describes the controller's checks.
";

const TEXT: &str = "# Performance

Written by `make bench`, which measures everything below in one run and ends by itself. A time is that of a whole process,
from before its start to after its end, with Postgres on the same machine. Compared programs run in turn; a ratio is the
median of the ratios of neighbouring runs. Each number is the median of at least ROUNDS. Absolute times depend on the
machine and its other load, so compare the ratios. [architecture.md](architecture.md) explains the time.

`seed` is the static program of the init container's image, built by `hack/build`, in a file that is written as a container
runtime writes it: the kernel starts a file that a linker wrote more slowly. The programs for comparison are built and written in
the same way, from [examples/bench/floor.rs](../examples/bench/floor.rs). The floor connects and runs one `select 1` with the
same libraries. \"One statement per row\" is how Coder's server seeded. \"The read through the lock\" takes Coder's lock first, and
then reads, all in one round trip. \"As Coder's server looked\" is the lock, all providers, and the keys of each, one statement
after another.
";

/// The head of a section's table.
const TABLE: &str = "| Measure | Is | Goal | |\n|---|---|---|---|\n";

impl Page {
    /// Begins a section for the following measurements.
    pub fn section(&mut self, head: &str, text: &str) {
        println!("\n## {head}");
        let text = if text.is_empty() { String::new() } else { format!("{text}\n\n") };
        self.goals += &format!("\n## {head}\n\n{text}{TABLE}");
    }

    pub fn time(&mut self, what: &str, spread: &Spread) {
        let line = format!("| {what} | {} | {} to {} |", ms(spread.median), ms(spread.low), ms(spread.high));
        println!("{line}");
        self.times += &(line + "\n");
    }

    pub fn ratio(&mut self, what: &str, ratio: f64, relation: &str, goal: f64) {
        let met = if relation == "at most" { ratio <= goal } else { ratio >= goal };
        self.goal(what, &format!("{ratio:.2} ×"), &format!("{relation} {goal} ×"), met);
    }

    /// A measurement without a goal.
    pub fn plain_ratio(&mut self, what: &str, ratio: f64) {
        self.plain(what, &format!("{ratio:.2} ×"));
    }

    pub fn plain_time(&mut self, what: &str, time: Duration) {
        self.plain(what, &readable(time));
    }

    pub fn plain(&mut self, what: &str, is: &str) {
        self.line(what, is, "–", "");
    }

    pub fn count(&mut self, what: &str, count: u64, most: u64) {
        self.goal(what, &thousands(count), &format!("at most {}", thousands(most)), count <= most);
    }

    /// `unit` follows both numbers.
    pub fn most(&mut self, what: &str, is: f64, most: f64, unit: &str) {
        self.goal(what, &format!("{is:.2}{unit}"), &format!("at most {most}{unit}"), is <= most);
    }

    pub fn within(&mut self, what: &str, time: Duration, most: Duration) {
        self.goal(what, &readable(time), &format!("at most {}", readable(most)), time <= most);
    }

    pub fn size(&mut self, what: &str, bytes: u64, most: Option<u64>) {
        let text = |bytes: u64| match most {
            // Images are counted in MB, memory in MiB.
            Some(most) if most % 1_000_000 == 0 => format!("{:.2} MB", bytes as f64 / 1e6),
            _ => format!("{:.2} MiB", bytes as f64 / f64::from(1 << 20)),
        };
        match most {
            Some(most) => self.goal(what, &text(bytes), &format!("at most {}", text(most)), bytes <= most),
            None => {
                println!("| {what} | {} |", text(bytes));
                let _ = writeln!(self.sizes, "For comparison, {what}: {}.", text(bytes));
            }
        }
    }

    pub fn growth(&mut self, providers: u32, first: f64, quiet: f64, memory: Option<f64>) {
        let memory = memory.map_or("–".to_owned(), |mib| format!("{mib:.1} MiB"));
        let line = format!("| {providers} | {first:.1} ms | {quiet:.1} ms | {memory} |");
        println!("{line}");
        self.growth += &(line + "\n");
    }

    /// `reads` of the database and `requests`, per resource and interval; `memory` in KiB.
    pub fn resources(&mut self, number: u32, first: f64, reads: f64, requests: f64, memory: u64) {
        let memory = memory as f64 / 1024.0;
        let line = format!("| {number} | {first:.1} s | {reads:.2} | {requests:.2} | {memory:.1} MiB |");
        println!("{line}");
        self.resources += &(line + "\n");
    }

    /// A sentence of the page about something that was not measured.
    pub fn note(&mut self, note: &str) {
        println!("{note}");
        if !self.notes.iter().any(|there| there == note) {
            self.notes.push(note.to_owned());
        }
    }

    /// Written with the page.
    pub fn plot(&mut self, plot: Plot, path: &'static str) {
        self.plots.push((plot, path));
    }

    fn goal(&mut self, what: &str, is: &str, goal: &str, met: bool) {
        self.line(what, is, goal, if met { "met" } else { "**missed**" });
    }

    fn line(&mut self, what: &str, is: &str, goal: &str, verdict: &str) {
        let line = format!("| {what} | {is} | {goal} | {verdict} |");
        println!("{line}");
        self.goals += &(line + "\n");
    }

    pub fn write(&self, rounds: usize) {
        let mut text = TEXT.replace("ROUNDS", &rounds.to_string()) + &self.goals;
        let _ = write!(text, "\n{}{}\n", self.sizes, self.notes.join("\n"));
        text += "## Times\n\n| What | Median | The middle half |\n|---|---|---|\n";
        text += &self.times;
        text += "\n## Growth\n\nWith `--env-file`, which takes at most 16,384 variables.\n\n";
        text += "| Providers | First seed | Nothing to do | Peak memory, nothing to do |\n|---|---|---|---|\n";
        text += &self.growth;
        text += "\n![Time against the number of providers](performance-time.svg)\n";
        text += "\n![Memory against the number of providers](performance-memory.svg)\n";
        self.save("docs/performance.md", &text);
    }

    pub fn write_controller(&self) {
        let mut text = format!("{CONTROLLER}{}\n{}", self.goals, self.notes.join("\n"));
        text += "\n## Growth\n\nEvery 10 s, as above.\n\n";
        text += "| Resources | Until each has a status | Reads of the database | Reads from the API server | Resident memory |\n";
        text += "|---|---|---|---|---|\n";
        text += &self.resources;
        text += "\n![Time to a first status against the number of resources](performance-resources-time.svg)\n";
        text += "\n![Memory of the controller against the number of resources](performance-resources-memory.svg)\n";
        self.save("docs/performance-controller.md", &text);
    }

    fn save(&self, page: &str, text: &str) {
        self.plots.iter().for_each(|(plot, path)| plot.write(path));
        std::fs::write(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page), text).expect("write a page");
        println!("\nwritten: {page}");
    }
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// In ms below a second.
fn readable(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1000.0),
        seconds if seconds.fract() == 0.0 => format!("{seconds:.0} s"),
        seconds => format!("{seconds:.1} s"),
    }
}

/// `12,345`
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
