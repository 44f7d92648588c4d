//! The terminal: its colours, its width, and whether it can redraw lines.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::sync::LazyLock;

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
    (*IS_FORCED || (can_redraw(stream) && !is_zero("CLICOLOR"))) && !is_set("NO_COLOR")
}

// Each look at the environment walks through all variables, so what every command asks several times is read once.
static IS_FORCED: LazyLock<bool> = LazyLock::new(|| is_set("CLICOLOR_FORCE") && !is_zero("CLICOLOR_FORCE"));
static COLUMNS: LazyLock<Option<usize>> =
    LazyLock::new(|| std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok()));

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

fn is_zero(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value == "0")
}

/// Whether the stream is a terminal that supports control sequences.
pub fn can_redraw(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Columns: `COLUMNS`, else the terminal's own width; always between 60 and 120.
pub fn width(stream: &(impl IsTerminal + AsFd)) -> usize {
    let of_terminal = || {
        let size = stream.is_terminal().then(|| rustix::termios::tcgetwinsize(stream).ok()).flatten()?;
        Some(usize::from(size.ws_col))
    };
    // A terminal over a serial line reports 0.
    let known = COLUMNS.or_else(of_terminal).filter(|columns| *columns > 0);
    known.map_or(WIDEST, |columns| columns.clamp(NARROWEST, WIDEST))
}
