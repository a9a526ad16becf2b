//! What the parts of an export share.

use crate::container::{MemberKind, RelativePath};
use crate::error::Result;
use crate::format::manifest::Manifest;
use crate::format::tree::Node;
use crate::ops::Progress;
use crate::ops::walk::needed_by;
use crate::repo::{ContentStream, Reader};

use super::options::ExportOptions;

/// How the program calls what is written, where it has no name of its own.
pub const LABEL: &str = "the export";
/// Bytes that are gathered before they are written.
pub const BUFFER_LEN: usize = 256 * 1024;

/// What an export works with.
pub struct Work<'a> {
    pub reader: &'a Reader,
    pub manifest: &'a Manifest,
    pub options: &'a ExportOptions<'a>,
    pub progress: &'a dyn Progress,
}

/// Regular files and plain bytes that went in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    pub files: u64,
    pub bytes: u64,
}

/// What a node is in a container; `None` for a file that could not be read.
pub fn member_kind(node: &Node) -> Option<MemberKind> {
    Some(match node {
        Node::File { content, .. } => MemberKind::File { len: content.len() },
        Node::Directory { .. } => MemberKind::Directory,
        Node::Symlink { target } => MemberKind::Symlink { target: target.clone() },
        Node::Fifo => MemberKind::Fifo,
        Node::CharDevice { major, minor } => MemberKind::CharDevice { major: *major, minor: *minor },
        Node::BlockDevice { major, minor } => MemberKind::BlockDevice { major: *major, minor: *minor },
        Node::Unreadable { .. } => return None,
    })
}

/// Writes the stream's present content, which is the file at `path`.
pub fn copy_present<T>(
    work: &Work<'_>,
    stream: &mut ContentStream<T>,
    path: &RelativePath,
    out: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    stream
        .read(|piece| {
            piece.each_part(|bytes| {
                work.progress.go_on()?;
                out(bytes)?;
                work.progress.advance(bytes.len() as u64);
                Ok(())
            })
        })
        .map_err(|error| needed_by(error, path))
}
