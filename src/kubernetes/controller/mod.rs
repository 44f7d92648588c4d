//! The loop: watch, check, write the status, publish Events.

pub mod apply_status;
mod changes;
pub mod check;
pub mod context;
pub mod database;
pub mod http;
pub mod index;
pub mod lease;
pub mod lease_age;
pub mod listen;
pub mod metrics;
mod permission;
mod process_metrics;
pub mod publish_events;
pub mod readiness;
pub mod recheck;
pub mod reconcile;
pub mod requested_writes;
mod rollout;
pub mod run;
pub mod scope;
pub mod target;
pub mod watch;
pub mod write;
