//! `make demo`: a Postgres with Coder's tables, three providers in the environment, and the result of a disagreement. It
//! brings all its parts, ends by itself, and leaves nothing running.

#[path = "../../tests/support/mod.rs"]
mod support;

mod story;

use ai_provider_seed::testing::cli::style;

fn main() {
    let stdout = std::io::stdout();
    let style = style(&stdout);
    story::tell(&mut stdout.lock(), style.colour, style.width);
}
