//! What differs between two snapshots, path by path.

mod content;

use serde::{Deserialize, Serialize};

use crate::container::RelativePath;
use crate::error::Result;
use crate::format::tree::{Entry, Node};
use crate::repo::Reader;

use super::ls::{About, below, hex_below, shown_path};
use super::walk::{OpenFolder, Walk, child};
use content::same_bytes;

pub use content::{Differing, differing};

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Only the second snapshot has it.
    Added,
    /// Only the first snapshot has it.
    Removed,
    /// Both have it, and it is not the same.
    Changed,
}

/// In what a path that both snapshots have differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// It is of another kind: a file where a folder was, say.
    Kind,
    /// A file's bytes, a symbolic link's target, a device's numbers.
    Content,
    /// Owner, mode, time of the last change, extended attributes.
    Metadata,
}

/// A path that differs: one object of `snapshot diff --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where it is; control characters are escaped, and what is not UTF-8 is replaced. `.` is the root.
    pub path: String,
    /// The path's bytes in hexadecimal, where `path` does not say them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// What became of it.
    pub change: What,
    /// In what it differs; empty for what was added or removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<Aspect>,
    /// Plain bytes of a file that only the second snapshot has, in whole chunks.
    pub bytes_new: u64,
    /// Plain bytes of a file that only the first snapshot has, in whole chunks.
    pub bytes_gone: u64,
    /// What the first snapshot has there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<About>,
    /// What the second snapshot has there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<About>,
}

impl Change {
    /// The same, below the folder `name`.
    pub fn below(self, name: &str) -> Self {
        Self { path: below(name, &self.path), path_hex: self.path_hex.map(|hex| hex_below(name, &hex)), ..self }
    }
}

/// Totals of a comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffSummary {
    /// Paths that only the second snapshot has.
    pub added: u64,
    /// Paths that only the first snapshot has.
    pub removed: u64,
    /// Paths of another kind or content.
    pub changed: u64,
    /// Paths of the same kind and content, with other metadata.
    pub metadata_changed: u64,
    /// Sum of [`Change::bytes_new`].
    pub bytes_new: u64,
    /// Sum of [`Change::bytes_gone`].
    pub bytes_gone: u64,
}

impl DiffSummary {
    /// Two comparisons together.
    pub fn add(&mut self, other: &Self) {
        self.added += other.added;
        self.removed += other.removed;
        self.changed += other.changed;
        self.metadata_changed += other.metadata_changed;
        self.bytes_new += other.bytes_new;
        self.bytes_gone += other.bytes_gone;
    }
}

/// Hands to `visit` every path in which the folders `a` and `b` differ, a folder before what is in it.
///
/// Folders and files that are stored as the same thing are the same and are not read. Of changed files only recipes
/// are read, but where one and the same file was cut in two ways. Which names are hard links of one file is not
/// compared: each name is compared by itself.
pub fn diff(reader: &Reader, a: &Entry, b: &Entry, visit: &mut dyn FnMut(Change) -> Result<()>) -> Result<DiffSummary> {
    let mut comparison = Comparison { reader, visit, summary: DiffSummary::default() };
    comparison.pair(&RelativePath::default(), a, b)?;
    Ok(comparison.summary)
}

struct Comparison<'a> {
    reader: &'a Reader,
    visit: &'a mut dyn FnMut(Change) -> Result<()>,
    summary: DiffSummary,
}

impl Comparison<'_> {
    fn pair(&mut self, path: &RelativePath, a: &Entry, b: &Entry) -> Result<()> {
        let mut differs = Vec::new();
        let bytes = if std::mem::discriminant(&a.node) == std::mem::discriminant(&b.node) {
            let bytes = self.content(a, b)?;
            differs.extend(bytes.map(|_| Aspect::Content));
            bytes.unwrap_or_default()
        } else {
            differs.push(Aspect::Kind);
            Differing { gone: file_bytes(a), new: file_bytes(b) }
        };
        if a.metadata != b.metadata {
            differs.push(Aspect::Metadata);
        }
        if !differs.is_empty() {
            self.report(path, What::Changed, differs, bytes, Some(a), Some(b))?;
        }
        match (&a.node, &b.node) {
            (Node::Directory { listing: old, .. }, Node::Directory { listing: new, .. }) if old == new => Ok(()),
            (Node::Directory { .. }, Node::Directory { .. }) => self.folders(path, a, b),
            (Node::Directory { .. }, _) => self.all_below(path, a, What::Removed),
            (_, Node::Directory { .. }) => self.all_below(path, b, What::Added),
            _ => Ok(()),
        }
    }

    /// Two entries of one kind: how much differs, where anything does. What is in folders is not looked at.
    fn content(&self, a: &Entry, b: &Entry) -> Result<Option<Differing>> {
        let differs = match (&a.node, &b.node) {
            (Node::Directory { .. }, Node::Directory { .. }) => false,
            (Node::File { content: old, class: old_class, .. }, Node::File { content: new, class: new_class, .. }) => {
                if old == new {
                    return Ok(None);
                }
                if old_class != new_class && same_bytes(self.reader, old, new)? {
                    return Ok(None);
                }
                return differing(self.reader, (old, *old_class), (new, *new_class)).map(Some);
            }
            (old, new) => old != new,
        };
        Ok(differs.then(Differing::default))
    }

    fn folders(&mut self, path: &RelativePath, a: &Entry, b: &Entry) -> Result<()> {
        let mut old_entries = OpenFolder::new(self.reader, path.clone(), a)?;
        let mut new_entries = OpenFolder::new(self.reader, path.clone(), b)?;
        let (mut old, mut new) = (old_entries.next().transpose()?, new_entries.next().transpose()?);
        loop {
            let (first, second) = (old.as_ref().map(|entry| &entry.name), new.as_ref().map(|entry| &entry.name));
            let (take_old, take_new) = match (first, second) {
                (None, None) => return Ok(()),
                (first, None) => (first.is_some(), false),
                (None, second) => (false, second.is_some()),
                (Some(first), Some(second)) => (first <= second, second <= first),
            };
            let mut pair = (None, None);
            if take_old {
                pair.0 = std::mem::replace(&mut old, old_entries.next().transpose()?);
            }
            if take_new {
                pair.1 = std::mem::replace(&mut new, new_entries.next().transpose()?);
            }
            match pair {
                (Some(old), Some(new)) => self.pair(&child(path, &old.name)?, &old, &new)?,
                (Some(old), None) => self.whole(&child(path, &old.name)?, &old, What::Removed)?,
                (None, Some(new)) => self.whole(&child(path, &new.name)?, &new, What::Added)?,
                (None, None) => return Ok(()),
            }
        }
    }

    /// An entry that one side alone has, with all that is in it.
    fn whole(&mut self, path: &RelativePath, entry: &Entry, what: What) -> Result<()> {
        self.one_sided(path, entry, what)?;
        match entry.node {
            Node::Directory { .. } => self.all_below(path, entry, what),
            _ => Ok(()),
        }
    }

    fn all_below(&mut self, path: &RelativePath, folder: &Entry, what: What) -> Result<()> {
        for visited in Walk::below(self.reader, path.clone(), folder.clone()) {
            let (path, entry) = visited?;
            self.one_sided(&path, &entry, what)?;
        }
        Ok(())
    }

    fn one_sided(&mut self, path: &RelativePath, entry: &Entry, what: What) -> Result<()> {
        let (bytes, before, after) = match what {
            What::Removed => (Differing { gone: file_bytes(entry), new: 0 }, Some(entry), None),
            What::Added | What::Changed => (Differing { gone: 0, new: file_bytes(entry) }, None, Some(entry)),
        };
        self.report(path, what, Vec::new(), bytes, before, after)
    }

    fn report(
        &mut self,
        path: &RelativePath,
        change: What,
        differs: Vec<Aspect>,
        bytes: Differing,
        before: Option<&Entry>,
        after: Option<&Entry>,
    ) -> Result<()> {
        let summary = &mut self.summary;
        *match change {
            What::Added => &mut summary.added,
            What::Removed => &mut summary.removed,
            What::Changed if differs == [Aspect::Metadata] => &mut summary.metadata_changed,
            What::Changed => &mut summary.changed,
        } += 1;
        summary.bytes_new = summary.bytes_new.saturating_add(bytes.new);
        summary.bytes_gone = summary.bytes_gone.saturating_add(bytes.gone);
        let (path, path_hex) = shown_path(path);
        (self.visit)(Change {
            path,
            path_hex,
            change,
            differs,
            bytes_new: bytes.new,
            bytes_gone: bytes.gone,
            before: before.map(About::of),
            after: after.map(About::of),
        })
    }
}

fn file_bytes(entry: &Entry) -> u64 {
    match &entry.node {
        Node::File { content, .. } => content.len(),
        _ => 0,
    }
}
