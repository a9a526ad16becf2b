//! Taking a snapshot: contents in, a manifest out.

mod align;
mod content;

pub use content::{Captured, ContentWriter, RandomRead, SMALL_FILE};
