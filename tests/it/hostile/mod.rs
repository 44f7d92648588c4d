//! Inputs that could bring the program down, each with a memory limit and a deadline that is far away.

mod inputs;
mod servers;

/// MiB of a run for any input (P12).
pub const MEMORY: usize = 100;
