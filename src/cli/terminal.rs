//! The terminal: its colours, its width, and whether it can redraw lines.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use crate::report::Style;

/// Wide enough for a URL beside its origin. Logs, files and the examples in the docs use this width.
const WIDEST: usize = 120;
/// On a narrower terminal the layout, not the terminal, would cut long words.
const NARROWEST: usize = 60;

/// The style for this stream.
pub fn style(stream: &(impl IsTerminal + AsFd)) -> Style {
    Style { colour: has_colour(stream), width: width(stream) }
}

/// `NO_COLOR` (no-color.org), `CLICOLOR` and `CLICOLOR_FORCE` (bixense.com/clicolors), and the terminal's abilities.
pub fn has_colour(stream: &impl IsTerminal) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_zero = |name: &str| std::env::var_os(name).is_some_and(|value| value == "0");
    let is_forced = is_set("CLICOLOR_FORCE") && !is_zero("CLICOLOR_FORCE");
    (is_forced || (can_redraw(stream) && !is_zero("CLICOLOR"))) && !is_set("NO_COLOR")
}

/// Whether the stream is a terminal that supports control sequences.
pub fn can_redraw(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Columns: `COLUMNS`, else the terminal's own width; always between 60 and 120.
fn width(stream: &(impl IsTerminal + AsFd)) -> usize {
    let given = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    let of_terminal = || {
        let size = stream.is_terminal().then(|| rustix::termios::tcgetwinsize(stream).ok()).flatten()?;
        Some(usize::from(size.ws_col))
    };
    // A terminal over a serial line reports 0.
    let known = given.or_else(of_terminal).filter(|columns| *columns > 0);
    known.map_or(WIDEST, |columns| columns.clamp(NARROWEST, WIDEST))
}
