//! Taking a snapshot: contents in, a manifest out.

mod align;
mod content;
mod cutter;
mod images;
mod random_read;
mod session;
mod tree;

pub use content::{Captured, ContentWriter, SMALL_FILE};
pub use cutter::Cutter;
pub use images::{FileImages, LOGS_MAX, Log, PageImages};
pub use random_read::RandomRead;
pub use session::{Capture, SnapshotRequest, commit_copy, take_snapshot};
pub use tree::{ListingBuilder, ParentTree, TreeBuilder, content_of, entry_of, store_directory};
