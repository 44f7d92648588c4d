//! The use cases: the work of a command on an environment and a database.

pub mod export;
mod lost_commit;
pub mod may_commit;
pub mod prepare;
pub mod resolve;
mod retry;
pub mod seed;
pub mod wait_for_files;
