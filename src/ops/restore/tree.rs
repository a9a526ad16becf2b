//! The tree of a snapshot, as a restore goes through it.

use crate::container::RelativePath;
use crate::error::Result;
use crate::format::tree::{Entry, Node};
use crate::ops::ls;
use crate::ops::walk::{Visited, Walk};
use crate::repo::Reader;

/// The entry at `path` below `root`: names with `/` between them; the empty path is `root` itself.
///
/// [`crate::error::Error::NotFound`] names the path where the snapshot holds no such entry.
pub fn find(reader: &Reader, root: &Entry, path: &[u8]) -> Result<Entry> {
    ls::find(reader, root, &ls::parse_path(path)?)
}

/// `root` and all below it: parents before their children, folders in the order of their listings. Every name was
/// checked but the root's, which is not used.
pub(super) fn entries(reader: &Reader, root: Entry) -> impl Iterator<Item = Result<Visited>> + Send {
    let below = match &root.node {
        Node::Directory { .. } => Some(Walk::below(reader, RelativePath::default(), root.clone())),
        _ => None,
    };
    std::iter::once(Ok((RelativePath::default(), root))).chain(below.into_iter().flatten())
}

/// How deep an entry is: 0 for the root, 1 for what stands in it.
pub(super) fn depth(path: &RelativePath) -> usize {
    path.components().len()
}
