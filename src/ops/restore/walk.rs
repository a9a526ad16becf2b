//! Walking the tree of a snapshot, one folder's listing at a time.

use std::vec::IntoIter;

use crate::error::{Error, Result};
use crate::format::tree::{Content, Directory, Entry, Node};
use crate::limits;
use crate::repo::{Reader, read_directory};

/// The entry at `path` below `root`: names with `/` between them; the empty path is `root` itself.
///
/// [`Error::NotFound`] names the path where the snapshot holds no such entry.
pub fn find(reader: &Reader, root: &Entry, path: &[u8]) -> Result<Entry> {
    let missing = || Error::NotFound(format!("the snapshot holds no {}", String::from_utf8_lossy(path)));
    let mut found = root.clone();
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        let Node::Directory { listing, .. } = &found.node else { return Err(missing()) };
        let entries = read_listing(reader, listing)?.entries;
        found = entries.into_iter().find(|entry| entry.name == name).ok_or_else(missing)?;
    }
    Ok(found)
}

/// Walks `root` and all below it: parents before their children, folders in the order of their listings.
pub fn walk(reader: &Reader, root: Entry) -> Walk<'_> {
    Walk { reader, root: Some(root), pending: None, levels: Vec::new(), path: Vec::new() }
}

/// An entry that a [`Walk`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visited {
    /// How deep: 0 for the root, 1 for what stands in it.
    pub depth: usize,
    /// The entry. Its name was checked; the root's was not.
    pub entry: Entry,
}

struct Level {
    entries: IntoIter<Entry>,
    path_len: usize,
}

/// A walk under way. It holds the listings of the folders above the present entry, and no more.
pub struct Walk<'r> {
    reader: &'r Reader,
    root: Option<Entry>,
    pending: Option<Content>,
    levels: Vec<Level>,
    path: Vec<u8>,
}

impl Walk<'_> {
    /// The next entry; `None` after the last.
    pub fn next_entry(&mut self) -> Result<Option<Visited>> {
        if let Some(entry) = self.root.take() {
            self.expect_children_of(&entry);
            return Ok(Some(Visited { depth: 0, entry }));
        }
        if let Some(listing) = self.pending.take() {
            if self.levels.len() >= limits::PATH_DEPTH_MAX {
                return Err(Error::damaged(
                    "a folder's listing",
                    "folders are nested deeper than any snapshot has them",
                ));
            }
            let entries = read_listing(self.reader, &listing)?.entries.into_iter();
            self.levels.push(Level { entries, path_len: self.path.len() });
        }
        while let Some(level) = self.levels.last_mut() {
            self.path.truncate(level.path_len);
            let Some(entry) = level.entries.next() else {
                self.levels.pop();
                continue;
            };
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(&entry.name);
            self.expect_children_of(&entry);
            return Ok(Some(Visited { depth: self.levels.len(), entry }));
        }
        Ok(None)
    }

    /// Path of the latest entry below the root; empty for the root.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Passes over what is in the latest entry, where that is a folder.
    pub fn skip_children(&mut self) {
        self.pending = None;
    }

    fn expect_children_of(&mut self, entry: &Entry) {
        self.pending = match &entry.node {
            Node::Directory { listing, .. } => Some(listing.clone()),
            _ => None,
        };
    }
}

/// Reads a folder's listing and checks its names: each a name, each once, in their order.
fn read_listing(reader: &Reader, listing: &Content) -> Result<Directory> {
    let directory = read_directory(reader, listing)?;
    check_names(&directory)?;
    Ok(directory)
}

fn check_names(directory: &Directory) -> Result<()> {
    let mut before: Option<&[u8]> = None;
    for entry in &directory.entries {
        let name = entry.name.as_slice();
        let is_name = !name.is_empty()
            && name.len() <= limits::NAME_MAX
            && name != b"."
            && name != b".."
            && !name.contains(&b'/')
            && !name.contains(&0);
        if !is_name || before.is_some_and(|before| before >= name) {
            let shown = String::from_utf8_lossy(name).into_owned();
            return Err(Error::damaged("a folder's listing", format!("{shown:?} cannot be a name in it")));
        }
        before = Some(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::tree::Metadata;

    fn listing(names: &[&[u8]]) -> Directory {
        let metadata = Metadata { mode: 0o644, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() };
        let entry = |name: &&[u8]| Entry { name: name.to_vec(), metadata: metadata.clone(), node: Node::Fifo };
        Directory { entries: names.iter().map(entry).collect() }
    }

    #[test]
    fn names_that_are_bytes_are_names() {
        check_names(&listing(&[])).unwrap();
        check_names(&listing(&[b"\n", b" ", b"...", b"a", b"\xff\xfe"])).unwrap();
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_name() {
        for name in [&b""[..], b".", b"..", b"/", b"a/b", b"../a", b"a\0", &[b'a'; limits::NAME_MAX + 1]] {
            assert!(matches!(check_names(&listing(&[name])), Err(Error::Damaged { .. })), "{name:?}");
        }
    }

    #[test]
    fn names_stand_in_order_and_once() {
        assert!(check_names(&listing(&[b"a", b"a"])).is_err());
        assert!(check_names(&listing(&[b"b", b"a"])).is_err());
    }
}
