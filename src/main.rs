use std::process::ExitCode;

use ai_provider_seed::{Variable, run};

/// That of musl asks the kernel for memory and gives it back time and again: a run took a quarter longer with it.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    run(std::env::args_os().collect(), Variable::of_this_process())
}
