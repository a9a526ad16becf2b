//! A file that is loaded: a dump or an archive is opened, and its members are stored as files.

use std::io::Read;

use crate::chunk::{HEAD_LEN, cutting_of};
use crate::container::{Body, Member, MemberKind, MemberReader, Members, RelativePath, open, read_error};
use crate::error::{Error, Result};
use crate::format::manifest::{Component, Origin};
use crate::format::tree::{Class, Content, Entry, Metadata, Node};
use crate::ops::capture::{Capture, ParentTree, SMALL_FILE, TreeBuilder, content_of};

/// The metadata of folders that a container does not name, and of the file that a single one is stored as.
fn default_metadata(mode: u32, now_ns: i64) -> Metadata {
    Metadata { mode, uid: 0, gid: 0, mtime_ns: now_ns, xattrs: Vec::new() }
}

/// Captures what `input` holds as the component `name`. `file_name` is the loaded file's own name.
pub fn capture(capture: &Capture<'_>, name: &str, input: Box<dyn Read + Send>, file_name: &str) -> Result<Component> {
    let opened = open(input, file_name)?;
    let parent = capture.parent_component(name).map(|component| component.root.clone());
    let mut parent = ParentTree::new(capture.contents.reader(), parent);
    capture.progress.stage("reading", None);
    let mut tree = TreeBuilder::new(default_metadata(0o755, 0));
    match opened.body {
        Body::Members(mut members) => {
            while let Some(member) = members.next_member()? {
                add_member(capture, &mut tree, &mut parent, member, &mut *members, file_name)?;
            }
            for keyword in members.not_kept() {
                capture.progress.notice(&format!("{file_name} says {keyword} of its members, which is not kept"));
            }
        }
        Body::Single { name, mut reader } => {
            let path = RelativePath::from_components([name.into_bytes()])
                .map_err(|problem| Error::Usage(format!("{file_name}: {problem}")))?;
            let metadata = default_metadata(0o644, capture.began_at_ns);
            let (content, class) = store(capture, &mut parent, &path, &mut reader, file_name)?;
            tree.leaf(&path, metadata, file_node(content, class))?;
        }
    }
    let root: Entry = tree.finish(&capture.contents, &mut parent)?;
    let origin = Origin::Loaded { file_name: file_name.to_string(), form: opened.form };
    Ok(Component { name: name.to_string(), origin, root, unreadable: 0 })
}

fn file_node(content: Content, class: Class) -> Node {
    Node::File { content, class, link_group: None, stamp: None }
}

fn add_member(
    capture: &Capture<'_>,
    tree: &mut TreeBuilder,
    parent: &mut ParentTree<'_>,
    member: Member,
    members: &mut dyn Members,
    file_name: &str,
) -> Result<()> {
    let Member { path, kind, metadata } = member;
    let node = match kind {
        MemberKind::Directory => return tree.directory(&path, metadata),
        MemberKind::HardLink { target } => return tree.hard_link(&path, &target),
        MemberKind::File { .. } => {
            let (content, class) = store(capture, parent, &path, &mut MemberReader(members), file_name)?;
            file_node(content, class)
        }
        MemberKind::Symlink { target } => Node::Symlink { target },
        MemberKind::Fifo => Node::Fifo,
        MemberKind::CharDevice { major, minor } => Node::CharDevice { major, minor },
        MemberKind::BlockDevice { major, minor } => Node::BlockDevice { major, minor },
    };
    tree.leaf(&path, metadata, node)
}

/// Stores a member's bytes, compared with what the parent has at the same path.
fn store(
    capture: &Capture<'_>,
    parent: &mut ParentTree<'_>,
    path: &RelativePath,
    input: &mut (dyn Read + Send),
    file_name: &str,
) -> Result<(Content, Class)> {
    let base = parent.find(path.components())?;
    let base = base.as_ref().filter(|entry| matches!(entry.node, Node::File { .. })).and_then(content_of);
    let mut begin = Vec::new();
    let failed = |error| read_error(file_name, error);
    (&mut *input).take(SMALL_FILE + 1).read_to_end(&mut begin).map_err(failed)?;
    let shown = path.to_string();
    let head = begin.get(..HEAD_LEN).unwrap_or(&begin);
    let contents = &capture.contents;
    if begin.len() as u64 <= SMALL_FILE {
        let cutting = cutting_of(shown.as_ref(), head, begin.len() as u64);
        capture.progress.advance(begin.len() as u64);
        return Ok((contents.small(&begin, cutting, base)?, cutting.class()));
    }
    // A page file's length is a multiple of its page; how long this one is shows only at its end.
    let cutting = cutting_of(shown.as_ref(), head, 1 << 30);
    let mut input = begin.as_slice().chain(input);
    let content = contents.stream(&mut input, file_name, cutting, base)?;
    capture.progress.advance(content.len());
    Ok((content, cutting.class()))
}
