//! A snapshot's tree, entry by entry: each folder before what is in it, names in byte order.

use crate::container::RelativePath;
use crate::error::{Error, Result};
use crate::format::tree::{Directory, Entry, Node};
use crate::repo::{Entries, Reader, read_directory, read_entries};

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

/// A folder's entries as they come: names that can be names, sorted, each once.
pub struct OpenFolder<'r> {
    path: RelativePath,
    entries: Entries<'r>,
    last: Option<Vec<u8>>,
}

impl<'r> OpenFolder<'r> {
    /// Opens the folder that is found at `path`.
    pub fn new(reader: &'r Reader, path: RelativePath, folder: &Entry) -> Result<Self> {
        let Node::Directory { listing, .. } = &folder.node else {
            return Err(Error::damaged(format!("the listing of {path}"), "it is no folder"));
        };
        let entries = read_entries(reader, listing).map_err(|error| needed_by(error, &path))?;
        Ok(Self { path, entries, last: None })
    }

    fn checked(&mut self, entry: Result<Entry>) -> Result<Entry> {
        let entry = entry.map_err(|error| needed_by(error, &self.path))?;
        if self.last.as_ref().is_some_and(|last| *last >= entry.name) {
            return Err(Error::damaged(format!("the listing of {}", self.path), "its names are not in order"));
        }
        let last = self.last.get_or_insert_default();
        last.clone_from(&entry.name);
        Ok(entry)
    }
}

impl Iterator for OpenFolder<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next()?;
        Some(self.checked(entry))
    }
}

/// Walks over a tree. Memory grows with the depth of the tree, not with the tree or its folders.
pub struct Walk<'r> {
    reader: &'r Reader,
    /// The folder whose entries come next.
    opening: Option<Visited>,
    open: Vec<OpenFolder<'r>>,
    failed: bool,
}

impl<'r> Walk<'r> {
    /// Everything below the folder `root`, which is found at `path`. The root itself is not among it.
    pub fn below(reader: &'r Reader, path: RelativePath, root: Entry) -> Self {
        Self { reader, opening: Some((path, root)), open: Vec::new(), failed: false }
    }

    fn step(&mut self) -> Result<Option<Visited>> {
        if let Some((path, folder)) = self.opening.take() {
            self.open.push(OpenFolder::new(self.reader, path, &folder)?);
        }
        while let Some(folder) = self.open.last_mut() {
            let Some(entry) = folder.next().transpose()? else {
                self.open.pop();
                continue;
            };
            let path = child(&folder.path, &entry.name)?;
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
