//! The controller: the same plan as the init container's, in conditions and Events. docs/architecture.md tells the parts.

mod command;
mod database;
mod environment;
mod expand;
mod objects;
mod reason;
pub mod resource;
mod source;
mod workload;

pub use reason::Reason;
