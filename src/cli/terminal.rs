//! The terminal: its colours, its width, and whether it can redraw lines.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use crate::env::Variable;
use crate::report::Style;

/// Wide enough for a URL beside its origin. Logs, files and the examples in the docs use this width.
const WIDEST: usize = 120;
/// On a narrower terminal the layout, not the terminal, would cut long words.
const NARROWEST: usize = 60;

/// The style for this stream.
pub fn style(stream: &(impl IsTerminal + AsFd)) -> Style {
    Style { colour: has_colour(stream), width: width(stream) }
}

/// What the variables say about all streams.
#[derive(Default)]
struct Wishes {
    /// `NO_COLOR` (no-color.org)
    no_colour: bool,
    /// `CLICOLOR=0` (bixense.com/clicolors)
    no_colour_at_a_terminal: bool,
    /// `CLICOLOR_FORCE`, also for a stream that is no terminal
    colour_everywhere: bool,
    /// `TERM=dumb`: no control sequences.
    is_dumb: bool,
    columns: Option<usize>,
}

static WISHES: OnceLock<Wishes> = OnceLock::new();

impl Wishes {
    fn of(variables: &[Variable]) -> Wishes {
        let mut wishes = Wishes::default();
        for variable in variables {
            let is_set = || variable.value() != Some("");
            match variable.name.as_str() {
                "NO_COLOR" => wishes.no_colour = is_set(),
                "CLICOLOR" => wishes.no_colour_at_a_terminal = variable.value() == Some("0"),
                "CLICOLOR_FORCE" => wishes.colour_everywhere = is_set() && variable.value() != Some("0"),
                "TERM" => wishes.is_dumb = variable.value() == Some("dumb"),
                "COLUMNS" => wishes.columns = variable.value().and_then(|columns| columns.trim().parse().ok()),
                _ => {}
            }
        }
        wishes
    }
}

/// Comes before all output, so that the variables that the program holds are not read from the process again.
pub fn heed(variables: &[Variable]) {
    // The first call counts: a test may run two commands in one process.
    let _ = WISHES.set(Wishes::of(variables));
}

fn wishes() -> &'static Wishes {
    WISHES.get_or_init(|| Wishes::of(&Variable::of_this_process()))
}

/// Whether the stream shows colours, by the variables and the terminal's abilities.
pub fn has_colour(stream: &impl IsTerminal) -> bool {
    let Wishes { no_colour, no_colour_at_a_terminal, colour_everywhere, .. } = *wishes();
    (colour_everywhere || (can_redraw(stream) && !no_colour_at_a_terminal)) && !no_colour
}

/// Whether the stream is a terminal that supports control sequences.
pub fn can_redraw(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && !wishes().is_dumb
}

/// Columns: `COLUMNS`, else the terminal's own width; always between 60 and 120.
pub fn width(stream: &(impl IsTerminal + AsFd)) -> usize {
    let of_terminal = || {
        let size = stream.is_terminal().then(|| rustix::termios::tcgetwinsize(stream).ok()).flatten()?;
        Some(usize::from(size.ws_col))
    };
    // A terminal over a serial line reports 0.
    let known = wishes().columns.or_else(of_terminal).filter(|columns| *columns > 0);
    known.map_or(WIDEST, |columns| columns.clamp(NARROWEST, WIDEST))
}
