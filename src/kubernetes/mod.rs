//! The controller: the same plan as the init container's, in conditions and Events. docs/architecture.md tells the parts.

pub mod resource;
