//! An export as text: dotenv lines, values of Coder's chart, manifests, blocks for Terraform. Secrets go into a separate
//! text.

mod manifest;
mod render;
mod shared;
mod terraform;
#[cfg(test)]
mod tests;

pub use render::render;
pub use shared::HEAD;
