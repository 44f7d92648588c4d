//! The resource: its fields, its reasons, and the permissions of its controller.

pub mod rbac;
pub mod reason;
mod schema;
pub mod spec;
pub mod status;
