//! Listing what is in a snapshot.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::container::{RelativePath, printable};
use crate::error::{Error, Result};
use crate::format::tree::{Entry, Node};
use crate::repo::Reader;

use super::walk::{Walk, child, listing};

/// An entry as a listing shows it: one object of `snapshot ls --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Where it is; control characters are escaped, and what is not UTF-8 is replaced.
    pub path: String,
    /// The path's bytes in hexadecimal, where `path` does not say them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub about: About,
}

impl Listed {
    /// The root itself, whose path is empty.
    pub fn root(entry: &Entry) -> Self {
        Self { path: String::new(), path_hex: None, about: About::of(entry) }
    }

    /// The same, below the folder `name`.
    pub fn below(self, name: &str) -> Self {
        Self { path: below(name, &self.path), path_hex: self.path_hex.map(|hex| hex_below(name, &hex)), ..self }
    }
}

/// A path that is shown, below the folder `name`.
pub(super) fn below(name: &str, path: &str) -> String {
    if path.is_empty() || path == "." { name.to_string() } else { format!("{name}/{path}") }
}

/// A path in hexadecimal, below the folder `name`.
pub(super) fn hex_below(name: &str, hex: &str) -> String {
    let above: String = name.bytes().chain(*b"/").map(|byte| format!("{byte:02x}")).collect();
    above + hex
}

/// What is known of an entry but for its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// `file`, `directory`, `symlink`, `fifo`, `char_device`, `block_device` or `unreadable`.
    pub kind: Cow<'static, str>,
    /// Permission bits, with set-uid, set-gid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Plain bytes: of a file, or of all files below a folder.
    pub size: u64,
    /// When its content was last changed.
    pub mtime: Timestamp,
    /// A symbolic link's target; control characters are escaped, and what is not UTF-8 is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Why a file could not be read and is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl About {
    /// What is known of `entry`.
    pub fn of(entry: &Entry) -> Self {
        let (size, target, reason) = match &entry.node {
            Node::File { content, .. } => (content.len(), None, None),
            Node::Directory { summary, .. } => (summary.bytes, None, None),
            Node::Symlink { target } => (0, Some(printable(target)), None),
            Node::Unreadable { reason } => (0, None, Some(reason.clone())),
            Node::Fifo | Node::CharDevice { .. } | Node::BlockDevice { .. } => (0, None, None),
        };
        Self {
            kind: kind_of(&entry.node).into(),
            mode: entry.metadata.mode,
            uid: entry.metadata.uid,
            gid: entry.metadata.gid,
            size,
            mtime: Timestamp::from_nanosecond(entry.metadata.mtime_ns.into()).unwrap_or(Timestamp::MAX),
            target,
            reason,
        }
    }
}

/// The word for what a node is.
pub fn kind_of(node: &Node) -> &'static str {
    match node {
        Node::File { .. } => "file",
        Node::Directory { .. } => "directory",
        Node::Symlink { .. } => "symlink",
        Node::Fifo => "fifo",
        Node::CharDevice { .. } => "char_device",
        Node::BlockDevice { .. } => "block_device",
        Node::Unreadable { .. } => "unreadable",
    }
}

/// A path for people, and its bytes in hexadecimal where that is not all of it.
pub(super) fn shown_path(path: &RelativePath) -> (String, Option<String>) {
    let (text, bytes) = (path.to_string(), path.to_bytes());
    let is_exact = path.is_root() || text.as_bytes() == bytes;
    let hex = (!is_exact).then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    (text, hex)
}

/// The path that a user names: leading and trailing slashes say nothing, and nothing at all is the root.
pub fn parse_path(path: &[u8]) -> Result<RelativePath> {
    let inner = path.iter().position(|&byte| byte != b'/').and_then(|from| path.get(from..)).unwrap_or_default();
    if inner.is_empty() {
        return Ok(RelativePath::default());
    }
    RelativePath::parse(inner)
        .map_err(|problem| Error::Usage(format!("{:?} is no path in a snapshot: {problem}", printable(path))))
}

/// The entry at `path` below the folder `root`. Symbolic links are not followed.
pub fn find(reader: &Reader, root: &Entry, path: &RelativePath) -> Result<Entry> {
    let mut entry = root.clone();
    let mut at = RelativePath::default();
    for name in path.components() {
        let absent = || Error::NotFound(format!("there is no {path} in the snapshot"));
        if !matches!(entry.node, Node::Directory { .. }) {
            return Err(absent());
        }
        let entries = listing(reader, &at, &entry)?.entries;
        let place = entries.binary_search_by(|entry| entry.name.as_slice().cmp(name)).map_err(|_| absent())?;
        entry = entries.into_iter().nth(place).ok_or_else(absent)?;
        at = child(&at, name)?;
    }
    Ok(entry)
}

/// Hands to `visit` what is at `path` below the folder `root`: the entries of a folder (with `recursive`, those of
/// all folders below it too), or the one entry that is no folder. Paths are given from the root on.
pub fn list(
    reader: &Reader,
    root: &Entry,
    path: &[u8],
    recursive: bool,
    visit: &mut dyn FnMut(Listed) -> Result<()>,
) -> Result<()> {
    let path = parse_path(path)?;
    let entry = find(reader, root, &path)?;
    let mut show = |path: &RelativePath, entry: &Entry| {
        let (text, path_hex) = shown_path(path);
        visit(Listed { path: text, path_hex, about: About::of(entry) })
    };
    if !matches!(entry.node, Node::Directory { .. }) {
        return show(&path, &entry);
    }
    if recursive {
        for visited in Walk::below(reader, path, entry) {
            let (path, entry) = visited?;
            show(&path, &entry)?;
        }
        return Ok(());
    }
    for entry in listing(reader, &path, &entry)?.entries {
        show(&child(&path, &entry.name)?, &entry)?;
    }
    Ok(())
}
