//! The controller: the same plan as the init container's, in conditions and Events, and on request carried out. docs/architecture.md
//! tells the parts.

mod admin;
mod agreement;
mod api;
mod asked;
mod check;
mod command;
mod conditions;
mod database;
mod decision;
mod deed;
mod environment;
mod events;
mod expand;
mod fetch;
pub mod from;
mod index;
mod lease;
mod manifests;
mod metrics;
mod objects;
mod observed;
mod readiness;
mod reason;
mod reconcile;
pub mod resource;
pub mod role;
mod run;
mod source;
mod status;
mod watch;
mod workload;
mod write;

pub use reason::Reason;
pub use run::{End, run};
