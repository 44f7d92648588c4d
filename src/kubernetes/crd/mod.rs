//! The resource: its fields, its words, and what its controller may do.

pub mod rbac;
pub mod reason;
pub mod spec;
pub mod status;
