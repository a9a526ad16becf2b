//! A snapshot's tree, entry by entry: each folder before what is in it, names in byte order.

use std::vec;

use crate::container::RelativePath;
use crate::error::{Error, Result};
use crate::format::tree::{Directory, Entry, Node};
use crate::repo::{Reader, read_directory};

/// Reads a folder's listing, and holds it against what a listing is: names that can be names, sorted, each once.
/// Whatever writes files by such a listing relies on that.
pub fn listing(reader: &Reader, path: &RelativePath, folder: &Entry) -> Result<Directory> {
    let damaged = |detail: String| Error::damaged(format!("the listing of {path}"), detail);
    let Node::Directory { listing, .. } = &folder.node else {
        return Err(damaged("it is no folder".into()));
    };
    let directory = read_directory(reader, listing).map_err(|error| needed_by(error, path))?;
    let in_order = directory.entries.iter().zip(directory.entries.iter().skip(1)).all(|(a, b)| a.name < b.name);
    if !in_order {
        return Err(damaged("its names are not in order".into()));
    }
    Ok(directory)
}

/// The path of the entry `name` in the folder `path`.
pub fn child(path: &RelativePath, name: &[u8]) -> Result<RelativePath> {
    RelativePath::from_components(path.components().iter().cloned().chain([name.to_vec()]))
        .map_err(|problem| Error::damaged(format!("the listing of {path}"), format!("a name in it is none: {problem}")))
}

/// `error` with the file that needs what is damaged.
pub fn needed_by(error: Error, path: &RelativePath) -> Error {
    match error {
        Error::Damaged { object, detail } => Error::Damaged { object, detail: format!("{detail} ({path} needs it)") },
        error => error,
    }
}

/// Where an entry is found in a tree, and what it is.
pub type Visited = (RelativePath, Entry);

/// Walks over a tree. Memory grows with the depth of the tree and the length of its listings, not with the tree.
pub struct Walk<'r> {
    reader: &'r Reader,
    /// The folder whose entries come next.
    opening: Option<Visited>,
    open: Vec<(RelativePath, vec::IntoIter<Entry>)>,
    failed: bool,
}

impl<'r> Walk<'r> {
    /// Everything below the folder `root`, which is found at `path`. The root itself is not among it.
    pub fn below(reader: &'r Reader, path: RelativePath, root: Entry) -> Self {
        Self { reader, opening: Some((path, root)), open: Vec::new(), failed: false }
    }

    fn step(&mut self) -> Result<Option<Visited>> {
        if let Some((path, folder)) = self.opening.take() {
            let entries = listing(self.reader, &path, &folder)?.entries;
            self.open.push((path, entries.into_iter()));
        }
        while let Some((path, entries)) = self.open.last_mut() {
            let Some(entry) = entries.next() else {
                self.open.pop();
                continue;
            };
            let path = child(path, &entry.name)?;
            if matches!(entry.node, Node::Directory { .. }) {
                self.opening = Some((path.clone(), entry.clone()));
            }
            return Ok(Some((path, entry)));
        }
        Ok(None)
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Visited>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let visited = self.step();
        self.failed = visited.is_err();
        visited.transpose()
    }
}
