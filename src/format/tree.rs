//! What a snapshot knows of a file tree: folders list entries, entries have contents.

use serde::{Deserialize, Serialize};

pub use crate::chunk::Class;
use crate::id::ChunkId;

/// Where the bytes of a file (or of a folder's listing) are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Nothing.
    Empty,
    /// The bytes themselves; at most [`crate::limits::INLINE_MAX`] of them.
    Inline(Vec<u8>),
    /// One byte, repeated.
    Run {
        /// The byte.
        byte: u8,
        /// How often.
        len: u64,
    },
    /// A tree of chunks. At depth 0 `root` is the one data chunk; at depth n it is a recipe node whose references
    /// are of depth n − 1.
    Chunks {
        /// The root chunk.
        root: ChunkId,
        /// Levels of recipe nodes above the data.
        depth: u8,
        /// Plain length of the whole content, bytes.
        len: u64,
    },
}

impl Content {
    /// Plain length, bytes.
    pub fn len(&self) -> u64 {
        match self {
            Content::Empty => 0,
            Content::Inline(bytes) => bytes.len() as u64,
            Content::Run { len, .. } | Content::Chunks { len, .. } => *len,
        }
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the operating system said of a file when it was read: while it says the same, the file need not be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Time of the last change of the inode, nanoseconds since 1970 (UTC).
    pub ctime_ns: i64,
}

/// Everything about an entry but its name and its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Permission bits with set-uid, set-gid and sticky: the low 12 bits of `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change of the content, nanoseconds since 1970 (UTC).
    pub mtime_ns: i64,
    /// Extended attributes (ACLs are among them), sorted by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Node {
    /// A regular file.
    File {
        /// Its bytes.
        content: Content,
        /// How they were cut.
        class: Class,
        /// Files of one snapshot with the same group are one file under several names (hard links).
        link_group: Option<u64>,
        /// For recognising that the file is unchanged; absent where it came out of a container.
        stamp: Option<Stamp>,
    },
    /// A folder.
    Directory {
        /// Its encoded [`Directory`].
        listing: Content,
        /// What the folder holds, in all.
        summary: Summary,
    },
    /// A symbolic link and what it points to, as bytes.
    Symlink {
        /// The target, never followed.
        target: Vec<u8>,
    },
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A file that could not be read, taken with `--skip-unreadable`: it is known to be missing.
    Unreadable {
        /// The system's word.
        reason: String,
    },
}

/// Totals of a folder and all below it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Regular files.
    pub files: u64,
    /// Folders, itself not counted.
    pub directories: u64,
    /// Everything else.
    pub others: u64,
    /// Plain bytes of the regular files.
    pub bytes: u64,
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The name: bytes, neither empty nor `.` nor `..`, without `/` and NUL.
    pub name: Vec<u8>,
    /// Owner, mode, times, attributes.
    pub metadata: Metadata,
    /// What it is.
    pub node: Node,
}

impl Entry {
    /// A folder with nothing in it and no name: what a tree is compared with that has nothing beside it.
    pub fn empty_folder() -> Self {
        let metadata = Metadata { mode: 0o755, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() };
        let node = Node::Directory { listing: Content::Empty, summary: Summary::default() };
        Self { name: Vec::new(), metadata, node }
    }
}

/// A folder's entries, sorted by name (byte order), each name once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// The entries.
    pub entries: Vec<Entry>,
}
