//! Ends or holds the program at a step; needs the feature `failpoints` (src/store/failpoint.rs).

use crate::support::Run;
use std::path::Path;

pub struct Point {
    directory: tempfile::TempDir,
}

impl Point {
    pub fn new() -> Point {
        Point { directory: tempfile::tempdir().expect("create a directory") }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Records the steps that the run reaches.
    pub fn traced(&self, run: Run) -> Run {
        run.env("FAILPOINT_DIR", self.path())
    }

    /// "Rows 1", "Lock 1", … of the runs so far.
    pub fn steps(&self) -> Vec<String> {
        let trace = std::fs::read_to_string(self.path().join("trace")).unwrap_or_default();
        trace.lines().map(str::to_owned).collect()
    }

    fn at(&self, edge: &str, step: &str, what: &str, run: Run) -> Run {
        self.traced(run).env("FAILPOINT", format!("{edge} {step} {what}"))
    }

    pub fn abort(&self, edge: &str, step: &str, run: Run) -> Run {
        self.at(edge, step, "abort", run)
    }

    pub fn panic(&self, edge: &str, step: &str, run: Run) -> Run {
        self.at(edge, step, "panic", run)
    }

    pub fn hold(&self, edge: &str, step: &str, run: Run) -> Run {
        self.at(edge, step, "hold", run)
    }

    /// Whether the run is held at its point.
    pub fn reached(&self) -> bool {
        self.path().join("reached").exists()
    }

    pub fn go_on(&self) {
        std::fs::write(self.path().join("go"), "").expect("let it go on");
    }
}
