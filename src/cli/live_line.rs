//! A line at a terminal that shows the cause of a wait.

use std::time::{Duration, Instant};

use super::output::print_error;
use super::terminal::can_redraw;
use crate::options::Options;

/// Most runs end before this.
const FIRST: Duration = Duration::from_secs(1);
/// Moves to the first column and clears the line.
const CLEAR: &str = "\r\u{1b}[K";

/// Runs `work` and shows a line on standard error that counts the seconds and disappears at the end. There is no line if
/// standard error is not a terminal or a log was requested.
pub async fn with_live_line<T>(options: &Options, work: impl Future<Output = T>) -> T {
    if options.log_level.is_some() || !can_redraw(&std::io::stderr()) {
        return work.await;
    }
    let mut work = std::pin::pin!(work);
    let (started, most) = (Instant::now(), options.wait.as_secs_f64().ceil());
    let mut shown = false;
    loop {
        tokio::select! {
            ended = &mut work => {
                if shown {
                    print_error(CLEAR);
                }
                return ended;
            }
            () = tokio::time::sleep(FIRST) => {
                let waited = started.elapsed().as_secs();
                print_error(&format!("{CLEAR}waiting for an answer: {waited} s (--wait: {most} s) · Ctrl-C ends"));
                shown = true;
            }
        }
    }
}
