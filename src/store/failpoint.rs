//! Every statement is a named step. With the feature `failpoints`, the program can be ended or held before and after each
//! step; without it, [`step`] is the statement itself.

/// Declares the enum and its list from one row for each step.
macro_rules! steps {
    ($($(#[doc = $doc:literal])* $step:ident)*) => {
        /// The database statements of a run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Step {
            $($(#[doc = $doc])* $step,)*
        }

        impl Step {
            #[cfg(feature = "failpoints")]
            pub const ALL: &[Step] = &[$(Step::$step),*];
        }
    };
}

steps! {
    /// The kind of the server.
    Probe
    ReadBegin
    Rows
    /// Names of live rows that were not requested.
    Undescribed
    Schema
    Encryption
    ReadEnd
    /// The relations of a database without Coder's tables.
    Relations
    Begin
    Lock
    Insert
    Commit
    Rollback
    /// Locks the rows to change.
    LockRows
    /// The lock timeout of the following statements.
    LockRest
    Grants
    Change
    CommitChange
    /// The status of a transaction whose commit was not answered.
    TransactionStatus
    /// The holder of the lock.
    Holder
}

#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn step<F>(_: Step, work: F) -> F {
    work
}

#[cfg(feature = "failpoints")]
pub use points::step;

#[cfg(feature = "failpoints")]
mod points {
    //! `FAILPOINT="after Commit 1 abort"`: ends the process like a crash after the first commit was answered. `panic`
    //! ends it like a bug. `hold` creates the file `reached` in the directory FAILPOINT_DIR and continues when a file
    //! `go` exists. In all cases the steps reached are written into the file `trace` there.

    use std::io::Write;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::Mutex;

    use super::Step;

    static MET: [AtomicUsize; Step::ALL.len()] = [const { AtomicUsize::new(0) }; Step::ALL.len()];

    /// Runs steps one after another: within a round trip the next statement waits for the answer to this one, so that the
    /// server passes through every state in which a broken connection could leave it.
    pub async fn step<F: Future>(step: Step, work: F) -> F::Output {
        static TURN: Mutex<()> = Mutex::const_new(());
        let Ok(directory) = std::env::var("FAILPOINT_DIR") else { return work.await };
        let _turn = TURN.lock().await;
        let time = MET[step as usize].fetch_add(1, Ordering::Relaxed) + 1;
        at("before", step, time, Path::new(&directory)).await;
        let output = work.await;
        at("after", step, time, Path::new(&directory)).await;
        output
    }

    async fn at(edge: &str, step: Step, time: usize, directory: &Path) {
        let point = format!("{edge} {step:?} {time}");
        if edge == "before"
            && let Ok(mut trace) = std::fs::File::options().create(true).append(true).open(directory.join("trace"))
        {
            let _ = writeln!(trace, "{step:?} {time}");
        }
        let wanted = std::env::var("FAILPOINT").unwrap_or_default();
        match wanted.strip_prefix(&point).map(str::trim) {
            Some("abort") => std::process::abort(),
            Some("panic") => panic!("sk-canary-in-a-panic"),
            Some("hold") => {
                let _ = std::fs::write(directory.join("reached"), "");
                while !directory.join("go").exists() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
            _ => {}
        }
    }
}
