//! `make demo`: a Postgres with Coder's tables, three providers in the environment, and what happens when both disagree.
//! Takes everything it needs along, ends by itself, leaves nothing running.

#[path = "../../tests/support/mod.rs"]
mod support;

mod story;

use ai_provider_seed::testing::cli::style;

fn main() {
    let stdout = std::io::stdout();
    let style = style(&stdout);
    story::tell(&mut stdout.lock(), style.colour, style.width);
}
