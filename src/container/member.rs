//! What is found in a file that was opened: one file, or members one after the other.

use std::io::{self, Read};

use super::form::Form;
use super::input::carry;
use super::path::RelativePath;
use crate::error::Result;
use crate::format::tree::Metadata;

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File {
        /// Bytes that [`Members::read`] yields, exactly.
        len: u64,
    },
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points to: any bytes but NUL, never followed.
        target: Vec<u8>,
    },
    /// Another name of a member that came before.
    HardLink {
        /// That member's path.
        target: RelativePath,
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
}

/// A member without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where it lies.
    pub path: RelativePath,
    /// What it is.
    pub kind: MemberKind,
    /// Owner, mode, time, attributes.
    pub metadata: Metadata,
}

/// A file that was opened.
pub struct Opened {
    /// What it is.
    pub form: Form,
    /// What is in it.
    pub body: Body,
}

/// What is in a file.
pub enum Body {
    /// Several members.
    Members(Box<dyn Members>),
    /// One file, decompressed.
    Single {
        /// Its name: the opened file's, without folders and without `.gz` or `.zst`.
        name: String,
        /// Its bytes. They have held together only when it has said 0; take an error out with [`super::read_error`].
        reader: Box<dyn Read + Send>,
    },
}

/// A container's members, in its own order.
///
/// - Nothing of a container may be accepted before [`Members::next_member`] has said `None`: only then were its end,
///   its checksums and its declared counts seen to hold.
/// - A path may come twice. In a tar the later one counts. The root of a Neo4j dump is reported once.
/// - A member may lie below one that is no folder, or a hard link may name what never came: whoever builds a tree
///   sees that and refuses it.
/// - After an error every further call is an error.
pub trait Members: Send {
    /// The next member; passes over what is left of the bytes of the one before. `None` at the end.
    fn next_member(&mut self) -> Result<Option<Member>>;

    /// Bytes of the member that [`Members::next_member`] returned last; 0 at their end.
    fn read(&mut self, buf: &mut [u8]) -> Result<usize>;

    /// What the container said of its members that a snapshot does not keep, by the names of its PAX keywords.
    /// Empty for nearly every container; complete at the end.
    fn not_kept(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The present member's bytes as a [`Read`]. Take an error out of it with [`super::read_error`].
pub struct MemberReader<'a>(pub &'a mut dyn Members);

impl Read for MemberReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(carry)
    }
}
