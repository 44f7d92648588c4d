//! Ends the process if the run does not end by itself: at the deadline of the whole run, and on a signal at any moment.
//! It has its own thread, because a blocked reader, a pipe without a writer or a hanging file system blocks the thread
//! that uses it.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// The exit code at the deadline; the run sets its own exit code before it prints.
#[derive(Clone)]
pub struct Watchdog {
    exit: Arc<AtomicU8>,
}

impl Watchdog {
    /// `exit` applies until the run has an exit code.
    pub fn start(limit: Duration, exit: u8) -> Watchdog {
        let watchdog = Watchdog { exit: Arc::new(AtomicU8::new(exit)) };
        let code = watchdog.exit.clone();
        // Without this thread the run still has its own deadline.
        let _ = std::thread::Builder::new()
            .name("watchdog".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || watch(limit, &code));
        watchdog
    }

    /// For a run that ends on a signal: the watchdog also ends it while a write is blocked.
    pub fn of_a_watch() -> Watchdog {
        let watchdog = Watchdog { exit: Arc::new(AtomicU8::new(128 + 2)) };
        let code = watchdog.exit.clone();
        let _ = std::thread::Builder::new().name("watchdog".to_owned()).stack_size(256 * 1024).spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                signal().await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                std::process::exit(i32::from(code.load(Ordering::Relaxed)));
            });
        });
        watchdog
    }

    pub fn set_exit_code(&self, exit: u8) {
        self.exit.store(exit, Ordering::Relaxed);
    }
}

fn watch(limit: Duration, code: &AtomicU8) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        tokio::select! {
            // The server rolls back uncommitted changes.
            signal = signal() => end(&format!("stopped by signal {signal}; uncommitted changes are rolled back\n"), 128 + signal),
            () = tokio::time::sleep(limit) => {
                end("the run reached its time limit, and the output is blocked\n", code.load(Ordering::Relaxed));
            }
        }
    });
}

/// The pod is deleted during the run. As process 1 of a container, this process receives the signal only with a handler.
pub async fn signal() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => 15,
        _ = interrupt.recv() => 2,
    }
}

fn end(text: &str, code: u8) {
    // Another thread may be blocked in writing to the stream, so the last message must not wait.
    std::thread::spawn({
        let text = text.to_owned();
        move || std::io::stderr().write_all(text.as_bytes())
    });
    std::thread::sleep(Duration::from_millis(50));
    std::process::exit(i32::from(code));
}
