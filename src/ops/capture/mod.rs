//! Taking a snapshot: contents in, a manifest out.

mod align;
mod content;
mod session;
mod tree;

pub use content::{Captured, ContentWriter, RandomRead, SMALL_FILE};
pub use session::{Capture, SnapshotRequest, commit_copy, take_snapshot};
pub use tree::{ListingBuilder, ParentTree, TreeBuilder, content_of, entry_of, store_directory};
