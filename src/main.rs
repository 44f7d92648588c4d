use ai_provider_seed::{Variable, run};

/// musl's allocator requests memory from the kernel and returns it repeatedly, which made a run a quarter longer.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() {
    let variables = Variable::of_this_process();
    let code = run(std::env::args_os().collect(), &variables);
    // Exits at once: the kernel takes back all memory, so the variables are not freed one by one.
    std::process::exit(i32::from(code))
}
