use std::process::ExitCode;

use ai_provider_seed::{cli, env::Variable};

fn main() -> ExitCode {
    cli::run(std::env::args_os().collect(), Variable::of_this_process())
}
