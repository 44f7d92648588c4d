//! The controller: the same plan as the init container's, reported in conditions and Events and carried out on request.
//! The parts are described in docs/architecture.md.

mod client;
mod connect_failure;
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
