//! Files that come one after the other, out of a container or a producer, stored as a component's tree.

use std::io::Read;

use crate::chunk::{Cutting, HEAD_LEN, cutting_of};
use crate::container::{Member, MemberKind, MemberReader, Members, RelativePath, read_error};
use crate::error::Result;
use crate::format::tree::{Class, Content, Entry, Metadata, Node};
use crate::ops::capture::{Capture, ParentTree, SMALL_FILE, TreeBuilder, content_of};

/// A component's files, as they come. Each is compared with what the snapshot before has at the same path.
pub struct MemberStore<'a> {
    capture: &'a Capture<'a>,
    tree: TreeBuilder,
    parent: ParentTree<'a>,
    /// What the files come out of, for errors.
    origin: String,
}

/// Metadata of what has none of its own: owned by root, with the time `mtime_ns`.
pub fn plain_metadata(mode: u32, mtime_ns: i64) -> Metadata {
    Metadata { mode, uid: 0, gid: 0, mtime_ns, xattrs: Vec::new() }
}

impl<'a> MemberStore<'a> {
    /// Files of the component `name`, which come out of what errors call `origin`.
    pub fn new(capture: &'a Capture<'a>, name: &str, origin: &str) -> Self {
        let parent = capture.parent_component(name).map(|component| component.root.clone());
        Self {
            capture,
            tree: TreeBuilder::new(plain_metadata(0o755, 0)),
            parent: ParentTree::new(capture.contents.reader(), parent),
            origin: origin.to_string(),
        }
    }

    /// The tree, for what is no regular file.
    pub fn tree(&mut self) -> &mut TreeBuilder {
        &mut self.tree
    }

    /// Stores a file out of `input`, cut as its name and beginning suggest.
    pub fn file(&mut self, path: &RelativePath, metadata: Metadata, input: &mut (dyn Read + Send)) -> Result<Content> {
        self.file_cut(path, metadata, input, |head, len| cutting_of(path.to_string().as_ref(), head, len))
    }

    /// Stores a file out of `input`. `cutting` is told how it begins and how long it is, where that is known by then;
    /// else 1 GiB.
    pub fn file_cut(
        &mut self,
        path: &RelativePath,
        metadata: Metadata,
        input: &mut (dyn Read + Send),
        cutting: impl FnOnce(&[u8], u64) -> Cutting,
    ) -> Result<Content> {
        let (content, class) = self.content(path, input, cutting)?;
        let node = Node::File { content: content.clone(), class, link_group: None, stamp: None };
        self.tree.leaf(path, metadata, node)?;
        Ok(content)
    }

    fn content(
        &mut self,
        path: &RelativePath,
        input: &mut (dyn Read + Send),
        cutting: impl FnOnce(&[u8], u64) -> Cutting,
    ) -> Result<(Content, Class)> {
        let base = self.parent.find(path.components())?;
        let base = base.as_ref().filter(|entry| matches!(entry.node, Node::File { .. })).and_then(content_of);
        let mut begin = Vec::new();
        let failed = |error| read_error(&self.origin, error);
        (&mut *input).take(SMALL_FILE + 1).read_to_end(&mut begin).map_err(failed)?;
        let head = begin.get(..HEAD_LEN).unwrap_or(&begin);
        let contents = &self.capture.contents;
        if begin.len() as u64 <= SMALL_FILE {
            let cutting = cutting(head, begin.len() as u64);
            self.capture.progress.advance(begin.len() as u64);
            return Ok((contents.small(&begin, cutting, base)?, cutting.class()));
        }
        // A page file's length is a multiple of its page; how long this one is shows only at its end.
        let cutting = cutting(head, 1 << 30);
        let mut input = begin.as_slice().chain(input);
        let content = contents.stream(&mut input, &self.origin, cutting, base)?;
        self.capture.progress.advance(content.len());
        Ok((content, cutting.class()))
    }

    /// Stores a container's member.
    pub fn member(&mut self, member: Member, members: &mut dyn Members) -> Result<()> {
        let Member { path, kind, metadata } = member;
        let node = match kind {
            MemberKind::Directory => return self.tree.directory(&path, metadata),
            MemberKind::HardLink { target } => return self.tree.hard_link(&path, &target),
            MemberKind::File { .. } => {
                return self.file(&path, metadata, &mut MemberReader(members)).map(drop);
            }
            MemberKind::Symlink { target } => Node::Symlink { target },
            MemberKind::Fifo => Node::Fifo,
            MemberKind::CharDevice { major, minor } => Node::CharDevice { major, minor },
            MemberKind::BlockDevice { major, minor } => Node::BlockDevice { major, minor },
        };
        self.tree.leaf(&path, metadata, node)
    }

    /// Stores the listings. The root's name is empty.
    pub fn finish(mut self) -> Result<Entry> {
        self.tree.finish(&self.capture.contents, &mut self.parent)
    }
}
