//! What was measured: printed as it comes, and docs/performance.md at the end.

use std::fmt::Write;

use crate::measure::Spread;

#[derive(Default)]
pub struct Page {
    goals: String,
    times: String,
    sizes: String,
    growth: String,
    resources: String,
    notes: Vec<String>,
}

const CONTROLLER: &str = "# Performance of the controller

Written by `make bench` (alone: `BENCH_PART=controller make bench`): the program as it is released, with a real
kube-apiserver and a real Postgres on the same machine. Each resource has a Deployment of its own; all have one database, one
provider with two keys and the shortest interval, 10 s, so that INTERVALS quiet intervals can be waited for. Reads are those
of one resource in one interval.

## Goals
";

const TEXT: &str = "# Performance

Written by `make bench`, which measures everything below in one run and ends by itself. A time is that of a whole process,
from before its start to after its end, with Postgres on the same machine. Programs that are compared run in turn; a ratio
is the median of the ratios of neighbours. Each number is the median of at least ROUNDS. Absolute times depend on the
machine and on what else it does; the ratios are what to compare. [architecture.md](architecture.md) tells where they come
from.

The programs are the static ones of the images, as `hack/build` makes them; the floor is built like them. Those to compare with are in [examples/bench/floor.rs](../examples/bench/floor.rs): the floor connects and runs one `select 1`
with the same libraries; one statement per row is how Coder's server seeded; the read through the lock is what a seed
would be that takes Coder's lock before it knows whether it needs it, all in one flight; as Coder's server looked is the lock, all
providers, and the keys of each, one statement after the other.

## Goals
";

impl Page {
    pub fn time(&mut self, what: &str, spread: &Spread) {
        let ms = |time: std::time::Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
        let line = format!("| {what} | {} | {} to {} |", ms(spread.median), ms(spread.low), ms(spread.high));
        println!("{line}");
        self.times += &(line + "\n");
    }

    pub fn ratio(&mut self, what: &str, ratio: f64, relation: &str, goal: f64) {
        let met = if relation == "at most" { ratio <= goal } else { ratio >= goal };
        self.goal(what, &format!("{ratio:.2} ×"), &format!("{relation} {goal} ×"), met);
    }

    /// Of interest, but nobody's goal.
    pub fn plain_ratio(&mut self, what: &str, ratio: f64) {
        let line = format!("| {what} | {ratio:.2} × | – | |");
        println!("{line}");
        self.goals += &(line + "\n");
    }

    pub fn count(&mut self, what: &str, count: usize, most: usize) {
        self.goal(what, &count.to_string(), &format!("at most {most}"), count <= most);
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

    pub fn most(&mut self, what: &str, is: f64, most: f64) {
        self.goal(what, &format!("{is:.2}"), &format!("at most {most}"), is <= most);
    }

    /// `reads` of the database and `requests` for each resource and interval; `memory` in KiB.
    pub fn resources(&mut self, number: u32, first: f64, reads: f64, requests: f64, memory: u64) {
        let memory = memory as f64 / 1024.0;
        let line = format!("| {number} | {first:.1} s | {reads:.2} | {requests:.2} | {memory:.1} MiB |");
        println!("{line}");
        self.resources += &(line + "\n");
    }

    pub fn note(&mut self, note: &str) {
        println!("{note}");
        if !self.notes.iter().any(|there| there == note) {
            self.notes.push(note.to_owned());
        }
    }

    fn goal(&mut self, what: &str, is: &str, goal: &str, met: bool) {
        let line = format!("| {what} | {is} | {goal} | {} |", if met { "met" } else { "**missed**" });
        println!("{line}");
        self.goals += &(line + "\n");
    }

    fn goals_below(&self, head: &str) -> String {
        format!("{head}\n| Measure | Is | Goal | |\n|---|---|---|---|\n{}", self.goals)
    }

    pub fn write(&self, rounds: usize) {
        let mut text = self.goals_below(&TEXT.replace("ROUNDS", &rounds.to_string()));
        let _ = write!(text, "\n{}{}\n", self.sizes, self.notes.join("\n"));
        text += "## Times\n\n| What | Median | The middle half |\n|---|---|---|\n";
        text += &self.times;
        text += "\n## Growth\n\nWith `--env-file`, because no kernel takes 10,000 providers as environment.\n\n";
        text += "| Providers | First seed | Nothing to do | Peak memory, nothing to do |\n|---|---|---|---|\n";
        text += &self.growth;
        text += "\n![Time against the number of providers](performance-time.svg)\n";
        text += "\n![Memory against the number of providers](performance-memory.svg)\n";
        save("docs/performance.md", &text);
    }

    pub fn write_controller(&self, intervals: u32) {
        let mut text = self.goals_below(&CONTROLLER.replace("INTERVALS", &intervals.to_string()));
        let _ = write!(text, "\n{}", self.notes.join("\n"));
        text += "\n## Growth\n\n| Resources | Until each has a status | Reads of the database | Reads from the API server | Resident memory |\n";
        text += "|---|---|---|---|---|\n";
        text += &self.resources;
        text += "\n![Time to a first status against the number of resources](performance-resources-time.svg)\n";
        text += "\n![Memory of the controller against the number of resources](performance-resources-memory.svg)\n";
        save("docs/performance-controller.md", &text);
    }
}

fn save(page: &str, text: &str) {
    std::fs::write(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page), text).expect("write a page");
    println!("\nwritten: {page}");
}
