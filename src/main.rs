use std::process::ExitCode;

use ai_provider_seed::{Variable, run};

/// musl's allocator requests memory from the kernel and returns it repeatedly, which made a run a quarter longer.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    run(std::env::args_os().collect(), Variable::of_this_process())
}
