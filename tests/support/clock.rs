//! A clock that jumps, for one process: libfaketime replaces the real one.

use super::Run;
use std::path::PathBuf;

pub struct Clock {
    library: PathBuf,
    file: tempfile::NamedTempFile,
}

impl Clock {
    /// `None`: the library is not installed (Debian: faketime).
    pub fn new() -> Option<Clock> {
        let directories = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let mut libraries = directories.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
        let Some(library) = libraries.find(|path| path.is_file()) else {
            super::skip("libfaketime is not installed (Debian: faketime)");
            return None;
        };
        let clock = Clock { library, file: tempfile::NamedTempFile::new().expect("create a file") };
        clock.jump("+0");
        Some(clock)
    }

    /// Sets the offset from the real time: `+2d`, `-2d`, `+0`. Timers use the monotonic clock, which stays real.
    pub fn jump(&self, offset: &str) {
        // In one step, so that a concurrent reader sees either the old or the new offset.
        let new = self.file.path().with_extension("new");
        std::fs::write(&new, format!("{offset}\n")).expect("write the offset");
        std::fs::rename(&new, self.file.path()).expect("put the offset in place");
    }

    pub fn seen_by(&self, run: Run) -> Run {
        run.env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", self.file.path())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }
}
