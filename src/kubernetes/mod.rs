//! The controller: the same plan as the init container's, in conditions and Events, and on request carried out. docs/architecture.md
//! tells the parts.

mod client;
mod controller;
pub mod crd;
mod credential_plugin;
mod failure;
mod kubeconfig;
pub mod probe;
pub mod resources;
pub mod status;
pub mod workload;

pub use controller::listen::{ListenerLimits, ListenerMetrics, Listeners};
pub use controller::recheck::Rechecks;
pub use controller::run::{End, run};
pub use controller::scope::Scope;
