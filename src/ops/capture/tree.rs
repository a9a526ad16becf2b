//! Trees that are built from what comes in any order, and the parent's tree beside them.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use crate::container::RelativePath;
use crate::error::{Error, Result};
use crate::format::encode;
use crate::format::tree::{Content, Directory, Entry, Metadata, Node, Summary};
use crate::limits;
use crate::repo::{Reader, read_directory};

use super::ContentWriter;

/// Folders of the parent's tree that are kept.
const FOLDERS_KEPT: NonZeroUsize = match NonZeroUsize::new(256) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// The longest encoding of a count, bytes.
const COUNT_MAX: usize = 9;

/// The parent's tree, to find by its path what stood in a new entry's place.
pub struct ParentTree<'r> {
    reader: &'r Reader,
    root: Option<Entry>,
    folders: LruCache<Vec<Vec<u8>>, Arc<Directory>>,
}

impl<'r> ParentTree<'r> {
    /// The tree below `root`; `None` where there is no parent.
    pub fn new(reader: &'r Reader, root: Option<Entry>) -> Self {
        Self { reader, root, folders: LruCache::new(FOLDERS_KEPT) }
    }

    /// The entry of a path; `None` where the parent has none.
    pub fn find(&mut self, path: &[Vec<u8>]) -> Result<Option<Entry>> {
        let Some((name, folder)) = path.split_last() else { return Ok(self.root.clone()) };
        let Some(directory) = self.folder(folder)? else { return Ok(None) };
        Ok(entry_of(&directory, name).cloned())
    }

    fn folder(&mut self, path: &[Vec<u8>]) -> Result<Option<Arc<Directory>>> {
        if let Some(directory) = self.folders.get(path) {
            return Ok(Some(directory.clone()));
        }
        let Some(Entry { node: Node::Directory { listing, .. }, .. }) = self.find(path)? else { return Ok(None) };
        let directory = Arc::new(read_directory(self.reader, &listing)?);
        self.folders.put(path.to_vec(), directory.clone());
        Ok(Some(directory))
    }
}

/// The entry of a name, in a listing that is sorted.
pub fn entry_of<'d>(directory: &'d Directory, name: &[u8]) -> Option<&'d Entry> {
    let at = directory.entries.binary_search_by(|entry| entry.name.as_slice().cmp(name)).ok()?;
    directory.entries.get(at)
}

/// The content that an entry stands for, if any.
pub fn content_of(entry: &Entry) -> Option<&Content> {
    match &entry.node {
        Node::File { content, .. } => Some(content),
        Node::Directory { listing, .. } => Some(listing),
        _ => None,
    }
}

/// Adds an entry to the totals of the folder that holds it.
pub fn add_to_summary(summary: &mut Summary, node: &Node) {
    match node {
        Node::File { content, .. } => {
            summary.files += 1;
            summary.bytes = summary.bytes.saturating_add(content.len());
        }
        Node::Directory { summary: below, .. } => {
            summary.directories = summary.directories.saturating_add(below.directories).saturating_add(1);
            summary.files = summary.files.saturating_add(below.files);
            summary.others = summary.others.saturating_add(below.others);
            summary.bytes = summary.bytes.saturating_add(below.bytes);
        }
        _ => summary.others += 1,
    }
}

/// Stores a folder's listing and gives the folder's node.
pub fn store_directory(contents: &ContentWriter<'_>, directory: &Directory, parent: Option<&Content>) -> Result<Node> {
    let mut listing = ListingBuilder::default();
    directory.entries.iter().try_for_each(|entry| listing.push(entry))?;
    listing.store(contents, parent)
}

/// A folder's listing in the making: the entries themselves need not be kept.
pub struct ListingBuilder {
    summary: Summary,
    count: u64,
    /// Room for the count, which is known last, then the entries: they may be too long to be moved.
    bytes: Vec<u8>,
}

impl Default for ListingBuilder {
    fn default() -> Self {
        Self { summary: Summary::default(), count: 0, bytes: vec![0; COUNT_MAX] }
    }
}

impl ListingBuilder {
    /// Appends an entry. Names come sorted.
    pub fn push(&mut self, entry: &Entry) -> Result<()> {
        add_to_summary(&mut self.summary, &entry.node);
        let bytes = encode(entry);
        // An entry has a byte at least: none at all means that it could not be encoded.
        if bytes.is_empty() || self.bytes.len() + bytes.len() > limits::DIRECTORY_MAX {
            return Err(Error::Failed(format!("a folder of more than {} entries is over the limit", self.count)));
        }
        self.count += 1;
        self.bytes.extend(bytes);
        Ok(())
    }

    /// The listing's bytes: what a [`Directory`] of the same entries is encoded as.
    pub fn bytes(&mut self) -> &[u8] {
        let count = encode(&self.count);
        let from = COUNT_MAX.saturating_sub(count.len());
        if let Some(room) = self.bytes.get_mut(from..COUNT_MAX) {
            room.copy_from_slice(&count);
        }
        self.bytes.get(from..).unwrap_or_default()
    }

    /// Stores it and gives the folder's node.
    pub fn store(mut self, contents: &ContentWriter<'_>, parent: Option<&Content>) -> Result<Node> {
        let summary = self.summary;
        Ok(Node::Directory { listing: contents.listing(self.bytes(), parent)?, summary })
    }
}

struct Folder {
    metadata: Metadata,
    entries: BTreeMap<Vec<u8>, Item>,
}

enum Item {
    Folder(Folder),
    Leaf(Metadata, Node),
}

/// Builds a tree out of members that come in any order.
pub struct TreeBuilder {
    root: Folder,
    groups: u64,
}

impl TreeBuilder {
    /// An empty tree. Folders that are never named get `metadata`, as the root does.
    pub fn new(metadata: Metadata) -> Self {
        Self { root: Folder { metadata, entries: BTreeMap::new() }, groups: 0 }
    }

    fn folder<'t>(root: &'t mut Folder, path: &[Vec<u8>]) -> Result<&'t mut Folder> {
        let mut folder = root;
        for name in path {
            let metadata = folder.metadata.clone();
            let item = folder
                .entries
                .entry(name.clone())
                .or_insert_with(|| Item::Folder(Folder { metadata, entries: BTreeMap::new() }));
            folder = match item {
                Item::Folder(folder) => folder,
                Item::Leaf(..) => {
                    return Err(Error::Refused(format!(
                        "{:?} is a file and a folder at once",
                        String::from_utf8_lossy(name)
                    )));
                }
            };
        }
        Ok(folder)
    }

    /// Names a folder.
    pub fn directory(&mut self, path: &RelativePath, metadata: Metadata) -> Result<()> {
        if let Some((name, above)) = path.components().split_last()
            && let Some(Item::Leaf(..)) = Self::folder(&mut self.root, above)?.entries.get(name)
        {
            return Err(Error::Refused(format!("{:?} is a file and a folder at once", String::from_utf8_lossy(name))));
        }
        Self::folder(&mut self.root, path.components())?.metadata = metadata;
        Ok(())
    }

    /// Names anything else. Of two entries of one path the later counts.
    pub fn leaf(&mut self, path: &RelativePath, metadata: Metadata, node: Node) -> Result<()> {
        let Some((name, above)) = path.components().split_last() else {
            return Err(Error::Refused("the container's root is not a folder".into()));
        };
        match Self::folder(&mut self.root, above)?.entries.entry(name.clone()) {
            btree_map::Entry::Occupied(mut place) => match place.get_mut() {
                Item::Leaf(..) => _ = place.insert(Item::Leaf(metadata, node)),
                Item::Folder(_) => {
                    return Err(Error::Refused(format!(
                        "{:?} is a folder and a file at once",
                        String::from_utf8_lossy(name)
                    )));
                }
            },
            btree_map::Entry::Vacant(place) => _ = place.insert(Item::Leaf(metadata, node)),
        }
        Ok(())
    }

    /// Names a file that is another name of `target`, which came before.
    pub fn hard_link(&mut self, path: &RelativePath, target: &RelativePath) -> Result<()> {
        self.groups += 1;
        let group = self.groups;
        let absent = || Error::Refused(format!("a hard link to {target}, which did not come before it"));
        let (name, above) = target.components().split_last().ok_or_else(absent)?;
        let (metadata, node) = match Self::folder(&mut self.root, above)?.entries.get_mut(name) {
            Some(Item::Leaf(metadata, node)) => {
                if let Node::File { link_group, .. } = node {
                    link_group.get_or_insert(group);
                }
                (metadata.clone(), node.clone())
            }
            _ => return Err(absent()),
        };
        self.leaf(path, metadata, node)
    }

    /// Stores all listings, the deepest first. The root's name is empty.
    pub fn finish(self, contents: &ContentWriter<'_>, parent: &mut ParentTree<'_>) -> Result<Entry> {
        store_folder(contents, parent, self.root, &mut Vec::new())
    }
}

fn store_folder(
    contents: &ContentWriter<'_>,
    parent: &mut ParentTree<'_>,
    folder: Folder,
    path: &mut Vec<Vec<u8>>,
) -> Result<Entry> {
    if path.len() > limits::PATH_DEPTH_MAX {
        return Err(Error::Refused("folders are nested too deeply".into()));
    }
    let mut directory = Directory::default();
    for (name, item) in folder.entries {
        let entry = match item {
            Item::Leaf(metadata, node) => Entry { name, metadata, node },
            Item::Folder(below) => {
                path.push(name);
                let entry = store_folder(contents, parent, below, path)?;
                path.pop();
                entry
            }
        };
        directory.entries.push(entry);
    }
    let base = parent.find(path)?;
    let node = store_directory(contents, &directory, base.as_ref().and_then(content_of))?;
    Ok(Entry { name: path.last().cloned().unwrap_or_default(), metadata: folder.metadata, node })
}
