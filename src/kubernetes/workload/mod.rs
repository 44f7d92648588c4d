//! Turns a pod template into the environment and the options of one container.

mod bounded_value;
pub mod container_args;
pub mod container_env;
pub mod diff_from;
pub mod expand;
pub mod fetch;
pub mod inputs;
pub mod manifests;
pub mod objects;
pub mod template;
