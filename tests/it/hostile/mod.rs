//! What somebody may send to bring the program down: each line an attempt, with the memory that a run may take and a deadline
//! far away.

mod inputs;
mod servers;

/// MiB of a run, whatever is sent (P12).
pub const MEMORY: usize = 100;
