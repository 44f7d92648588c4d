//! An export as text: dotenv lines, values of Coder's chart, manifests. What is secret goes into a text of its own.

mod manifest;
mod render;
mod shared;
#[cfg(test)]
mod tests;

pub use render::render;
pub use shared::HEAD;
