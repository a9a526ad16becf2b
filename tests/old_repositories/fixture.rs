//! What the golden repositories hold. It is frozen as they are: a repository that is read today must give these bytes.

use snaphold::container::{Compression, Form, RelativePath};
use snaphold::error::Result;
use snaphold::format::manifest::{Component, Origin};
use snaphold::format::tree::{Class, Content, Metadata, Node, Stamp};
use snaphold::ops::capture::{Capture, ParentTree, TreeBuilder, content_of};

const PAGE: usize = 4096;
/// Chunks of pages: more than one recipe node holds, so that the recipe has two levels.
const PAGE_CHUNKS: usize = 150;
const CHUNK: usize = 16 * 1024;
const LINES: usize = 800;

/// One entry: its path, and what stands there.
pub enum Item {
    File { bytes: Vec<u8>, class: Class, stamp: Option<Stamp> },
    HardLink { target: &'static str },
    Other(Node),
    Folder,
}

/// Bytes without repetition.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// A database of pages: each chunk a short text of its own, repeated, and in the middle a run of zeros.
fn pages(day: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PAGE_CHUNKS * CHUNK);
    for chunk in 0..PAGE_CHUNKS {
        let text = format!("page {chunk:05}: {}; ", blake3::hash(&chunk.to_le_bytes()).to_hex());
        bytes.extend(text.bytes().cycle().take(CHUNK));
    }
    bytes[40 * CHUNK..60 * CHUNK].fill(0);
    bytes[..18].copy_from_slice(b"SQLite format 3\0\x10\x00");
    if day > 1 {
        for chunk in [0, 7, 30, 90, 149] {
            bytes[chunk * CHUNK + 2 * PAGE..][..9].copy_from_slice(b"a new row");
        }
        bytes[100 * CHUNK..101 * CHUNK].copy_from_slice(&noise(5, 1024).repeat(16));
    }
    bytes
}

/// Long lines that compress well.
fn lines(day: u32) -> Vec<u8> {
    let same = "all that is said in one line is said in every other line too, but for its number; ".repeat(40);
    let mut text = Vec::new();
    for line in 0..LINES {
        text.extend(format!("{line:08} {same}\n").bytes());
        if day > 1 && line % 250 == 77 {
            text.extend(b"and here a line was added on the second day\n");
        }
    }
    text
}

/// A file with something, a run, and something again.
fn sparse() -> Vec<u8> {
    [noise(1, 4_500), vec![0; 100_000], noise(2, 500), vec![0xff; 70_000]].concat()
}

fn file(bytes: impl Into<Vec<u8>>) -> Item {
    Item::File { bytes: bytes.into(), class: Class::Stream, stamp: None }
}

/// The tree of a day.
pub fn tree(day: u32) -> Vec<(&'static [u8], Item)> {
    let stamp = Stamp { device: 64_769, inode: 1_234_567, ctime_ns: 1_699_999_999_000_000_001 };
    let mut tree: Vec<(&'static [u8], Item)> = vec![
        (b"empty", file("")),
        (b"inline", file(format!("day {day}"))),
        (b"just long enough", file(noise(3, 129))),
        (b"name that is not UTF-8: \xff\xfe\n", file("bytes")),
        (b"of several chunks", Item::File { bytes: noise(4, 26_000), class: Class::Stream, stamp: Some(stamp) }),
        (b"sparse", file(sparse())),
        (b"zeros", file(vec![0; 1_000_000])),
        (b"lines.txt", file(lines(day))),
        (
            b"store/pages.db",
            Item::File { bytes: pages(day), class: Class::Page { page_size: PAGE as u32 }, stamp: None },
        ),
        (b"store/hard", Item::HardLink { target: "of several chunks" }),
        (b"store/empty folder", Item::Folder),
        (b"link", Item::Other(Node::Symlink { target: b"store/pages.db".to_vec() })),
        (b"dangling", Item::Other(Node::Symlink { target: b"/nowhere/\xff".to_vec() })),
        (b"fifo", Item::Other(Node::Fifo)),
        (b"null", Item::Other(Node::CharDevice { major: 1, minor: 3 })),
        (b"disk", Item::Other(Node::BlockDevice { major: 259, minor: 65_537 })),
        (b"unreadable", Item::Other(Node::Unreadable { reason: "permission denied".into() })),
    ];
    match day {
        1 => tree.push((b"removed on the second day", file("x"))),
        _ => tree.push((b"deep/er/and/deeper", file(noise(6, 300)))),
    }
    tree
}

fn metadata(path: &[u8]) -> Metadata {
    let hash = blake3::hash(path);
    let number = u32::from_le_bytes(*hash.as_bytes().first_chunk().unwrap());
    let mode = if path.starts_with(b"in") { 0o4751 } else { 0o644 | number & 0o111 };
    let mtime_ns = if path.starts_with(b"of") { -1 } else { 1_600_000_000_123_456_789 + i64::from(number) };
    let xattrs = match path {
        b"sparse" => vec![(b"user.empty".to_vec(), Vec::new()), (b"user.note".to_vec(), vec![0, 1, 0xff])],
        _ => Vec::new(),
    };
    Metadata { mode, uid: 1000, gid: 70_000, mtime_ns, xattrs }
}

/// Captures the tree of a day as a folder's snapshot would hold it.
pub fn capture_day(capture: &Capture<'_>, day: u32) -> Result<Vec<Component>> {
    let parent = capture.parent_component("data").map(|component| component.root.clone());
    let mut parent = ParentTree::new(capture.contents.reader(), parent);
    let mut tree_builder = TreeBuilder::new(Metadata { mode: 0o755, ..metadata(b"folder") });
    for (path, item) in tree(day) {
        let relative = path_of(path);
        match item {
            Item::Folder => tree_builder.directory(&relative, Metadata { mode: 0o700, ..metadata(path) })?,
            Item::HardLink { target } => tree_builder.hard_link(&relative, &path_of(target.as_bytes()))?,
            Item::Other(node) => tree_builder.leaf(&relative, metadata(path), node)?,
            Item::File { bytes, class, stamp } => {
                let base = parent.find(relative.components())?;
                let content = capture.contents.small(&bytes, class, base.as_ref().and_then(content_of))?;
                let node = Node::File { content, class, link_group: None, stamp };
                tree_builder.leaf(&relative, metadata(path), node)?;
            }
        }
    }
    let root = tree_builder.finish(&capture.contents, &mut parent)?;
    Ok(vec![Component { name: "data".into(), origin: Origin::Files, root, unreadable: 1 }])
}

/// What a database and a loaded dump leave: two components, one of them of one file.
pub fn capture_others(capture: &Capture<'_>) -> Result<Vec<Component>> {
    let form = Form::Single { compression: Compression::Gzip, name: "dump.sql.gz".into() };
    let origins = [
        ("db", Origin::Sqlite { version: "3.50.4".into() }),
        ("media", Origin::Loaded { file_name: "dump.sql.gz".into(), form }),
    ];
    let mut components = Vec::new();
    for (name, origin) in origins {
        let mut tree = TreeBuilder::new(metadata(b"folder"));
        let content: Content = capture.contents.small(name.repeat(100).as_bytes(), Class::Stream, None)?;
        let node = Node::File { content, class: Class::Stream, link_group: None, stamp: None };
        tree.leaf(&path_of(name.as_bytes()), metadata(name.as_bytes()), node)?;
        let root = tree.finish(&capture.contents, &mut ParentTree::new(capture.contents.reader(), None))?;
        components.push(Component { name: name.into(), origin, root, unreadable: 0 });
    }
    Ok(components)
}

fn path_of(path: &[u8]) -> RelativePath {
    RelativePath::from_components(path.split(|byte| *byte == b'/').map(<[u8]>::to_vec)).unwrap()
}
